"""The embedded PostgreSQL: who owns it, what survives, and what is refused."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import psutil
import psycopg
import pytest
from sqlalchemy import NullPool, create_engine, inspect
from tests.support.storage.embedded import (
    answer,
    end,
    is_stopped,
    line,
    postmaster,
    run,
    sockets_of,
)

from points_grpc.storage.embedded import (
    EmbeddedPostgres,
    EmbeddedPostgresError,
    NotDurable,
    assert_durable,
    keeper,
)
from points_grpc.storage.embedded.memory import buffers_within

AS_ROOT = os.geteuid() == 0


needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root has to change its user")


def test_a_fresh_folder_gets_a_cluster_with_the_settings_we_rely_on(fresh_dir: Path) -> None:
    """A new cluster has checksums, UTF8 in C.UTF-8 order, UTC, and no listener on TCP."""
    with (
        EmbeddedPostgres(fresh_dir, timeout=60) as server,
        psycopg.connect(server.conninfo) as connection,
    ):
        names = [
            "data_checksums",
            "server_encoding",
            "TimeZone",
            "jit",
            "listen_addresses",
            "fsync",
        ]
        shown = {
            name: connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
            for name in names
        }
        locale = connection.execute(
            "SELECT datlocprovider, datlocale FROM pg_database WHERE datname = 'points'"
        ).fetchone()
    assert shown == {
        "data_checksums": ("on",),
        "server_encoding": ("UTF8",),
        "TimeZone": ("UTC",),
        "jit": ("off",),
        "listen_addresses": ("",),
        "fsync": ("on",),
    }
    assert locale == ("b", "C.UTF-8")


@pytest.mark.parametrize(
    ("memory", "setting"),
    [
        (2**28, "128MB"),
        (2**30, "128MB"),
        (2**32, "512MB"),
        (2**33 - 1, "1023MB"),
        (2**33, "1024MB"),
        (2**40, "1024MB"),
    ],
)
def test_pages_are_kept_in_an_eighth_of_the_memory(memory: int, setting: str) -> None:
    """The server's cache is an eighth of the machine's memory, within 128 MB and 1 GB."""
    assert buffers_within(memory) == setting


def test_data_survives_a_restart(data_dir: Path) -> None:
    """What was committed before `stop` is there after the next `start`."""
    server = EmbeddedPostgres(data_dir, timeout=60)
    server.start()
    run(server, "UPDATE kept SET answer = 43")
    server.stop()
    assert is_stopped(data_dir)
    with server:
        assert answer(server) == 43


def test_start_twice_changes_nothing(data_dir: Path) -> None:
    """Starting a server that runs leaves it as it is."""
    with EmbeddedPostgres(data_dir, timeout=60) as server:
        before = postmaster(data_dir)
        server.start()
        assert postmaster(data_dir) == before


def test_a_half_finished_cluster_is_survived(fresh_dir: Path) -> None:
    """What an interrupted `initdb` has left is cleared away and made anew."""
    abandoned = fresh_dir / "cluster.new-abandoned"
    (abandoned / "base").mkdir(parents=True)
    fresh_dir.chmod(0o711)
    (abandoned / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(fresh_dir, timeout=60) as server:
        run(server, "SELECT 1")
    assert not abandoned.exists()


def test_a_long_path_is_no_obstacle(fresh_dir: Path) -> None:
    """The socket does not lie below the data, whose path may be longer than a socket's can."""
    with EmbeddedPostgres(fresh_dir / ("long" * 30) / ("longer" * 20), timeout=60) as server:
        run(server, "SELECT 1")


def test_a_server_that_cannot_start_says_why(data_dir: Path) -> None:
    """A start that fails raises with PostgreSQL's own words and leaves nothing running."""
    with (data_dir / "cluster" / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")
    with pytest.raises(EmbeddedPostgresError, match="no_such_setting"):
        EmbeddedPostgres(data_dir, timeout=60).start()
    assert is_stopped(data_dir)


def test_a_socket_folder_that_is_not_ours_is_refused(data_dir: Path, tmp_path: Path) -> None:
    """A link in the place of the socket's folder, which anybody can put there, is not followed."""
    with EmbeddedPostgres(data_dir, timeout=60) as server:
        sockets = sockets_of(server)
    sockets.symlink_to(tmp_path)
    try:
        with pytest.raises(EmbeddedPostgresError, match="not a folder of ours"):
            server.start()
    finally:
        sockets.unlink()


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes", "synchronous_commit"])
def test_an_embedded_server_that_is_not_durable_is_refused(data_dir: Path, setting: str) -> None:
    """A cluster whose configuration gives up durability is not used, and does not stay up."""
    with EmbeddedPostgres(data_dir, timeout=60) as server:
        run(server, f"ALTER SYSTEM SET {setting} = off")
    with pytest.raises(NotDurable, match=f"{setting} off") as caught:
        server.start()
    assert caught.value.settings == (setting,)
    assert is_stopped(data_dir)


def test_a_connection_that_is_not_durable_is_refused(empty_database_url: str) -> None:
    """A server is judged by the connection that would write, whatever its defaults are."""
    engine = create_engine(empty_database_url, poolclass=NullPool)
    with engine.connect() as connection:
        assert_durable(connection)
    lax = create_engine(
        empty_database_url,
        poolclass=NullPool,
        connect_args={"options": "-c synchronous_commit=off"},
    )
    with lax.connect() as connection, pytest.raises(NotDurable, match="synchronous_commit off"):
        assert_durable(connection)


@needs_root
def test_roots_server_runs_as_another_user_beside_a_closed_folder(tmp_path: Path) -> None:
    """If `data_dir` is closed to the server's user, it stays closed and the data goes elsewhere."""
    tmp_path.chmod(0o700)
    server = EmbeddedPostgres(tmp_path / "data", timeout=60)
    try:
        with server:
            bases = (Path("/var/lib/points-grpc"), Path("/var/tmp/points-grpc"))
            assert server.folder.parent in bases
            assert psutil.Process(postmaster(server.folder)).uids().real != 0
            again = EmbeddedPostgres(tmp_path / "data", timeout=60)
            again.start()
            assert (again.folder, again.is_owner) == (server.folder, False)
        assert tmp_path.stat().st_mode & 0o777 == 0o700
    finally:
        shutil.rmtree(server.folder)


@needs_root
def test_root_does_not_overlook_a_cluster_that_has_become_unreachable(data_dir: Path) -> None:
    """A cluster that its user can no longer reach is an error, never an empty one elsewhere."""
    data_dir.parent.chmod(0o700)
    with pytest.raises(EmbeddedPostgresError, match="closed to the user"):
        EmbeddedPostgres(data_dir).start()


@needs_root
def test_a_plain_user_runs_the_package_as_installed(
    fresh_dir: Path, server_url: str, spawn: Callable[..., subprocess.Popen[str]]
) -> None:
    """Without root, the server runs as its owner, from the package, with data in `data_dir`."""
    nobody = pwd.getpwnam("nobody")
    python = shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin")
    parents = Path(keeper.__file__).parents
    if python is None or not all(folder.stat().st_mode & 0o001 for folder in parents):
        pytest.skip("the checkout, or any Python, is closed to the user nobody")
    os.chown(fresh_dir.parent, nobody.pw_uid, nobody.pw_gid)
    program = """
        import os, sys
        from pathlib import Path
        import psycopg
        from sqlalchemy import create_engine
        from points_grpc.storage.embedded import EmbeddedPostgres, assert_durable
        data_dir, server_url, python, uid, gid = sys.argv[1:]
        # The interpreter may be closed to that user: load now what it would load later, and
        # let the keeper run under another one.
        with create_engine(server_url).connect() as connection:
            assert_durable(connection)
        sys.executable = python
        os.environ.clear()
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
        with EmbeddedPostgres(Path(data_dir), timeout=60) as server:
            print(server.is_owner, server.folder, flush=True)
            sys.stdin.read()
    """
    arguments = (fresh_dir, server_url, python, nobody.pw_uid, nobody.pw_gid)
    owner = spawn(dedent(program), *arguments)
    assert line(owner) == f"True {fresh_dir}"
    process = psutil.Process(postmaster(fresh_dir))
    assert process.uids().real == nobody.pw_uid
    assert "site-packages" in process.cmdline()[0]
    assert end(owner) == 0
    assert is_stopped(fresh_dir)


def test_the_empty_database_of_a_test_has_no_tables(empty_database_url: str) -> None:
    """The fixture `empty_database_url` is a database of its own, without a schema."""
    engine = create_engine(empty_database_url, poolclass=NullPool)
    assert inspect(engine).get_table_names() == []


def test_the_database_of_a_test_has_the_schema(database_url: str) -> None:
    """The fixture `database_url` is a migrated database."""
    engine = create_engine(database_url, poolclass=NullPool)
    assert "alembic_version" in inspect(engine).get_table_names()

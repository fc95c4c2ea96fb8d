"""The embedded PostgreSQL: who owns it, what survives, and what is refused."""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from textwrap import dedent

import psutil
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import NullPool, create_engine, inspect

from points_grpc.storage.embedded import (
    EmbeddedPostgres,
    EmbeddedPostgresError,
    NotDurable,
    assert_durable,
    keeper,
)
from points_grpc.storage.embedded.memory import buffers_within
from points_grpc.storage.embedded.place import settle

AS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root has to change its user")

# Holds the server until its input ends; prints whether it is the owner.
OWNER = dedent("""
    import sys
    from pathlib import Path
    from points_grpc.storage.embedded import EmbeddedPostgres
    with EmbeddedPostgres(Path(sys.argv[1]), timeout=60) as server:
        print(server.is_owner, flush=True)
        sys.stdin.read()
""")


@pytest.fixture
def fresh_dir() -> Iterator[Path]:
    """A data directory that the server's user can reach, without a cluster yet."""
    folder = Path(tempfile.mkdtemp(prefix="points-embedded-"))
    folder.chmod(0o711)
    yield folder / "data"
    with suppress(EmbeddedPostgresError):
        # An owner that was killed could not remove it.
        shutil.rmtree(settle(folder / "data").sockets, ignore_errors=True)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def seed() -> Iterator[Path]:
    """A stopped cluster with one table, for copying."""
    folder = Path(tempfile.mkdtemp(prefix="points-embedded-"))
    folder.chmod(0o711)
    with EmbeddedPostgres(folder / "data", timeout=60) as server:
        run(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    yield folder / "data"
    shutil.rmtree(folder)


@pytest.fixture
def data_dir(seed: Path, fresh_dir: Path) -> Path:
    """A data directory with a stopped cluster in which `answer` finds 42."""
    subprocess.run(["cp", "-a", seed, fresh_dir], check=True)
    return fresh_dir


@pytest.fixture
def spawn() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a program in another process; processes that are left are killed in the end."""
    processes: list[subprocess.Popen[str]] = []

    def start(program: str, *arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        with process:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end(process: subprocess.Popen[str]) -> int:
    assert process.stdin is not None
    process.stdin.close()
    return process.wait()


def run(server: EmbeddedPostgres, statement: str) -> None:
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        connection.execute(statement.encode())


def answer(server: EmbeddedPostgres) -> object:
    with psycopg.connect(server.conninfo) as connection:
        row = connection.execute("SELECT answer FROM kept").fetchone()
    return row and row[0]


def postmaster(data_dir: Path) -> int:
    pid = keeper.recorded_pid(data_dir / "cluster")
    assert pid is not None
    return pid


def sockets_of(server: EmbeddedPostgres) -> Path:
    return Path(str(conninfo_to_dict(server.conninfo)["host"]))


def await_keeper(data_dir: Path) -> None:
    """Return as soon as whoever still holds the server has stopped it."""
    with (data_dir / "server.lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)


def is_stopped(data_dir: Path) -> bool:
    return not (data_dir / "cluster" / "postmaster.pid").exists()


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


def test_a_second_process_only_connects(
    data_dir: Path, spawn: Callable[..., subprocess.Popen[str]]
) -> None:
    """A process that finds the server owned uses it and leaves it running."""
    with EmbeddedPostgres(data_dir, timeout=60) as server:
        before = postmaster(data_dir)
        guest = spawn(OWNER, data_dir)
        assert line(guest) == "False"
        assert end(guest) == 0
        assert answer(server) == 42
        assert postmaster(data_dir) == before


def test_two_processes_that_start_together_share_one_server(
    fresh_dir: Path, spawn: Callable[..., subprocess.Popen[str]]
) -> None:
    """Of two processes that start in an empty folder one becomes the owner, one its guest."""
    processes = [spawn(OWNER, fresh_dir), spawn(OWNER, fresh_dir)]
    roles = {line(process): process for process in processes}
    assert set(roles) == {"True", "False"}
    assert end(roles["False"]) == 0
    assert end(roles["True"]) == 0
    assert is_stopped(fresh_dir)


def test_a_pid_file_that_names_another_program_is_survived(data_dir: Path) -> None:
    """After its pid has passed to another program, the server starts and that program lives."""
    with EmbeddedPostgres(data_dir, timeout=60) as server:
        stale = (data_dir / "cluster" / "postmaster.pid").read_text().partition("\n")[2]
        sockets = sockets_of(server)
        owner = (data_dir / "cluster").stat()
    # Of the server's own user: PostgreSQL takes a process that it may signal for a server.
    identity = keeper.run_as(owner.st_uid, owner.st_gid)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, **identity) as bystander:
        sockets.mkdir(mode=0o700)
        for path in (data_dir / "cluster/postmaster.pid", sockets / ".s.PGSQL.5432.lock"):
            path.write_text(f"{bystander.pid}\n{stale}")
            os.chown(path, owner.st_uid, owner.st_gid)
        with server:
            assert answer(server) == 42
        assert bystander.poll() is None
        assert bystander.stdin is not None
        bystander.stdin.close()


def test_stop_does_not_signal_a_program_that_took_the_servers_pid(data_dir: Path) -> None:
    """Stopping trusts a pid file only if that process serves this very folder."""
    server = EmbeddedPostgres(data_dir, timeout=60)
    server.start()
    cluster, record = data_dir / "cluster", data_dir / "cluster/postmaster.pid"
    true_record = record.read_text()
    try:
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as bystander:
            record.write_text(f"{bystander.pid}\n")
            assert keeper.stop_server(cluster, Path("unused"), os.geteuid(), os.getegid())
            assert bystander.poll() is None
            assert bystander.stdin is not None
            bystander.stdin.close()
    finally:
        record.write_text(true_record)
        server.stop()


@pytest.mark.parametrize("record", ["", "not a number\n"], ids=["empty", "garbled"])
def test_a_pid_file_cut_short_by_a_crash_is_survived(data_dir: Path, record: str) -> None:
    """A pid file that names nobody does not keep the server from starting."""
    (data_dir / "cluster" / "postmaster.pid").write_text(record)
    with EmbeddedPostgres(data_dir, timeout=60) as server:
        assert answer(server) == 42


def test_a_killed_server_recovers(data_dir: Path) -> None:
    """After a SIGKILL of the server, `start` brings it back with all that was committed."""
    with EmbeddedPostgres(data_dir, timeout=60) as server:
        run(server, "UPDATE kept SET answer = 43")
        before = postmaster(data_dir)
        os.kill(before, signal.SIGKILL)
        os.waitid(os.P_PID, before, os.WEXITED | os.WNOWAIT)
        server.start()
        assert postmaster(data_dir) != before
        assert answer(server) == 43


def test_a_killed_owner_leaves_no_server(
    data_dir: Path, spawn: Callable[..., subprocess.Popen[str]]
) -> None:
    """After a SIGKILL of its owner, the server is stopped by the keeper."""
    owner = spawn(OWNER, data_dir)
    assert line(owner) == "True"
    owner.kill()
    await_keeper(data_dir)
    assert is_stopped(data_dir)


def test_a_killed_owner_is_succeeded_at_once(
    data_dir: Path, spawn: Callable[..., subprocess.Popen[str]]
) -> None:
    """A process that starts right after the owner was killed owns a server that stays."""
    owner = spawn(OWNER, data_dir)
    assert line(owner) == "True"
    before = postmaster(data_dir)
    owner.kill()
    owner.wait()
    with EmbeddedPostgres(data_dir, timeout=60) as server:
        assert server.is_owner
        assert postmaster(data_dir) != before
        assert answer(server) == 42


def test_a_server_without_owner_and_keeper_is_adopted(
    data_dir: Path, spawn: Callable[..., subprocess.Popen[str]]
) -> None:
    """A server that was left behind is taken over as it is, and stopped in the end."""
    owner = spawn(OWNER, data_dir)
    assert line(owner) == "True"
    before = postmaster(data_dir)
    for child in psutil.Process(owner.pid).children():
        if keeper.__file__ in child.cmdline():
            child.kill()
    owner.kill()
    owner.wait()
    with EmbeddedPostgres(data_dir, timeout=60) as server:
        assert server.is_owner
        assert postmaster(data_dir) == before
        assert answer(server) == 42
    assert is_stopped(data_dir)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_owner_leaves_no_server(
    data_dir: Path, spawn: Callable[..., subprocess.Popen[str]], number: signal.Signals
) -> None:
    """An owner that is asked to end, and does not even handle that, takes its server along."""
    # Whoever runs the tests in the background may have had these ignored, which is inherited.
    handled = """
        import signal
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
    """
    owner = spawn(dedent(handled) + OWNER, data_dir)
    assert line(owner) == "True"
    owner.send_signal(number)
    assert owner.wait(60) != 0
    await_keeper(data_dir)
    assert is_stopped(data_dir)


def test_the_server_is_gone_before_its_owner(
    data_dir: Path, spawn: Callable[..., subprocess.Popen[str]]
) -> None:
    """An owner that ends without `stop` has stopped the server by the time it is gone."""
    program = """
        import atexit, sys
        from pathlib import Path
        from points_grpc.storage.embedded import EmbeddedPostgres
        record = Path(sys.argv[1], "cluster", "postmaster.pid")
        atexit.register(lambda: print(record.exists()))  # runs after what is registered later
        EmbeddedPostgres(Path(sys.argv[1]), timeout=60).start()
    """
    owner = spawn(dedent(program), data_dir)
    assert line(owner) == "False"
    assert owner.wait() == 0


def test_a_forked_child_does_not_stop_the_server(
    data_dir: Path, spawn: Callable[..., subprocess.Popen[str]]
) -> None:
    """The end of a child that was forked from the owner leaves the server running."""
    program = """
        import os, sys
        from pathlib import Path
        from points_grpc.storage.embedded import EmbeddedPostgres
        with EmbeddedPostgres(Path(sys.argv[1]), timeout=60) as server:
            child = os.fork()
            if child == 0:
                sys.exit()
            os.waitpid(child, 0)
            import psycopg
            psycopg.connect(server.conninfo).close()
    """
    assert spawn(dedent(program), data_dir).wait() == 0
    assert is_stopped(data_dir)


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

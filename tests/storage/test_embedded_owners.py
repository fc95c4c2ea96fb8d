"""The embedded PostgreSQL: which process owns it, and what follows when one dies."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import psutil
import pytest
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
    keeper,
)

# Holds the server until its input ends; prints whether it is the owner.
OWNER = dedent("""
    import sys
    from pathlib import Path
    from points_grpc.storage.embedded import EmbeddedPostgres
    with EmbeddedPostgres(Path(sys.argv[1]), timeout=60) as server:
        print(server.is_owner, flush=True)
        sys.stdin.read()
""")


def await_keeper(data_dir: Path) -> None:
    """Return as soon as whoever still holds the server has stopped it."""
    with (data_dir / "server.lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)


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

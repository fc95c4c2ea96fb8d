"""The life of a server process, from its start to its stop."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import grpc
import psutil
import pytest

from points.v1 import points_service_pb2_grpc, program_pb2, program_service_pb2_grpc
from points.v1.earn_pb2 import EarnRequest

Serve = Callable[..., "Running"]  # noqa: F821  # of conftest.py, which cannot be imported


def earn(address: str) -> str:
    request = EarnRequest(program_id=469, member={"external_id": "alice"}, amount={"value": "100"})
    with grpc.insecure_channel(address) as channel:
        stub = points_service_pb2_grpc.PointsServiceStub(channel)
        answer = stub.Earn(request, timeout=60, wait_for_ready=True)
    return str(answer.account.available.value)


def postgres_of(process: psutil.Process) -> list[psutil.Process]:
    return [child for child in process.children() if child.name() == "postgres"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well(serve: Serve, database_url: str, number: int) -> None:
    """SIGTERM and SIGINT end the server with exit code 0, and nothing runs on after it."""
    running = serve("--dev", "--demo", POINTS_DATABASE_URL=database_url)
    running.await_health("SERVING")
    assert running.stop(number) == 0
    assert running.left_behind() == []


def test_the_embedded_database_goes_with_it(serve: Serve, tmp_path: Path) -> None:
    """A server with an embedded database migrates it, and stops it on its way out."""
    tmp_path.chmod(0o711)
    running = serve("--dev", "--demo", "--data-dir", str(tmp_path / "data"))
    running.await_health("SERVING")
    assert earn(running.address) == "100"
    assert postgres_of(psutil.Process(running.process.pid))
    assert running.stop() == 0
    assert running.left_behind() == []


def test_the_embedded_database_goes_with_it_however_it_goes(serve: Serve, tmp_path: Path) -> None:
    """A server that is killed leaves no database server behind, and no data is lost."""
    tmp_path.chmod(0o711)
    data = ("--dev", "--demo", "--data-dir", str(tmp_path / "data"))
    running = serve(*data)
    assert earn(running.address) == "100"
    running.stop(signal.SIGKILL)
    assert running.left_behind() == []
    again = serve(*data)
    assert earn(again.address) == "200"


def test_an_embedded_database_that_dies_comes_back(serve: Serve, tmp_path: Path) -> None:
    """Health says when the database is gone, which the server then starts again itself."""
    tmp_path.chmod(0o711)
    running = serve("--dev", "--demo", "--data-dir", str(tmp_path / "data"))
    running.await_health("SERVING")
    (postgres,) = postgres_of(psutil.Process(running.process.pid))
    postgres.kill()
    running.await_health("NOT_SERVING", "SERVING")
    assert earn(running.address) == "100"


def test_demo_data_is_loaded_once(serve: Serve, database_url: str) -> None:
    """Starting with --demo again leaves the programs as they are."""
    seen = []
    for _ in range(2):
        running = serve("--dev", "--demo", POINTS_DATABASE_URL=database_url)
        with grpc.insecure_channel(running.address) as channel:
            stub = program_service_pb2_grpc.ProgramServiceStub(channel)
            found = stub.ListPrograms(
                program_pb2.ListProgramsRequest(), timeout=60, wait_for_ready=True
            )
        seen.append({program.program_id: program.version for program in found.programs})
        running.stop()
    assert seen[0].keys() == {123, 469}
    assert seen[0] == seen[1]


def ended(*arguments: str) -> tuple[int, str]:
    """The exit code and the words of a server that does not start.

    A process of its own: serve sets up logging and signals for the whole of one.
    """
    command = [sys.executable, "-m", "points_grpc.cli.main", "serve", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stderr


def test_without_credentials_it_does_not_start(database_url: str) -> None:
    """Outside of development a server that nobody could call does not start, and says why."""
    code, said = ended("--grpc", "127.0.0.1:0", "--database-url", database_url)
    assert code == 2
    assert "there are no credentials" in said and "points-grpc token create" in said


def test_an_old_schema_is_not_served(empty_database_url: str) -> None:
    """Serve does not touch the schema of a database of one's own, unless it is told to."""
    code, said = ended("--grpc", "127.0.0.1:0", "--database-url", empty_database_url)
    assert code == 1
    assert "run points-grpc db upgrade, or serve with --migrate" in said


def test_migrate_brings_the_schema_up(serve: Serve, empty_database_url: str) -> None:
    """With --migrate serve brings the schema up to date first."""
    running = serve("--dev", "--demo", "--migrate", POINTS_DATABASE_URL=empty_database_url)
    assert earn(running.address) == "100"


def test_a_port_that_is_taken_is_told(database_url: str) -> None:
    """A server whose port is taken ends with one line that says so."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        code, said = ended("--dev", "--grpc", address, "--database-url", database_url)
    assert code == 1
    assert address in said
    assert "Traceback" not in said

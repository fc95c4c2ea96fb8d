"""Databases and query plans for the tests of the repository layer."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import Connection, Executable, event
from tests.support.storage.embedded import (
    run,
)

from points_grpc.storage.core import pipeline
from points_grpc.storage.core.database import Database
from points_grpc.storage.embedded import (
    EmbeddedPostgres,
    EmbeddedPostgresError,
)
from points_grpc.storage.embedded.place import settle


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh database."""
    opened = Database(database_url)
    yield opened
    opened.close()


def generic_plans(connection: Connection, work: Callable[[], object]) -> str:
    """The plans, as for any parameters, of all statements that `work` sends on `connection`."""
    sent: list[tuple[str, int]] = []
    compiled = pipeline.statement_of

    def note_compiled(expression: Executable) -> pipeline.Statement:
        statement = compiled(expression)
        sent.append((statement.text.decode(), len(statement)))
        return statement

    def note(_: object, __: object, statement: str, *___: object) -> None:
        names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
        for number, name in enumerate(names, 1):
            statement = statement.replace(f"%({name})s", f"${number}")
        sent.append((statement, len(names)))

    event.listen(connection, "before_cursor_execute", note)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "statement_of", note_compiled)
        work()
    event.remove(connection, "before_cursor_execute", note)
    connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_generic_plan")
    lines: list[str] = []
    for number, (statement, width) in enumerate(sent):
        nulls = ", ".join(["NULL"] * width)
        connection.exec_driver_sql(f"PREPARE q{number} AS {statement}")
        plan = connection.exec_driver_sql(f"EXPLAIN EXECUTE q{number}({nulls})")
        lines += [row[0] for row in plan]
        connection.exec_driver_sql(f"DEALLOCATE q{number}")
    return "\n".join(lines)


@pytest.fixture
def plans() -> Callable[[Connection, Callable[[], object]], str]:
    """The function `generic_plans`."""
    return generic_plans


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

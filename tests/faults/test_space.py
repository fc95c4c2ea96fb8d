"""A database whose disk is full."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from sqlalchemy import DDL, NullPool, create_engine
from tests.support.faults.load import Load
from tests.support.faults.reconcile import REPORT, judge

from points_grpc.service.shared.retry import IN_DOUBT_SECONDS
from points_grpc.storage.embedded import EmbeddedPostgres

pytestmark = pytest.mark.faults

START = ("--start-time", "2022-01-01T00:00:00Z")
MEGABYTES = 192
UNAVAILABLE = 12
"""How many calls must have been told that the database is away, before there is space again."""

SECONDS = 60.0

REFUSING = (
    "CREATE TABLE disk (is_full boolean)",
    "INSERT INTO disk VALUES (false)",
    "CREATE SEQUENCE disk_turns",
    # One of four gets through, so that units of work fail at one place and another.
    """CREATE FUNCTION extend() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF (SELECT is_full FROM disk) AND nextval('disk_turns') %% 4 > 0 THEN
        RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full';
    END IF;
    RETURN NULL;
    END $$""",
    *(
        f"CREATE TRIGGER extend BEFORE INSERT ON {table} EXECUTE FUNCTION extend()"
        for table in ("units", "lots", "transactions", "allocations", "expiry_changes", "requests")
    ),
    """CREATE CONSTRAINT TRIGGER extend_last AFTER INSERT ON units
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION extend()""",
)


class Disk:
    """A file system of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave no space."""
        with self._ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(1 << 16)):
                pass

    def clear(self) -> None:
        """Give the space back."""
        self._ballast.unlink(missing_ok=True)


@pytest.fixture
def disk() -> Iterator[Disk]:
    """A small disk, wherever one may be mounted."""
    folder = Path(tempfile.mkdtemp(prefix="points-full-"))
    mount = ("mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m,mode=0711", "points", str(folder))
    try:
        mounted = subprocess.run(mount, check=False, capture_output=True, text=True)
        problem = mounted.stderr.strip() if mounted.returncode else ""
    except OSError as error:
        problem = str(error)
    if problem:
        folder.rmdir()
        REPORT.figures.append(f"NOT RUN: a disk that is truly full, for want of one: {problem}")
        pytest.skip(f"no disk can be mounted: {problem}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(("umount", "-l", str(folder)), check=True)
        folder.rmdir()


def test_a_full_disk(disk: Disk, serve: Any, rounds: Callable[[int], range]) -> None:
    """While PostgreSQL's disk is full calls are told so, and afterwards all goes on."""
    data = disk.folder / "data"
    running = serve(*START, "--data-dir", str(data))
    known = EmbeddedPostgres(data)
    known.start()  # it runs already: this only connects
    assert known.folder.stat().st_dev == disk.folder.stat().st_dev
    load = Load("full", lambda: [running.address])
    try:
        with load.running():
            for _ in rounds(2):
                load.wait_for(100, SECONDS)
                disk.fill()
                load.wait_for(UNAVAILABLE, SECONDS, "UNAVAILABLE")
                disk.clear()
                REPORT.faults["PostgreSQL's disk full"] += 1
            load.wait_for(100, SECONDS)
        judge(known.url, load.outcome)
    finally:
        disk.clear()
        known.stop()
        running.stop()


def test_statements_that_find_no_space(
    serve: Any, database_url: str, rounds: Callable[[int], range]
) -> None:
    """Statements and COMMITs that PostgreSQL refuses for want of space are tried again."""
    running = serve(*START, POINTS_DATABASE_URL=database_url)
    execute(database_url, *REFUSING)
    load = Load("space", lambda: [running.address])
    with load.running():
        for _ in rounds(2):
            load.wait_for(60, SECONDS)
            execute(database_url, "UPDATE disk SET is_full = true")
            load.wait_for(UNAVAILABLE, SECONDS, "UNAVAILABLE")
            execute(database_url, "UPDATE disk SET is_full = false")
            REPORT.faults["statements and COMMITs refused as if the disk were full"] += 1
        load.wait_for(60, SECONDS)
    told = load.outcome.seconds["UNAVAILABLE"]
    REPORT.figures.append(f"no space: {len(told)} calls told so, half within {median(told):.1f} s")
    assert median(told) < IN_DOUBT_SECONDS  # what PostgreSQL has refused is not in doubt
    judge(database_url, load.outcome)


def execute(url: str, *statements: str) -> None:
    """Execute the statements, each in a unit of work of its own."""
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(DDL(statement))

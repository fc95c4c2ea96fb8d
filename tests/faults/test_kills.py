"""Processes that die under load: servers and databases."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Any

import psutil
import pytest
from tests.support.faults.load import Load
from tests.support.faults.reconcile import REPORT, judge
from tests.support.service.engine_harness import deadlocks

from points_grpc.storage.core.database import Database
from points_grpc.storage.core.db_errors import Unreachable
from points_grpc.storage.embedded import EmbeddedPostgres

pytestmark = pytest.mark.faults

START = ("--start-time", "2022-01-01T00:00:00Z")


def test_servers_killed_under_load(
    serve: Any, database_url: str, rounds: Callable[[int], range]
) -> None:
    """Of two servers one is killed, again and again: what was acknowledged is there once."""
    where = {"POINTS_DATABASE_URL": database_url}
    up = [serve(*START, **where), serve(*START, **where)]
    load = Load("kills", lambda: [one.address for one in up])
    with load.running():
        for turn in rounds(6):
            load.wait_for(120)
            up[turn % 2].stop(signal.SIGKILL)
            up[turn % 2] = serve(*START, **where)
            REPORT.faults["server killed"] += 1
        load.wait_for(120)
    judge(database_url, load.outcome)


def test_postgresql_killed_under_load(
    serve: Any, tmp_path: Path, rounds: Callable[[int], range]
) -> None:
    """PostgreSQL is killed and comes back, again and again, below a server that stays up."""
    tmp_path.chmod(0o711)
    data = tmp_path / "data"
    running = serve(*START, "--data-dir", str(data))
    known = EmbeddedPostgres(data)
    known.start()  # it runs already: this only connects
    load = Load("postgres", lambda: [running.address])
    locked = 0
    try:
        with load.running():
            for _ in rounds(4):
                load.wait_for(100, 60)
                locked += looked(known.url)
                children = psutil.Process(running.process.pid).children()
                for child in children:
                    if child.name() == "postgres":
                        os.kill(child.pid, signal.SIGKILL)
                REPORT.faults["PostgreSQL killed"] += 1
            load.wait_for(100, 60)
        judge(known.url, load.outcome, locked)
    finally:
        known.stop()


def looked(url: str, seconds: float = 60.0) -> int:
    """Deadlocks so far, once PostgreSQL is back; it forgets them when it is killed.

    A hundred answers may come after the one before was killed: its connections outlive it.
    """
    database, until = Database(url), time.monotonic() + seconds
    try:
        while True:
            with suppress(Unreachable):
                return int(database.run(deadlocks))
            assert time.monotonic() < until, "PostgreSQL has not come back"
            Event().wait(0.05)
    finally:
        database.close()

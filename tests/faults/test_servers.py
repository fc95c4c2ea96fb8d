"""Several servers on one database, one of which leaves while the other goes on."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.faults.load import Load
from tests.support.faults.reconcile import REPORT, judge

pytestmark = pytest.mark.faults

START = ("--start-time", "2022-01-01T00:00:00Z")


@pytest.mark.parametrize("workers", [1, 2])
def test_servers_replaced_under_load(
    serve: Any, database_url: str, rounds: Callable[[int], range], workers: int
) -> None:
    """SIGTERM to one server after the other fails no request of a client that retries."""
    started = (*START, "--workers", str(workers))
    where = {"POINTS_DATABASE_URL": database_url}
    up = [serve(*started, **where), serve(*started, **where)]
    load = Load(f"replaced{workers}", lambda: [one.address for one in up], always_named=True)
    with load.running():
        for turn in rounds(4 - workers):
            with load.resting():
                fresh = serve(*started, **where)
            load.wait_for(60)
            leaving = up[turn % 2]
            assert leaving.stop(signal.SIGTERM) == 0  # clients still call it, and turn to the other
            up[turn % 2] = fresh
            assert leaving.left_behind() == []
            REPORT.faults[f"SIGTERM to a server of {_processes(workers)}"] += 1
        load.wait_for(60)
    assert not load.outcome.unknown
    judge(database_url, load.outcome)


def _processes(workers: int) -> str:
    return "one process" if workers == 1 else f"{workers} workers"

"""Several servers on one database, one of which leaves while the other goes on."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest
from fault_load import Load
from verdict import REPORT, judge

pytestmark = pytest.mark.faults

START = ("--start-time", "2022-01-01T00:00:00Z")


def test_servers_replaced_under_load(
    serve: Any, database_url: str, rounds: Callable[[int], range]
) -> None:
    """SIGTERM to one server after the other fails no request of a client that retries."""
    where = {"POINTS_DATABASE_URL": database_url}
    up = [serve(*START, **where), serve(*START, **where)]
    load = Load("replaced", lambda: [one.address for one in up], always_named=True)
    with load.running():
        for turn in rounds(3):
            load.wait_for(60)
            leaving, up[turn % 2] = up[turn % 2], serve(*START, **where)
            assert leaving.stop(signal.SIGTERM) == 0
            REPORT.faults["server stopped by SIGTERM"] += 1
        load.wait_for(60)
    assert not load.outcome.unknown
    judge(database_url, load.outcome)

"""Servers whose clocks disagree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from fault_load import Load
from verdict import REPORT, judge

from points.dev.v1 import test_clock_pb2, test_clock_pb2_grpc

pytestmark = pytest.mark.faults

START = ("--start-time", "2022-01-01T00:00:00Z")
LATER = ("--start-time", "2022-01-01T00:00:07Z")


def test_skewed_clocks_and_two_sweeps(
    serve: Any, database_url: str, rounds: Callable[[int], range]
) -> None:
    """Servers whose clocks differ, which jump by days, and both of which sweep, agree."""
    where = {"POINTS_DATABASE_URL": database_url, "POINTS_SWEEP_INTERVAL_SECONDS": "0.2"}
    up = [serve("--sweep", *START, **where), serve("--sweep", *LATER, **where)]
    load = Load("skewed", lambda: [one.address for one in up])
    with load.running():
        for turn in rounds(4):
            load.wait_for(60)
            # Only one at a time, so that for a while they are days apart.
            with grpc.insecure_channel(up[turn % 2].address) as channel:
                stub = test_clock_pb2_grpc.TestClockServiceStub(channel)
                now = stub.GetClock(test_clock_pb2.GetClockRequest(), timeout=30).time
                now.seconds += (40 + turn) * 86400
                stub.SetClock(test_clock_pb2.SetClockRequest(time=now), timeout=30)
            REPORT.faults["clock of one of two servers moved, both sweeping"] += 1
        load.wait_for(60)
    judge(database_url, load.outcome)

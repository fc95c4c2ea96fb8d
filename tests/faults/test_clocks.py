"""Servers whose clocks disagree, or go back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import pytest
from sqlalchemy import Connection, Table, select
from tests.support.faults.load import Load
from tests.support.faults.reconcile import REPORT, judge

from points.dev.v1 import test_clock_pb2, test_clock_pb2_grpc
from points.v1 import points_service_pb2_grpc
from points.v1.earn_pb2 import EarnRequest
from points.v1.lookup_pb2 import GetAccountRequest
from points.v1.redeem_pb2 import RedeemRequest
from points_grpc.storage.core.database import Database
from points_grpc.storage.tables import expiry_changes, transactions

pytestmark = pytest.mark.faults

START = ("--start-time", "2022-01-01T00:00:00Z")
LATER = ("--start-time", "2022-01-01T00:00:07Z")
ANY_CLOCK = (str(Path(__file__).parents[1] / "support" / "faults" / "any_clock.py"),)

SECONDS = 30


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
            with talking_to(up[turn % 2]) as caller:
                caller.move_clock(timedelta(days=40 + turn))
            REPORT.faults["clock of one of two servers moved, both sweeping"] += 1
        load.wait_for(60)
    judge(database_url, load.outcome)


def test_a_clock_moved_backwards(
    serve: Any, database_url: str, rounds: Callable[[int], range]
) -> None:
    """A clock that goes back over expiries brings nothing back, and histories keep their order."""
    hours = timedelta(hours=1)
    up = serve(*START, program=ANY_CLOCK, POINTS_DATABASE_URL=database_url)
    load = Load("backwards", lambda: [up.address])
    with load.running(), talking_to(up) as caller:
        for turn in rounds(3):
            load.wait_for(60)
            caller.earn(f"gone{turn}", 50, lives=hours)
            caller.move_clock(50 * hours)  # past ends of days, which the load gives its lots
            assert caller.available(f"gone{turn}") == 0
            caller.earn(f"gone{turn}", 3, lives=90 * hours)  # and records what has lapsed
            load.wait_for(60)
            caller.move_clock(-50 * hours)
            assert caller.available(f"gone{turn}") == 3
            assert caller.redeem(f"gone{turn}", 4) is grpc.StatusCode.FAILED_PRECONDITION
            assert caller.redeem(f"gone{turn}", 3) is grpc.StatusCode.OK
            load.wait_for(60)
            caller.move_clock(hours)
            REPORT.faults["clock moved backwards over expiries"] += 1
    assert out_of_order(database_url) == []
    judge(database_url, load.outcome)


class Caller:
    """A few calls of one caller, each answered at once."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._clock = test_clock_pb2_grpc.TestClockServiceStub(channel)
        self._points = points_service_pb2_grpc.PointsServiceStub(channel)

    def move_clock(self, by: timedelta) -> None:
        """Set the server's clock so much later, or earlier."""
        now = self._clock.GetClock(test_clock_pb2.GetClockRequest(), timeout=SECONDS).time
        now.seconds += int(by.total_seconds())
        self._clock.SetClock(test_clock_pb2.SetClockRequest(time=now), timeout=SECONDS)

    def earn(self, member: str, points: int, lives: timedelta) -> None:
        """Earn a lot that ends after so long."""
        request = EarnRequest(**_of(member, points))
        now = self._clock.GetClock(test_clock_pb2.GetClockRequest(), timeout=SECONDS).time
        request.expire_time.FromDatetime(now.ToDatetime() + lives)
        self._points.Earn(request, timeout=SECONDS)

    def redeem(self, member: str, points: int) -> grpc.StatusCode:
        """Try to spend points; how that ended."""
        try:
            self._points.Redeem(RedeemRequest(**_of(member, points)), timeout=SECONDS)
        except grpc.RpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    def available(self, member: str) -> int:
        """What the member can spend."""
        request = GetAccountRequest(program_id=469, member={"external_id": member})
        return int(self._points.GetAccount(request, timeout=SECONDS).account.available.value)


def _of(member: str, points: int) -> dict[str, Any]:
    member_name, amount = {"external_id": member}, {"value": str(points)}
    return {"program_id": 469, "member": member_name, "amount": amount}


@contextmanager
def talking_to(server: Any) -> Iterator[Caller]:
    """A client of a server."""
    with grpc.insecure_channel(server.address) as channel:
        yield Caller(channel)


def out_of_order(url: str) -> list[Any]:
    """Rows of histories that stand after one that was made later."""

    def look(connection: Connection, table: Table) -> list[Any]:
        rows = connection.execute(
            select(table.c.account_id, table.c.version, table.c.created_at).order_by(
                table.c.account_id, table.c.version
            )
        ).all()
        return [
            row
            for before, row in pairwise(rows)
            if before.account_id == row.account_id and before.created_at > row.created_at
        ]

    database = Database(url)
    try:
        return [
            row
            for table in (transactions, expiry_changes)
            for row in database.run(lambda at, table=table: look(at, table))  # type: ignore[misc]
        ]
    finally:
        database.close()

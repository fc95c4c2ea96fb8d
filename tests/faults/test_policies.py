"""Policies that are changed at one server while others earn under them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import grpc
import pytest
from sqlalchemy import and_, select
from tests.support.faults.load import NOT_NOW, Load
from tests.support.faults.reconcile import REPORT, judge

from points.v1 import points_service_pb2_grpc, program_service_pb2_grpc
from points.v1.earn_pb2 import BatchEarnRequest, EarnRequest
from points.v1.policy_pb2 import UpdatePolicyRequest
from points_grpc.domain.model import TransactionType
from points_grpc.storage.core.database import Database
from points_grpc.storage.tables import lots, policies, transactions

pytestmark = pytest.mark.faults

START = ("--start-time", "2022-01-01T00:00:00Z")
PATIENCE_SECONDS = 30
YEAR_DAYS = 365
"""What the demo's policy of 12 months is from 2022 on: the version before every change."""
FIRST_DAYS = 1_000
"""What the first change makes of it; each one after it is a day longer."""


@dataclass
class Change:
    """When a version was asked for, and when that was acknowledged."""

    sent: float
    acknowledged: float


@dataclass
class Seen:
    """When an earn was sent and answered, and how many changes its lots' expiry has seen."""

    sent: float
    answered: float
    changes: set[int]


@dataclass
class Watchers:
    """Clients that earn, one after the other, and note what they get."""

    addresses: list[str]
    seen: list[Seen] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [
            threading.Thread(target=self._watch, args=pair) for pair in enumerate(self.addresses)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.done.set()
            for thread in threads:
                thread.join(PATIENCE_SECONDS)
        assert self.failures == []

    def wait_for(self, more: int) -> None:
        wanted, until = len(self.seen) + more, time.monotonic() + PATIENCE_SECONDS
        while len(self.seen) < wanted and not self.failures:
            assert time.monotonic() < until
            self.done.wait(0.005)

    def _watch(self, number: int, address: str) -> None:
        with grpc.insecure_channel(address) as channel:
            points = points_service_pb2_grpc.PointsServiceStub(channel)
            turn = 0
            while not self.done.is_set():
                turn += 1
                try:
                    self._earn(points, f"watched-{number}-{turn}", number)
                except grpc.RpcError as error:
                    if error.code() not in NOT_NOW:
                        self.failures.append(error)
                        return

    def _earn(self, points: Any, reference: str, number: int) -> None:
        request = EarnRequest(
            program_id=469,
            member={"external_id": f"watched{number}"},
            amount={"value": "1"},
            request_id=reference,
            reference=reference,
        )
        sent = time.monotonic()
        if number % 2:
            answer = points.Earn(request, timeout=PATIENCE_SECONDS)
            earned = [answer.lot]
        else:
            others = [EarnRequest(), EarnRequest()]
            for place, other in enumerate(others):
                other.CopyFrom(request)
                other.request_id = other.reference = f"{reference}/{place}"
            batch = BatchEarnRequest(earns=[request, *others])
            earned = [r.earn.lot for r in points.BatchEarn(batch, timeout=PATIENCE_SECONDS).results]
        self.seen.append(Seen(sent, time.monotonic(), set(map(changes_seen_by, earned))))


def changes_seen_by(lot: Any) -> int:
    """After how many changes the lot has this expiry."""
    days = (lot.expire_time.ToDatetime() - lot.earn_time.ToDatetime()).days
    return 0 if days == YEAR_DAYS else days - FIRST_DAYS + 1


def test_a_policy_changed_while_another_server_earns(
    serve: Any, database_url: str, rounds: Callable[[int], range]
) -> None:
    """An earn follows the version in force when it is sent, or a later one until it is answered."""
    where = {"POINTS_DATABASE_URL": database_url}
    up = [serve(*START, **where), serve(*START, **where)]
    here, there = [one.address for one in up]
    load = Load("policies", lambda: [here, there])
    watchers = Watchers([there, there, there, here])
    changes: list[Change] = []
    with load.running(), watchers.running(), grpc.insecure_channel(here) as channel:
        programs = program_service_pb2_grpc.ProgramServiceStub(channel)
        watchers.wait_for(5)
        for turn in rounds(25):
            rule = {"period": {"days": FIRST_DAYS + turn}}
            request = UpdatePolicyRequest(
                program_id=469, definition=rule, request_id=f"change-{turn}"
            )
            sent = time.monotonic()
            programs.UpdatePolicy(request, timeout=PATIENCE_SECONDS)
            changes.append(Change(sent, time.monotonic()))
            REPORT.faults["policy changed at another server"] += 1
            watchers.wait_for(8)
    for seen in watchers.seen:
        at_least = sum(change.acknowledged <= seen.sent for change in changes)
        at_most = sum(change.sent <= seen.answered for change in changes)
        assert all(at_least <= count <= at_most for count in seen.changes)
    judge(database_url, load.outcome)
    assert lots_at_odds(database_url) == 0
    assert {count for seen in watchers.seen for count in seen.changes} > set(range(1, len(changes)))


def lots_at_odds(url: str) -> int:
    """How many lots were earned with another expiry than the version gives that they name."""
    of_lot = and_(*(lots.c[name] == transactions.c[name] for name in ("bucket", "tenant_id")))
    earned = (
        select(transactions.c.effective_at, transactions.c.expires_at, policies.c.period_days)
        .select_from(transactions)
        .join(lots, and_(of_lot, lots.c.lot_id == transactions.c.transaction_id))
        .join(policies, policies.c.policy_version_id == lots.c.policy_version_id)
        .where(transactions.c.type == int(TransactionType.EARN))
    )
    database = Database(url)
    try:
        found = database.run(lambda at: at.execute(earned).all())
    finally:
        database.close()
    assert found
    return sum(expires - at != timedelta(days=days or YEAR_DAYS) for at, expires, days in found)

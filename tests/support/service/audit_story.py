"""What tests of the audit share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    Executable,
    select,
)
from tests.support.service.days import DAY
from tests.support.service.ledger_harness import (
    LedgerHarness,
    approve,
    earn,
    expire,
    move,
    redeem,
    update_status,
)

from points_grpc.domain.model import LotState
from points_grpc.domain.policy import InDays
from points_grpc.storage import tables as t
from points_grpc.storage.core.database import Connection

CHECKS = (
    ("accounts", "totals_agree"),
    ("accounts", "nothing_negative"),
    ("lots", "parts_agree"),
    ("lots", "nothing_negative"),
    ("lots", "unfinished_is_true"),
)


TABLES = tuple(t.metadata.tables[name] for name in (
    "members", "identifiers", "member_identifiers", "accounts", "lots", "transactions",
    "allocations", "expiry_changes", "requests",
))  # fmt: skip


Break = Callable[[Connection], Any]


def done(statement: Executable) -> Break:
    return lambda at: at.execute(statement)


def tell(harness: LedgerHarness) -> None:
    """Lots of every kind, spent, moved, approved, cancelled, lapsed and reinstated."""

    def later(days: int) -> None:
        harness.clock.set(harness.clock.now() + days * DAY)

    fixed = harness.do(earn(100, policy="month", request_id="r1"))
    idle = harness.do(earn(500, policy="idle", request_id="r2"))
    harness.do(earn(30, policy="idle-first"))
    dated = harness.do(earn(13, "gus", policy="idle", expiration=InDays(90)))
    opened = harness.do(earn(7, initial_state=LotState.OPEN))
    pending = harness.do(earn(8, initial_state=LotState.PENDING))
    cancelled = harness.do(earn(9, initial_state=LotState.OPEN))
    harness.do(earn(11, initial_state=LotState.OPEN, policy="month"))
    harness.do(update_status(opened, LotState.PENDING))
    harness.do(approve(pending, request_id="r3"))
    harness.do(update_status(cancelled, LotState.CLOSED))
    harness.do(redeem(40, request_id="r4"))
    later(19)
    harness.do(move(fixed, InDays(90), request_id="r5"))
    harness.do(expire(5, request_id="r6"))
    harness.do(redeem(1))
    later(30)
    harness.do(redeem(60))
    later(21)
    harness.do(redeem(60))  # later than the EARN foretold
    later(70)
    harness.do(earn(3))  # what followed activity has lapsed by now
    harness.do(move(idle, InDays(400), reinstate=True))
    harness.do(move(harness.do(earn(5, "bob", policy="month")), member="bob"))
    harness.do(earn(20, "bob", policy="month"))
    harness.do(redeem(20, "bob"))
    later(10)
    harness.do(earn(1, "bob"))
    late = harness.do(earn(6, "cas", policy="month"))
    later(40)
    harness.do(move(late, reinstate=True, member="cas"))
    harness.do(earn(6, "dan", policy="year-end"))
    harness.do(earn(2, "eve", policy="idle"))
    early = harness.do(earn(4, "fay", initial_state=LotState.OPEN))
    harness.do(approve(early))
    harness.do(redeem(1, "fay"))
    harness.do(move(dated, InDays(400), reinstate=True, member="gus"))


A, L, R, P, C = t.accounts, t.lots, t.transactions, t.allocations, t.expiry_changes


spent = select(P.c.transaction_id)

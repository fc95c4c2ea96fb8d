"""The audit: finds nothing in what the ledger wrote, and whatever was broken afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import (
    DDL,
    ColumnElement,
    Table,
    delete,
    func,
    select,
    update,
)
from tests.support.service.audit_story import TABLES, A, Break, C, L, P, R, done, spent
from tests.support.service.days import DAY
from tests.support.service.ledger_audit import audit
from tests.support.service.ledger_harness import (
    START,
    LedgerHarness,
)

from points_grpc.domain.model import TransactionType
from points_grpc.service.audit.checks import RULES
from points_grpc.storage import tables as t
from points_grpc.storage.core.database import Connection

T = TransactionType


FAR = 2**52
"""A multiple of 64, so that adding it to an id leaves the bucket."""


@pytest.fixture
def broken(story: LedgerHarness) -> Iterator[Callable[[Break], set[str]]]:
    """Breaks the database and tells which rules the audit finds broken; then all is as before."""

    def after(do: Break) -> set[str]:
        story.look(do)
        found = audit(story.database)
        assert not any("ann" in line or "reference" in line for line in found)
        return {line.partition(": ")[2] for line in found}

    yield after
    for table in TABLES:
        story.look(done(delete(table)))
        kept = [DDL(f"INSERT INTO {table.name} SELECT * FROM kept_{table.name}")]
        story.look(lambda at, kept=kept: at.execute(kept[0]))


def test_what_the_ledger_wrote_is_right(story: LedgerHarness) -> None:
    """A database in which everything has happened agrees with itself."""
    assert audit(story.database) == []
    kinds = set(story.look(lambda at: at.scalars(select(t.transactions.c.type).distinct()).all()))
    assert kinds == {T.EARN, T.SUBMIT, T.APPROVE, T.CLOSE, T.REDEEM, T.EXPIRE, T.REVERSE}


def changed(table: Table, *where: ColumnElement[bool], **values: Any) -> Break:
    """One row of those that meet the condition, with other values."""
    key = list(table.primary_key.columns)
    chosen = select(*key).where(*where).limit(1).subquery()
    named = {table.c[name]: value for name, value in values.items()}
    same = [column == chosen.c[column.name] for column in key]

    def change(at: Connection) -> None:
        assert at.execute(update(table).where(*same).values(named)).rowcount == 1

    return change


def removed(table: Table, *where: ColumnElement[bool]) -> Break:
    """Without one row of those that meet the condition."""
    key = list(table.primary_key.columns)
    chosen = select(*key).where(*where).limit(1).subquery()

    def remove(at: Connection) -> None:
        same = [column == chosen.c[column.name] for column in key]
        assert at.execute(delete(table).where(*same)).rowcount == 1

    return remove


M, N, N_OF = t.members, t.identifiers, t.member_identifiers


FIGURES_AND_LOTS = "its figures differ from its lots"


FIGURES_AND_ROWS = "its figures differ from its transactions"


NOT_LIVE = "it took from a lot that was not live, or expired it at another instant than its expiry"


LATE = "its bound is later than the expiry of a lot"


FOLLOWS = " that follows its activity"


ORPHAN_IDENTIFIER = "an identifier is not found both by name and by member"


KEPT = "a request id is kept for what is not there"


GAPS = "its versions have gaps"


redeemed = R.c.type == T.REDEEM


lapse = (R.c.type == T.EXPIRE) & (R.c.effective_at < R.c.created_at)


idle_lot = L.c.rule != 0


fixed_lot = (L.c.rule == 0) & L.c.expires_at.is_not(None)


year_end = L.c.unfinished & fixed_lot & (L.c.amount == 6)


idle_rest = L.c.unfinished & idle_lot & (L.c.amount == 2)


of_redeem = P.c.transaction_id.in_(select(R.c.transaction_id).where(redeemed))


CASES: dict[str, tuple[Break, set[str]]] = {
    "available": (
        changed(A, available=A.c.available + 1, total_earned=A.c.total_earned + 1),
        {FIGURES_AND_LOTS, FIGURES_AND_ROWS},
    ),
    "total": (
        changed(A, total_earned=A.c.total_earned + 1),
        {
            FIGURES_AND_LOTS,
            FIGURES_AND_ROWS,
            "its total earned is not what is there, held, redeemed and expired",
        },
    ),
    "version": (changed(A, version=A.c.version + 1), {GAPS}),
    "program": (
        changed(A, program_id=A.c.program_id + 1),
        {"its currency is not one of its program"},
    ),
    "activity": (
        changed(A, A.c.last_redeem_at.is_not(None), last_redeem_at=None),
        {"its last activity is earlier than its transactions"},
    ),
    "earlier activity": (
        changed(A, A.c.last_earn_at.is_not(None), last_earn_at=A.c.created_at - DAY),
        {"its last activity is earlier than its transactions"},
    ),
    "late bound": (
        changed(A, A.c.account_id.in_(select(L.c.account_id).where(year_end)), next_due_at=None),
        {LATE},
    ),
    "late bound of idle lots": (
        changed(
            A,
            A.c.account_id.in_(select(L.c.account_id).where(idle_rest)),
            next_due_at=START + 4000 * DAY,
        ),
        {LATE + FOLLOWS},
    ),
    "balance": (
        changed(R, R.c.version == 2, available_after=R.c.available_after + 1),
        {"its balances do not follow from those before"},
    ),
    "pending": (
        changed(R, R.c.version == 2, pending_after=R.c.pending_after + 1),
        {"its balances do not follow from those before"},
    ),
    "member gone": (
        removed(M),
        {"its member does not exist", ORPHAN_IDENTIFIER},
    ),
    "account gone": (
        removed(A, A.c.account_id.in_(select(L.c.account_id).where(idle_rest))),
        {"it has no account of its member and currency", "it has no account of its currency"},
    ),
    "another member": (
        changed(L, member_id=L.c.member_id + FAR),
        {"it has no account of its member and currency"},
    ),
    "another currency": (
        changed(R, currency_id=R.c.currency_id + FAR),
        {"it has no account of its currency"},
    ),
    "lot in parts": (
        changed(L, L.c.state == 3, L.c.redeemed > 0, amount=L.c.amount + 1),
        {"its parts are not its amount", "its amount is not that of its EARN", FIGURES_AND_LOTS},
    ),
    "unfinished": (
        changed(L, L.c.unfinished, unfinished=False),
        {"it is marked unfinished and is not, or the other way round"},
    ),
    "state": (
        changed(L, L.c.state == 4, state=1),
        {"its state differs from its transactions", "its parts are not its amount"},
    ),
    "expiry": (
        changed(L, year_end, expires_at=L.c.expires_at + DAY),
        {"its expiry differs from its changes"},
    ),
    "lapse": (
        changed(L, L.c.lapse_id.is_not(None), lapse_id=L.c.lapse_id + FAR),
        {"what ended it is not an EXPIRE that took from it"},
    ),
    "lot that lives on": (
        changed(L, L.c.unfinished, lapse_id=select(func.min(R.c.transaction_id)).scalar_subquery()),
        {"what ended it is not an EXPIRE that took from it", "it was ended and is not finished"},
    ),
    "allocation": (
        changed(P, of_redeem, amount=P.c.amount + 1),
        {"its parts differ from its allocations", "its allocations are not its amount"},
    ),
    "allocation gone": (
        removed(P, of_redeem),
        {"its parts differ from its allocations", "its allocations are not its amount"},
    ),
    "allocation to nobody": (
        changed(P, of_redeem, lot_id=P.c.lot_id + FAR),
        {
            "its parts differ from its allocations",
            "an allocation of it is not to a lot of its account",
        },
    ),
    "spent too late": (
        changed(
            R,
            redeemed,
            R.c.transaction_id.in_(
                spent.where(P.c.lot_id.in_(select(L.c.lot_id).where(fixed_lot)))
            ),
            effective_at=START + 4000 * DAY,
            created_at=START + 4000 * DAY,
        ),
        {NOT_LIVE},
    ),
    "idle lot spent too late": (
        changed(
            R,
            redeemed,
            R.c.transaction_id.in_(spent.where(P.c.lot_id.in_(select(L.c.lot_id).where(idle_lot)))),
            effective_at=START + 4000 * DAY,
            created_at=START + 4000 * DAY,
        ),
        {NOT_LIVE},
    ),
    "lapsed at another instant": (
        changed(R, lapse, effective_at=R.c.effective_at + DAY / 24),
        {NOT_LIVE},
    ),
    "idle lot with a date lapsed later": (
        changed(R, lapse, R.c.amount == 13, effective_at=R.c.effective_at + DAY / 24),
        {NOT_LIVE},
    ),
    "a debit of tomorrow": (
        changed(R, redeemed, effective_at=R.c.created_at + timedelta(microseconds=1)),
        {"it took effect after it was recorded"},
    ),
    "an approval too late": (
        changed(
            R,
            R.c.type == T.APPROVE,
            R.c.related_id.in_(select(L.c.lot_id).where(L.c.amount == 4)),
            version=R.c.version + 8,
        ),
        {"it took from a lot that was not approved"},
    ),
    "an approval of another": (
        changed(R, R.c.type == T.APPROVE, related_id=R.c.related_id + FAR),
        {"it has no lot"},
    ),
    "EARN gone": (
        removed(R, R.c.type == T.EARN, R.c.amount == 6),
        {"it has no EARN", GAPS, FIGURES_AND_ROWS},
    ),
    "lot gone": (
        removed(L, idle_rest),
        {"it has no lot", FIGURES_AND_LOTS},
    ),
    "reverses nothing": (
        changed(R, R.c.type == T.REVERSE, related_id=R.c.related_id + FAR),
        {"it reverses no EXPIRE"},
    ),
    "change of nobody's": (
        changed(C, account_id=C.c.account_id + FAR),
        {"it has no account of its currency", "it has no lot of its account", GAPS},
    ),
    "change gone": (removed(C), {GAPS}),
    "bucket": (
        changed(R, R.c.type == T.SUBMIT, bucket=(R.c.bucket + 1) % 64),
        {"it is in a wrong bucket", "it has no account of its currency"},
    ),
    "identifier gone": (removed(N), {ORPHAN_IDENTIFIER}),
    "member's identifier gone": (
        removed(N_OF),
        {ORPHAN_IDENTIFIER, "the external id that it is shown by is not one of its identifiers"},
    ),
    "identifier of another": (changed(N, member_id=N.c.member_id + FAR), {ORPHAN_IDENTIFIER}),
    "identifier in another bucket": (
        changed(N, bucket=(N.c.bucket + 1) % 64),
        {"an identifier is in a wrong bucket", ORPHAN_IDENTIFIER},
    ),
    "answer about nothing": (
        removed(R, R.c.request_id == "r1"),
        {KEPT, "it has no EARN"},
    ),
    "answer about no change": (removed(C, C.c.request_id == "r5"), {KEPT, GAPS}),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_broken_is_found(broken: Callable[[Break], set[str]], case: str) -> None:
    """Each rule, broken in one row, is found under its own name and by ids alone."""
    do, wanted = CASES[case]
    found = broken(do)
    assert wanted <= found  # one broken row contradicts others, which are found beside


def test_every_rule_is_broken_by_some_case() -> None:
    """There is no rule that no case has seen work."""
    rules = {rule for _, wanted in CASES.values() for rule in wanted}
    assert rules >= RULES

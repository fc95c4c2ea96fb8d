"""Debits against the expiry that was in force: only live lots may be spent or expired.

A lot's expiry is that of its EARN until a change gives it another. That of a lot that follows its
account's activity moved until then, which takes a calendar to tell: those debits are given out. So
does whether a lot under such a policy was earned with an expiry of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, func, or_, select
from sqlalchemy import false as never

from points_grpc.domain.model import LotState, PolicyKind, TransactionType
from points_grpc.storage.audit.accounts import dict_of, split
from points_grpc.storage.audit.findings import (
    AuditCheck,
    AuditCursor,
    lots_of_asked,
    of_accounts,
    rows_of_asked,
    same,
)
from points_grpc.storage.tables import (
    ACTIVITY_COLUMNS,
    accounts,
    allocations,
    expiry_changes,
    lots,
    policies,
    transactions,
)

T = TransactionType

_ROWS_AT_ONCE = 1_000

_debit = rows_of_asked(T.REDEEM, T.EXPIRE, name="debits")
_earn = transactions.alias("earn")
_before = (
    select(expiry_changes.c.version, expiry_changes.c.new_expires_at)
    .where(same(expiry_changes, "lot_id", lots), expiry_changes.c.version < _debit.c.version)
    .order_by(expiry_changes.c.version.desc())
    .limit(1)
    .lateral("change_before")
)
_right_after = (
    select(expiry_changes.c.new_expires_at)
    .where(same(expiry_changes, "lot_id", lots), expiry_changes.c.version == _debit.c.version + 1)
    .lateral("change_right_after")
)
_ever_changed = (
    select(expiry_changes.c.version).where(same(expiry_changes, "lot_id", lots)).exists()
)
_policy = (
    select(policies.c.kind)
    .where(
        policies.c.tenant_id == lots.c.tenant_id,
        policies.c.policy_version_id == lots.c.policy_version_id,
    )
    .scalar_subquery()
)

_from_lots = (
    _debit.join(allocations, same(allocations, "transaction_id", _debit))
    .join(lots, same(lots, "lot_id", allocations))
    .join(_earn, and_(same(_earn, "transaction_id", lots, "lot_id"), _earn.c.type == T.EARN))
    .outerjoin(_before, and_(True))
    .outerjoin(_right_after, and_(True))
)
_in_force = case(
    (_before.c.version.is_not(None), _before.c.new_expires_at), else_=_earn.c.expires_at
)
_was_live = or_(_in_force.is_(None), _debit.c.effective_at < _in_force)
_lapsed = and_(
    _debit.c.type == T.EXPIRE,
    _debit.c.effective_at == _in_force,
    _debit.c.created_at >= _in_force,
)
# A lot that was reinstated only to be ended at once (its change stands right after the EXPIRE), or
# that had ended elsewhere, before it was imported.
_was_ended = and_(
    _debit.c.type == T.EXPIRE,
    or_(
        and_(
            _debit.c.effective_at == _debit.c.created_at,
            _right_after.c.new_expires_at == _debit.c.created_at,
        ),
        and_(
            lots.c.lapse_id == _debit.c.transaction_id,
            lots.c.expires_at == _debit.c.effective_at,
        ),
    ),
)
_is_right = func.coalesce(or_(_was_live, _lapsed, _was_ended), never())
_followed = and_(
    _before.c.version.is_(None),
    _policy == int(PolicyKind.INACTIVITY),
    or_(lots.c.rule != 0, _ever_changed),
)

_approval = (
    select(transactions.c.version)
    .where(
        same(transactions, "account_id", _debit),
        transactions.c.type == T.APPROVE,
        transactions.c.related_id == lots.c.lot_id,
        transactions.c.version < _debit.c.version,
    )
    .exists()
)
_number = (_debit.c.tenant_id, _debit.c.transaction_id)

CHECKS = (
    AuditCheck(
        "it took from a lot that was not live, or expired it at another instant than its expiry",
        "transaction",
        select(*_number).select_from(_from_lots).where(~_is_right, ~_followed),
    ),
    AuditCheck(
        "it took from a lot that was not approved",
        "transaction",
        select(*_number)
        .select_from(_from_lots)
        .where(_earn.c.first_state != int(LotState.APPROVED), ~_approval),
    ),
    AuditCheck(
        "it took effect after it was recorded",
        "transaction",
        select(*_number).select_from(_debit).where(_debit.c.effective_at > _debit.c.created_at),
    ),
)


class SuspectDebit(NamedTuple):
    """A debit of a lot that may have followed its account's activity, later than its EARN foretold.

    `activity` is the account's before the debit.
    """

    tenant_id: int
    transaction_id: int
    lot_id: int
    type: int
    program_id: int
    policy_version_id: int
    earned_at: datetime
    created_at: datetime
    effective_at: datetime
    activity: dict[TransactionType, datetime]


class EarnExpiry(NamedTuple):
    """The expiry that a lot was earned with, and its account's activity before the earn."""

    expires_at: datetime | None
    activity: dict[TransactionType, datetime]


_row = rows_of_asked(name="history")
_past: dict[str, Any] = {
    "partition_by": (_row.c.bucket, _row.c.tenant_id, _row.c.account_id),
    "order_by": _row.c.version,
    "rows": (None, -1),
}


def _at(kind: TransactionType) -> ColumnElement[Any]:
    """Return when a row counts as activity: a REVERSE counts when the lapse did."""
    return _row.c.created_at if kind in (T.REVERSE, T.CLOSE) else _row.c.effective_at


_approved_at = case(
    (
        and_(_row.c.type == T.EARN, _row.c.first_state == int(LotState.APPROVED)),
        _row.c.effective_at,
    ),
    (_row.c.type == T.APPROVE, _row.c.effective_at),
)
_activity = select(
    _row.c.bucket,
    _row.c.tenant_id,
    _row.c.transaction_id,
    *(
        func.max(_approved_at if kind is T.EARN else case((_row.c.type == int(kind), _at(kind))))
        .over(**_past)
        .label(name)
        for kind, name in ACTIVITY_COLUMNS.items()
    ),
).subquery("activity")
# An end that was not due is exactly what is looked for here, so no lapse is taken for right.
_doubts = (
    select(
        *_number,
        lots.c.lot_id,
        _debit.c.type,
        accounts.c.program_id,
        lots.c.policy_version_id,
        lots.c.earned_at,
        _debit.c.created_at,
        _debit.c.effective_at,
        *(_activity.c[name] for name in ACTIVITY_COLUMNS.values()),
    )
    .select_from(
        _from_lots.join(accounts, same(accounts, "account_id", _debit)).join(
            _activity, same(_activity, "transaction_id", _debit)
        )
    )
    .where(_followed, ~func.coalesce(_was_live, never()), _right_after.c.new_expires_at.is_(None))
)
_its_earn = rows_of_asked(T.EARN, name="earns")
_foretold = (
    select(
        _its_earn.c.transaction_id,
        _its_earn.c.expires_at,
        *(_activity.c[name] for name in ACTIVITY_COLUMNS.values()),
    )
    .select_from(_its_earn.join(_activity, same(_activity, "transaction_id", _its_earn)))
    .where(_its_earn.c.transaction_id.in_(bindparam("lot_ids", expanding=True)))
)
_lot = lots_of_asked()
_any_followed = (
    select(_lot.c.lot_id)
    .join(
        policies,
        and_(
            policies.c.tenant_id == _lot.c.tenant_id,
            policies.c.policy_version_id == _lot.c.policy_version_id,
        ),
    )
    .where(policies.c.kind == int(PolicyKind.INACTIVITY))
    .limit(1)
)


def suspect_debits(connection: Connection, page: Sequence[AuditCursor]) -> Iterator[SuspectDebit]:
    """Debits of these accounts that only a calendar can judge, a few at a time."""
    params = of_accounts(page)
    if connection.execute(_any_followed, params).one_or_none() is None:
        return
    streaming = connection.execution_options(yield_per=_ROWS_AT_ONCE)
    for *facts, instants in split(streaming.execute(_doubts, params), 9):
        yield SuspectDebit._make((*facts, dict_of(instants)))


def earn_expiries(
    connection: Connection, page: Sequence[AuditCursor], lot_ids: Collection[int]
) -> dict[int, EarnExpiry]:
    """Return how these lots of the accounts were earned, by lot id."""
    params = of_accounts(page) | {"lot_ids": list(lot_ids)}
    found = split(connection.execute(_foretold, params), 2)
    return {lot_id: EarnExpiry(at, dict_of(instants)) for lot_id, at, instants in found}

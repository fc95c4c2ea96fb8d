"""Sums over an account's lots and transactions: what has lapsed, what expires, month by month.

Every function answers for many accounts with one statement. Only the months of a schedule read
finished lots, and only those whose expiry lies in its window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Function,
    Select,
    and_,
    case,
    func,
    or_,
    select,
    true,
)
from sqlalchemy.sql.selectable import FromClause, TableValuedAlias

from points_grpc.domain.as_of import FixedLots
from points_grpc.domain.model import LotState, TransactionType
from points_grpc.domain.schedule import EMPTY_SUMS, InactivityLots, MonthSums
from points_grpc.storage.core.ids import bucket_of_id
from points_grpc.storage.core.pipeline import Query, Row, execute
from points_grpc.storage.core.unnest import BIGINT, INT, SMALL, fill, rows
from points_grpc.storage.tables import INSTANT, lots, transactions

T = TypeVar("T")

Place = int
"""The position of a question in its batch."""

_APPROVED = int(LotState.APPROVED)
_BY_SPENDING = (lots.c.priority, lots.c.expires_at, lots.c.earned_at, lots.c.lot_id)
_LOT = (lots.c.remaining, lots.c.redeemed, lots.c.earned_at, lots.c.expires_at)


def _points(of: ColumnElement[Any], *where: ColumnElement[bool]) -> ColumnElement[int]:
    """A sum of amounts, where it is not nothing; PostgreSQL would widen it to numeric."""
    total: Function[Any] = func.sum(of)
    return func.coalesce(total.filter(*where) if where else total, 0).cast(BigInteger)


def _of(table: Any, asked: TableValuedAlias) -> ColumnElement[bool]:
    return and_(
        table.c.bucket == asked.c.bucket,
        table.c.tenant_id == asked.c.tenant_id,
        table.c.account_id == asked.c.account_id,
    )


# The planner takes bucket, tenant and account for independent of each other, and so believes
# that an account has one row, which any index finds as well as any other, an account's whole
# history included. So a run names only what the index begins with, and asks for its order: that
# settles it. What bounds the expiry stays outside, or `lots_finished` seems the shorter way.


def _unfinished(asked: TableValuedAlias, *where: ColumnElement[bool]) -> FromClause:
    """Unfinished lots of the accounts that are asked for, one state and rule at a time."""
    return (
        select(*_LOT)
        .where(_of(lots, asked), *where, lots.c.unfinished)
        .order_by(*_BY_SPENDING)
        .lateral("run")
    )


def _is_within(run: FromClause, asked: TableValuedAlias) -> ColumnElement[bool]:
    """Whether an expiry lies in the period that is asked for, half open."""
    return and_(run.c.expires_at >= asked.c.start_at, run.c.expires_at < asked.c.end_at)


# Fixed lots

_STANDING = ("bucket", "tenant_id", "account_id", "state", "now")
_standing = rows("standing", bucket=INT, tenant_id=INT, account_id=BIGINT, state=SMALL, now=INSTANT)
_standing_run = _unfinished(
    _standing,
    lots.c.state == _standing.c.state,
    lots.c.rule == 0,
)
_is_approved = _standing.c.state == _APPROVED
_is_due = _standing_run.c.expires_at <= _standing.c.now
_fixed = (
    select(
        _standing.c.account_id,
        _points(_standing_run.c.remaining, _is_approved, _is_due),
        _points(_standing_run.c.remaining, ~_is_approved, _is_due),
        func.min(_standing_run.c.expires_at).filter(
            _is_approved, ~_is_due, _standing_run.c.remaining > 0
        ),
    )
    .select_from(_standing)
    .join(_standing_run, true())
    .group_by(_standing.c.account_id)
)


def fixed_lots(asked: Iterable[tuple[int, int, int, datetime]]) -> Query[dict[int, FixedLots]]:
    """Return the query for the fixed lots of each (tenant_id, account_id, state, now).

    An account without unfinished fixed lots in the states that are asked for is absent.
    """
    values = [(bucket_of_id(account), t, account, *rest) for t, account, *rest in asked]
    return _asking(_fixed, "standing", _STANDING, values, _fixed_of)


def _fixed_of(found: Sequence[Row]) -> dict[int, FixedLots]:
    return {account: FixedLots(*figures) for account, *figures in found}


_PERIOD = ("place", "bucket", "tenant_id", "account_id", "start_at", "end_at")
_period = rows(
    "period",
    place=INT,
    bucket=INT,
    tenant_id=INT,
    account_id=BIGINT,
    start_at=INSTANT,
    end_at=INSTANT,
)
_period_run = _unfinished(_period, lots.c.state == _APPROVED, lots.c.rule == 0)
_expiring = (
    select(_period.c.place, _points(_period_run.c.remaining), func.count())
    .select_from(_period)
    .join(_period_run, _is_within(_period_run, _period))
    .where(_period_run.c.remaining > 0)
    .group_by(_period.c.place)
)


def expiring(
    periods: Iterable[tuple[Place, int, int, datetime, datetime]],
) -> Query[dict[Place, tuple[int, int]]]:
    """Points and number of the fixed approved lots that expire in each period, half open.

    A period is (place, tenant_id, account_id, start_at, end_at); one without lots is absent.
    """
    values = [(p, bucket_of_id(a), t, a, *bounds) for p, t, a, *bounds in periods]
    return _asking(_expiring, "period", _PERIOD, values, _expiring_of)


def _expiring_of(found: Sequence[Row]) -> dict[Place, tuple[int, int]]:
    return {place: (points, lot_count) for place, points, lot_count in found}


# Inactivity lots

_RULE = ("bucket", "tenant_id", "account_id", "state", "rule", "qualified_at")
_rule = rows(
    "rule",
    bucket=INT,
    tenant_id=INT,
    account_id=BIGINT,
    state=SMALL,
    rule=BIGINT,
    qualified_at=INSTANT,
)
_rule_run = _unfinished(
    _rule,
    lots.c.state == _rule.c.state,
    lots.c.rule == _rule.c.rule,
    lots.c.remaining > 0,
)
_since = func.greatest(_rule_run.c.earned_at, _rule.c.qualified_at)
_inactivity = (
    select(
        _rule.c.account_id,
        _rule.c.rule,
        _rule.c.state,
        _since,
        _points(_rule_run.c.remaining),
        func.count(),
    )
    .select_from(_rule)
    .join(_rule_run, true())
    .group_by(_rule.c.account_id, _rule.c.rule, _rule.c.state, _since)
)


def inactivity_lots(
    rules: Iterable[tuple[int, int, int, int, datetime | None]],
) -> Query[dict[int, list[InactivityLots]]]:
    """The unfinished inactivity lots of each account, grouped by what they count from.

    A rule is (tenant_id, account_id, state, policy_version_id, qualified_at), the latter the
    account's last activity that the policy version counts.
    """
    values = [(bucket_of_id(a), t, a, *rule) for t, a, *rule in rules]
    return _asking(_inactivity, "rule", _RULE, values, _inactivity_of)


def _inactivity_of(found: Sequence[Row]) -> dict[int, list[InactivityLots]]:
    grouped: dict[int, list[InactivityLots]] = {}
    for account, rule, state, *group in found:
        lots_of_one = InactivityLots(rule, state == _APPROVED, *group)
        grouped.setdefault(account, []).append(lots_of_one)
    return grouped


# Months

Span = tuple[Place, int, int, int, datetime, datetime, datetime]
"""place, month, tenant_id, account_id, now, start_at, end_at"""

_MONTH = ("place", "month", "bucket", "tenant_id", "account_id", "now", "start_at", "end_at")
# A row for each month, and with it a short index range: cheaper than finding the month of every
# row of one long range, up to dozens of months.
_month = rows(
    "month",
    place=INT,
    month=INT,
    bucket=INT,
    tenant_id=INT,
    account_id=BIGINT,
    now=INSTANT,
    start_at=INSTANT,
    end_at=INSTANT,
)
_approved = and_(lots.c.state == _APPROVED, lots.c.rule == 0)
_dated = and_(_of(lots, _month), _approved, _is_within(lots, _month))


def _month_sums(run: FromClause) -> Select[Any]:
    is_live = run.c.expires_at > _month.c.now
    return (
        select(
            _month.c.place,
            _month.c.month,
            _points(run.c.remaining, ~is_live),
            _points(run.c.remaining, is_live),
            _points(run.c.redeemed),
            func.max(run.c.expires_at),
        )
        .select_from(_month)
        .join(run, _is_within(run, _month))
        .group_by(_month.c.place, _month.c.month)
    )


_month_unfinished = _month_sums(_unfinished(_month, _approved))
_month_finished = _month_sums(
    select(*_LOT).where(_dated, ~lots.c.unfinished).order_by(lots.c.expires_at).lateral("run")
)

_undone = transactions.alias("undone")
_REVERSE, _EXPIRE, _REDEEM = (
    int(kind) for kind in (TransactionType.REVERSE, TransactionType.EXPIRE, TransactionType.REDEEM)
)


_moved = (
    select(
        transactions.c.bucket,
        transactions.c.tenant_id,
        transactions.c.type,
        transactions.c.amount,
        transactions.c.related_id,
    )
    .where(
        _of(transactions, _month),
        transactions.c.effective_at >= _month.c.start_at,
        transactions.c.effective_at < _month.c.end_at,
        or_(*(transactions.c.type == kind for kind in (_EXPIRE, _REDEEM, _REVERSE))),
    )
    .order_by(transactions.c.effective_at)
    .lateral("moved")
)


def _net(kind: int) -> ColumnElement[int]:
    """The sum of the transactions of one type, less what of them was undone."""
    return _points(
        case(
            (_moved.c.type == kind, _moved.c.amount),
            (_undone.c.type == kind, -_moved.c.amount),
            else_=0,
        )
    )


_month_transactions = (
    select(_month.c.place, _month.c.month, _net(_EXPIRE), _net(_REDEEM))
    .select_from(_month)
    .join(_moved, true())
    .outerjoin(
        _undone,
        (_moved.c.type == _REVERSE)
        & (_undone.c.bucket == _moved.c.bucket)
        & (_undone.c.tenant_id == _moved.c.tenant_id)
        & (_undone.c.transaction_id == _moved.c.related_id),
    )
    .group_by(_month.c.place, _month.c.month)
)


def months(connection: Connection, spans: Sequence[Span]) -> dict[Place, dict[int, MonthSums]]:
    """The figures of each month, by place and month; months without any are absent.

    What lapsed unrecorded is in `expired` for fixed lots only: inactivity lots are projected
    elsewhere. A REVERSE takes effect with what it undoes, and so counts in the same month.
    """
    values = [(p, m, bucket_of_id(a), t, a, *instants) for p, m, t, a, *instants in spans]
    sums: dict[tuple[Place, int], MonthSums] = {}
    for statement in (_month_unfinished, _month_finished):
        for place, month, *lot_sums in _execute(connection, statement, "month", _MONTH, values):
            known = sums.get((place, month), EMPTY_SUMS)
            sums[place, month] = _with_lots(known, *lot_sums)
    for place, month, expired, redeemed in _execute(
        connection, _month_transactions, "month", _MONTH, values
    ):
        known = sums.get((place, month), EMPTY_SUMS)
        sums[place, month] = replace(known, expired=known.expired + expired, redeemed=redeemed)
    by_place: dict[Place, dict[int, MonthSums]] = {}
    for (place, month), found in sums.items():
        by_place.setdefault(place, {})[month] = found
    return by_place


def _with_lots(
    sums: MonthSums, lapsed: int, live: int, redeemed: int, latest: datetime
) -> MonthSums:
    return replace(
        sums,
        expired=sums.expired + lapsed,
        expiring=sums.expiring + live,
        redeemed_from_lots=sums.redeemed_from_lots + redeemed,
        expires_at=latest if sums.expires_at is None else max(sums.expires_at, latest),
    )


def _asking(
    statement: Select[Any],
    name: str,
    columns: Sequence[str],
    values: Sequence[Sequence[Any]],
    read: Callable[[Sequence[Row]], T],
) -> Query[T]:
    return Query(statement if values else None, fill(name, columns, values), read)


def _execute(
    connection: Connection,
    statement: Select[Any],
    name: str,
    columns: Sequence[str],
    values: Sequence[Sequence[Any]],
) -> Iterable[Any]:
    if not values:
        return ()
    return execute(connection, statement, fill(name, columns, values))

"""Sums over an account's lots and transactions: what has lapsed, what expires, month by month.

Every function answers for many accounts with one statement. Only the months of a schedule read
finished lots, and only those whose expiry lies in its window.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Function,
    Select,
    and_,
    bindparam,
    case,
    func,
    select,
)
from sqlalchemy.sql.selectable import TableValuedAlias

from points_grpc.domain.model import LotState, TransactionType
from points_grpc.domain.schedule import InactivityLots, MonthSums
from points_grpc.domain.standing import FixedLots
from points_grpc.storage.arrays import BIGINT, INT, SMALL, PackedArray, fill, rows
from points_grpc.storage.ids import bucket_of_id
from points_grpc.storage.tables import INSTANT, lots, transactions

Place = int
"""The position of a question in its batch."""

_APPROVED = int(LotState.APPROVED)
_UNFINISHED_STATES = [int(state) for state in LotState if state is not LotState.CLOSED]


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


def _in_any_state() -> ColumnElement[bool]:
    states = bindparam("states", _UNFINISHED_STATES, type_=PackedArray("SMALLINT[]"))
    return lots.c.state == func.any(states, type_=SMALL)


# Fixed lots

_STANDING = ("bucket", "tenant_id", "account_id", "now")
_standing = rows("standing", bucket=INT, tenant_id=INT, account_id=BIGINT, now=INSTANT)
_approved = lots.c.state == _APPROVED
_is_due = lots.c.expires_at <= _standing.c.now

_fixed = (
    select(
        _standing.c.account_id,
        _points(lots.c.remaining, _approved, _is_due),
        _points(lots.c.remaining, ~_approved, _is_due),
        func.min(lots.c.expires_at).filter(_approved, ~_is_due, lots.c.remaining > 0),
    )
    .select_from(_standing)
    .join(
        lots,
        _of(lots, _standing)
        & _in_any_state()
        & (lots.c.rule == 0)
        & lots.c.expires_at.is_not(None)
        & lots.c.unfinished,
    )
    .group_by(_standing.c.account_id)
)


def fixed_lots(
    connection: Connection, accounts: Iterable[tuple[int, int, datetime]]
) -> dict[int, FixedLots]:
    """How the fixed lots of each (tenant_id, account_id, now) stand, by account.

    An account without unfinished lots that expire is absent.
    """
    values = [(bucket_of_id(account), t, account, now) for t, account, now in accounts]
    found = _execute(connection, _fixed, "standing", _STANDING, values)
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
_expiring = (
    select(_period.c.place, _points(lots.c.remaining), func.count())
    .select_from(_period)
    .join(
        lots,
        _of(lots, _period)
        & _approved
        & (lots.c.rule == 0)
        & (lots.c.expires_at >= _period.c.start_at)
        & (lots.c.expires_at < _period.c.end_at)
        & (lots.c.remaining > 0)
        & lots.c.unfinished,
    )
    .group_by(_period.c.place)
)


def expiring(
    connection: Connection, periods: Iterable[tuple[Place, int, int, datetime, datetime]]
) -> dict[Place, tuple[int, int]]:
    """Points and number of the fixed approved lots that expire in each period, half open.

    A period is (place, tenant_id, account_id, start_at, end_at); one without lots is absent.
    """
    values = [(p, bucket_of_id(a), t, a, *bounds) for p, t, a, *bounds in periods]
    found = _execute(connection, _expiring, "period", _PERIOD, values)
    return {place: (points, lot_count) for place, points, lot_count in found}


# Inactivity lots

_RULE = ("bucket", "tenant_id", "account_id", "rule", "qualified_at")
_rule = rows(
    "rule", bucket=INT, tenant_id=INT, account_id=BIGINT, rule=BIGINT, qualified_at=INSTANT
)
_since = func.greatest(lots.c.earned_at, _rule.c.qualified_at)
_inactivity = (
    select(
        _rule.c.account_id,
        _rule.c.rule,
        _approved,
        _since,
        _points(lots.c.remaining),
        func.count(),
    )
    .select_from(_rule)
    .join(
        lots,
        _of(lots, _rule)
        & _in_any_state()
        & (lots.c.rule == _rule.c.rule)
        & (lots.c.remaining > 0)
        & lots.c.unfinished,
    )
    .group_by(_rule.c.account_id, _rule.c.rule, _approved, _since)
)


def inactivity_lots(
    connection: Connection, rules: Iterable[tuple[int, int, int, datetime | None]]
) -> dict[int, list[InactivityLots]]:
    """The unfinished inactivity lots of each account, grouped by what they count from.

    A rule is (tenant_id, account_id, policy_version_id, qualified_at), the latter the account's
    last activity that the policy version counts.
    """
    values = [(bucket_of_id(a), t, a, *rule) for t, a, *rule in rules]
    grouped: dict[int, list[InactivityLots]] = {}
    for account, *group in _execute(connection, _inactivity, "rule", _RULE, values):
        grouped.setdefault(account, []).append(InactivityLots(*group))
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
_is_live = lots.c.expires_at > _month.c.now
_month_lots = (
    select(
        _month.c.place,
        _month.c.month,
        _points(lots.c.remaining, ~_is_live),
        _points(lots.c.remaining, _is_live),
        _points(lots.c.redeemed),
        func.max(lots.c.expires_at),
    )
    .select_from(_month)
    .join(
        lots,
        _of(lots, _month)
        & (lots.c.expires_at >= _month.c.start_at)
        & (lots.c.expires_at < _month.c.end_at)
        & _approved
        & (lots.c.rule == 0),
    )
    .group_by(_month.c.place, _month.c.month)
)

_undone = transactions.alias("undone")
_REVERSE, _EXPIRE, _REDEEM = (
    int(kind) for kind in (TransactionType.REVERSE, TransactionType.EXPIRE, TransactionType.REDEEM)
)


def _net(kind: int) -> ColumnElement[int]:
    """The sum of the transactions of one type, less what of them was undone."""
    return _points(
        case(
            (transactions.c.type == kind, transactions.c.amount),
            (_undone.c.type == kind, -transactions.c.amount),
            else_=0,
        )
    )


_month_transactions = (
    select(_month.c.place, _month.c.month, _net(_EXPIRE), _net(_REDEEM))
    .select_from(_month)
    .join(
        transactions,
        _of(transactions, _month)
        & (transactions.c.effective_at >= _month.c.start_at)
        & (transactions.c.effective_at < _month.c.end_at)
        & transactions.c.type.in_((_EXPIRE, _REDEEM, _REVERSE)),
    )
    .outerjoin(
        _undone,
        (transactions.c.type == _REVERSE)
        & (_undone.c.bucket == transactions.c.bucket)
        & (_undone.c.tenant_id == transactions.c.tenant_id)
        & (_undone.c.transaction_id == transactions.c.related_id),
    )
    .group_by(_month.c.place, _month.c.month)
)


def months(connection: Connection, spans: Sequence[Span]) -> dict[Place, dict[int, MonthSums]]:
    """The figures of each month, by place and month; months without any are absent.

    What lapsed unrecorded is in `expired` for fixed lots only: inactivity lots are projected
    elsewhere. A REVERSE takes effect with what it undoes, and so counts in the same month.
    """
    values = [(p, m, bucket_of_id(a), t, a, *instants) for p, m, t, a, *instants in spans]
    sums: dict[Place, dict[int, MonthSums]] = {}
    lapsed: dict[tuple[Place, int], tuple[Any, ...]] = {}
    for place, month, *figures in _execute(connection, _month_lots, "month", _MONTH, values):
        lapsed[place, month] = tuple(figures)
    moved: dict[tuple[Place, int], tuple[Any, ...]] = {}
    for place, month, *figures in _execute(
        connection, _month_transactions, "month", _MONTH, values
    ):
        moved[place, month] = tuple(figures)
    for place, month in lapsed.keys() | moved.keys():
        unrecorded, live, redeemed_from_lots, expires_at = lapsed.get((place, month), _NO_LOTS)
        expired, redeemed = moved.get((place, month), _NO_MOVES)
        sums.setdefault(place, {})[month] = MonthSums(
            expired=expired + unrecorded,
            expiring=live,
            redeemed=redeemed,
            redeemed_from_lots=redeemed_from_lots,
            expires_at=expires_at,
        )
    return sums


_NO_LOTS = (0, 0, 0, None)
_NO_MOVES = (0, 0)


def _execute(
    connection: Connection,
    statement: Select[Any],
    name: str,
    columns: Sequence[str],
    values: Sequence[Sequence[Any]],
) -> Iterable[Any]:
    if not values:
        return ()
    return connection.execute(statement, fill(name, columns, values))

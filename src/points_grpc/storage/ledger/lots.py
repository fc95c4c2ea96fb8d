"""Lots: named ones, due ones, spendable ones; added and updated in batches.

Only the lock on their account protects lots: they are read after it and never locked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Select, func, or_, select, true
from sqlalchemy.sql.selectable import TableValuedAlias

from points_grpc.domain.model import AwardKind, LotState
from points_grpc.domain.state import Lot
from points_grpc.storage.core.ids import BUCKETS, bucket_of_id
from points_grpc.storage.core.pipeline import Query, Row, enqueue, execute
from points_grpc.storage.core.unnest import BIGINT, INT, fill, insert_rows, rows, update_rows
from points_grpc.storage.tables import INSTANT, lots

LotKey = tuple[int, int]
"""tenant_id, lot_id"""

_KEY = ("bucket", "tenant_id", "lot_id")
_BY_KEY = itemgetter(0, 1, 2)
_FIXED = (
    "account_id",
    "member_id",
    "currency_id",
    "vendor_id",
    "kind",
    "policy_version_id",
    "priority",
    "amount",
    "earned_at",
)
_MOVING = (
    "state",
    "rule",
    "remaining",
    "held",
    "redeemed",
    "expired",
    "unfinished",
    "expires_at",
    "state_at",
    "lapse_id",
)
_COLUMNS = (
    "lot_id",
    "account_id",
    "member_id",
    "currency_id",
    "vendor_id",
    "kind",
    "state",
    "policy_version_id",
    "rule",
    "priority",
    "amount",
    "remaining",
    "earned_at",
    "expires_at",
    "state_at",
    "held",
    "redeemed",
    "expired",
    "lapse_id",
)
LOT_COLUMNS = tuple(lots.c[name] for name in _COLUMNS)
"""What `to_lot` expects of a row, in this order."""

_APPROVED = int(LotState.APPROVED)


_asked = rows("asked", bucket=INT, tenant_id=INT, lot_id=BIGINT)
_is_asked = (
    (lots.c.bucket == _asked.c.bucket)
    & (lots.c.tenant_id == _asked.c.tenant_id)
    & (lots.c.lot_id == _asked.c.lot_id)
)
_by_id = select(*LOT_COLUMNS).select_from(_asked).join(lots, _is_asked)
_find = _by_id.add_columns(lots.c.tenant_id)

_vendors = rows("vendors", bucket=INT, tenant_id=INT, member_id=BIGINT, vendor_id=BIGINT)
_by_vendor_id = (
    select(*LOT_COLUMNS)
    .select_from(_vendors)
    .join(
        lots,
        (lots.c.bucket == _vendors.c.bucket)
        & (lots.c.tenant_id == _vendors.c.tenant_id)
        & (lots.c.member_id == _vendors.c.member_id)
        & (lots.c.vendor_id == _vendors.c.vendor_id)
        & lots.c.vendor_id.is_not(None),
    )
)

_checked = rows("checked", bucket=INT, tenant_id=INT, account_id=BIGINT, now=INSTANT)


def unfinished_of(source: TableValuedAlias) -> Select[Any]:
    """The unfinished lots of the accounts in `source`, of which the statement is a lateral part."""
    return select(*LOT_COLUMNS).where(
        lots.c.unfinished,
        lots.c.bucket == source.c.bucket,
        lots.c.tenant_id == source.c.tenant_id,
        lots.c.account_id == source.c.account_id,
    )


def _due_statement(limit: int | None) -> Select[Any]:
    due = (
        unfinished_of(_checked)
        .where(or_(lots.c.rule != 0, lots.c.expires_at <= _checked.c.now))
        .limit(limit)
        .lateral("due")
    )
    return select(*due.c).select_from(_checked).join(due, true())


_of_activity = (
    unfinished_of(_checked)
    .where(lots.c.rule != 0, lots.c.expires_at.is_(None))
    .lateral("following")
)
_following = select(*_of_activity.c).select_from(_checked).join(_of_activity, true())

_soonest = (
    select(func.min(lots.c.expires_at).label("soonest"))
    .where(
        lots.c.unfinished,
        lots.c.bucket == _checked.c.bucket,
        lots.c.tenant_id == _checked.c.tenant_id,
        lots.c.account_id == _checked.c.account_id,
        lots.c.rule == 0,
        lots.c.expires_at > _checked.c.now,
    )
    .lateral("soonest")
)
_next_fixed = (
    select(_checked.c.account_id, _soonest.c.soonest).select_from(_checked).join(_soonest, true())
)

_statements: dict[tuple[str, int | None], Select[Any]] = {}

_insert = insert_rows(lots, (*_KEY, *_FIXED, *_MOVING))
_update = update_rows(lots, _KEY, _MOVING)
_DATES = ("rule", "expires_at")
_update_dates = update_rows(lots, _KEY, _DATES)


def by_id(connection: Connection, keys: Collection[LotKey]) -> dict[int, Lot]:
    """The lots with these keys."""
    return fetch(connection, _by_id, "asked", _KEY, _asked_for(keys))


def finding(keys: Collection[LotKey]) -> Query[dict[LotKey, Lot]]:
    """The lots that there are of these keys, by key."""
    return Query(_find if keys else None, fill("asked", _KEY, _asked_for(keys)), _found)


def _found(rows: Sequence[Row]) -> dict[LotKey, Lot]:
    return {(row[-1], row[0]): to_lot(row) for row in rows}


def by_vendor_id(connection: Connection, names: Collection[tuple[int, int, int]]) -> dict[int, Lot]:
    """The lots with these (tenant_id, member_id, vendor_id)."""
    values = sorted((bucket_of_id(m), t, m, vendor) for t, m, vendor in names)
    columns = ("bucket", "tenant_id", "member_id", "vendor_id")
    return fetch(connection, _by_vendor_id, "vendors", columns, values)


def possibly_due(
    connection: Connection, accounts: Sequence[tuple[int, int, datetime]], limit: int | None
) -> dict[int, Lot]:
    """Return for each (tenant_id, account_id, now) every unfinished lot that may be due.

    Those are the fixed ones whose expiry has come and all inactivity lots; at most `limit` an
    account where there is a limit.
    """
    statement = statement_of("due", limit, _due_statement)
    return fetch(connection, statement, "checked", _CHECKED, with_bucket(accounts))


def following(
    connection: Connection, accounts: Sequence[tuple[int, int, datetime]]
) -> dict[int, Lot]:
    """Return for each (tenant_id, account_id, now) every unfinished lot of an inactivity policy."""
    return fetch(connection, _following, "checked", _CHECKED, with_bucket(accounts))


def next_fixed_due(
    connection: Connection, accounts: Sequence[tuple[int, int, datetime]]
) -> dict[int, datetime]:
    """By account, the soonest fixed expiry of an unfinished lot after its `now`."""
    if not accounts:
        return {}
    found = execute(connection, _next_fixed, fill("checked", _CHECKED, with_bucket(accounts)))
    return {account: at for account, at in found if at is not None}


def insert(connection: Connection, new: Sequence[tuple[int, Lot]]) -> None:
    """Add lots, each with its tenant_id; a vendor's id that is there already is a conflict."""
    if not new:
        return
    values = [
        (bucket_of_id(lot.lot_id), tenant, lot.lot_id, *_fixed_of(lot), *_moving_of(lot))
        for tenant, lot in sorted(new, key=_unique)
    ]
    enqueue(connection, _insert, fill("new", (*_KEY, *_FIXED, *_MOVING), values))


def update(connection: Connection, changed: Sequence[tuple[int, Lot]]) -> None:
    """Write lots of accounts that this unit of work has locked, each with its tenant_id."""
    if not changed:
        return
    values = sorted(
        (bucket_of_id(lot.lot_id), tenant, lot.lot_id, *_moving_of(lot)) for tenant, lot in changed
    )
    enqueue(connection, _update, fill("new", (*_KEY, *_MOVING), values))


def update_dates(connection: Connection, changed: Sequence[tuple[int, Lot]]) -> None:
    """Write no more than the expiry of lots of locked accounts, each with its tenant_id."""
    if not changed:
        return
    values = sorted(
        [(lot.lot_id % BUCKETS, t, lot.lot_id, lot.rule, lot.expires_at) for t, lot in changed],
        key=_BY_KEY,
    )
    enqueue(connection, _update_dates, fill("new", (*_KEY, *_DATES), values))


def to_lot(row: Sequence[Any]) -> Lot:
    """A row of LOT_COLUMNS as the domain knows it."""
    (lot_id, account, member, currency, vendor, kind, state, policy, rule, priority) = row[:10]
    amount, remaining, earned_at, expires_at, state_at, held, redeemed, expired, lapse = row[10:19]
    return Lot(
        lot_id=lot_id,
        account_id=account,
        member_id=member,
        currency_id=currency,
        vendor_id=vendor or 0,
        kind=_KINDS[kind],
        state=_STATES[state],
        policy_version_id=policy,
        rule=rule,
        priority=priority,
        amount=amount,
        remaining=remaining,
        earned_at=earned_at,
        expires_at=expires_at,
        state_at=state_at,
        held=held,
        redeemed=redeemed,
        expired=expired,
        lapse_id=lapse or 0,
    )


_KINDS = {int(kind): kind for kind in AwardKind}
_STATES = {int(state): state for state in LotState}

_CHECKED = ("bucket", "tenant_id", "account_id", "now")


def _unique(pair: tuple[int, Lot]) -> tuple[int, ...]:
    """By what two units of work may both add, so that they meet in one order."""
    tenant, lot = pair
    return (bucket_of_id(lot.lot_id), tenant, lot.member_id, lot.vendor_id, lot.lot_id)


def _asked_for(keys: Collection[LotKey]) -> list[tuple[int, int, int]]:
    return sorted((bucket_of_id(lot), tenant, lot) for tenant, lot in keys)


def statement_of(name: str, limit: int | None, make: Callable[[Any], Select[Any]]) -> Select[Any]:
    """The statement of that name for that limit, made once."""
    if (name, limit) not in _statements:
        _statements[name, limit] = make(limit)
    return _statements[name, limit]


def with_bucket(accounts: Sequence[tuple[int, int, Any]]) -> list[tuple[Any, ...]]:
    """(tenant_id, account_id, x) with the account's bucket in front."""
    return [(bucket_of_id(account), tenant, account, x) for tenant, account, x in accounts]


def fetch(
    connection: Connection,
    statement: Select[Any],
    name: str,
    columns: Sequence[str],
    values: Sequence[tuple[Any, ...]],
) -> dict[int, Lot]:
    """The lots that a statement finds for the rows `values` of its source `name`, by id."""
    if not values:
        return {}
    found = execute(connection, statement, fill(name, columns, values))
    return {row[0]: to_lot(row) for row in found}


def _fixed_of(lot: Lot) -> tuple[Any, ...]:
    return (
        lot.account_id,
        lot.member_id,
        lot.currency_id,
        lot.vendor_id or None,
        lot.kind,
        lot.policy_version_id,
        lot.priority,
        lot.amount,
        lot.earned_at,
    )


def _moving_of(lot: Lot) -> tuple[Any, ...]:
    return (
        lot.state,
        lot.rule,
        lot.remaining,
        lot.held,
        lot.redeemed,
        lot.expired,
        lot.unfinished,
        lot.expires_at,
        lot.state_at,
        lot.lapse_id or None,
    )

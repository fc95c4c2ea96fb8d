"""Accounts: found by member and currency, locked, added and updated, always in batches."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, bindparam, func, select, true, tuple_

from points_grpc.domain.state import Account
from points_grpc.storage.core.ids import BUCKETS, bucket_of_id
from points_grpc.storage.core.pipeline import Query, Row, enqueue, execute
from points_grpc.storage.core.unnest import BIGINT, INT, fill, insert_rows, rows, update_rows
from points_grpc.storage.tables import ACTIVITY_COLUMNS, INSTANT, accounts

AccountKey = tuple[int, int]
"""tenant_id, account_id"""

MemberCurrency = tuple[int, int, int]
"""tenant_id, member_id, currency_id"""

_ACTIVE = 1
_KEY = ("bucket", "tenant_id", "account_id")
_BY_KEY = itemgetter(0, 1, 2)
_FIXED = ("program_id", "member_id", "currency_id", "created_at", "state")
_FIGURES = (
    "last_at",
    "available",
    "pending",
    "held",
    "total_earned",
    "total_redeemed",
    "total_expired",
    "version",
)
_MOVING = (*_FIGURES, "next_due_at", *ACTIVITY_COLUMNS.values())
_KINDS = tuple(ACTIVITY_COLUMNS)

_asked = rows("asked", bucket=INT, tenant_id=INT, account_id=BIGINT)
_read = (
    select(
        accounts.c.tenant_id,
        accounts.c.account_id,
        accounts.c.program_id,
        accounts.c.member_id,
        accounts.c.currency_id,
        accounts.c.created_at,
        *(accounts.c[name] for name in _MOVING),
    )
    .select_from(_asked)
    .join(
        accounts,
        (accounts.c.bucket == _asked.c.bucket)
        & (accounts.c.tenant_id == _asked.c.tenant_id)
        & (accounts.c.account_id == _asked.c.account_id),
    )
    .order_by(accounts.c.bucket, accounts.c.tenant_id, accounts.c.account_id)
)
_lock_waiting = _read.with_for_update(key_share=True, of=accounts)
_lock_skipping = _read.with_for_update(key_share=True, of=accounts, skip_locked=True)

_pairs = rows("pairs", bucket=INT, tenant_id=INT, member_id=BIGINT, currency_id=BIGINT)
_find = (
    select(
        accounts.c.tenant_id,
        accounts.c.member_id,
        accounts.c.currency_id,
        accounts.c.account_id,
    )
    .select_from(_pairs)
    .join(
        accounts,
        (accounts.c.bucket == _pairs.c.bucket)
        & (accounts.c.tenant_id == _pairs.c.tenant_id)
        & (accounts.c.member_id == _pairs.c.member_id)
        & (accounts.c.currency_id == _pairs.c.currency_id),
    )
)

_insert = insert_rows(accounts, (*_KEY, *_FIXED, *_MOVING))
_update = update_rows(accounts, _KEY, _MOVING)
_DATES = ("version", "last_at", "next_due_at")
_update_dates = update_rows(accounts, _KEY, _DATES)

_places = rows(
    "places",
    bucket=INT,
    tenant_id=INT,
    program_id=BIGINT,
    after_at=INSTANT,
    after_account=BIGINT,
    until=INSTANT,
)
_PLACES = ("bucket", "tenant_id", "program_id", "after_at", "after_account", "until")
_due_there = and_(
    accounts.c.bucket == _places.c.bucket,
    accounts.c.tenant_id == _places.c.tenant_id,
    accounts.c.program_id == _places.c.program_id,
    accounts.c.next_due_at <= _places.c.until,
)
_next_due = (
    select(accounts.c.next_due_at, accounts.c.account_id)
    .where(
        _due_there,
        tuple_(accounts.c.next_due_at, accounts.c.account_id)
        > tuple_(_places.c.after_at, _places.c.after_account),
    )
    .order_by(accounts.c.next_due_at, accounts.c.account_id)
    .limit(bindparam("most", type_=BIGINT))
    .lateral("next_due")
)
_due = (
    select(
        _places.c.bucket,
        _places.c.tenant_id,
        _places.c.program_id,
        _next_due.c.next_due_at,
        _next_due.c.account_id,
    )
    .select_from(_places)
    .join(_next_due, true())
)
_count = select(func.count().label("number")).where(_due_there).lateral("counted")
_count_due = (
    select(func.coalesce(func.sum(_count.c.number), 0)).select_from(_places).join(_count, true())
)


class DuePlace(NamedTuple):
    """How far one has come among the due accounts of a program in one bucket.

    They are in the order of their bounds, then of their ids.
    """

    bucket: int
    tenant_id: int
    program_id: int
    after_at: datetime = datetime(1, 1, 1, tzinfo=UTC)
    after_account: int = 0


def find(connection: Connection, pairs: Collection[MemberCurrency]) -> dict[MemberCurrency, int]:
    """The account id of each member's currency; those without an account are absent."""
    if not pairs:
        return {}
    values = [(bucket_of_id(m), t, m, c) for t, m, c in pairs]
    names = ("bucket", "tenant_id", "member_id", "currency_id")
    found = execute(connection, _find, fill("pairs", names, values))
    return {(tenant, member, currency): account for tenant, member, currency, account in found}


def reading(keys: Iterable[AccountKey]) -> Query[list[Account]]:
    """The accounts that exist of `keys`, unlocked."""
    return _asking(_read, keys)


def read(connection: Connection, keys: Iterable[AccountKey]) -> list[Account]:
    """Read like `reading`, in a round trip of its own."""
    return reading(keys).run(connection)


def locking(keys: Iterable[AccountKey], wait: bool) -> Query[list[Account]]:
    """Lock and read the accounts, in id order.

    Without `wait` those locked elsewhere are left out; with it they are waited for, up to
    lock_timeout (55P03).
    """
    return _asking(_lock_waiting if wait else _lock_skipping, keys)


def lock(connection: Connection, keys: Iterable[AccountKey], wait: bool) -> list[Account]:
    """Lock like `locking`, in a round trip of its own."""
    return locking(keys, wait).run(connection)


def insert(connection: Connection, new: Sequence[Account]) -> None:
    """Add accounts; one that another unit of work added first is a conflict (23505)."""
    if not new:
        return
    values = [
        (
            *_key_of(a),
            a.program_id,
            a.member_id,
            a.currency_id,
            a.created_at,
            _ACTIVE,
            *_moving_of(a),
        )
        for a in sorted(new, key=_unique)
    ]
    enqueue(connection, _insert, fill("new", (*_KEY, *_FIXED, *_MOVING), values))


def update(connection: Connection, changed: Sequence[Account]) -> None:
    """Write the figures of accounts that this unit of work has locked."""
    if not changed:
        return
    values = [(*_key_of(a), *_moving_of(a)) for a in sorted(changed, key=_key_of)]
    enqueue(connection, _update, fill("new", (*_KEY, *_MOVING), values))


def update_dates(connection: Connection, changed: Sequence[Account]) -> None:
    """Write no more than the version and dates of accounts that this unit of work has locked."""
    if not changed:
        return
    values = [
        (a.account_id % BUCKETS, a.tenant_id, a.account_id, a.version, a.last_at, a.next_due_at)
        for a in changed
    ]
    values.sort(key=_BY_KEY)
    enqueue(connection, _update_dates, fill("new", (*_KEY, *_DATES), values))


def due(
    connection: Connection, places: Sequence[DuePlace], until: datetime, limit: int
) -> list[DuePlace]:
    """The next accounts, up to `limit` from each place, that may have lots due by `until`.

    Each as the place right after it: its `after_account` is the account.
    """
    if not places:
        return []
    params = fill("places", _PLACES, [(*place, until) for place in places])
    found = connection.execute(_due, {**params, "most": limit})
    return [DuePlace(*row) for row in found]


def count_due(connection: Connection, places: Sequence[DuePlace], until: datetime) -> int:
    """Count the accounts of these places that may have lots due by `until`."""
    if not places:
        return 0
    params = fill("places", _PLACES, [(*place, until) for place in places])
    return int(connection.execute(_count_due, params).scalar_one())


def to_account(row: Sequence[Any]) -> Account:
    """A row of `read` as the domain knows it."""
    (tenant, account_id, program, member, currency, created_at, last_at, *figures) = row
    available, pending, held, earned, redeemed, expired, version, next_due_at, *instants = figures
    return Account(
        tenant_id=tenant,
        account_id=account_id,
        program_id=program,
        member_id=member,
        currency_id=currency,
        created_at=created_at,
        last_at=last_at,
        available=available,
        pending=pending,
        held=held,
        total_earned=earned,
        total_redeemed=redeemed,
        total_expired=expired,
        version=version,
        activity={kind: at for kind, at in zip(_KINDS, instants, strict=True) if at is not None},
        next_due_at=next_due_at,
    )


def _asking(statement: Any, keys: Iterable[AccountKey]) -> Query[list[Account]]:
    values = sorted((bucket_of_id(account), tenant, account) for tenant, account in keys)
    return Query(statement if values else None, fill("asked", _KEY, values), _to_accounts)


def _to_accounts(found: Sequence[Row]) -> list[Account]:
    return [to_account(row) for row in found]


def _key_of(account: Account) -> tuple[int, int, int]:
    return (bucket_of_id(account.account_id), account.tenant_id, account.account_id)


def _unique(account: Account) -> tuple[int, ...]:
    """By what two units of work may both add, so that they meet in one order."""
    bucket = bucket_of_id(account.account_id)
    return (bucket, account.tenant_id, account.member_id, account.currency_id)


def _moving_of(a: Account) -> tuple[Any, ...]:
    return (
        a.last_at,
        a.available,
        a.pending,
        a.held,
        a.total_earned,
        a.total_redeemed,
        a.total_expired,
        a.version,
        a.next_due_at,
        *(a.activity.get(kind) for kind in _KINDS),
    )

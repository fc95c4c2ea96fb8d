"""Accounts: found by member and currency, locked, added and updated, always in batches."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, true

from points_grpc.domain.books import Account
from points_grpc.storage.arrays import BIGINT, INT, fill, insert_rows, rows, update_rows
from points_grpc.storage.ids import BUCKETS, bucket_of_id
from points_grpc.storage.tables import ACTIVITY_COLUMNS, INSTANT, accounts

AccountKey = tuple[int, int]
"""tenant_id, account_id"""

MemberCurrency = tuple[int, int, int]
"""tenant_id, member_id, currency_id"""

_ACTIVE = 1
_KEY = ("bucket", "tenant_id", "account_id")
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

_places = rows("places", bucket=INT, tenant_id=INT, program_id=BIGINT, now=INSTANT)


def find(connection: Connection, pairs: Collection[MemberCurrency]) -> dict[MemberCurrency, int]:
    """The account id of each member's currency; those without an account are absent."""
    if not pairs:
        return {}
    values = [(bucket_of_id(m), t, m, c) for t, m, c in pairs]
    names = ("bucket", "tenant_id", "member_id", "currency_id")
    found = connection.execute(_find, fill("pairs", names, values)).all()
    return {(tenant, member, currency): account for tenant, member, currency, account in found}


def read(connection: Connection, keys: Iterable[AccountKey]) -> list[Account]:
    """The accounts that exist of `keys`, unlocked."""
    return _accounts(connection, _read, keys)


def lock(connection: Connection, keys: Iterable[AccountKey], wait: bool) -> list[Account]:
    """Lock and read the accounts, in id order.

    Without `wait` those locked elsewhere are left out; with it they are waited for, up to
    lock_timeout (55P03).
    """
    return _accounts(connection, _lock_waiting if wait else _lock_skipping, keys)


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
    connection.execute(_insert, fill("new", (*_KEY, *_FIXED, *_MOVING), values))


def update(connection: Connection, changed: Sequence[Account]) -> None:
    """Write the figures of accounts that this unit of work has locked."""
    if not changed:
        return
    values = [(*_key_of(a), *_moving_of(a)) for a in sorted(changed, key=_key_of)]
    connection.execute(_update, fill("new", (*_KEY, *_MOVING), values))


def due(
    connection: Connection,
    programs: Collection[tuple[int, int]],
    now: datetime,
    limit: int,
    total: int | None = None,
) -> list[AccountKey]:
    """Accounts of these (tenant, program) that may have lots due by `now`.

    Up to `limit` of each bucket and program, the longest due first, and up to `total` of all.
    """
    values = [(b, t, p, now) for t, p in sorted(programs) for b in range(BUCKETS)]
    if not values:
        return []
    names = ("bucket", "tenant_id", "program_id", "now")
    nearest = (
        select(accounts.c.tenant_id, accounts.c.account_id)
        .where(
            accounts.c.bucket == _places.c.bucket,
            accounts.c.tenant_id == _places.c.tenant_id,
            accounts.c.program_id == _places.c.program_id,
            accounts.c.next_due_at <= _places.c.now,
        )
        .order_by(accounts.c.next_due_at)
        .limit(limit)
        .lateral("nearest")
    )
    found = connection.execute(
        select(nearest.c.tenant_id, nearest.c.account_id)
        .select_from(_places)
        .join(nearest, true())
        .limit(total),
        fill("places", names, values),
    )
    return [(tenant, account) for tenant, account in found]


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


def _accounts(connection: Connection, statement: Any, keys: Iterable[AccountKey]) -> list[Account]:
    values = sorted((bucket_of_id(account), tenant, account) for tenant, account in keys)
    if not values:
        return []
    return [
        to_account(row) for row in connection.execute(statement, fill("asked", _KEY, values)).all()
    ]


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

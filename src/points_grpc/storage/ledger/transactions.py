"""Transactions and their allocations: added in batches, never changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, func, select, true

from points_grpc.domain.model import LotState, TransactionType
from points_grpc.domain.state import Allocation, Transaction
from points_grpc.storage.core.ids import bucket_of_id
from points_grpc.storage.core.pipeline import enqueue, execute
from points_grpc.storage.core.unnest import BIGINT, INT, fill, insert_rows, rows
from points_grpc.storage.tables import allocations, transactions

_KEY = ("bucket", "tenant_id")
_COLUMNS = (
    "transaction_id",
    "account_id",
    "currency_id",
    "version",
    "type",
    "amount",
    "available_after",
    "pending_after",
    "held_after",
    "principal",
    "effective_at",
    "created_at",
    "related_id",
    "request_id",
    "reference",
    "source",
    "reason",
    "description",
    "first_state",
    "expires_at",
)
TRANSACTION_COLUMNS = tuple(transactions.c[name] for name in _COLUMNS)
"""What `to_transaction` expects of a row, in this order."""

_asked = rows("asked", bucket=INT, tenant_id=INT, transaction_id=BIGINT)
_by_id = (
    select(*TRANSACTION_COLUMNS)
    .select_from(_asked)
    .join(
        transactions,
        (transactions.c.bucket == _asked.c.bucket)
        & (transactions.c.tenant_id == _asked.c.tenant_id)
        & (transactions.c.transaction_id == _asked.c.transaction_id),
    )
)
_existing = (
    select(transactions.c.tenant_id, transactions.c.transaction_id)
    .select_from(_asked)
    .join(
        transactions,
        (transactions.c.bucket == _asked.c.bucket)
        & (transactions.c.tenant_id == _asked.c.tenant_id)
        & (transactions.c.transaction_id == _asked.c.transaction_id),
    )
)
_references = (
    select(transactions.c.transaction_id, transactions.c.reference)
    .select_from(_asked)
    .join(
        transactions,
        (transactions.c.bucket == _asked.c.bucket)
        & (transactions.c.tenant_id == _asked.c.tenant_id)
        & (transactions.c.transaction_id == _asked.c.transaction_id),
    )
)

_bounded = rows("bounded", bucket=INT, tenant_id=INT, transaction_id=BIGINT, most=BIGINT)
_first_parts = (
    select(allocations.c.transaction_id, allocations.c.lot_id, allocations.c.amount)
    .where(
        allocations.c.bucket == _bounded.c.bucket,
        allocations.c.tenant_id == _bounded.c.tenant_id,
        allocations.c.transaction_id == _bounded.c.transaction_id,
    )
    .order_by(allocations.c.lot_id)
    .limit(_bounded.c.most)
    .lateral("parts")
)
_allocations_of = (
    select(*_first_parts.c)
    .select_from(_bounded)
    .join(_first_parts, true())
    .order_by(_first_parts.c.transaction_id, _first_parts.c.lot_id)
)
_all_parts = (
    select(func.count().label("parts"))
    .select_from(allocations)
    .where(
        allocations.c.bucket == _asked.c.bucket,
        allocations.c.tenant_id == _asked.c.tenant_id,
        allocations.c.transaction_id == _asked.c.transaction_id,
    )
    .lateral("counted")
)
_counts = (
    select(_asked.c.transaction_id, _all_parts.c.parts).select_from(_asked).join(_all_parts, true())
)
_following = (
    select(allocations.c.transaction_id, allocations.c.lot_id, allocations.c.amount)
    .where(
        allocations.c.bucket == bindparam("of_bucket", type_=INT),
        allocations.c.tenant_id == bindparam("of_tenant", type_=INT),
        allocations.c.transaction_id == bindparam("of_transaction", type_=BIGINT),
        allocations.c.lot_id > bindparam("after", type_=BIGINT),
    )
    .order_by(allocations.c.lot_id)
    .limit(bindparam("quota", type_=BIGINT))
)

_parts = rows("parts", bucket=INT, tenant_id=INT, transaction_id=BIGINT, lot_id=BIGINT)
_part = (
    select(allocations.c.lot_id, allocations.c.amount)
    .select_from(_parts)
    .join(
        allocations,
        (allocations.c.bucket == _parts.c.bucket)
        & (allocations.c.tenant_id == _parts.c.tenant_id)
        & (allocations.c.transaction_id == _parts.c.transaction_id)
        & (allocations.c.lot_id == _parts.c.lot_id),
    )
)

ALLOCATION = ("bucket", "tenant_id", "transaction_id", "lot_id", "amount")
"""The columns of an allocation, in the order in which it is written."""

_insert = insert_rows(transactions, (*_KEY, *_COLUMNS))
_insert_allocations = insert_rows(allocations, ALLOCATION)


class FirstAllocations(NamedTuple):
    """A transaction's first allocations by lot id, and how many it has in all."""

    rows: Sequence[Allocation] = ()
    total: int = 0


def by_id(connection: Connection, keys: Iterable[tuple[int, int]]) -> dict[int, Transaction]:
    """The transactions with these (tenant_id, transaction_id)."""
    found = _by_transaction(connection, _by_id, keys)
    return {row[0]: to_transaction(row) for row in found}


def existing(connection: Connection, keys: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return which of these (tenant_id, transaction_id) exist."""
    return {(row[0], row[1]) for row in _by_transaction(connection, _existing, keys)}


def references(connection: Connection, keys: Iterable[tuple[int, int]]) -> dict[int, str]:
    """The references of these (tenant_id, transaction_id), by transaction."""
    return {row[0]: row[1] or "" for row in _by_transaction(connection, _references, keys)}


def allocations_of(
    connection: Connection, bounds: Mapping[tuple[int, int], int]
) -> dict[int, FirstAllocations]:
    """By transaction, as many of the first allocations of these (tenant_id, transaction_id)."""
    if not bounds:
        return {}
    values = sorted((bucket_of_id(n), tenant, n, most) for (tenant, n), most in bounds.items())
    names = ("bucket", "tenant_id", "transaction_id", "most")
    grouped: dict[int, list[Allocation]] = {}
    for row in execute(connection, _allocations_of, fill("bounded", names, values)):
        transaction_id, lot_id, amount = row
        grouped.setdefault(transaction_id, []).append(Allocation(transaction_id, lot_id, amount))
    # Only what was cut short has to be counted, which is rare.
    cut = [key for key, most in bounds.items() if len(grouped.get(key[1], ())) >= most]
    counts = {row[0]: row[1] for row in _by_transaction(connection, _counts, cut)}
    return {n: FirstAllocations(found, counts.get(n, len(found))) for n, found in grouped.items()}


def allocations_after(
    connection: Connection, key: tuple[int, int], after: int, quota: int
) -> list[Allocation]:
    """The `quota` allocations of a (tenant_id, transaction_id) behind a lot id, by lot id."""
    tenant_id, transaction_id = key
    params = {
        "of_bucket": bucket_of_id(transaction_id),
        "of_tenant": tenant_id,
        "of_transaction": transaction_id,
        "after": after,
        "quota": quota,
    }
    return [Allocation(*row) for row in connection.execute(_following, params)]


def parts(connection: Connection, keys: Collection[tuple[int, int, int]]) -> dict[int, int]:
    """By lot, how much of each (tenant_id, transaction_id, lot_id) was allocated."""
    if not keys:
        return {}
    values = [(bucket_of_id(transaction), t, transaction, lot) for t, transaction, lot in keys]
    names = ("bucket", "tenant_id", "transaction_id", "lot_id")
    found = execute(connection, _part, fill("parts", names, values))
    return {row[0]: row[1] for row in found}


def insert(connection: Connection, new: Sequence[tuple[int, Transaction]]) -> None:
    """Add transactions, each with its tenant_id."""
    if not new:
        return
    values = [
        (bucket_of_id(row.transaction_id), tenant, *_values_of(row))
        for tenant, row in sorted(new, key=_place)
    ]
    enqueue(connection, _insert, fill("new", (*_KEY, *_COLUMNS), values))


def insert_allocations(connection: Connection, new: Sequence[tuple[int, Allocation]]) -> None:
    """Add allocations, each with its tenant_id."""
    if not new:
        return
    values = sorted(
        (bucket_of_id(a.transaction_id), tenant, a.transaction_id, a.lot_id, a.amount)
        for tenant, a in new
    )
    enqueue(connection, _insert_allocations, fill("new", ALLOCATION, values))


def to_transaction(row: Sequence[Any]) -> Transaction:
    """A row of TRANSACTION_COLUMNS as the domain knows it."""
    (number, account, currency, version, kind, amount, available, pending, held) = row[:9]
    (principal, effective_at, created_at, related, request_id, reference, *rest) = row[9:]
    source, reason, description, first_state, expires_at = rest
    return Transaction(
        transaction_id=number,
        account_id=account,
        currency_id=currency,
        version=version,
        type=TransactionType(kind),
        amount=amount,
        available_after=available,
        pending_after=pending,
        held_after=held,
        principal=principal,
        effective_at=effective_at,
        created_at=created_at,
        related_id=related or 0,
        request_id=request_id or "",
        reference=reference or "",
        source=source or "",
        reason=reason or "",
        description=description or "",
        first_state=None if first_state is None else LotState(first_state),
        expires_at=expires_at,
    )


def _by_transaction(
    connection: Connection, statement: Any, keys: Iterable[tuple[int, int]]
) -> Iterable[Sequence[Any]]:
    values = sorted((bucket_of_id(number), tenant, number) for tenant, number in keys)
    if not values:
        return ()
    names = ("bucket", "tenant_id", "transaction_id")
    return execute(connection, statement, fill("asked", names, values))


def _place(pair: tuple[int, Transaction]) -> tuple[int, int, int]:
    tenant, row = pair
    return (bucket_of_id(row.transaction_id), tenant, row.transaction_id)


def _values_of(row: Transaction) -> tuple[Any, ...]:
    return (
        row.transaction_id,
        row.account_id,
        row.currency_id,
        row.version,
        row.type,
        row.amount,
        row.available_after,
        row.pending_after,
        row.held_after,
        row.principal,
        row.effective_at,
        row.created_at,
        row.related_id or None,
        row.request_id or None,
        row.reference or None,
        row.source or None,
        row.reason or None,
        row.description or None,
        row.first_state,
        row.expires_at,
    )

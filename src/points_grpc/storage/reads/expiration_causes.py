"""Why points were expired: found from the rows that the same decision has left.

An immediate UpdateExpiry records its EXPIRE right before its expiry change. A lapse is named by the
lots that it ended, and once it was undone by the REVERSE, which has its effective instant. What is
neither was expired on demand.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, literal, or_, select, true

from points_grpc.domain.model import ExpirationCause, TransactionType
from points_grpc.domain.state import Transaction
from points_grpc.storage.core.ids import bucket_of_id
from points_grpc.storage.core.pipeline import execute
from points_grpc.storage.core.unnest import BIGINT, INT, SMALL, fill, rows
from points_grpc.storage.tables import INSTANT, allocations, expiry_changes, lots, transactions

_NAMES = ("bucket", "tenant_id", "transaction_id", "account_id", "version", "effective_at")
_asked = rows(
    "asked",
    bucket=INT,
    tenant_id=INT,
    transaction_id=BIGINT,
    account_id=BIGINT,
    version=BIGINT,
    effective_at=INSTANT,
)
_REVERSE = literal(int(TransactionType.REVERSE), SMALL)

_immediate = (
    select(expiry_changes.c.version)
    .where(
        expiry_changes.c.bucket == _asked.c.bucket,
        expiry_changes.c.tenant_id == _asked.c.tenant_id,
        expiry_changes.c.account_id == _asked.c.account_id,
        expiry_changes.c.version == _asked.c.version + 1,
        expiry_changes.c.new_expires_at == _asked.c.effective_at,
    )
    .limit(1)
    .lateral("immediate")
)
# A lapse ends all of its lots, so that one of them tells, unless it was given back since.
_first = (
    select(allocations.c.lot_id)
    .where(
        allocations.c.bucket == _asked.c.bucket,
        allocations.c.tenant_id == _asked.c.tenant_id,
        allocations.c.transaction_id == _asked.c.transaction_id,
    )
    .order_by(allocations.c.lot_id)
    .limit(1)
    .lateral("first")
)
_lapsed = (
    select(lots.c.lapse_id)
    .where(
        lots.c.bucket == _asked.c.bucket,
        lots.c.tenant_id == _asked.c.tenant_id,
        lots.c.lot_id == _first.c.lot_id,
        lots.c.lapse_id == _asked.c.transaction_id,
    )
    .limit(1)
    .lateral("lapsed")
)
_undone = (
    select(transactions.c.related_id)
    .where(
        transactions.c.bucket == _asked.c.bucket,
        transactions.c.tenant_id == _asked.c.tenant_id,
        transactions.c.account_id == _asked.c.account_id,
        transactions.c.effective_at == _asked.c.effective_at,
        transactions.c.type == _REVERSE,
        transactions.c.related_id == _asked.c.transaction_id,
    )
    .limit(1)
    .lateral("undone")
)
# The limits keep the planner from reading these tables at large and hashing them.
_causes = (
    select(
        _asked.c.transaction_id,
        _immediate.c.version.is_not(None),
        or_(_lapsed.c.lapse_id.is_not(None), _undone.c.related_id.is_not(None)),
    )
    .select_from(_asked)
    .outerjoin(_immediate, true())
    .outerjoin(_first, true())
    .outerjoin(_lapsed, true())
    .outerjoin(_undone, true())
)


def causes(
    connection: Connection, found: Iterable[tuple[int, Transaction]]
) -> dict[int, ExpirationCause]:
    """Return why each EXPIRE among these transactions, each with its tenant_id, came to be."""
    values = sorted(
        (
            bucket_of_id(row.transaction_id),
            tenant_id,
            row.transaction_id,
            row.account_id,
            row.version,
            row.effective_at,
        )
        for tenant_id, row in found
        if row.type is TransactionType.EXPIRE
    )
    if not values:
        return {}
    return {
        number: _cause(is_immediate, is_lapse)
        for number, is_immediate, is_lapse in execute(
            connection, _causes, fill("asked", _NAMES, values)
        )
    }


def _cause(is_immediate: bool, is_lapse: bool) -> ExpirationCause:
    if is_immediate:
        return ExpirationCause.IMMEDIATE
    return ExpirationCause.LAPSE if is_lapse else ExpirationCause.ON_DEMAND

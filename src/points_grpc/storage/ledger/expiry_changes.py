"""Expiry changes: added in batches, never changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, select, true

from points_grpc.domain.model import ReasonType
from points_grpc.domain.state import ExpiryChange
from points_grpc.storage.core.ids import BUCKETS, bucket_of_id
from points_grpc.storage.core.pipeline import enqueue, execute
from points_grpc.storage.core.unnest import BIGINT, INT, fill, insert_rows, rows
from points_grpc.storage.tables import expiry_changes

_COLUMNS = (
    "event_id",
    "account_id",
    "currency_id",
    "version",
    "lot_id",
    "old_expires_at",
    "new_expires_at",
    "reason_type",
    "reason_note",
    "who_raised",
    "who_approved",
    "reason_for_trigger",
    "custom_meta",
    "principal",
    "request_id",
    "created_at",
)
EXPIRY_CHANGE_COLUMNS = tuple(expiry_changes.c[name] for name in _COLUMNS)
"""What `to_expiry_change` expects of a row, in this order."""

LAST_VERSION = 2**63 - 1

_asked = rows("asked", bucket=INT, tenant_id=INT, event_id=BIGINT)
_by_id = (
    select(*EXPIRY_CHANGE_COLUMNS)
    .select_from(_asked)
    .join(
        expiry_changes,
        (expiry_changes.c.bucket == _asked.c.bucket)
        & (expiry_changes.c.tenant_id == _asked.c.tenant_id)
        & (expiry_changes.c.event_id == _asked.c.event_id),
    )
)
_of_lots = rows("of_lots", bucket=INT, tenant_id=INT, lot_id=BIGINT, version=BIGINT)
_any = (
    select(expiry_changes.c.version)
    .where(
        expiry_changes.c.bucket == _of_lots.c.bucket,
        expiry_changes.c.tenant_id == _of_lots.c.tenant_id,
        expiry_changes.c.lot_id == _of_lots.c.lot_id,
        expiry_changes.c.version <= _of_lots.c.version,
    )
    .limit(1)
    .lateral("any_change")
)
_moved = select(_of_lots.c.lot_id, _of_lots.c.version).select_from(_of_lots).join(_any, true())
_BY_KEY = itemgetter(0, 1, 2)
_INSERTED = ("bucket", "tenant_id", *_COLUMNS)
_insert = insert_rows(expiry_changes, _INSERTED)


def by_id(connection: Connection, keys: Iterable[tuple[int, int]]) -> dict[int, ExpiryChange]:
    """The changes with these (tenant_id, event_id)."""
    values = sorted((bucket_of_id(event), tenant, event) for tenant, event in keys)
    if not values:
        return {}
    names = ("bucket", "tenant_id", "event_id")
    found = execute(connection, _by_id, fill("asked", names, values))
    return {row[0]: to_expiry_change(row) for row in found}


def moved(
    connection: Connection, keys: Iterable[tuple[int, int]], version: int = LAST_VERSION
) -> set[int]:
    """Return which lots of these (tenant_id, lot_id) had a change up to an account's version."""
    asked = [(tenant_id, lot_id, version) for tenant_id, lot_id in keys]
    return {lot_id for lot_id, _ in moved_until(connection, asked)}


def moved_until(
    connection: Connection, asked: Iterable[tuple[int, int, int]]
) -> set[tuple[int, int]]:
    """Return the (lot_id, version) of those asked that had a change by then.

    Asked are (tenant_id, lot_id, version), the version being the account's.
    """
    values = sorted((bucket_of_id(lot), tenant, lot, version) for tenant, lot, version in asked)
    if not values:
        return set()
    names = ("bucket", "tenant_id", "lot_id", "version")
    found = execute(connection, _moved, fill("of_lots", names, values))
    return {(lot_id, version) for lot_id, version in found}


def insert(connection: Connection, new: Sequence[tuple[int, ExpiryChange]]) -> None:
    """Add changes, each with its tenant_id."""
    if not new:
        return
    values = [
        (
            row.event_id % BUCKETS,
            tenant,
            row.event_id,
            row.account_id,
            row.currency_id,
            row.version,
            row.lot_id,
            row.old_expires_at,
            row.new_expires_at,
            row.reason_type,
            row.reason_note or None,
            row.standard_meta[0] or None,
            row.standard_meta[1] or None,
            row.standard_meta[2] or None,
            row.custom_meta or None,
            row.principal,
            row.request_id or None,
            row.created_at,
        )
        for tenant, row in new
    ]
    values.sort(key=_BY_KEY)
    enqueue(connection, _insert, fill("new", _INSERTED, values))


def to_expiry_change(row: Sequence[Any]) -> ExpiryChange:
    """A row of EXPIRY_CHANGE_COLUMNS as the domain knows it."""
    (event_id, account, currency, version, lot_id, old, new, reason_type, note) = row[:9]
    (raised, approved, trigger, custom_meta, principal, request_id, created_at) = row[9:]
    return ExpiryChange(
        event_id=event_id,
        account_id=account,
        currency_id=currency,
        version=version,
        lot_id=lot_id,
        old_expires_at=old,
        new_expires_at=new,
        reason_type=None if reason_type is None else ReasonType(reason_type),
        reason_note=note or "",
        standard_meta=(raised or "", approved or "", trigger or ""),
        custom_meta=custom_meta or "",
        principal=principal,
        request_id=request_id or "",
        created_at=created_at,
    )

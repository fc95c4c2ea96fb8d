"""Idempotency rows: the first answer to each request id, for as long as they are kept."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy import insert as insert_into

from points_grpc.storage.core.pipeline import enqueue, execute
from points_grpc.storage.core.unnest import BIGINT, BYTES, INT, fill, rows
from points_grpc.storage.tables import INSTANT, requests

RequestKey = tuple[int, int, bytes]
"""tenant_id, bucket, key"""

RequestRow = tuple[int, int, bytes, bytes, bytes, datetime]
"""bucket, tenant_id, key, fingerprint, answer, created_at"""

_COLUMNS = ("bucket", "tenant_id", "key", "fingerprint", "answer", "created_at")
_FOREVER_AGO = datetime(1, 1, 1, tzinfo=UTC)

_asked = rows("asked", tenant_id=INT, bucket=INT, key=BYTES)
_find = (
    select(
        requests.c.tenant_id,
        requests.c.key,
        requests.c.fingerprint,
        requests.c.answer,
        requests.c.created_at,
    )
    .select_from(_asked)
    .join(
        requests,
        (requests.c.bucket == _asked.c.bucket)
        & (requests.c.tenant_id == _asked.c.tenant_id)
        & (requests.c.key == _asked.c.key),
    )
)

_new = rows(
    "new",
    bucket=INT,
    tenant_id=INT,
    key=BYTES,
    fingerprint=BYTES,
    answer=BYTES,
    created_at=INSTANT,
)
_insert = insert_into(requests).from_select(list(_COLUMNS), select(*(_new.c[c] for c in _COLUMNS)))

# The lower bound is what makes the planner see a short range, for which it uses the BRIN index.
_old = (
    select(requests.c.bucket, requests.c.tenant_id, requests.c.key)
    .where(requests.c.created_at >= bindparam("since", type_=INSTANT))
    .where(requests.c.created_at < bindparam("before", type_=INSTANT))
    .limit(bindparam("most", type_=BIGINT))
    .with_for_update(skip_locked=True)
    .cte("old")
)
_delete_old = delete(requests).where(
    requests.c.bucket == _old.c.bucket,
    requests.c.tenant_id == _old.c.tenant_id,
    requests.c.key == _old.c.key,
)


def find(
    connection: Connection, keys: Collection[RequestKey]
) -> dict[tuple[int, bytes], tuple[bytes, bytes, datetime]]:
    """By (tenant_id, key) the fingerprint and answer kept there and since when; unknown absent."""
    if not keys:
        return {}
    found = execute(connection, _find, fill("asked", ("tenant_id", "bucket", "key"), list(keys)))
    return {
        (tenant_id, key): (fingerprint, answer, created_at)
        for tenant_id, key, fingerprint, answer, created_at in found
    }


def insert(connection: Connection, new: Sequence[RequestRow]) -> None:
    """Add rows, sorted by the caller; one whose key is there already is a conflict (23505)."""
    if new:
        enqueue(connection, _insert, fill("new", _COLUMNS, new))


def delete_older_than(connection: Connection, before: datetime, limit: int) -> int:
    """Delete at most `limit` rows created before `before`, of all tenants; how many they were."""
    bounds = {"since": _FOREVER_AGO, "before": before, "most": limit}
    return connection.execute(_delete_old, bounds).rowcount

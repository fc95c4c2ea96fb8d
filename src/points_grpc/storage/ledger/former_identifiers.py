"""Whose an identifier was before it was unlinked, for as long as request ids are remembered."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert

from points_grpc.storage.core.ids import bucket_of_name
from points_grpc.storage.core.unnest import BIGINT
from points_grpc.storage.tables import INSTANT, former_identifiers

Name = tuple[int, str, str]
"""tenant_id, type, value"""

_FOREVER_AGO = datetime(1, 1, 1, tzinfo=UTC)

_added = insert(former_identifiers)
_add = _added.on_conflict_do_update(
    index_elements=["bucket", "tenant_id", "type", "value", "member_id"],
    set_={"unlinked_at": _added.excluded.unlinked_at},
)

# The lower bound is what makes the planner see a short range, for which it uses the BRIN index.
_KEY = [former_identifiers.c[name] for name in ("bucket", "tenant_id", "type", "value")]
_old = (
    select(*_KEY, former_identifiers.c.member_id)
    .where(former_identifiers.c.unlinked_at >= bindparam("since", type_=INSTANT))
    .where(former_identifiers.c.unlinked_at < bindparam("before", type_=INSTANT))
    .limit(bindparam("most", type_=BIGINT))
    .with_for_update(skip_locked=True)
    .cte("old")
)
_delete_old = delete(former_identifiers).where(
    *(column == _old.c[column.name] for column in _KEY),
    former_identifiers.c.member_id == _old.c.member_id,
)


def add(connection: Connection, name: Name, member_id: int, now: datetime) -> None:
    """Note that the identifier was the member's until now."""
    tenant_id, kind, value = name
    row = {
        "bucket": bucket_of_name(tenant_id, kind, value),
        "tenant_id": tenant_id,
        "type": kind,
        "value": value,
        "member_id": member_id,
        "unlinked_at": now,
    }
    connection.execute(_add, row)


def delete_older_than(connection: Connection, before: datetime, limit: int) -> int:
    """Delete at most `limit` rows unlinked before `before`, of all tenants; how many they were."""
    bounds = {"since": _FOREVER_AGO, "before": before, "most": limit}
    return connection.execute(_delete_old, bounds).rowcount

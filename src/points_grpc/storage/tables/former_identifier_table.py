"""The table of identifiers that members had before: a retry may still name a member by one."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, Integer, PrimaryKeyConstraint, Table, Text

from points_grpc.storage.tables.columns import INSTANT, column, metadata

former_identifiers = Table(
    "former_identifiers",
    metadata,
    column("bucket", Integer),
    column("tenant_id", Integer),
    column("type", Text),
    column("value", Text),
    column("member_id", BigInteger),
    column("unlinked_at", INSTANT),
    PrimaryKeyConstraint("bucket", "tenant_id", "type", "value", "member_id"),
)
Index("former_identifiers_by_age", former_identifiers.c.unlinked_at, postgresql_using="brin")

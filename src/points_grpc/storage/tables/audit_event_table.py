"""The table of what administrators changed."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, Integer, PrimaryKeyConstraint, SmallInteger, Table, Text

from points_grpc.storage.tables.columns import INSTANT, column, metadata

audit_events = Table(
    "audit_events",
    metadata,
    column("bucket", Integer),
    column("tenant_id", Integer),
    column("event_id", BigInteger),
    column("principal", Text),
    column("action", Text),
    column("resource", SmallInteger),
    column("program_id", BigInteger, null=True),
    column("currency_id", BigInteger, null=True),
    column("policy", Text, null=True),
    column("member_id", BigInteger, null=True),
    column("token_id", Text, null=True),
    column("changes", Text),
    column("request_id", Text, null=True),
    column("created_at", INSTANT),
    PrimaryKeyConstraint("bucket", "tenant_id", "event_id"),
)
Index(
    "audit_events_by_time",
    audit_events.c.bucket,
    audit_events.c.tenant_id,
    audit_events.c.created_at,
    audit_events.c.event_id,
)

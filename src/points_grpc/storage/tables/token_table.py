"""The table of API tokens."""

from __future__ import annotations

from sqlalchemy import Integer, LargeBinary, PrimaryKeyConstraint, Table, Text, UniqueConstraint

from points_grpc.storage.tables.columns import INSTANT, column, metadata

tokens = Table(
    "tokens",
    metadata,
    column("token_id", Text),
    column("tenant_id", Integer),
    column("name", Text),
    column("scopes", Text),
    column("digest", LargeBinary),
    column("created_at", INSTANT),
    column("expires_at", INSTANT, null=True),
    column("revoked_at", INSTANT, null=True),
    column("last_used_at", INSTANT, null=True),
    PrimaryKeyConstraint("token_id"),
    UniqueConstraint("digest"),
)

"""The table of what holds for the whole database, of all tenants."""

from __future__ import annotations

from sqlalchemy import PrimaryKeyConstraint, Table, Text

from points_grpc.storage.tables.columns import INSTANT, column, metadata

settings = Table(
    "settings",
    metadata,
    column("name", Text),
    column("value", Text),
    column("updated_at", INSTANT),
    PrimaryKeyConstraint("name"),
)

"""The tables of imports: how far each file has come, and what its rows became."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
)

from points_grpc.storage.tables.columns import INSTANT, column, metadata

imports = Table(
    "imports",
    metadata,
    column("tenant_id", Integer),
    column("program_id", BigInteger),
    column("digest", LargeBinary),
    column("bytes_done", BigInteger),
    column("lines_done", BigInteger),
    column("imported", BigInteger),
    column("known", BigInteger),
    column("refused", BigInteger),
    column("report_bytes", BigInteger),
    column("first_number", BigInteger, default="0"),
    column("finished", Boolean),
    column("started_at", INSTANT),
    column("updated_at", INSTANT),
    PrimaryKeyConstraint("tenant_id", "program_id", "digest"),
)

import_keys = Table(
    "import_keys",
    metadata,
    column("bucket", Integer),
    column("tenant_id", Integer),
    column("member_id", BigInteger),
    column("import_id", Text),
    column("kind", SmallInteger),
    column("target_id", BigInteger),
    PrimaryKeyConstraint("bucket", "tenant_id", "member_id", "import_id"),
)

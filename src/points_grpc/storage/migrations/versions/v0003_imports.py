"""How far the imports of files have come, and what their rows became."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The tables of imports"""
    op.create_table(
        "imports",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("program_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(), autoincrement=False, nullable=False),
        sa.Column("bytes_done", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("lines_done", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("imported", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("known", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("refused", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("report_bytes", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("finished", sa.Boolean(), autoincrement=False, nullable=False),
        sa.Column(
            "started_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=False
        ),
        sa.Column(
            "updated_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=False
        ),
        sa.PrimaryKeyConstraint("tenant_id", "program_id", "digest"),
    )
    op.create_table(
        "import_keys",
        sa.Column("bucket", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("import_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("target_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("bucket", "tenant_id", "member_id", "import_id"),
    )


def downgrade() -> None:
    """Without them"""
    op.drop_table("import_keys")
    op.drop_table("imports")

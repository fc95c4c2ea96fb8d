"""What administrators changed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

FIRST_NUMBER = 2**40


def upgrade() -> None:
    """The table of audit events, and the series of their ids"""
    op.create_table(
        "audit_events",
        sa.Column("bucket", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("principal", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("action", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("resource", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("program_id", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("currency_id", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("policy", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("token_id", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("changes", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("request_id", sa.Text(), autoincrement=False, nullable=True),
        sa.Column(
            "created_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=False
        ),
        sa.PrimaryKeyConstraint("bucket", "tenant_id", "event_id"),
    )
    op.create_index(
        "audit_events_by_time",
        "audit_events",
        ["bucket", "tenant_id", "created_at", "event_id"],
    )
    blocks = sa.table("id_blocks", sa.column("name", sa.Text), sa.column("next", sa.BigInteger))
    series = {"name": "audit_event", "next": FIRST_NUMBER}
    op.execute(postgresql.insert(blocks).values(series).on_conflict_do_nothing())


def downgrade() -> None:
    """Without the table. The series stays, so that no id is given twice."""
    op.drop_table("audit_events")

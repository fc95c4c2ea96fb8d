"""Whose an identifier was before, and until when request ids may be those of members as named."""

from datetime import UTC, timedelta

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Former identifiers; servers of the release before may run for a week yet"""
    op.create_table(
        "former_identifiers",
        sa.Column("bucket", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("type", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "unlinked_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=False
        ),
        sa.PrimaryKeyConstraint("bucket", "tenant_id", "type", "value", "member_id"),
    )
    op.create_index(
        "former_identifiers_by_age",
        "former_identifiers",
        ["unlinked_at"],
        postgresql_using="brin",
    )
    connection = op.get_bind()
    now = connection.execute(sa.select(sa.func.now())).scalar_one()
    until = (now + timedelta(days=7)).astimezone(UTC).isoformat(timespec="seconds")
    connection.execute(
        sa.text(
            "INSERT INTO settings (name, value, updated_at)"
            " SELECT 'requests_by_name_until', :until, :now WHERE EXISTS (SELECT FROM tenants)"
        ),
        {"until": until, "now": now},
    )


def downgrade() -> None:
    """Without them"""
    op.execute("DELETE FROM settings WHERE name = 'requests_by_name_until'")
    op.drop_table("former_identifiers")

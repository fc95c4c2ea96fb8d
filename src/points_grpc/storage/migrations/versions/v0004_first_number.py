"""Where the ids of what an import makes begin."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Imports know what they have made"""
    op.add_column(
        "imports",
        sa.Column(
            "first_number",
            sa.BigInteger(),
            server_default=sa.text("0"),
            autoincrement=False,
            nullable=False,
        ),
    )


def downgrade() -> None:
    """Without it"""
    op.drop_column("imports", "first_number")

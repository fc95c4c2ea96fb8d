"""The tables of the first release"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The tables of the first release"""
    op.create_table(
        "accounts",
        sa.Column("bucket", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("program_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("currency_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("available", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("pending", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("held", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("total_earned", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("total_redeemed", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("total_expired", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "created_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=False
        ),
        sa.Column(
            "last_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=False
        ),
        sa.Column(
            "last_earn_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=True
        ),
        sa.Column(
            "last_submit_at",
            postgresql.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=True,
        ),
        sa.Column(
            "last_approve_at",
            postgresql.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=True,
        ),
        sa.Column(
            "last_close_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=True
        ),
        sa.Column(
            "last_redeem_at",
            postgresql.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=True,
        ),
        sa.Column(
            "last_reverse_at",
            postgresql.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=True,
        ),
        sa.Column(
            "last_hold_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=True
        ),
        sa.Column(
            "last_release_at",
            postgresql.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=True,
        ),
        sa.Column(
            "next_due_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=True
        ),
        sa.CheckConstraint(
            "available >= 0 AND pending >= 0 AND held >= 0", name="nothing_negative"
        ),
        sa.CheckConstraint(
            "total_earned = available + held + total_redeemed + total_expired", name="totals_agree"
        ),
        sa.PrimaryKeyConstraint("bucket", "tenant_id", "account_id"),
        sa.UniqueConstraint("bucket", "tenant_id", "member_id", "currency_id"),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index(
        "accounts_due",
        "accounts",
        ["bucket", "tenant_id", "program_id", "next_due_at"],
        unique=False,
        postgresql_where=sa.text("next_due_at IS NOT NULL"),
    )
    op.create_table(
        "allocations",
        sa.Column("bucket", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("transaction_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("lot_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("amount", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.CheckConstraint("amount > 0", name="amount_positive"),
        sa.PrimaryKeyConstraint("bucket", "tenant_id", "transaction_id", "lot_id"),
    )
    op.create_table(
        "currencies",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("currency_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("program_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("code", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("scale", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("points_type", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("exchange_rate", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("default_policy", sa.Text(), autoincrement=False, nullable=False),
        sa.Column(
            "created_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=False
        ),
        sa.Column(
            "updated_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=False
        ),
        sa.CheckConstraint("scale BETWEEN 0 AND 6", name="scale_in_range"),
        sa.PrimaryKeyConstraint("tenant_id", "currency_id"),
        sa.UniqueConstraint("tenant_id", "program_id", "code"),
    )
    op.create_table(
        "expiry_changes",
        sa.Column("bucket", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("currency_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("lot_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "old_expires_at",
            postgresql.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=True,
        ),
        sa.Column(
            "new_expires_at",
            postgresql.TIMESTAMP(timezone=True),
            autoincrement=False,
            nullable=True,
        ),
        sa.Column("reason_type", sa.SmallInteger(), autoincrement=False, nullable=True),
        sa.Column("reason_note", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("who_raised", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("who_approved", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("reason_for_trigger", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("custom_meta", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("principal", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("request_id", sa.Text(), autoincrement=False, nullable=True),
        sa.Column(
            "created_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=False
        ),
        sa.PrimaryKeyConstraint("bucket", "tenant_id", "event_id"),
    )
    op.create_index(
        "expiry_changes_by_lot",
        "expiry_changes",
        ["bucket", "tenant_id", "lot_id", "event_id"],
        unique=False,
    )
    op.create_index(
        "expiry_changes_by_version",
        "expiry_changes",
        ["bucket", "tenant_id", "account_id", "version"],
        unique=True,
    )
    op.create_table(
        "id_blocks",
        sa.Column("name", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("next", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "identifiers",
        sa.Column("bucket", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("type", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("bucket", "tenant_id", "type", "value"),
    )
    op.create_table(
        "lots",
        sa.Column("bucket", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("lot_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("currency_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("vendor_id", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("kind", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("state", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("policy_version_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rule", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("priority", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("amount", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("remaining", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("held", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("redeemed", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("expired", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("unfinished", sa.Boolean(), autoincrement=False, nullable=False),
        sa.Column(
            "earned_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=False
        ),
        sa.Column(
            "expires_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=True
        ),
        sa.Column(
            "state_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=False
        ),
        sa.Column("lapse_id", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.CheckConstraint(
            "amount = remaining + held + redeemed + expired OR state = 4", name="parts_agree"
        ),
        sa.CheckConstraint(
            "amount > 0 AND remaining >= 0 AND held >= 0 AND redeemed >= 0 AND expired >= 0",
            name="nothing_negative",
        ),
        sa.CheckConstraint(
            "unfinished = (state <> 4 AND remaining + held > 0)", name="unfinished_is_true"
        ),
        sa.PrimaryKeyConstraint("bucket", "tenant_id", "lot_id"),
        postgresql_with={"fillfactor": "85"},
    )
    op.create_index(
        "lots_finished",
        "lots",
        ["bucket", "tenant_id", "account_id", "expires_at"],
        unique=False,
        postgresql_where=sa.text("NOT unfinished"),
    )
    op.create_index(
        "lots_by_vendor_id",
        "lots",
        ["bucket", "tenant_id", "member_id", "vendor_id"],
        unique=True,
        postgresql_where=sa.text("vendor_id IS NOT NULL"),
    )
    op.create_index(
        "lots_spending",
        "lots",
        [
            "bucket",
            "tenant_id",
            "account_id",
            "state",
            "rule",
            "priority",
            "expires_at",
            "earned_at",
            "lot_id",
        ],
        unique=False,
        postgresql_where="unfinished",
    )
    op.create_table(
        "member_identifiers",
        sa.Column("bucket", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("type", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Text(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("bucket", "tenant_id", "member_id", "type", "value"),
    )
    op.create_table(
        "members",
        sa.Column("bucket", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("vendor_id", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("external_id", sa.Text(), autoincrement=False, nullable=True),
        sa.Column(
            "created_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=False
        ),
        sa.PrimaryKeyConstraint("bucket", "tenant_id", "member_id"),
    )
    op.create_table(
        "policies",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("policy_version_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("program_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("currency_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("code", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("priority", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("period_days", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("period_months", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("dates", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("minimum_days", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("minimum_months", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rounding", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("qualifying", sa.Text(), autoincrement=False, nullable=False),
        sa.Column(
            "created_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=False
        ),
        sa.PrimaryKeyConstraint("tenant_id", "policy_version_id"),
        sa.UniqueConstraint("tenant_id", "currency_id", "code", "version"),
    )
    op.create_index("policies_by_program", "policies", ["tenant_id", "program_id"], unique=False)
    op.create_table(
        "programs",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("program_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("time_zone", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("auto_enroll", sa.Boolean(), autoincrement=False, nullable=False),
        sa.Column("default_currency_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "created_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=False
        ),
        sa.Column(
            "updated_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=False
        ),
        sa.PrimaryKeyConstraint("tenant_id", "program_id"),
    )
    op.create_table(
        "requests",
        sa.Column("bucket", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.LargeBinary(), autoincrement=False, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), autoincrement=False, nullable=False),
        sa.Column("answer", sa.LargeBinary(), autoincrement=False, nullable=False),
        sa.Column(
            "created_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=False
        ),
        sa.PrimaryKeyConstraint("bucket", "tenant_id", "key"),
    )
    op.create_index(
        "requests_by_age", "requests", ["created_at"], unique=False, postgresql_using="brin"
    )
    op.create_table(
        "tenants",
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), autoincrement=False, nullable=False),
        sa.Column(
            "default_program_id",
            sa.BigInteger(),
            server_default=sa.text("0"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "created_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=False
        ),
        sa.PrimaryKeyConstraint("tenant_id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "transactions",
        sa.Column("bucket", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("transaction_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("currency_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("type", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("amount", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("available_after", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("pending_after", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("held_after", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("related_id", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("request_id", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("reference", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("source", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("reason", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("description", sa.Text(), autoincrement=False, nullable=True),
        sa.Column("principal", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("first_state", sa.SmallInteger(), autoincrement=False, nullable=True),
        sa.Column(
            "expires_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=True
        ),
        sa.Column(
            "effective_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=False
        ),
        sa.Column(
            "created_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=False
        ),
        sa.CheckConstraint("amount > 0", name="amount_positive"),
        sa.PrimaryKeyConstraint("bucket", "tenant_id", "transaction_id"),
    )
    op.create_index(
        "transactions_by_amount",
        "transactions",
        ["bucket", "tenant_id", "currency_id", "amount", "transaction_id"],
        unique=False,
        postgresql_where=sa.text("type = 1"),
    )
    op.create_index(
        "transactions_by_effect",
        "transactions",
        ["bucket", "tenant_id", "account_id", "effective_at"],
        unique=False,
    )
    op.create_index(
        "transactions_by_reference",
        "transactions",
        ["bucket", "tenant_id", "reference"],
        unique=False,
        postgresql_where=sa.text("reference IS NOT NULL"),
    )
    op.create_index(
        "transactions_by_version",
        "transactions",
        ["bucket", "tenant_id", "account_id", "version"],
        unique=True,
    )
    op.create_table(
        "units",
        sa.Column("bucket", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("unit_id", sa.Uuid(), autoincrement=False, nullable=False),
        sa.Column(
            "created_at", postgresql.TIMESTAMP(timezone=True), autoincrement=False, nullable=False
        ),
        sa.PrimaryKeyConstraint("bucket", "unit_id"),
    )
    op.create_index("units_by_age", "units", ["created_at"], unique=False, postgresql_using="brin")
    # Numbers start at 2^40, which puts the first of our ids (number * 64 + bucket) at 2^46.
    op.execute("INSERT INTO id_blocks (name, next) VALUES ('number', 1099511627776)")


def downgrade() -> None:
    """Undo it."""
    op.drop_index("units_by_age", table_name="units", postgresql_using="brin")
    op.drop_table("units")
    op.drop_index("transactions_by_version", table_name="transactions")
    op.drop_index(
        "transactions_by_reference",
        table_name="transactions",
        postgresql_where=sa.text("reference IS NOT NULL"),
    )
    op.drop_index("transactions_by_effect", table_name="transactions")
    op.drop_index(
        "transactions_by_amount", table_name="transactions", postgresql_where=sa.text("type = 1")
    )
    op.drop_table("transactions")
    op.drop_table("tenants")
    op.drop_index("requests_by_age", table_name="requests", postgresql_using="brin")
    op.drop_table("requests")
    op.drop_table("programs")
    op.drop_index("policies_by_program", table_name="policies")
    op.drop_table("policies")
    op.drop_table("members")
    op.drop_table("member_identifiers")
    op.drop_index("lots_spending", table_name="lots", postgresql_where="unfinished")
    op.drop_index(
        "lots_by_vendor_id", table_name="lots", postgresql_where=sa.text("vendor_id IS NOT NULL")
    )
    op.drop_index("lots_finished", table_name="lots", postgresql_where=sa.text("NOT unfinished"))
    op.drop_table("lots")
    op.drop_table("identifiers")
    op.drop_table("id_blocks")
    op.drop_index("expiry_changes_by_version", table_name="expiry_changes")
    op.drop_index("expiry_changes_by_lot", table_name="expiry_changes")
    op.drop_table("expiry_changes")
    op.drop_table("currencies")
    op.drop_table("allocations")
    op.drop_index(
        "accounts_due", table_name="accounts", postgresql_where=sa.text("next_due_at IS NOT NULL")
    )
    op.drop_table("accounts")

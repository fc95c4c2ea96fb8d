"""The tables as SQLAlchemy sees them; migrations make them, a test holds the two together.

Every fact table starts with `bucket, tenant_id`, which lead every key and index. Enum columns
hold the numbers of `domain.model`; amounts are in the currency's smallest unit.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.schema import SchemaItem

from points_grpc.domain.model import TransactionType
from points_grpc.storage.tables import (
    audit_event_table,
    columns,
    former_identifier_table,
    import_tables,
    setting_table,
    token_table,
)

metadata = columns.metadata

INSTANT = columns.INSTANT

ACTIVITY_COLUMNS = {
    kind: f"last_{kind.name.lower()}_at"
    for kind in TransactionType
    if kind is not TransactionType.EXPIRE
}
"""The account's column that holds its last activity of each type that can qualify."""


_column = columns.column

tokens = token_table.tokens
settings = setting_table.settings
former_identifiers = former_identifier_table.former_identifiers
imports = import_tables.imports
audit_events = audit_event_table.audit_events
import_keys = import_tables.import_keys


def _facts(name: str, *rest: SchemaItem, fill: int = 0) -> Table:
    """A fact table: `bucket, tenant_id`, then `rest`."""
    return Table(
        name,
        metadata,
        _column("bucket", Integer),
        _column("tenant_id", Integer),
        *rest,
        postgresql_with={"fillfactor": str(fill)} if fill else {},
    )


def _key(*columns: str) -> PrimaryKeyConstraint:
    return PrimaryKeyConstraint("bucket", "tenant_id", *columns)


tenants = Table(
    "tenants",
    metadata,
    _column("tenant_id", Integer),
    _column("name", Text),
    _column("default_program_id", BigInteger, default="0"),
    _column("created_at", INSTANT),
    PrimaryKeyConstraint("tenant_id"),
    UniqueConstraint("name"),
)

programs = Table(
    "programs",
    metadata,
    _column("tenant_id", Integer),
    _column("program_id", BigInteger),
    _column("version", BigInteger),
    _column("name", Text),
    _column("time_zone", Text),
    _column("auto_enroll", Boolean),
    _column("default_currency_id", BigInteger),
    _column("created_at", INSTANT),
    _column("updated_at", INSTANT),
    PrimaryKeyConstraint("tenant_id", "program_id"),
)

currencies = Table(
    "currencies",
    metadata,
    _column("tenant_id", Integer),
    _column("currency_id", BigInteger),
    _column("program_id", BigInteger),
    _column("code", Text),
    _column("scale", SmallInteger),
    _column("points_type", Text),
    _column("exchange_rate", BigInteger),
    _column("default_policy", Text),
    _column("created_at", INSTANT),
    _column("updated_at", INSTANT),
    PrimaryKeyConstraint("tenant_id", "currency_id"),
    UniqueConstraint("tenant_id", "program_id", "code"),
    CheckConstraint("scale BETWEEN 0 AND 6", name="scale_in_range"),
)

policies = Table(
    "policies",
    metadata,
    _column("tenant_id", Integer),
    _column("policy_version_id", BigInteger),
    _column("program_id", BigInteger),
    _column("currency_id", BigInteger),
    _column("code", Text),
    _column("version", Integer),
    _column("kind", SmallInteger),
    _column("priority", Integer),
    _column("period_days", Integer),
    _column("period_months", Integer),
    _column("dates", Text),
    _column("minimum_days", Integer),
    _column("minimum_months", Integer),
    _column("rounding", SmallInteger),
    _column("qualifying", Text),
    _column("created_at", INSTANT),
    PrimaryKeyConstraint("tenant_id", "policy_version_id"),
    UniqueConstraint("tenant_id", "currency_id", "code", "version"),
    Index("policies_by_program", "tenant_id", "program_id"),
)

members = _facts(
    "members",
    _column("member_id", BigInteger),
    _column("vendor_id", BigInteger, null=True),
    _column("external_id", Text, null=True),
    _column("created_at", INSTANT),
    _key("member_id"),
)

identifiers = _facts(
    "identifiers",
    _column("type", Text),
    _column("value", Text),
    _column("member_id", BigInteger),
    _key("type", "value"),
)

member_identifiers = _facts(
    "member_identifiers",
    _column("member_id", BigInteger),
    _column("type", Text),
    _column("value", Text),
    _key("member_id", "type", "value"),
)

accounts = _facts(
    "accounts",
    _column("account_id", BigInteger),
    _column("program_id", BigInteger),
    _column("member_id", BigInteger),
    _column("currency_id", BigInteger),
    _column("state", SmallInteger),
    _column("available", BigInteger),
    _column("pending", BigInteger),
    _column("held", BigInteger),
    _column("total_earned", BigInteger),
    _column("total_redeemed", BigInteger),
    _column("total_expired", BigInteger),
    _column("version", BigInteger),
    _column("created_at", INSTANT),
    _column("last_at", INSTANT),
    *(_column(name, INSTANT, null=True) for name in ACTIVITY_COLUMNS.values()),
    _column("next_due_at", INSTANT, null=True),
    _key("account_id"),
    UniqueConstraint("bucket", "tenant_id", "member_id", "currency_id"),
    CheckConstraint("available >= 0 AND pending >= 0 AND held >= 0", name="nothing_negative"),
    CheckConstraint(
        "total_earned = available + held + total_redeemed + total_expired", name="totals_agree"
    ),
    fill=80,
)
Index(
    "accounts_due",
    accounts.c.bucket,
    accounts.c.tenant_id,
    accounts.c.program_id,
    accounts.c.next_due_at,
    postgresql_where=accounts.c.next_due_at.is_not(None),
)

lots = _facts(
    "lots",
    _column("lot_id", BigInteger),
    _column("account_id", BigInteger),
    _column("member_id", BigInteger),
    _column("currency_id", BigInteger),
    _column("vendor_id", BigInteger, null=True),
    _column("kind", SmallInteger),
    _column("state", SmallInteger),
    _column("policy_version_id", BigInteger),
    _column("rule", BigInteger),
    _column("priority", Integer),
    _column("amount", BigInteger),
    _column("remaining", BigInteger),
    _column("held", BigInteger),
    _column("redeemed", BigInteger),
    _column("expired", BigInteger),
    _column("unfinished", Boolean),
    _column("earned_at", INSTANT),
    _column("expires_at", INSTANT, null=True),
    _column("state_at", INSTANT),
    _column("lapse_id", BigInteger, null=True),
    _key("lot_id"),
    CheckConstraint(
        "amount > 0 AND remaining >= 0 AND held >= 0 AND redeemed >= 0 AND expired >= 0",
        name="nothing_negative",
    ),
    CheckConstraint(
        "amount = remaining + held + redeemed + expired OR state = 4", name="parts_agree"
    ),
    CheckConstraint(
        "unfinished = (state <> 4 AND remaining + held > 0)", name="unfinished_is_true"
    ),
    fill=85,
)
Index(
    "lots_spending",
    lots.c.bucket,
    lots.c.tenant_id,
    lots.c.account_id,
    lots.c.state,
    lots.c.rule,
    lots.c.priority,
    lots.c.expires_at,
    lots.c.earned_at,
    lots.c.lot_id,
    postgresql_where=lots.c.unfinished,
)
Index(
    "lots_finished",
    lots.c.bucket,
    lots.c.tenant_id,
    lots.c.account_id,
    lots.c.expires_at,
    postgresql_where=~lots.c.unfinished,
)
Index(
    "lots_by_vendor_id",
    lots.c.bucket,
    lots.c.tenant_id,
    lots.c.member_id,
    lots.c.vendor_id,
    unique=True,
    postgresql_where=lots.c.vendor_id.is_not(None),
)

transactions = _facts(
    "transactions",
    _column("transaction_id", BigInteger),
    _column("account_id", BigInteger),
    _column("currency_id", BigInteger),
    _column("version", BigInteger),
    _column("type", SmallInteger),
    _column("amount", BigInteger),
    _column("available_after", BigInteger),
    _column("pending_after", BigInteger),
    _column("held_after", BigInteger),
    _column("related_id", BigInteger, null=True),
    _column("request_id", Text, null=True),
    _column("reference", Text, null=True),
    _column("source", Text, null=True),
    _column("reason", Text, null=True),
    _column("description", Text, null=True),
    _column("principal", Text),
    _column("first_state", SmallInteger, null=True),
    _column("expires_at", INSTANT, null=True),
    _column("effective_at", INSTANT),
    _column("created_at", INSTANT),
    _key("transaction_id"),
    CheckConstraint("amount > 0", name="amount_positive"),
)
Index(
    "transactions_by_version",
    transactions.c.bucket,
    transactions.c.tenant_id,
    transactions.c.account_id,
    transactions.c.version,
    unique=True,
)
Index(
    "transactions_by_effect",
    transactions.c.bucket,
    transactions.c.tenant_id,
    transactions.c.account_id,
    transactions.c.effective_at,
)
Index(
    "transactions_by_reference",
    transactions.c.bucket,
    transactions.c.tenant_id,
    transactions.c.reference,
    postgresql_where=transactions.c.reference.is_not(None),
)
Index(
    "transactions_by_amount",
    transactions.c.bucket,
    transactions.c.tenant_id,
    transactions.c.currency_id,
    transactions.c.amount,
    transactions.c.transaction_id,
    postgresql_where=text("type = 1"),
)

allocations = _facts(
    "allocations",
    _column("transaction_id", BigInteger),
    _column("lot_id", BigInteger),
    _column("amount", BigInteger),
    _key("transaction_id", "lot_id"),
    CheckConstraint("amount > 0", name="amount_positive"),
)

expiry_changes = _facts(
    "expiry_changes",
    _column("event_id", BigInteger),
    _column("account_id", BigInteger),
    _column("currency_id", BigInteger),
    _column("version", BigInteger),
    _column("lot_id", BigInteger),
    _column("old_expires_at", INSTANT, null=True),
    _column("new_expires_at", INSTANT, null=True),
    _column("reason_type", SmallInteger, null=True),
    _column("reason_note", Text, null=True),
    _column("who_raised", Text, null=True),
    _column("who_approved", Text, null=True),
    _column("reason_for_trigger", Text, null=True),
    _column("custom_meta", Text, null=True),
    _column("principal", Text),
    _column("request_id", Text, null=True),
    _column("created_at", INSTANT),
    _key("event_id"),
)
Index(
    "expiry_changes_by_version",
    expiry_changes.c.bucket,
    expiry_changes.c.tenant_id,
    expiry_changes.c.account_id,
    expiry_changes.c.version,
    unique=True,
)
Index(
    "expiry_changes_by_lot",
    expiry_changes.c.bucket,
    expiry_changes.c.tenant_id,
    expiry_changes.c.lot_id,
    expiry_changes.c.event_id,
)

requests = _facts(
    "requests",
    _column("key", LargeBinary),
    _column("fingerprint", LargeBinary),
    _column("answer", LargeBinary),
    _column("created_at", INSTANT),
    _key("key"),
)
Index("requests_by_age", requests.c.created_at, postgresql_using="brin")

units = Table(
    "units",
    metadata,
    _column("bucket", Integer),
    _column("unit_id", Uuid),
    _column("created_at", INSTANT),
    PrimaryKeyConstraint("bucket", "unit_id"),
)
Index("units_by_age", units.c.created_at, postgresql_using="brin")

id_blocks = Table(
    "id_blocks",
    metadata,
    _column("name", Text),
    _column("next", BigInteger),
    PrimaryKeyConstraint("name"),
)

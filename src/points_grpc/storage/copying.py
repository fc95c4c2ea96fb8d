"""Adding many facts at once with COPY: the same columns as the tables' own inserts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache

from psycopg import sql
from sqlalchemy import Connection, Table

from points_grpc.domain.books import Allocation, Lot, Transaction
from points_grpc.storage.ids import BUCKETS
from points_grpc.storage.tables import allocations, lots, transactions
from points_grpc.storage.wire import flush

_LOTS = (
    "bucket",
    "tenant_id",
    "lot_id",
    "account_id",
    "member_id",
    "currency_id",
    "vendor_id",
    "kind",
    "state",
    "policy_version_id",
    "rule",
    "priority",
    "amount",
    "remaining",
    "held",
    "redeemed",
    "expired",
    "unfinished",
    "earned_at",
    "expires_at",
    "state_at",
    "lapse_id",
)
_TRANSACTIONS = (
    "bucket",
    "tenant_id",
    "transaction_id",
    "account_id",
    "currency_id",
    "version",
    "type",
    "amount",
    "available_after",
    "pending_after",
    "held_after",
    "related_id",
    "request_id",
    "reference",
    "source",
    "reason",
    "description",
    "principal",
    "first_state",
    "expires_at",
    "effective_at",
    "created_at",
)
_ALLOCATIONS = ("bucket", "tenant_id", "transaction_id", "lot_id", "amount")

_NULL = r"\N"
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


@lru_cache(maxsize=65_536)
def _instant(at: datetime | None) -> str:
    return _NULL if at is None else at.isoformat()


def _text(value: str) -> str:
    return value.translate(_ESCAPES) if value else _NULL


def _written(lot: Lot, tenant_id: int) -> str:
    return (
        f"{lot.lot_id % BUCKETS}\t{tenant_id}\t{lot.lot_id}\t{lot.account_id}\t{lot.member_id}\t"
        f"{lot.currency_id}\t{lot.vendor_id or _NULL}\t{int(lot.kind)}\t{int(lot.state)}\t"
        f"{lot.policy_version_id}\t{lot.rule}\t{lot.priority}\t{lot.amount}\t{lot.remaining}\t"
        f"{lot.held}\t{lot.redeemed}\t{lot.expired}\t{'t' if lot.unfinished else 'f'}\t"
        f"{_instant(lot.earned_at)}\t{_instant(lot.expires_at)}\t{_instant(lot.state_at)}\t"
        f"{lot.lapse_id or _NULL}\n"
    )


def _written_row(row: Transaction, tenant_id: int) -> str:
    state = _NULL if row.first_state is None else int(row.first_state)
    return (
        f"{row.transaction_id % BUCKETS}\t{tenant_id}\t{row.transaction_id}\t{row.account_id}\t"
        f"{row.currency_id}\t{row.version}\t{int(row.type)}\t{row.amount}\t"
        f"{row.available_after}\t{row.pending_after}\t{row.held_after}\t"
        f"{row.related_id or _NULL}\t{_text(row.request_id)}\t{_text(row.reference)}\t"
        f"{_text(row.source)}\t{_text(row.reason)}\t{_text(row.description)}\t"
        f"{row.principal.translate(_ESCAPES)}\t{state}\t{_instant(row.expires_at)}\t"
        f"{_instant(row.effective_at)}\t{_instant(row.created_at)}\n"
    )


def written_lots(new: Iterable[Lot], tenant_id: int) -> str:
    """Lots as COPY takes them, in the order in which inserts of lots meet."""
    ordered = sorted(new, key=_by_member)
    return "".join([_written(lot, tenant_id) for lot in ordered])


def written_transactions(new: Iterable[Transaction], tenant_id: int) -> str:
    """Transactions as COPY takes them, by account."""
    ordered = sorted(new, key=_by_account)
    return "".join([_written_row(row, tenant_id) for row in ordered])


def written_allocations(new: Iterable[Allocation], tenant_id: int) -> str:
    """Allocations as COPY takes them."""
    ordered = sorted(
        (a.transaction_id % BUCKETS, a.transaction_id, a.lot_id, a.amount) for a in new
    )
    return "".join([f"{b}\t{tenant_id}\t{t}\t{lot}\t{amount}\n" for b, t, lot, amount in ordered])


def _by_member(lot: Lot) -> tuple[int, int, int, int]:
    return (lot.lot_id % BUCKETS, lot.member_id, lot.vendor_id, lot.lot_id)


def _by_account(row: Transaction) -> tuple[int, int, int]:
    return (row.account_id % BUCKETS, row.account_id, row.version)


def copy_lots(connection: Connection, written: str) -> None:
    """Add lots; a vendor's id that is there already is a conflict (23505)."""
    _copy(connection, lots, _LOTS, written)


def copy_transactions(connection: Connection, written: str) -> None:
    """Add transactions; a version that is there already is a conflict (23505)."""
    _copy(connection, transactions, _TRANSACTIONS, written)


def copy_allocations(connection: Connection, written: str) -> None:
    """Add allocations."""
    _copy(connection, allocations, _ALLOCATIONS, written)


_PIECE = 1 << 20


def _copy(connection: Connection, table: Table, names: Sequence[str], written: str) -> None:
    if not written:
        return
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    flush(connection)
    driver = connection.connection.cursor()
    data = written.encode()
    with driver.copy(statement) as copy:
        for start in range(0, len(data), _PIECE):
            copy.write(data[start : start + _PIECE])

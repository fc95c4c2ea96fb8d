"""Adding many facts at once with COPY: the same rows as the tables' own inserts would make.

COPY's binary form is packed in parts: what all lots of an account have in common is packed once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from struct import Struct
from typing import Protocol

from psycopg import sql
from sqlalchemy import Connection, Table

from points_grpc.domain.model import AwardKind, LotState, Policy, TransactionType
from points_grpc.domain.state import Account, Allocation, Lot, Transaction
from points_grpc.storage.core.ids import BUCKETS
from points_grpc.storage.core.pipeline import flush
from points_grpc.storage.ledger.transactions import ALLOCATION
from points_grpc.storage.tables import allocations, lots, transactions

# The order of the parts below: what an account's rows share comes first, what may be null last.
_LOTS = (
    "bucket",
    "tenant_id",
    "account_id",
    "member_id",
    "currency_id",
    "kind",
    "policy_version_id",
    "rule",
    "priority",
    "lot_id",
    "state",
    "amount",
    "remaining",
    "held",
    "redeemed",
    "expired",
    "unfinished",
    "earned_at",
    "state_at",
    "vendor_id",
    "expires_at",
    "lapse_id",
)
_TRANSACTIONS = (
    "bucket",
    "tenant_id",
    "account_id",
    "currency_id",
    "transaction_id",
    "version",
    "type",
    "amount",
    "available_after",
    "pending_after",
    "held_after",
    "effective_at",
    "created_at",
    "principal",
    "expires_at",
    "related_id",
    "first_state",
    "reference",
    "request_id",
    "source",
    "reason",
    "description",
)


def _packing(form: str) -> Struct:
    """Values of these kinds, each after its length, which is to be given, too."""
    return Struct(">" + "".join(f"i{kind}" for kind in form))


_lot_head = Struct(">hiiiiiqiqiq").pack
_row_head = Struct(">hiiiiiqiq").pack
_allocation = Struct(">hiiiiiqiqiq").pack
_terms = _packing("hqqi").pack
_lot = _packing("qhqqqqq?qq").pack
_row = _packing("qqhqqqqqq").pack
_big = _packing("q").pack
_small = _packing("h").pack
_length = Struct(">i").pack
_NULL = _length(-1)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)

Keyed = tuple[int, int, int, int, bytes]
"""A packed row after what it is ordered by."""


def _micros(at: datetime) -> int:
    since = at - _EPOCH
    return since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds


_instant = lru_cache(maxsize=16_384)(_micros)


@lru_cache(maxsize=16_384)
def _maybe_instant(at: datetime | None) -> bytes:
    return _NULL if at is None else _big(8, _micros(at))


def _text(value: str) -> bytes:
    if not value:
        return _NULL
    data = value.encode()
    return _length(len(data)) + data


@lru_cache(maxsize=1_024)
def _principal(value: str) -> bytes:
    data = value.encode()
    return _length(len(data)) + data


@lru_cache(maxsize=1_024)
def _terms_of(kind: int, policy_version_id: int, rule: int, priority: int) -> bytes:
    return _terms(2, kind, 8, policy_version_id, 8, rule, 4, priority)


def _written(lot: Lot, tenant_id: int) -> Keyed:
    bucket = lot.lot_id % BUCKETS
    data = (
        _lot_head(
            22, 4, bucket, 4, tenant_id, 8, lot.account_id, 8, lot.member_id, 8, lot.currency_id
        )
        + _terms_of(int(lot.kind), lot.policy_version_id, lot.rule, lot.priority)
        + _lot(
            *(8, lot.lot_id, 2, lot.state, 8, lot.amount, 8, lot.remaining, 8, lot.held),
            *(8, lot.redeemed, 8, lot.expired, 1, lot.unfinished),
            *(8, _micros(lot.earned_at), 8, _instant(lot.state_at)),
        )
        + (_big(8, lot.vendor_id) if lot.vendor_id else _NULL)
        + _maybe_instant(lot.expires_at)
        + (_big(8, lot.lapse_id) if lot.lapse_id else _NULL)
    )
    return bucket, lot.member_id, lot.vendor_id, lot.lot_id, data


def _written_row(row: Transaction, tenant_id: int) -> Keyed:
    bucket = row.transaction_id % BUCKETS
    parts = (
        _row_head(22, 4, bucket, 4, tenant_id, 8, row.account_id, 8, row.currency_id),
        _row(
            *(8, row.transaction_id, 8, row.version, 2, row.type, 8, row.amount),
            *(8, row.available_after, 8, row.pending_after, 8, row.held_after),
            *(8, _micros(row.effective_at), 8, _instant(row.created_at)),
        ),
        _principal(row.principal),
        _maybe_instant(row.expires_at),
        _big(8, row.related_id) if row.related_id else _NULL,
        _NULL if row.first_state is None else _small(2, row.first_state),
        _text(row.reference),
        _text(row.request_id),
        _text(row.source),
        _text(row.reason),
        _text(row.description),
    )
    return bucket, row.account_id, row.version, 0, b"".join(parts)


class PlainAward(Protocol):
    """An approved award with a fixed expiry or none; amounts in the smallest unit."""

    @property
    def policy(self) -> Policy: ...
    @property
    def amount(self) -> int: ...
    @property
    def remaining(self) -> int: ...
    @property
    def earned_at(self) -> datetime: ...
    @property
    def expires_at(self) -> datetime | None: ...
    @property
    def vendor_id(self) -> int: ...
    @property
    def reference(self) -> str: ...


class CopyBuffer:
    """Rows of one chunk, packed as they come; `lots` and so on are what COPY takes."""

    def __init__(self, tenant_id: int) -> None:
        self.tenant_id = tenant_id
        self._lots: list[Keyed] = []
        self._rows: list[Keyed] = []
        self._allocations: list[tuple[int, int, int, int]] = []
        self.kept = (self._lots, self._rows, self._allocations)

    def add(
        self,
        new_lots: Iterable[Lot],
        new_rows: Iterable[Transaction],
        new_allocations: Iterable[Allocation],
    ) -> None:
        """Add lots, transactions and allocations that were made one by one."""
        tenant = self.tenant_id
        self._lots += [_written(lot, tenant) for lot in new_lots]
        self._rows += [_written_row(row, tenant) for row in new_rows]
        self._allocations += [
            (a.transaction_id % BUCKETS, a.transaction_id, a.lot_id, a.amount)
            for a in new_allocations
        ]

    def lot_writer(self, account: Account, principal: str) -> AccountLotWriter:
        """Return a writer that adds lots of one account without creating objects."""
        return AccountLotWriter(self, account, principal)

    @property
    def lots(self) -> bytes:
        """The lots, in the order in which inserts of lots meet."""
        return _joined(self._lots)

    @property
    def transactions(self) -> bytes:
        """The transactions, by account."""
        return _joined(self._rows)

    @property
    def allocations(self) -> bytes:
        """The allocations, by transaction."""
        tenant = self.tenant_id
        return b"".join(
            [
                _allocation(5, 4, bucket, 4, tenant, 8, row, 8, lot, 8, amount)
                for bucket, row, lot, amount in sorted(self._allocations)
            ]
        )


class AccountLotWriter:
    """Packs approved lots with a fixed expiry for one account, with what was redeemed of them."""

    __slots__ = ("_allocations", "_head", "_lots", "_of_row", "_rows", "_tail", "account", "bucket")

    def __init__(self, into: CopyBuffer, account: Account, principal: str) -> None:
        self.account = account
        self.bucket = bucket = account.account_id % BUCKETS
        key = (4, bucket, 4, into.tenant_id, 8, account.account_id)
        self._head = _lot_head(22, *key, 8, account.member_id, 8, account.currency_id)
        self._of_row = _row_head(22, *key, 8, account.currency_id)
        self._tail = _principal(principal)
        self._lots, self._rows, self._allocations = into.kept

    def earn(self, lot_id: int, lot: PlainAward, now: datetime) -> None:
        """Add a lot and its EARN, whose figures are the account's as they are."""
        account, bucket, policy = self.account, self.bucket, lot.policy
        amount, remaining, vendor_id = lot.amount, lot.remaining, lot.vendor_id
        earned, recorded = _micros(lot.earned_at), _instant(now)
        expiry = _maybe_instant(lot.expires_at)
        data = (
            self._head
            + _terms_of(_KIND, policy.policy_version_id, 0, policy.priority)
            + _lot(
                *(8, lot_id, 2, _APPROVED, 8, amount, 8, remaining, 8, 0),
                *(8, amount - remaining, 8, 0, 1, remaining > 0, 8, earned, 8, recorded),
            )
            + _big(8, vendor_id)
            + expiry
            + _NULL
        )
        self._lots.append((bucket, account.member_id, vendor_id, lot_id, data))
        data = (
            self._of_row
            + _row(
                *(8, lot_id, 8, account.version, 2, _EARN, 8, amount, 8, account.available),
                *(8, account.pending, 8, account.held, 8, earned, 8, recorded),
            )
            + self._tail
            + expiry
            + _APPROVED_AT_FIRST
            + _text(lot.reference)
            + _NO_TEXTS
        )
        self._rows.append((bucket, account.account_id, account.version, 0, data))

    def redeem(
        self, transaction_id: int, lot_id: int, amount: int, at: datetime, now: datetime
    ) -> None:
        """Add a REDEEM of one lot, whose figures are the account's as they are."""
        account, bucket = self.account, self.bucket
        data = (
            self._of_row
            + _row(
                *(8, transaction_id, 8, account.version, 2, _REDEEM, 8, amount),
                *(8, account.available, 8, account.pending, 8, account.held),
                *(8, _micros(at), 8, _instant(now)),
            )
            + self._tail
            + _NOTHING_MORE
        )
        self._rows.append((bucket, account.account_id, account.version, 0, data))
        self._allocations.append((bucket, transaction_id, lot_id, amount))


_KIND = int(AwardKind.POINT_AWARDED)
_APPROVED = int(LotState.APPROVED)
_EARN, _REDEEM = int(TransactionType.EARN), int(TransactionType.REDEEM)
_APPROVED_AT_FIRST = _NULL + _small(2, _APPROVED)
_NO_TEXTS = _NULL * 4
_NOTHING_MORE = _NULL * 8


def _joined(rows: list[Keyed]) -> bytes:
    rows.sort()
    return b"".join([row[-1] for row in rows])


def copy_lots(connection: Connection, written: bytes) -> None:
    """Add lots; a vendor's id that is there already is a conflict (23505)."""
    _copy(connection, lots, _LOTS, written)


def copy_transactions(connection: Connection, written: bytes) -> None:
    """Add transactions; a version that is there already is a conflict (23505)."""
    _copy(connection, transactions, _TRANSACTIONS, written)


def copy_allocations(connection: Connection, written: bytes) -> None:
    """Add allocations."""
    _copy(connection, allocations, ALLOCATION, written)


_PIECE = 1 << 20
_BEGIN = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"


def _copy(connection: Connection, table: Table, names: Sequence[str], written: bytes) -> None:
    if not written:
        return
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    flush(connection)
    driver = connection.connection.cursor()
    with driver.copy(statement) as copy:
        copy.write(_BEGIN)
        for start in range(0, len(written), _PIECE):
            copy.write(written[start : start + _PIECE])
        copy.write(_END)

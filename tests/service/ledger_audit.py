"""Whether a whole database agrees with itself: recomputed from its smallest rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, Table, select

from points_grpc.domain.answers import MemberLabel
from points_grpc.domain.books import Account, Holding, Lot, Member
from points_grpc.domain.model import LotState, Program, TransactionType
from points_grpc.storage import programs
from points_grpc.storage.accounts import to_account
from points_grpc.storage.ids import bucket_of_id, bucket_of_name
from points_grpc.storage.lots import LOT_COLUMNS, to_lot
from points_grpc.storage.tables import (
    ACTIVITY_COLUMNS,
    accounts,
    allocations,
    expiry_changes,
    identifiers,
    lots,
    member_identifiers,
    members,
    transactions,
)

T = TransactionType

_ACCOUNT = (
    "tenant_id",
    "account_id",
    "program_id",
    "member_id",
    "currency_id",
    "created_at",
    "last_at",
    "available",
    "pending",
    "held",
    "total_earned",
    "total_redeemed",
    "total_expired",
    "version",
    "next_due_at",
    *ACTIVITY_COLUMNS.values(),
)


def audit(connection: Connection) -> list[str]:
    """Everything that is wrong, in words; nothing, where promise 2 holds."""
    return list(_Audit(connection).findings())


def _all(connection: Connection, table: Table) -> list[Row[Any]]:
    return list(connection.execute(select(table)))


class _Audit:
    def __init__(self, connection: Connection) -> None:
        chosen = [accounts.c[name] for name in _ACCOUNT]
        self.accounts = [to_account(row) for row in connection.execute(select(*chosen))]
        self.lots = [to_lot(row) for row in connection.execute(select(*LOT_COLUMNS))]
        self.rows = _all(connection, transactions)
        self.allocations = _all(connection, allocations)
        self.changes = _all(connection, expiry_changes)
        self.members = {row.member_id: row for row in _all(connection, members)}
        self.names = _all(connection, identifiers)
        self.of_members = _all(connection, member_identifiers)
        self.programs = programs.load(connection, programs.all_keys(connection))
        self.buckets = [
            (row.bucket, row[2])
            for table in (accounts, lots, transactions, expiry_changes, members)
            for row in _all(connection, table)
        ]

    def findings(self) -> Iterable[str]:
        yield from self._orphans()
        of_account: dict[int, list[Lot]] = defaultdict(list)
        for lot in self.lots:
            of_account[lot.account_id].append(lot)
        rows: dict[int, list[Row[Any]]] = defaultdict(list)
        for row in self.rows:
            rows[row.account_id].append(row)
        changes: dict[int, list[Row[Any]]] = defaultdict(list)
        for change in self.changes:
            changes[change.account_id].append(change)
        for account in self.accounts:
            key = account.account_id
            yield from self._account(account, of_account[key])
            yield from self._history(account, rows[key], changes[key])
            program = self.programs[account.tenant_id, account.program_id]
            yield from self._due(account, of_account[key], program)
        yield from self._lots()

    def _orphans(self) -> Iterable[str]:
        known = {a.account_id: a for a in self.accounts}
        lots_by_id = {lot.lot_id: lot for lot in self.lots}
        rows_by_id = {row.transaction_id: row for row in self.rows}
        earns = {row.transaction_id for row in self.rows if row.type == T.EARN}
        if earns != lots_by_id.keys():
            yield f"lots and EARNs differ: {sorted(earns ^ lots_by_id.keys())}"
        for thing in (*self.lots, *self.rows, *self.changes):
            if thing.account_id not in known:
                yield f"without an account: {thing}"
            elif thing.currency_id != known[thing.account_id].currency_id:
                yield f"in another currency than its account: {thing}"
        for lot in self.lots:
            if lot.account_id in known and known[lot.account_id].member_id != lot.member_id:
                yield f"of another member than its account: {lot}"
        for part in self.allocations:
            row, lot = rows_by_id.get(part.transaction_id), lots_by_id.get(part.lot_id)
            if row is None or lot is None or row.account_id != lot.account_id:
                yield f"an allocation between strangers: {part}"
        for account in self.accounts:
            if account.member_id not in self.members:
                yield f"an account of nobody: {account.account_id}"
            if not account.version:
                yield f"an account without history: {account.account_id}"
        yield from self._strange_names()
        for bucket, key in self.buckets:
            if bucket != bucket_of_id(key):
                yield f"{key} is in bucket {bucket}"

    def _strange_names(self) -> Iterable[str]:
        by_name = {(r.tenant_id, r.type, r.value, r.member_id) for r in self.names}
        by_member = {(r.tenant_id, r.type, r.value, r.member_id) for r in self.of_members}
        if by_name != by_member:
            yield f"identifiers and members' identifiers differ: {by_name ^ by_member}"
        for row in self.names:
            if row.member_id not in self.members:
                yield f"an identifier of nobody: {row}"
            if row.bucket != bucket_of_name(row.tenant_id, row.type, row.value):
                yield f"an identifier in a wrong bucket: {row}"
        if nameless := self.members.keys() - {row.member_id for row in self.names}:
            yield f"members without identifiers: {nameless}"

    def _account(self, account: Account, of: list[Lot]) -> Iterable[str]:
        approved = [lot for lot in of if lot.state is LotState.APPROVED]
        promised = [lot for lot in of if lot.state in (LotState.OPEN, LotState.PENDING)]
        wanted = (
            sum(lot.remaining for lot in approved),
            sum(lot.remaining for lot in promised),
            sum(lot.held for lot in approved),
            sum(lot.amount for lot in approved),
            sum(lot.redeemed for lot in approved),
            sum(lot.expired for lot in approved),
        )
        have = (
            account.available,
            account.pending,
            account.held,
            account.total_earned,
            account.total_redeemed,
            account.total_expired,
        )
        if wanted != have:
            yield f"account {account.account_id} has {have}, its lots {wanted}"
        if account.total_earned != account.available + account.held + sum(wanted[4:]):
            yield f"account {account.account_id} lost points"

    def _history(
        self, account: Account, rows: list[Row[Any]], changes: list[Row[Any]]
    ) -> Iterable[str]:
        who = f"account {account.account_id}"
        versions = sorted([row.version for row in rows] + [change.version for change in changes])
        if versions != list(range(1, account.version + 1)):
            yield f"{who} is at version {account.version}, its history has {versions}"
        available = pending = earned = redeemed = expired = 0
        for row in sorted(rows, key=lambda row: row.version):
            if row.type == T.EARN and row.first_state != LotState.APPROVED:
                pending += row.amount
            elif row.type == T.EARN:
                available, earned = available + row.amount, earned + row.amount
            elif row.type == T.APPROVE:
                pending, available = pending - row.amount, available + row.amount
                earned += row.amount
            elif row.type == T.CLOSE:
                pending -= row.amount
            elif row.type == T.REDEEM:
                available, redeemed = available - row.amount, redeemed + row.amount
            elif row.type == T.EXPIRE:
                available, expired = available - row.amount, expired + row.amount
            elif row.type == T.REVERSE:
                available, expired = available + row.amount, expired - row.amount
            if (row.available_after, row.pending_after) != (available, pending):
                yield f"{who}: transaction {row.transaction_id} does not follow"
        have = (account.available, account.total_earned)
        have += (account.total_redeemed, account.total_expired)
        if have != (available, earned, redeemed, expired):
            yield f"{who} has {have}, its transactions {(available, earned, redeemed, expired)}"

    def _due(self, account: Account, of: list[Lot], program: Program) -> Iterable[str]:
        currency = program.currencies[account.currency_id]
        member = Member(account.tenant_id, MemberLabel(account.member_id))
        holding = Holding(account, member, program, currency, account.last_at)
        soonest = [at for lot in of if lot.unfinished and (at := holding.expiry_of(lot))]
        if soonest and (account.next_due_at is None or account.next_due_at > min(soonest)):
            yield f"account {account.account_id} is due {min(soonest)}, not {account.next_due_at}"

    def _lots(self) -> Iterable[str]:
        kinds = {row.transaction_id: row.type for row in self.rows}
        taken: dict[tuple[int, int], int] = defaultdict(int)
        totals: dict[int, int] = defaultdict(int)
        for part in self.allocations:
            kind = kinds.get(part.transaction_id, 0)
            totals[part.transaction_id] += part.amount
            sign = -1 if kind == T.REVERSE else 1
            taken[part.lot_id, T.EXPIRE if kind == T.REVERSE else kind] += sign * part.amount
        for row in self.rows:
            allocated = row.type in (T.REDEEM, T.EXPIRE, T.REVERSE)
            if totals[row.transaction_id] != (row.amount if allocated else 0):
                yield f"transaction {row.transaction_id} is not allocated: {row}"
        for lot in self.lots:
            parts = (taken[lot.lot_id, T.REDEEM], taken[lot.lot_id, T.EXPIRE])
            if parts != (lot.redeemed, lot.expired):
                yield f"lot {lot} does not agree with its allocations {parts}"
            if lot.state is not LotState.CLOSED and lot.amount != (
                lot.remaining + lot.held + lot.redeemed + lot.expired
            ):
                yield f"lot {lot} lost points"

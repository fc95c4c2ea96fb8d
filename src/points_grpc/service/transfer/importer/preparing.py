"""What a chunk's rows lead to, decided without changing anything yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from datetime import datetime

from points_grpc.clock import Clock
from points_grpc.domain.imports.history import (
    ChangeRow,
    HistoryRow,
    is_same_end,
    replay_change,
    replay_transaction,
)
from points_grpc.domain.imports.lots import (
    ImportAccount,
    can_hold,
    check_lot,
    open_lot,
    recording_time,
)
from points_grpc.domain.model import Currency, LotState, TransactionType
from points_grpc.domain.results import MemberLabel
from points_grpc.domain.state import Account, AccountState, BatchState, ChangeSet, Lot, Member
from points_grpc.errors import InvalidField
from points_grpc.service.shared.checked_clock import is_ahead
from points_grpc.service.transfer.importer.fast_path import PlainLot, post_plain
from points_grpc.service.transfer.importer.lookup import ChunkLookup, Finder, Pair, Scope
from points_grpc.service.transfer.importer.member_rows import MemberRows
from points_grpc.service.transfer.importer.new_ids import ImportNumberSource, NewIds
from points_grpc.service.transfer.importer.parsing import (
    Parsed,
    ParsedChange,
    ParsedHistory,
    ParsedLot,
    ParsedMember,
    whole,
)
from points_grpc.service.transfer.importer.parts import PRINCIPAL, LotRef, MemberKeyName
from points_grpc.service.transfer.importer.prepared import Prepared
from points_grpc.storage.core.database import Connection
from points_grpc.storage.core.ids import BUCKETS
from points_grpc.storage.transfer import bulk_copy
from points_grpc.storage.transfer.imports import CHANGE, LOT, TRANSACTION, ImportKey, Target


class _Journal(ChangeSet):
    """A ChangeSet that is always committed: a row is refused before anything changes."""

    def track(self, thing: Account | Lot | Member) -> None:
        """Mark `thing` as changed."""
        self.batch_state.tracked[id(thing)] = thing

    def add_lot(self, account_state: AccountState, lot: Lot) -> None:  # noqa: ARG002  # the shelf has it
        """Mark a new lot as added."""
        self.batch_state.tracked[id(lot)] = lot


class Preparer:
    """Prepares one chunk, on what `connection` finds and the chunks `before` it have made.

    Its rows are decided as of the instant at which their accounts are read or locked.
    """

    def __init__(
        self,
        connection: Connection,
        scope: Scope,
        ids: ImportNumberSource,
        clock: Clock,
        before: Sequence[ChunkLookup] = (),
    ) -> None:
        self._scope = scope
        self._ids = NewIds(ids)
        self._clock = clock
        self._now = clock.now()
        self._finder = Finder(connection, scope, before)
        self._lookup = self._finder.lookup
        self._batch_state = BatchState()
        self._change_set = _Journal(self._batch_state, self._ids.like, "")
        self._done = Prepared(self._lookup)
        self._people = MemberRows(scope, self._ids, self._now, self._done)
        self._written = bulk_copy.CopyBuffer(scope.tenant_id)
        self._desks: dict[Pair, bulk_copy.AccountLotWriter] = {}
        self._import_accounts: dict[int, ImportAccount] = {}

    def prepare(self, rows: Sequence[Parsed], *, lock: bool = False) -> Prepared:
        """Decide the rows in order; with `lock` their accounts stay locked."""
        some = _one_of_each(rows)
        self._finder.find_members(some)
        for row in some:
            if isinstance(row, ParsedMember):
                self._try(row, self._people.decide)
        self._people.enrol(some)
        self._now = self._finder.find_accounts(self._pairs(some), self._clock, lock)
        others = [row for row in rows if not isinstance(row, ParsedMember)]
        for account in self._lookup.accounts.values():
            self._done.versions[account.account_id] = account.version
        self._finder.find_lots(others)
        for row in others:
            if isinstance(row, PlainLot) and self._plain(row):
                self._done.imported += 1
            else:
                self._try(row, self._fact)
        return self._finish()

    def _try(self, row: Parsed, decide: object) -> None:
        try:
            counted = decide(row)  # type: ignore[operator]
        except InvalidField as refusal:
            self._done.refused.append((row.number, f"{refusal.field}: {refusal.problem}"))
        else:
            if counted:
                self._done.imported += 1
            else:
                self._done.known += 1

    def _pairs(self, rows: Iterable[Parsed]) -> set[Pair]:
        return {
            (member, row.currency.currency_id)
            for row in rows
            if not isinstance(row, ParsedMember)
            and (member := self._lookup.members.get(row.name)) is not None
        }

    def _plain(self, row: PlainLot) -> bool:
        """Post the lot in one step and return True; if that is impossible, change nothing."""
        lookup = self._lookup
        member = lookup.members.get(row.name)
        if member is None:
            return False
        key = (member, row.vendor_id)
        if key in lookup.plain or key in lookup.vendor_lots:
            return False
        pair = (member, row.currency.currency_id)
        lot_writer = self._desks.get(pair) or self._lot_writer(pair)
        if lot_writer is None or not can_hold(lot_writer.account, row.amount):
            return False
        self._change_set.track(lot_writer.account)
        lookup.plain[key] = post_plain(lot_writer, self._ids, row, self._now)
        return True

    def _lot_writer(self, pair: Pair) -> bulk_copy.AccountLotWriter | None:
        """Return the writer of plain lots; None if an earn may have to end something first."""
        account = self._lookup.accounts.get(pair)
        if account is None:
            account = self._lookup.accounts[pair] = self._new_account(*pair)
        elif account.account_id in self._lookup.standing or self._is_ahead(account):
            return None
        lot_writer = self._desks[pair] = self._written.lot_writer(account, PRINCIPAL)
        return lot_writer

    def _fact(self, row: PlainLot | ParsedLot | ParsedHistory | ParsedChange) -> bool:
        if isinstance(row, PlainLot):
            row = whole(row)
        member = self._lookup.members.get(row.name)
        if member is None:
            raise InvalidField("member", "is not known")
        if isinstance(row, ParsedLot):
            return self._lot(member, row)
        target = self._lookup.keys.get((member, row.import_id))
        if target is not None:
            self._check_merged(target[1], "import_id")
            return False
        account = self._lookup.accounts.get((member, row.currency.currency_id))
        if account is None:
            raise InvalidField("member", "has no lots in this currency")
        self._refuse_ahead(account)
        account_state = self._import_account(account, row.currency, row.recorded_at)
        self._change_set.principal = row.principal
        if isinstance(row, ParsedHistory):
            history = self._history(account_state, row)
            if self._is_done(history):
                lapse = history.parts[0][0].lapse_id
                self._keep_key((member, row.import_id), (TRANSACTION, lapse))
                return False
            posted = replay_transaction(self._change_set, account_state, history, **row.texts)
            made = TRANSACTION, posted.transaction_id
        else:
            made = CHANGE, self._change(account_state, row)
        self._keep_key((member, row.import_id), made)
        return True

    def _refuse_ahead(self, account: Account) -> None:
        if self._is_ahead(account):
            raise InvalidField("member", "has an account that was last written in the future")

    def _is_ahead(self, account: Account) -> bool:
        return is_ahead(self._clock, account.last_at, self._now)

    def _lot(self, member: int, row: ParsedLot) -> bool:
        ref = (row.row.vendor_id, row.import_id)
        existing = self._lookup.lot_of(member, ref)
        currency = row.currency.currency_id
        if existing is not None:
            same = (existing.amount, existing.earned_at, existing.currency_id)
            if same == (row.row.amount, row.row.earned_at, currency):
                self._check_merged(existing.lot_id, "vendor_id" if ref[0] else "import_id")
                return False
            raise InvalidField("vendor_id" if ref[0] else "import_id", "is another lot's")
        if not ref[0] and (member, row.import_id) in self._lookup.keys:
            raise InvalidField("import_id", "is another row's")
        account = self._lookup.accounts.get((member, currency))
        if account is not None:
            self._refuse_ahead(account)
        account_state = self._import_account(
            account or self._new_account(member, currency), row.currency, row.recorded_at
        )
        check_lot(row.row, account_state)
        if account is None:
            self._lookup.accounts[member, currency] = account_state.account
        self._change_set.principal = row.principal
        lot = open_lot(self._change_set, account_state, row.row, **row.texts)
        self._lookup.add_lot(lot)
        if row.import_id:
            self._keep_key((member, row.import_id), (LOT, lot.lot_id))
        return True

    def _check_merged(self, an_id: int, field: str) -> None:
        """Refuse (InvalidField) a row that an earlier row of this file made, if members merge.

        Two members that become one may have had equal lots, of which none is to be lost.
        """
        if self._scope.merge_by and self._is_own(an_id):
            raise InvalidField(field, "is that of an earlier row, perhaps of a merged member")

    def _is_own(self, an_id: int) -> bool:
        """Return whether this import has made it, in this attempt or an earlier one."""
        return an_id // BUCKETS >= self._scope.first_number

    def _history(self, account_state: ImportAccount, row: ParsedHistory) -> HistoryRow:
        member = account_state.account.member_id
        parts = [(self._named_lot(account_state, ref), part) for ref, part in row.parts]
        kind, reverses = self._lookup.keys.get((member, row.reverses), (0, 0))
        if row.reverses and kind != TRANSACTION:
            raise InvalidField("reverses", "is no transaction of the member")
        takes = row.type in (TransactionType.REDEEM, TransactionType.EXPIRE)
        undone = [lot.lot_id for lot, _ in parts if takes and self._is_premature(lot)]
        return HistoryRow(row.type, parts, row.at, row.lapse, reverses, undone)

    def _is_done(self, row: HistoryRow) -> bool:
        """Return whether a server has already recorded the lapse in the row."""
        ends = self._lookup.ends
        if row.type is TransactionType.CLOSE:
            lot = row.parts[0][0]
            return row.lapse and lot.state is LotState.CLOSED and lot.expires_at == row.at
        return is_same_end(row) and (row.parts[0][0].lot_id, row.parts[0][0].lapse_id) in ends

    def _is_premature(self, lot: Lot) -> bool:
        """Return whether a server has ended a lot of this import that has more history to come."""
        return self._is_own(lot.lot_id) and (lot.lot_id, lot.lapse_id) in self._lookup.ends

    def _change(self, account_state: ImportAccount, row: ParsedChange) -> int:
        lot = self._named_lot(account_state, row.lot)
        change = ChangeRow(
            lot,
            row.old,
            row.new,
            row.reason_type,
            row.note,
            row.meta,
            row.custom_meta,
            row.request_id,
            self._is_premature(lot),
        )
        return replay_change(self._change_set, account_state, change).event_id

    def _named_lot(self, account_state: ImportAccount, ref: LotRef) -> Lot:
        lot = self._lookup.lot_of(account_state.account.member_id, ref)
        if lot is None or lot.account_id != account_state.account.account_id:
            raise InvalidField("lot", "is none of the member's in this currency")
        return lot

    def _keep_key(self, key: ImportKey, target: Target) -> None:
        self._lookup.keys[key] = target
        self._done.keys[key] = target

    def _import_account(
        self, account: Account, currency: Currency, at: datetime | None
    ) -> ImportAccount:
        """Return the account at the instant at which a row is recorded: now, if it states none."""
        account_state = self._import_accounts.get(account.account_id)
        if account_state is None:
            standing = self._lookup.standing.get(account.account_id)
            account_state = self._import_accounts[account.account_id] = ImportAccount(
                account,
                Member(account.tenant_id, MemberLabel(account.member_id)),
                self._scope.program,
                currency,
                self._now,
                lots=standing.lots if standing else {},
                imported_lot_ids=standing.told if standing else (),
                read_at=self._now,
                recorder=PRINCIPAL,
            )
        account_state.now = recording_time(account, self._now, at)
        return account_state

    def _new_account(self, member: int, currency: int) -> Account:
        return Account(
            tenant_id=self._scope.tenant_id,
            account_id=self._ids.like(member),
            program_id=self._scope.program.program_id,
            member_id=member,
            currency_id=currency,
            created_at=self._now,
            last_at=self._now,
            persisted=False,
        )

    def _finish(self) -> Prepared:
        """Copy everything to be written now: the next chunk changes the same accounts and lots."""
        self._change_set.commit()
        done = self._done
        tracked = list(self._batch_state.tracked.values())
        for account in (thing for thing in tracked if isinstance(thing, Account)):
            (done.accounts if account.persisted else done.new_accounts).append(copy(account))
            account.persisted = True
        lots = [thing for thing in tracked if isinstance(thing, Lot)]
        entries = self._batch_state.entries
        new = [lot for lot in lots if not lot.persisted]
        self._written.add(new, entries.transactions, entries.allocations)
        done.lots = self._written.lots
        done.changed_lots = [copy(lot) for lot in lots if lot.persisted]
        for lot in lots:
            lot.persisted = True
        done.transactions = self._written.transactions
        done.allocations = self._written.allocations
        done.changes = entries.changes
        stored = {account.account_id for account in done.accounts}
        done.versions = {key: v for key, v in done.versions.items() if key in stored}
        return done


def _one_of_each(rows: Iterable[Parsed]) -> list[Parsed]:
    """Yield all rows in order, but only the first of an account's plain lots."""
    seen: set[tuple[MemberKeyName, int]] = set()
    some: list[Parsed] = []
    for row in rows:
        if isinstance(row, PlainLot):
            key = (row.name, row.currency.currency_id)
            if key in seen:
                continue
            seen.add(key)
        some.append(row)
    return some

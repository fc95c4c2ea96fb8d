"""Listings: one page at a time, each from one snapshot."""

from __future__ import annotations

from points_grpc.clock import Clock
from points_grpc.domain.commands import VENDOR_ID_END, Caller, MemberName
from points_grpc.domain.model import Currency, Program
from points_grpc.domain.queries import (
    Cursor,
    ListAllocations,
    ListExpiryChanges,
    Listing,
    ListLots,
    ListTransactions,
    Order,
    Page,
)
from points_grpc.domain.results import (
    AllocationView,
    ExpiryChangeView,
    LotView,
    TransactionView,
)
from points_grpc.domain.state import AccountState, Allocation, ExpiryChange, Lot
from points_grpc.domain.views import view_change
from points_grpc.errors import InvalidField, LotNotFound, MemberNotFound, TransactionNotFound
from points_grpc.service.reads.accounts import AccountLoader
from points_grpc.service.reads.listings.lots import LotPages
from points_grpc.service.reads.listings.paging import Chunk, Collector, Found, numbers
from points_grpc.service.reads.listings.subject import Subject, resume
from points_grpc.service.reads.listings.transactions import TransactionPages
from points_grpc.service.shared.program_cache import ProgramCache
from points_grpc.service.shared.resolution import (
    currency_of,
    member_ids,
    program_key,
    program_of,
)
from points_grpc.storage.core.database import Connection
from points_grpc.storage.ledger import accounts, lots, transactions
from points_grpc.storage.reads import change_pages
from points_grpc.storage.reads.transaction_pages import ID_END

AnyPage = Page[TransactionView] | Page[LotView] | Page[ExpiryChangeView] | Page[AllocationView]


class Lister:
    """Answers listings as of now."""

    def __init__(self, clock: Clock, programs: ProgramCache) -> None:
        self._clock = clock
        self._programs = programs

    def page(self, connection: Connection, caller: Caller, listing: Listing) -> AnyPage:
        """Return the page of the listing after its cursor; raises the Refusal for the caller.

        `connection` must be in a REPEATABLE READ unit of work.
        """
        asked = _Asked(connection, self._programs, self._clock, caller)
        if isinstance(listing, ListTransactions):
            return asked.transactions(listing)
        if isinstance(listing, ListLots):
            return asked.lots(listing)
        if isinstance(listing, ListAllocations):
            return asked.allocations(listing)
        return asked.changes(listing)


class _Asked:
    """One page for one caller."""

    def __init__(
        self, connection: Connection, programs: ProgramCache, clock: Clock, caller: Caller
    ) -> None:
        self._connection = connection
        self._programs = programs
        self._caller = caller
        self._tenant_id = caller.tenant_id
        self._holdings = AccountLoader(connection, programs, {}, clock, {})

    def transactions(self, listing: ListTransactions) -> Page[TransactionView]:
        """List the transactions of one account, or of the whole currency."""
        listing = resume(listing)
        program = self._program(listing.program_id)
        currency = currency_of(program, listing.currency)
        account_state = None
        subject = Subject(program.program_id, currency.currency_id)
        if listing.member is not None:
            account_state = self._account_state(self._member_id(listing.member), currency)
            if account_state is None:
                return Page((), ())
            subject = _subject_of(account_state)
        pages = TransactionPages(
            self._connection,
            self._holdings,
            listing,
            self._tenant_id,
            currency=currency,
            account_state=account_state,
        )
        rows, cursor = pages.page()
        return Page(tuple(rows), subject.begin(cursor))

    def lots(self, listing: ListLots) -> Page[LotView]:
        """List the lots of one account."""
        listing = resume(listing)
        currency = currency_of(self._program(listing.program_id), listing.currency)
        account_state = self._account_state(self._member_id(listing.member), currency)
        if account_state is None:
            return Page((), ())
        rows, cursor = LotPages(self._connection, account_state, listing).page()
        return Page(tuple(rows), _subject_of(account_state).begin(cursor))

    def changes(self, listing: ListExpiryChanges) -> Page[ExpiryChangeView]:
        """List the expiry changes of one account, or of one lot."""
        listing = resume(listing)
        lot = self._lot(listing) if listing.lot_id else None
        if lot is not None:
            account_state = self._account_state_of(lot.account_id)
        else:
            if listing.member is None:
                raise InvalidField("member", "is required where lot_id is not set")
            currency = currency_of(self._program(listing.program_id), listing.currency)
            account_state = self._account_state(self._member_id(listing.member), currency)
        if account_state is None:
            return Page((), ())
        lot_id = lot.lot_id if lot else 0
        rows, cursor = ChangePages(self._connection, account_state, listing, lot_id).page()
        return Page(tuple(rows), _subject_of(account_state, lot_id).begin(cursor))

    def allocations(self, listing: ListAllocations) -> Page[AllocationView]:
        """List the allocations of one transaction."""
        key = (self._tenant_id, listing.transaction_id)
        row = transactions.by_id(self._connection, [key]).get(listing.transaction_id)
        account_state = None if row is None else self._account_state_of(row.account_id)
        if account_state is None:
            raise TransactionNotFound("transaction_id")
        collector: Collector[Allocation] = Collector(listing.page_size)

        def fetch(cursor: Cursor, quota: int) -> Chunk[Allocation]:
            (after,) = numbers(cursor, 1, (0,))
            rows = transactions.allocations_after(self._connection, key, after, quota)
            found = [Found((a.lot_id,), (a.lot_id,), a) for a in rows]
            return Chunk(found, found[-1].key if len(found) >= quota else None)

        cursor = collector.collect(fetch, listing.cursor)
        taken = collector.taken
        views = [AllocationView(account_state.currency, a.lot_id, a.amount) for a in taken]
        return Page(tuple(views), cursor)

    def _program(self, program_id: int) -> Program:
        key = program_key(self._caller, program_id)
        known = self._programs.current(self._connection, [key])
        return program_of(known, self._caller, program_id)

    def _member_id(self, name: MemberName) -> int:
        named = (self._tenant_id, name)
        member_id = member_ids(self._connection, [named]).get(named)
        if member_id is None:
            raise MemberNotFound("member")
        return member_id

    def _account_state(self, member_id: int, currency: Currency) -> AccountState | None:
        """Return the member's account with its labels; None if there is none."""
        pair = (self._tenant_id, member_id, currency.currency_id)
        account_id = accounts.find(self._connection, [pair]).get(pair)
        return None if account_id is None else self._account_state_of(account_id)

    def _account_state_of(self, account_id: int) -> AccountState | None:
        key = (self._tenant_id, account_id)
        self._holdings.load([key])
        self._holdings.load_labels([key])
        return self._holdings.get(*key)

    def _lot(self, listing: ListExpiryChanges) -> Lot:
        """Return the lot whose changes are listed; program, currency and member must be its own."""
        member_id = 0 if listing.member is None else self._member_id(listing.member)
        if listing.lot_id >= VENDOR_ID_END:
            found = lots.by_id(self._connection, [(self._tenant_id, listing.lot_id)])
        elif member_id:
            vendors = [(self._tenant_id, member_id, listing.lot_id)]
            found = lots.by_vendor_id(self._connection, vendors)
        else:
            raise InvalidField("member", "is required with a vendor's lot_id")
        lot = next(iter(found.values()), None)
        account_state = None if lot is None else self._account_state_of(lot.account_id)
        if lot is None or account_state is None or member_id not in (0, lot.member_id):
            raise LotNotFound("lot_id")
        self._check_named(listing, account_state)
        return lot

    def _check_named(self, listing: ListExpiryChanges, account_state: AccountState) -> None:
        if not listing.program_id and listing.currency is None:
            return
        program = self._program(listing.program_id or account_state.program.program_id)
        currency = account_state.currency
        if listing.currency is not None:
            currency = currency_of(program, listing.currency)
        if (program.program_id, currency.currency_id) != (
            account_state.program.program_id,
            account_state.currency.currency_id,
        ):
            raise LotNotFound("lot_id")


def _subject_of(account_state: AccountState, lot_id: int = 0) -> Subject:
    account = account_state.account
    return Subject(account.program_id, account.currency_id, account.member_id, lot_id)


class ChangePages:
    """Pages of the expiry changes of an account, or (lot_id not 0) of one of its lots."""

    def __init__(
        self,
        connection: Connection,
        account_state: AccountState,
        listing: ListExpiryChanges,
        lot_id: int,
    ) -> None:
        self._connection = connection
        self._account_state = account_state
        self._listing = listing
        self._lot_id = lot_id
        self._is_oldest_first = listing.order is Order.OLDEST

    def page(self) -> tuple[list[ExpiryChangeView], Cursor]:
        """Return the page of the listing after its cursor; raises the Refusal for the caller."""
        collector: Collector[ExpiryChange] = Collector(self._listing.page_size)
        cursor = collector.collect(self._fetch, self._listing.cursor)
        tenant_id = self._account_state.account.tenant_id
        of = lots.by_id(self._connection, {(tenant_id, row.lot_id) for row in collector.taken})
        owner = self._account_state.owner
        views = [view_change(owner, row, of[row.lot_id]) for row in collector.taken]
        return collector.fit(views, cursor)

    def _fetch(self, cursor: Cursor, quota: int) -> Chunk[ExpiryChange]:
        account = self._account_state.account
        (after,) = numbers(cursor, 1, (0,) if self._is_oldest_first else (ID_END,))
        run = change_pages.changes(
            self._connection,
            account.tenant_id,
            (account.account_id, self._lot_id),
            (self._listing.start_at, self._listing.end_at),
            after=after,
            quota=quota,
            ascending=self._is_oldest_first,
        )
        rows = [self._found(row, row) for row in run.changes]
        if run.cut_at is None:
            return Chunk(rows, None, run.text_bytes)
        end = self._found(run.cut_at, None)
        return Chunk([*rows, end], end.key, run.text_bytes)

    def _found(self, row: ExpiryChange, thing: ExpiryChange | None) -> Found[ExpiryChange]:
        key = row.version if self._is_oldest_first else -row.version
        return Found((key,), (row.version,), thing)

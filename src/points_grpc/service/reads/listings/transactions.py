"""ListTransactions: one account's history, or the newest or largest across a currency.

An account's transactions are listed by its version, the order in which they happened. Across
accounts NEWEST means by transaction id: the primary key has that order in every bucket, and
ids are handed out in blocks, so that it follows creation but for what several servers do at
the same time. Of equally LARGEST ones the newest comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from points_grpc.domain.as_of import lot_now, view_transaction_now
from points_grpc.domain.model import Currency, LotState, TransactionType
from points_grpc.domain.queries import Cursor, ListTransactions, Order
from points_grpc.domain.results import LISTED_ALLOCATIONS_MAX, TransactionView
from points_grpc.domain.state import AccountState, Transaction
from points_grpc.service.reads.accounts import AccountLoader
from points_grpc.service.reads.listings.paging import (
    EXAMINED_MAX,
    Chunk,
    Collector,
    Found,
    SortKey,
    numbers,
)
from points_grpc.storage.core.database import Connection
from points_grpc.storage.core.ids import BUCKETS, bucket_of_id
from points_grpc.storage.ledger import lots, transactions
from points_grpc.storage.ledger.transactions import FirstAllocations
from points_grpc.storage.reads import transaction_pages
from points_grpc.storage.reads.expiration_causes import causes
from points_grpc.storage.reads.transaction_pages import ID_END, Run, Wanted

_ALL_BUCKETS = tuple(range(BUCKETS))
_EARN = frozenset((TransactionType.EARN,))

Place = Callable[[Transaction], Cursor]


class TransactionPages:
    """Pages of transactions; `account_state` None lists all accounts of the currency."""

    def __init__(
        self,
        connection: Connection,
        account_states: AccountLoader,
        listing: ListTransactions,
        tenant_id: int,
        *,
        currency: Currency,
        account_state: AccountState | None,
    ) -> None:
        self._connection = connection
        self._holdings = account_states
        self._listing = listing
        self._tenant_id = tenant_id
        self._account_state = account_state
        account_id = account_state.account.account_id if account_state else 0
        self._buckets = (bucket_of_id(account_id),) if account_state else _ALL_BUCKETS
        self._wanted = Wanted(
            types=_types_wanted(listing),
            reference=listing.reference,
            start_at=listing.start_at,
            end_at=listing.end_at,
            currency_id=currency.currency_id,
            account_id=account_id,
        )

    def page(self) -> tuple[list[TransactionView], Cursor]:
        """The transactions after the listing's cursor, and where to continue."""
        if self._listing.types and not self._wanted.types:
            return [], ()  # none of these types is ever in one of these states
        collector: Collector[Transaction] = Collector(self._listing.page_size)
        known = self._few()
        cursor = self._listing.cursor
        if known is not None:
            cursor = collector.collect(lambda c, _: self._sorted(known, c), cursor)
        elif self._listing.order is Order.LARGEST:
            cursor = collector.collect(self._largest, cursor, len(self._buckets))
        elif self._account_state is not None:
            cursor = collector.collect(self._history, cursor)
        else:
            cursor = collector.collect(self._newest, cursor, len(self._buckets))
        return collector.fit(self._views(collector.taken), cursor)

    # What can be read whole

    def _few(self) -> list[Transaction] | None:
        """All candidates, where they are few enough to be sorted here; None otherwise."""
        if self._wanted.reference:
            quota = EXAMINED_MAX // len(self._buckets)
            found = transaction_pages.referred(
                self._connection, self._tenant_id, self._buckets, self._wanted.reference, quota
            )
            if found is not None:
                return found
        if (
            self._listing.order is Order.LARGEST
            and self._account_state is not None
            and self._account_state.account.version < EXAMINED_MAX
        ):
            run = self._run_of(self._account_state, ID_END, EXAMINED_MAX)
            if run.cut_at is None:
                return run.transactions
        return None

    def _sorted(self, known: Sequence[Transaction], cursor: Cursor) -> Chunk[Transaction]:
        matching = [row for row in known if self._wanted.matches(row)]
        rows = self._found(matching)
        if cursor:
            end = self._key(numbers(cursor, len(self._start()), ()))
            rows = [row for row in rows if row.key > end]
        return Chunk(rows, None)

    # What an index has in order

    def _history(self, cursor: Cursor, quota: int) -> Chunk[Transaction]:
        (after,) = numbers(cursor, 1, self._start())
        if self._account_state is None:
            raise LookupError("a history is one account's")
        return self._chunk([self._run_of(self._account_state, after, quota)])

    def _run_of(self, account_state: AccountState, after: int, quota: int) -> Run:
        return transaction_pages.history(
            self._connection,
            (self._tenant_id, account_state.account.account_id),
            self._wanted,
            after=after,
            quota=quota,
            ascending=self._listing.order is Order.OLDEST,
        )

    def _newest(self, cursor: Cursor, quota: int) -> Chunk[Transaction]:
        (after,) = numbers(cursor, 1, self._start())
        return self._chunk(
            transaction_pages.newest(
                self._connection,
                self._tenant_id,
                self._buckets,
                self._wanted,
                after=after,
                quota=quota,
            )
        )

    def _largest(self, cursor: Cursor, quota: int) -> Chunk[Transaction]:
        amount, transaction_id = numbers(cursor, 2, self._start())
        return self._chunk(
            transaction_pages.largest(
                self._connection,
                self._tenant_id,
                self._buckets,
                self._wanted,
                after=(amount, transaction_id),
                quota=quota,
            )
        )

    def _chunk(self, runs: Sequence[Run]) -> Chunk[Transaction]:
        rows = self._found([row for run in runs for row in run.transactions])
        cuts = [self._place(run.cut_at) for run in runs if run.cut_at is not None]
        cut = min(map(self._key, cuts), default=None)
        rows += [Found(self._key(place), place, None) for place in cuts]
        return Chunk(sorted(rows, key=_by_key), cut, sum(run.text_bytes for run in runs))

    # Order

    def _place(self, row: Transaction) -> Cursor:
        if self._listing.order is Order.LARGEST:
            return (row.amount, row.transaction_id)
        return (row.transaction_id if self._account_state is None else row.version,)

    def _key(self, place: Sequence[str | int]) -> SortKey:
        if self._listing.order is Order.OLDEST:
            return tuple(place)
        return tuple(-int(part) for part in place)

    def _start(self) -> Cursor:
        if self._listing.order is Order.LARGEST:
            return (ID_END, ID_END)
        return (0,) if self._listing.order is Order.OLDEST else (ID_END,)

    # Filters and views

    def _found(self, rows: Sequence[Transaction]) -> list[Found[Transaction]]:
        """The transactions in order, without those whose state is not wanted."""
        states = self._states(rows) if self._listing.states else {}
        found = []
        for row in rows:
            place = self._place(row)
            state = states.get(row.transaction_id, LotState.APPROVED)
            is_wanted = not self._listing.states or state in self._listing.states
            found.append(Found(self._key(place), place, row if is_wanted else None))
        return sorted(found, key=_by_key)

    def _states(self, rows: Sequence[Transaction]) -> dict[int, LotState]:
        """The states that EARNs show, by id."""
        found = lots.by_id(self._connection, self._keys(rows, is_earn=True))
        self._load_accounts(rows)
        return {
            lot.lot_id: lot_now(self._account_state_of(lot.account_id), lot).state
            for lot in found.values()
        }

    def _views(self, rows: Sequence[Transaction]) -> list[TransactionView]:
        self._load_accounts(rows)
        self._holdings.load_labels({(self._tenant_id, row.account_id) for row in rows})
        of_earns = lots.by_id(self._connection, self._keys(rows, is_earn=True))
        bounds = dict.fromkeys(self._keys(rows, is_earn=False), LISTED_ALLOCATIONS_MAX)
        parts = transactions.allocations_of(self._connection, bounds)
        why = causes(self._connection, [(self._tenant_id, row) for row in rows])
        return [
            view_transaction_now(
                self._account_state_of(row.account_id),
                row,
                of_earns.get(row.transaction_id),
                (first := parts.get(row.transaction_id, FirstAllocations())).rows,
                why.get(row.transaction_id),
                allocation_count=first.total,
            )
            for row in rows
        ]

    def _keys(self, rows: Iterable[Transaction], is_earn: bool) -> set[tuple[int, int]]:
        return {
            (self._tenant_id, row.transaction_id)
            for row in rows
            if (row.type is TransactionType.EARN) is is_earn
        }

    def _load_accounts(self, rows: Iterable[Transaction]) -> None:
        self._holdings.load({(self._tenant_id, row.account_id) for row in rows})

    def _account_state_of(self, account_id: int) -> AccountState:
        account_state = self._holdings.get(self._tenant_id, account_id)
        if account_state is None:
            raise LookupError("a transaction names an account that is not there")
        return account_state


def _types_wanted(listing: ListTransactions) -> frozenset[TransactionType]:
    """Only EARNs show other states than APPROVED; a type that cannot match is not read.

    Empty where all types match, and where none of those asked for can.
    """
    if listing.states and LotState.APPROVED not in listing.states:
        return listing.types & _EARN if listing.types else _EARN
    return listing.types


def _by_key(row: Found[Transaction]) -> SortKey:
    return row.key

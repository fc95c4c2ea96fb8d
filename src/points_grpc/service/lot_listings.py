"""ListLots: an account's lots in the order asked for, as of now.

Lots whose place no index has follow at the end, the newest first: in SPENDING order those that
nothing can be taken from any more, in EXPIRY order those that never expire.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial

from points_grpc.domain.answers import LotView
from points_grpc.domain.books import Holding, Lot, Transaction
from points_grpc.domain.model import LotCategory, LotState, PolicyKind, TransactionType
from points_grpc.domain.queries import Cursor, ListLots, Order
from points_grpc.domain.schedule import last_earn_lapsing
from points_grpc.domain.standing import lot_now, view_lot_now
from points_grpc.errors import InvalidPageToken
from points_grpc.service.paging import (
    NEVER_MICROS,
    Chunk,
    Collector,
    Fetch,
    Found,
    from_micros,
    numbers,
    to_micros,
)
from points_grpc.storage import listings, lot_listings, lots, transactions
from points_grpc.storage.database import Connection
from points_grpc.storage.lot_listings import START, Place, Stream

_EARNS = listings.Wanted(types=frozenset((TransactionType.EARN,)))
_CATEGORIES = {
    LotState.OPEN: LotCategory.PROMISED,
    LotState.PENDING: LotCategory.PROMISED,
    LotState.APPROVED: LotCategory.REGULAR,
}
_LIVE = (LotState.OPEN, LotState.PENDING, LotState.APPROVED)
_FINISHED = Stream(0, 0, 0, True)
_LAST_LOT = 2**63 - 1
_Rank = tuple[int, int, int, int]
"""priority (0 in EXPIRY order), expiry in microseconds, earn in microseconds, lot_id"""


class LotPages:
    """Pages of one account's lots."""

    def __init__(self, connection: Connection, holding: Holding, listing: ListLots) -> None:
        self._connection = connection
        self._holding = holding
        self._listing = listing
        self._account = (holding.account.tenant_id, holding.account.account_id)
        self._period = (listing.start_at, listing.end_at)
        self._priority_counts = listing.order is Order.SPENDING

    def page(self) -> tuple[list[LotView], Cursor]:
        """The lots after the listing's cursor, and where to continue."""
        parts = self._parts()
        cursor = self._listing.cursor or (0,)
        part, rest = cursor[0], cursor[1:]
        if not isinstance(part, int) or not 0 <= part < len(parts):
            raise InvalidPageToken("page_token")
        collector: Collector[Lot] = Collector(self._listing.page_size)
        while part < len(parts):
            if collector.is_done:
                return self._views(collector.taken), (part, *rest)
            fetch, streams = parts[part]
            rest = collector.collect(fetch, rest, streams)
            if rest:
                return self._views(collector.taken), (part, *rest)
            part += 1
        return self._views(collector.taken), ()

    def _parts(self) -> list[tuple[Fetch[Lot], int]]:
        """What is listed one after the other, each with the number of its streams."""
        if self._listing.order is Order.SPENDING:
            streams = self._streams()
            return [
                (partial(self._unfinished, streams), max(1, len(streams))),
                (partial(self._history, _is_finished), 1),
            ]
        if self._listing.order is Order.EXPIRY:
            expiring = [stream for stream in self._streams() if stream.rule or stream.is_dated]
            dated: tuple[Fetch[Lot], int] = (
                partial(self._by_expiry, expiring),
                len(expiring) + 1,
            )
            if self._period != (None, None):
                return [dated]
            return [dated, (partial(self._history, _is_undated), 1)]
        return [(partial(self._history, _is_any), 1)]

    def _streams(self) -> list[Stream]:
        policies = self._holding.program.versions.values()
        fixed = sorted({policy.priority for policy in policies})
        moving = sorted(
            (policy.policy_version_id, policy.priority)
            for policy in policies
            if policy.kind is PolicyKind.INACTIVITY
        )
        return [
            stream
            for state in map(int, _LIVE)
            for stream in (
                *(Stream(state, 0, priority, True) for priority in fixed),
                *(Stream(state, 0, priority, False) for priority in fixed),
                *(Stream(state, rule, priority, False) for rule, priority in moving),
            )
        ]

    # By the spending index

    def _unfinished(self, streams: Sequence[Stream], cursor: Cursor, quota: int) -> Chunk[Lot]:
        after = self._place(cursor)
        found = self._from_streams(streams, after, quota)
        return self._chunk(found, quota)

    def _by_expiry(self, expiring: Sequence[Stream], cursor: Cursor, quota: int) -> Chunk[Lot]:
        after = self._place(cursor)
        found = self._from_streams(expiring, after, quota)
        place = START if after is None else _to_place(after)
        ended = lot_listings.finished(self._connection, self._account, place, self._period, quota)
        return self._chunk([*found, *((_FINISHED, lot) for lot in ended)], quota)

    def _place(self, cursor: Cursor) -> _Rank | None:
        if not cursor:
            return None
        priority, expiry, earn, lot_id = numbers(cursor, 4, ())
        return priority, expiry, earn, lot_id

    def _from_streams(
        self, streams: Sequence[Stream], after: _Rank | None, quota: int
    ) -> list[tuple[Stream, Lot]]:
        self._moving_starts: dict[int, Place] = {}
        places = ((stream, self._start(stream, after)) for stream in streams)
        begun = [(stream, place) for stream, place in places if place is not None]
        return lot_listings.unfinished(self._connection, self._account, begun, self._period, quota)

    def _start(self, stream: Stream, after: _Rank | None) -> Place | None:
        """Where in a stream the lots after a place of the listing begin; None: nowhere."""
        if after is None:
            return START
        priority, expiry, earn, lot_id = after
        if self._priority_counts and stream.priority != priority:
            return START if stream.priority > priority else None
        if expiry == NEVER_MICROS:
            is_over = stream.rule or stream.is_dated
            return None if is_over else (START[0], from_micros(earn), lot_id)
        if stream.rule:
            if stream.rule not in self._moving_starts:
                self._moving_starts[stream.rule] = self._start_moving(stream.rule, after)
            return self._moving_starts[stream.rule]
        return _to_place(after) if stream.is_dated else START

    def _start_moving(self, rule: int, after: _Rank) -> Place:
        """The lots that lapse after the place's expiry, and those at it that come behind it."""
        _, expiry, earn, lot_id = after
        at = from_micros(expiry)
        before = last_earn_lapsing(self._holding, rule, at)
        until = last_earn_lapsing(self._holding, rule, at, including=True)
        start = min((from_micros(earn), lot_id), (until or START[1], _LAST_LOT))
        if before is not None:
            start = max(start, (before, _LAST_LOT))
        return (START[0], *start)

    def _chunk(self, found: Iterable[tuple[Stream, Lot]], quota: int) -> Chunk[Lot]:
        """The lots in order; a stream that gave as many as were asked for may have more."""
        counts: dict[Stream, int] = {}
        ends: dict[Stream, _Rank] = {}
        keyed = []
        for stream, lot in found:
            key = self._key(lot)
            counts[stream] = counts.get(stream, 0) + 1
            ends[stream] = max(key, ends.get(stream, key))
            keyed.append((key, lot))
        keyed.sort(key=lambda pair: pair[0])
        kept = self._kept([lot for _, lot in keyed])
        rows = [Found(key, key, lot if lot.lot_id in kept else None) for key, lot in keyed]
        cut = min((ends[s] for s, count in counts.items() if count >= quota), default=None)
        return Chunk(rows, cut)

    def _key(self, lot: Lot) -> _Rank:
        expires_at = self._holding.expiry_of(lot)
        return (
            lot.priority if self._priority_counts else 0,
            NEVER_MICROS if expires_at is None else to_micros(expires_at),
            to_micros(lot.earned_at),
            lot.lot_id,
        )

    # By the account's history

    def _history(self, belongs: Callable[[Lot], bool], cursor: Cursor, quota: int) -> Chunk[Lot]:
        """Lots by their EARN, the newest first; only those that belong here."""
        (after,) = numbers(cursor, 1, (listings.ID_END,))
        run = listings.history(self._connection, self._account, _EARNS, after=after, quota=quota)
        keys = {(self._account[0], earn.transaction_id) for earn in run.transactions}
        found = lots.by_id(self._connection, keys)
        kept = self._kept([lot for lot in found.values() if belongs(lot)])
        rows = [
            _of_earn(earn, found[earn.transaction_id] if earn.transaction_id in kept else None)
            for earn in run.transactions
        ]
        if run.cut_at is None:
            return Chunk(rows, None)
        end = _of_earn(run.cut_at, None)
        return Chunk([*rows, end], end.key)

    # Filters and views

    def _kept(self, found: Sequence[Lot]) -> set[int]:
        """The lots that the listing's filters let through, by id."""
        listing = self._listing
        matching = {lot.lot_id for lot in found if self._matches(lot)}
        if listing.reference and matching:
            earns = self._earns(matching)
            matching = {n for n in matching if earns[n].reference == listing.reference}
        return matching

    def _matches(self, lot: Lot) -> bool:
        listing = self._listing
        state = lot_now(self._holding, lot).state
        if listing.states and state not in listing.states:
            return False
        if listing.categories and _CATEGORIES.get(state) not in listing.categories:
            return False
        if self._period == (None, None):
            return True
        expires_at = self._holding.expiry_of(lot)
        return expires_at is not None and _is_within(expires_at, *self._period)

    def _earns(self, lot_ids: Iterable[int]) -> dict[int, Transaction]:
        tenant_id = self._account[0]
        return transactions.by_id(self._connection, {(tenant_id, n) for n in lot_ids})

    def _views(self, taken: Sequence[Lot]) -> list[LotView]:
        earns = self._earns([lot.lot_id for lot in taken])
        return [view_lot_now(self._holding, lot, earns[lot.lot_id]) for lot in taken]


def _of_earn(earn: Transaction, lot: Lot | None) -> Found[Lot]:
    return Found((-earn.version,), (earn.version,), lot)


def _is_any(_: Lot) -> bool:
    return True


def _is_finished(lot: Lot) -> bool:
    return not lot.unfinished


def _is_undated(lot: Lot) -> bool:
    """Whether no index has the lot by its expiry: it never expires, or ended before it did."""
    return lot.expires_at is None and not (lot.rule and lot.unfinished)


def _is_within(at: datetime, start_at: datetime | None, end_at: datetime | None) -> bool:
    return (start_at is None or start_at <= at) and (end_at is None or at < end_at)


def _to_place(after: _Rank) -> Place:
    _, expiry, earn, lot_id = after
    return from_micros(expiry), from_micros(earn), lot_id

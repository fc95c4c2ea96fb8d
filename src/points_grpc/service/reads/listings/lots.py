"""ListLots: an account's lots in the order asked for, as of now.

SPENDING and EXPIRY order sort by what spending does not change: priority (SPENDING only), expiry,
earn and lot id. So a lot keeps its place whatever is taken from it between two pages. Each page
merges runs of several indexes, because no single one has live and finished lots in that order;
where that would be very many runs, the lots of an account that has not too many are sorted here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from points_grpc.domain.as_of import lot_now, view_lot_now
from points_grpc.domain.model import LotCategory, LotState, PolicyKind
from points_grpc.domain.queries import Cursor, ListLots, Order
from points_grpc.domain.results import LotView
from points_grpc.domain.schedule import last_earn_lapsing
from points_grpc.domain.state import AccountState, Lot
from points_grpc.service.reads.listings.paging import (
    EXAMINED_MAX,
    NEVER_MICROS,
    Chunk,
    Collector,
    Fetch,
    Found,
    from_micros,
    numbers,
    to_micros,
)
from points_grpc.service.reads.listings.sorted_lots import SortedLots, has_many_runs
from points_grpc.storage.core.database import Connection
from points_grpc.storage.ledger import expiry_changes, lots, transactions
from points_grpc.storage.reads import lot_pages, transaction_pages
from points_grpc.storage.reads.lot_pages import START, Place, Stream

_CATEGORIES = {
    LotState.OPEN: LotCategory.PROMISED,
    LotState.PENDING: LotCategory.PROMISED,
    LotState.APPROVED: LotCategory.REGULAR,
}
_LIVE = (LotState.OPEN, LotState.PENDING, LotState.APPROVED)
_LAST_LOT = 2**63 - 1
_FIRST_MICROS = to_micros(START[0])
_Rank = tuple[int, int, int, int]
"""priority (0 in EXPIRY order), expiry in microseconds, earn in microseconds, lot_id"""

_Row = tuple[_Rank, Lot | None]
_Run = tuple[list[_Row], bool, int]
"""Rows of one index after a place, whether there may be more, and how many were read."""


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the listing: lots of one priority (None: of any) with an expiry, or without."""

    priority: int | None
    is_dated: bool

    @property
    def start(self) -> _Rank:
        """The place before its first lot."""
        expiry = _FIRST_MICROS if self.is_dated else NEVER_MICROS
        return (self.priority or 0, expiry, _FIRST_MICROS, 0)

    def is_over(self, place: _Rank) -> bool:
        """Return whether a place lies beyond the region."""
        priority, expiry, _, _ = place
        own = self.priority or 0
        return priority > own or (priority == own and self.is_dated and expiry == NEVER_MICROS)


class LotPages:
    """Pages of one account's lots."""

    def __init__(
        self, connection: Connection, account_state: AccountState, listing: ListLots
    ) -> None:
        self._connection = connection
        self._account_state = account_state
        self._listing = listing
        self._account = (account_state.account.tenant_id, account_state.account.account_id)
        self._period = (listing.start_at, listing.end_at)

    def page(self) -> tuple[list[LotView], Cursor]:
        """Return the lots after the listing's cursor, and the cursor of the next page."""
        collector: Collector[Lot] = Collector(self._listing.page_size)
        if self._listing.order is Order.LATEST_LOT:
            cursor = collector.collect(self._latest(), self._listing.cursor)
        elif self._account_state.account.version < EXAMINED_MAX and has_many_runs(
            self._account_state
        ):
            every = SortedLots(self._connection, self._account_state, self._listing)
            cursor = collector.collect(partial(self._sorted, every), self._listing.cursor)
        else:
            cursor = self._collect_regions(collector)
        return collector.fit(self._views(collector.taken), cursor)

    # By expiry

    def _collect_regions(self, collector: Collector[Lot]) -> Cursor:
        place = _place(self._listing.cursor)
        for region in self._regions():
            if place is not None and region.is_over(place):
                continue
            if collector.is_done:
                return region.start
            begin = region.start if place is None else max(place, region.start)
            run = RegionRun(self._connection, self._account_state, self._listing, region)
            fetch = partial(self._fetch_region, run)
            if cursor := collector.collect(fetch, begin, run.stream_count):
                return cursor
        return ()

    def _regions(self) -> Iterator[Region]:
        policies = self._account_state.program.versions.values()
        priorities: list[int | None] = [None]
        if self._listing.order is Order.SPENDING:
            priorities = [*sorted({policy.priority for policy in policies})]
        for priority in priorities:
            yield Region(priority, is_dated=True)
            if self._period == (None, None):
                yield Region(priority, is_dated=False)

    def _fetch_region(self, run: RegionRun, cursor: Cursor, quota: int) -> Chunk[Lot]:
        place = _place(cursor) or run.region.start
        keyed, cut, examined = run.fetch(place, quota)
        kept = self._kept([lot for _, lot in keyed if lot is not None])
        rows = [
            Found(key, key, lot if lot is not None and lot.lot_id in kept else None)
            for key, lot in sorted(keyed, key=lambda pair: pair[0])
        ]
        return Chunk(rows, cut, examined=examined)

    def _sorted(self, every: SortedLots, cursor: Cursor, quota: int) -> Chunk[Lot]:
        ranks, is_cut = every.after(_place(cursor), quota)
        tenant_id = self._account[0]
        found = lots.by_id(self._connection, {(tenant_id, rank[-1]) for rank in ranks})
        kept = self._kept(list(found.values()))
        rows = [Found(rank, rank, found[rank[-1]] if rank[-1] in kept else None) for rank in ranks]
        return Chunk(rows, ranks[-1] if is_cut else None)

    # By id

    def _latest(self) -> Fetch[Lot]:
        """Return what reads lots by id, the highest first.

        No index has an account's lots by their ids. The ids of most accounts are few enough to
        be sorted here; for the others the page walks through all lots of the bucket.
        """
        if self._account_state.account.version >= EXAMINED_MAX:
            return self._latest_of_bucket
        return partial(self._latest_of, lot_pages.lot_ids(self._connection, self._account))

    def _latest_of(self, every: Sequence[int], cursor: Cursor, quota: int) -> Chunk[Lot]:
        (after,) = numbers(cursor, 1, (transaction_pages.ID_END,))
        rest = [(lot_id, True) for lot_id in every if lot_id < after]
        return self._chunk_of_ids(rest[:quota], is_cut=len(rest) > quota)

    def _latest_of_bucket(self, cursor: Cursor, quota: int) -> Chunk[Lot]:
        (after,) = numbers(cursor, 1, (transaction_pages.ID_END,))
        found, is_cut = lot_pages.lot_ids_of_bucket(self._connection, self._account, after, quota)
        return self._chunk_of_ids(found, is_cut=is_cut)

    def _chunk_of_ids(self, ids: Sequence[tuple[int, bool]], is_cut: bool) -> Chunk[Lot]:
        tenant_id = self._account[0]
        found = lots.by_id(self._connection, {(tenant_id, n) for n, is_own in ids if is_own})
        kept = self._kept(list(found.values()))
        rows = [Found((-n,), (n,), found[n] if n in kept else None) for n, _ in ids]
        return Chunk(rows, rows[-1].key if is_cut else None)

    # Filters and views

    def _kept(self, found: Sequence[Lot]) -> set[int]:
        """The lots that the listing's filters let through, by id."""
        listing = self._listing
        matching = {lot.lot_id for lot in found if self._matches(lot)}
        if listing.reference and matching:
            references = transactions.references(self._connection, self._keys(matching))
            matching = {n for n in matching if references[n] == listing.reference}
        return matching

    def _matches(self, lot: Lot) -> bool:
        listing = self._listing
        now = lot_now(self._account_state, lot)
        if listing.states and now.state not in listing.states:
            return False
        if listing.categories and _CATEGORIES.get(now.state) not in listing.categories:
            return False
        if listing.live_only and not now.unfinished:
            return False
        if self._period == (None, None):
            return True
        expires_at = self._account_state.expiry_of(lot)
        return expires_at is not None and _is_within(expires_at, *self._period)

    def _keys(self, lot_ids: Iterable[int]) -> set[tuple[int, int]]:
        return {(self._account[0], lot_id) for lot_id in lot_ids}

    def _views(self, taken: Sequence[Lot]) -> list[LotView]:
        keys = self._keys(lot.lot_id for lot in taken)
        earns = transactions.by_id(self._connection, keys)
        moved = expiry_changes.moved(self._connection, keys)
        return [
            view_lot_now(self._account_state, lot, earns[lot.lot_id], lot.lot_id in moved)
            for lot in taken
        ]


class RegionRun:
    """Reads one region of a listing after a place, from every index that has a part of it."""

    def __init__(
        self, connection: Connection, account_state: AccountState, listing: ListLots, region: Region
    ) -> None:
        self.region = region
        self._connection = connection
        self._account_state = account_state
        self._account = (account_state.account.tenant_id, account_state.account.account_id)
        self._period = (listing.start_at, listing.end_at)
        self._is_live_only = listing.live_only
        versions = [
            policy
            for policy in account_state.program.versions.values()
            if region.priority in (None, policy.priority)
        ]
        self._priorities = sorted({policy.priority for policy in versions})
        self._rules = sorted(
            (policy.policy_version_id, policy.priority)
            for policy in versions
            if policy.kind is PolicyKind.INACTIVITY
        )
        self._streams = self._unfinished_streams()

    @property
    def stream_count(self) -> int:
        """Return the number of runs that a step reads."""
        walks = len(self._rules) if self.region.is_dated else 1
        ended = 0 if self._is_live_only else walks + self.region.is_dated
        return max(1, len(self._streams) + ended)

    def fetch(self, place: _Rank, quota: int) -> tuple[list[_Row], _Rank | None, int]:
        """Return at most `quota` rows of each run after a place, and up to where that is all.

        A row without a lot only tells how far a run was examined. The last result is how many
        rows were read.
        """
        starts = self._starts_of_rules(place)
        runs = self._unfinished(place, starts, quota)
        if not self._is_live_only:
            runs += self._finished(place, starts, quota)
        cuts = [max(key for key, _ in rows) for rows, is_cut, _ in runs if is_cut]
        found = [row for rows, _, _ in runs for row in rows]
        return found, min(cuts, default=None), sum(examined for _, _, examined in runs)

    def _unfinished_streams(self) -> list[Stream]:
        fixed = [
            Stream(int(state), 0, priority, self.region.is_dated)
            for state in _LIVE
            for priority in self._priorities
        ]
        moving = [Stream(int(state), *rule, False) for state in _LIVE for rule in self._rules]
        return [*fixed, *moving] if self.region.is_dated else fixed

    def _unfinished(self, place: _Rank, starts: dict[int, Place], quota: int) -> list[_Run]:
        start = _to_place(place, self.region.is_dated)
        begun = [(stream, starts.get(stream.rule, start)) for stream in self._streams]
        found = lot_pages.unfinished(self._connection, self._account, begun, self._period, quota)
        runs: dict[Stream, list[_Row]] = {}
        for stream, lot in found:
            runs.setdefault(stream, []).append((self._key(lot), lot))
        return [(rows, len(rows) >= quota, len(rows)) for rows in runs.values()]

    def _finished(self, place: _Rank, starts: dict[int, Place], quota: int) -> list[_Run]:
        expires_at, earned_at, lot_id = _to_place(place, self.region.is_dated)
        if not self.region.is_dated:
            return self._walk([(0, earned_at, lot_id)], quota)
        runs = self._walk([(rule, *starts[rule][1:]) for rule, _ in self._rules], quota)
        found = lot_pages.finished(
            self._connection, self._account, (expires_at, earned_at, lot_id), self._period, quota
        )
        ended = [(self._key(lot), self._own(lot)) for lot in found]
        return [*runs, (ended, len(ended) >= quota, len(ended))]

    def _walk(self, walks: Sequence[tuple[int, datetime, int]], quota: int) -> list[_Run]:
        rows: list[list[_Row]] = [[] for _ in walks]
        is_cut = [False] * len(walks)
        if walks:
            for found in lot_pages.ended_undated(self._connection, self._account, walks, quota):
                key = self._key_at(walks[found.walk][0], found.earned_at, found.lot_id)
                lot = None if found.lot is None else self._own(found.lot)
                rows[found.walk].append((key, lot))
                is_cut[found.walk] |= found.examined == quota
        examined = min(quota, self._account_state.account.version)  # a walk reads the history
        return [(found, cut, examined) for found, cut in zip(rows, is_cut, strict=True)]

    def _own(self, lot: Lot) -> Lot | None:
        """The lot if it belongs to the region."""
        return lot if self.region.priority in (None, lot.priority) else None

    # Places

    def _starts_of_rules(self, place: _Rank) -> dict[int, Place]:
        if not self.region.is_dated:
            return {}
        return {rule: self._start_moving(rule, place) for rule, _ in self._rules}

    def _start_moving(self, rule: int, place: _Rank) -> Place:
        """The lots that lapse after the place's expiry, and those at it that come behind it."""
        _, expiry, earn, lot_id = place
        if expiry == _FIRST_MICROS:
            return START
        at = from_micros(expiry)
        before = last_earn_lapsing(self._account_state, rule, at)
        until = last_earn_lapsing(self._account_state, rule, at, including=True)
        start = min((from_micros(earn), lot_id), (until or START[1], _LAST_LOT))
        if before is not None:
            start = max(start, (before, _LAST_LOT))
        return (START[0], *start)

    def _key(self, lot: Lot) -> _Rank:
        expires_at = self._account_state.expiry_of(lot)
        return self._rank(expires_at, lot.earned_at, lot.lot_id)

    def _key_at(self, rule: int, earned_at: datetime, lot_id: int) -> _Rank:
        expires_at = self._account_state.projected_expiry(rule, earned_at) if rule else None
        return self._rank(expires_at, earned_at, lot_id)

    def _rank(self, expires_at: datetime | None, earned_at: datetime, lot_id: int) -> _Rank:
        expiry = NEVER_MICROS if expires_at is None else to_micros(expires_at)
        return (self.region.priority or 0, expiry, to_micros(earned_at), lot_id)


def _place(cursor: Cursor) -> _Rank | None:
    """The place that a cursor holds; None at the beginning. Raises InvalidPageToken."""
    if not cursor:
        return None
    priority, expiry, earn, lot_id = numbers(cursor, 4, ())
    _to_place((priority, expiry, earn, lot_id), expiry != NEVER_MICROS)
    return priority, expiry, earn, lot_id


def _to_place(place: _Rank, is_dated: bool) -> Place:
    """The place as an index has it. Raises InvalidPageToken."""
    _, expiry, earn, lot_id = place
    expires_at = from_micros(expiry) if is_dated else START[0]
    return expires_at, from_micros(earn), lot_id


def _is_within(at: datetime, start_at: datetime | None, end_at: datetime | None) -> bool:
    return (start_at is None or start_at <= at) and (end_at is None or at < end_at)

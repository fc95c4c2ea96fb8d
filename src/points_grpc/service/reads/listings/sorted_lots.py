"""The lots of one account, sorted here: for accounts whose lots are few, whatever their policies.

An index has the lots of one priority, state and inactivity policy in order. To merge the indexes'
runs takes a part of a statement for each, however few lots there are: too much of a program with
many policies. What sorts a lot is short, and one statement reads it of all.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from points_grpc.domain.model import PolicyKind
from points_grpc.domain.queries import ListLots, Order
from points_grpc.domain.state import AccountState
from points_grpc.service.reads.listings.paging import NEVER_MICROS, to_micros
from points_grpc.storage.core.database import Connection
from points_grpc.storage.reads import lot_pages

RUNS_MAX = 8
"""How many pairs of a priority and an inactivity policy are merged from the indexes."""

Rank = tuple[int, int, int, int]
"""priority (0 in EXPIRY order), expiry in microseconds, earn in microseconds, lot_id"""


def has_many_runs(account_state: AccountState) -> bool:
    """Return whether the policies are too many to merge a run of lots for each."""
    runs = {
        (one.priority, one.policy_version_id if one.kind is PolicyKind.INACTIVITY else 0)
        for one in account_state.program.versions.values()
    }
    return len(runs) > RUNS_MAX


class SortedLots:
    """What sorts the lots that a listing may show."""

    def __init__(
        self, connection: Connection, account_state: AccountState, listing: ListLots
    ) -> None:
        self._account_state = account_state
        self._listing = listing
        account = (account_state.account.tenant_id, account_state.account.account_id)
        self._ranks = sorted(self._ranked(lot_pages.marks(connection, account)))

    def after(self, rank: Rank | None, count: int) -> tuple[list[Rank], bool]:
        """Return the first so many behind a rank (None: of all), and whether there are more."""
        begin = 0 if rank is None else bisect_right(self._ranks, rank)
        return self._ranks[begin : begin + count], begin + count < len(self._ranks)

    def _ranked(self, marks: list[lot_pages.Mark]) -> Iterator[Rank]:
        listing = self._listing
        by_priority = listing.order is Order.SPENDING
        start = None if listing.start_at is None else to_micros(listing.start_at)
        end = None if listing.end_at is None else to_micros(listing.end_at)
        for mark in marks:
            if listing.live_only and not mark.unfinished:
                continue
            expires_at = mark.expires_at
            if mark.rule and expires_at is None:
                expires_at = self._account_state.projected_expiry(mark.rule, mark.earned_at)
            expiry = NEVER_MICROS if expires_at is None else to_micros(expires_at)
            if (start is not None and expiry < start) or (end is not None and expiry >= end):
                continue
            if start is not None and expires_at is None:
                continue
            priority = mark.priority if by_priority else 0
            yield priority, expiry, to_micros(mark.earned_at), mark.lot_id

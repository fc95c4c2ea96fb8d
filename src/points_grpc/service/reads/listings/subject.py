"""What a listing is of: as resolved for its first page, whatever its names stand for later.

Between two pages the credential's program, the program's default currency and the member behind
an identifier may change. So a cursor begins with what they were, and later pages are of that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, TypeVar

from points_grpc.domain.commands import MEMBER_ID, MemberName
from points_grpc.domain.queries import (
    Cursor,
    ListExpiryChanges,
    ListLots,
    ListTransactions,
    Order,
)
from points_grpc.errors import InvalidPageToken

L = TypeVar("L", ListTransactions, ListLots, ListExpiryChanges)


class Subject(NamedTuple):
    """A program, a currency, a member and a lot (0: of all)."""

    program_id: int
    currency_id: int
    member_id: int = 0
    lot_id: int = 0

    def begin(self, cursor: Cursor) -> Cursor:
        """Return the cursor with the subject before it; () stays the end."""
        return (*self, *cursor) if cursor else ()


_LENGTH = len(Subject._fields)


def resume(listing: L) -> L:
    """Return a listing with the subject of its cursor instead of its names. InvalidPageToken.

    The release before wrote cursors without one: their listings go on with what the names stand
    for now.
    """
    if len(listing.cursor) != _LENGTH + _place_length(listing):
        return listing
    if not all(isinstance(part, int) for part in listing.cursor):
        raise InvalidPageToken("page_token")
    program_id, currency_id, member_id, lot_id, *place = listing.cursor
    subject = Subject(*map(int, (program_id, currency_id, member_id, lot_id)))
    listing = replace(
        listing,
        program_id=subject.program_id,
        currency=subject.currency_id,
        cursor=tuple(place),
    )
    if subject.member_id:
        listing = replace(listing, member=MemberName(MEMBER_ID, str(subject.member_id)))
    if isinstance(listing, ListExpiryChanges) and listing.lot_id:
        listing = replace(listing, lot_id=subject.lot_id)
    return listing


def _place_length(listing: ListTransactions | ListLots | ListExpiryChanges) -> int:
    """Return how many parts a place in the listing has."""
    if listing.order is Order.LARGEST:
        return 2
    return 4 if isinstance(listing, ListLots) and listing.order is not Order.LATEST_LOT else 1

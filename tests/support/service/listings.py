"""What tests of listings share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.support.service.read_harness import (
    ReadHarness,
    instant,
    named,
)

from points_grpc.domain.commands import UpdateExpiry
from points_grpc.domain.policy import ExpireAt
from points_grpc.domain.queries import (
    Cursor,
    Listing,
    ListLots,
)

ANN = named("ann")


LOTS = ListLots(0, ANN, None)


def from_cursor(listing: Listing, **changes: Any) -> Callable[[Cursor], Listing]:
    """The listing, continued at a cursor."""
    return lambda cursor: replace(listing, cursor=cursor, **changes)


def everything(reader: ReadHarness, listing: Listing, size: int = 3, **changes: Any) -> list[Any]:
    """All rows of a listing, fetched in small pages, none of them larger than asked."""
    pages = reader.pages(from_cursor(listing, page_size=size, **changes))
    assert all(len(page) <= size for page in pages)
    return [row for page in pages for row in page]


def ids(reader: ReadHarness, listing: Listing, size: int = 3, **changes: Any) -> list[int]:
    """The ids of all rows of a listing of transactions or lots."""
    rows = everything(reader, listing, size, **changes)
    return [getattr(row, "transaction_id", 0) or row.lot_id for row in rows]


# Expiry changes
def moved(reader: ReadHarness, lot_id: int, day: int) -> None:
    """Move a lot's expiry."""
    reader.do(UpdateExpiry(0, ANN, lot_id, ExpireAt(instant(f"2021-06-{day:02}"))))

"""Finding the accounts that may have something due, page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

from points_grpc.errors import StorageUnavailable
from points_grpc.storage.admin import programs
from points_grpc.storage.core.database import Connection, Link
from points_grpc.storage.core.db_errors import is_unavailable
from points_grpc.storage.core.ids import BUCKETS
from points_grpc.storage.ledger import accounts
from points_grpc.storage.ledger.accounts import AccountKey, DuePlace

PLACES = 1024
"""Programs' buckets that are looked into with one statement."""

FIRST = 100
"""Accounts that are looked for in each of them."""

PAGE = 10_000
"""Accounts that are looked for at once where there are more."""

SAMPLE = 16
"""Where much is due, only one bucket of so many is counted."""

COUNTED_MAX = 20_000
"""Up to about so many accounts are counted one by one."""


T = TypeVar("T")


def find_due_accounts(link: Link, until: datetime) -> Iterator[list[AccountKey]]:
    """Every account whose bound is not after `until`, in pages of units of work of their own.

    No page is found twice: what is still due when the next page is asked for, because it was
    locked or nothing was recorded, is behind. Raises StorageUnavailable.
    """
    everywhere = _places(link)
    for start in range(0, len(everywhere), PLACES):
        page = _look(link, everywhere[start : start + PLACES], until, FIRST)
        yield _keys(page)
        lengths: dict[tuple[int, int, int], int] = {}
        for place in page:
            lengths[place[:3]] = lengths.get(place[:3], 0) + 1
        ends = {place[:3]: place for place in page if lengths[place[:3]] == FIRST}
        for end in ends.values():  # the last of each
            yield from _rest(link, end, until)


def estimate(link: Link, until: datetime) -> int:
    """About how many accounts `find_due_accounts` will find: exact for few, else from some buckets.

    Identifiers are spread over the buckets evenly. Raises StorageUnavailable.
    """
    places = _places(link)
    some = [place for place in places if place.bucket % SAMPLE == 0]
    about = _count(link, some, until) * SAMPLE
    return about if about > COUNTED_MAX else _count(link, places, until)


def oldest_due(link: Link, until: datetime) -> datetime | None:
    """Since when something may be due that nobody has recorded; None where nothing is by `until`.

    Raises StorageUnavailable.
    """
    places = _places(link)
    first = [
        place.after_at
        for start in range(0, len(places), PLACES)
        for place in _look(link, places[start : start + PLACES], until, 1)
    ]
    return min(first, default=None)


def _rest(link: Link, place: DuePlace, until: datetime) -> Iterator[list[AccountKey]]:
    while page := _look(link, [place], until, PAGE):
        yield _keys(page)
        if len(page) < PAGE:
            return
        place = page[-1]


def _keys(page: Sequence[DuePlace]) -> list[AccountKey]:
    return [(place.tenant_id, place.after_account) for place in page]


def _places(link: Link) -> list[DuePlace]:
    return [
        DuePlace(bucket, tenant, program)
        for tenant, program in sorted(_ask(link, programs.all_keys))
        for bucket in range(BUCKETS)
    ]


def _look(link: Link, places: Sequence[DuePlace], until: datetime, limit: int) -> list[DuePlace]:
    return _ask(link, lambda connection: accounts.due(connection, places, until, limit))


def _count(link: Link, places: Sequence[DuePlace], until: datetime) -> int:
    return sum(
        _ask(link, lambda connection: accounts.count_due(connection, some, until))
        for start in range(0, len(places), PLACES)
        if (some := places[start : start + PLACES])
    )


def _ask(link: Link, work: Callable[[Connection], T]) -> T:
    try:
        with link.unit() as connection:
            return work(connection)
    except Exception as error:
        if is_unavailable(error):
            raise StorageUnavailable from error
        raise

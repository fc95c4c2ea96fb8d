"""What a listing is of stays what it was at its first page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, update
from tests.support.service.read_harness import IDLE, PROGRAM, YEAR, ReadHarness, instant, named

from points_grpc.domain.admin.commands import CurrencyView, PolicyView
from points_grpc.domain.commands import UpdateExpiry
from points_grpc.domain.policy import ExpireAt
from points_grpc.domain.queries import (
    Cursor,
    ListExpiryChanges,
    Listing,
    ListLots,
    ListTransactions,
    Order,
)
from points_grpc.errors import InvalidPageToken, MemberNotFound, ProgramNotFound
from points_grpc.storage.admin import currencies, policies, programs
from points_grpc.storage.tables import identifiers

ANN = named("ann")
OTHER = 123

LISTINGS = [
    ListTransactions(0, ANN, None),
    ListTransactions(0, ANN, None, order=Order.LARGEST),
    ListTransactions(0, None, None),
    ListLots(0, ANN, None),
    ListLots(0, ANN, None, order=Order.EXPIRY),
    ListLots(0, ANN, None, order=Order.LATEST_LOT),
    ListExpiryChanges(0, ANN, None),
    ListExpiryChanges(0, ANN, None, lot_id=7),
]


def change_program(reader: ReadHarness) -> None:
    """The credential's default is another program, in which ann has an account too."""
    reader.acme = replace(reader.acme, default_program_id=OTHER)


def change_currency(reader: ReadHarness) -> None:
    """The program's default currency is another one."""
    key = (reader.acme.tenant_id, PROGRAM)
    now, currency_id = reader.clock.now(), reader.ids.new_id(0)
    view = CurrencyView(currency_id, PROGRAM, "NEW", 0, "points", 0, "idle", now, now)
    version = replace(IDLE, policy_version_id=reader.ids.new_id(0))

    def write(at: Any) -> None:
        currencies.insert_currency(at, key[0], view)
        policies.insert_policy(at, key[0], PolicyView(version, PROGRAM, currency_id, "NEW", now))
        programs.set_default_currency(at, key, currency_id)
        programs.touch(at, key, now)

    reader.database.run(write)
    reader.earn(3)


def change_member(reader: ReadHarness) -> None:
    """Another member has the identifier."""

    of_tenant = identifiers.c.tenant_id == reader.acme.tenant_id
    ben = select(identifiers.c.member_id).where(of_tenant, identifiers.c.value == "ben")
    ann = update(identifiers).where(of_tenant, identifiers.c.value == "ann")
    reader.database.run(lambda at: at.execute(ann.values(member_id=at.scalar(ben))))


CHANGES: list[Callable[[ReadHarness], None]] = [change_program, change_currency, change_member]


@pytest.fixture
def filled(reader: ReadHarness) -> ReadHarness:
    """Ann has a moved lot 7 and others here, and points in another program; ben has some too."""
    reader.open_program(YEAR, program_id=OTHER)
    for member in ("ann", "ben"):
        reader.earn(10, member, vendor_id=7)
        for day in range(1, 6):
            reader.do(UpdateExpiry(0, named(member), 7, ExpireAt(instant(f"2021-06-0{day}"))))
            reader.earn(day, member)
        reader.earn(50, member, program_id=OTHER)
    return reader


def rows_of(
    reader: ReadHarness, listing: Listing, change: Callable[[ReadHarness], None] | None
) -> list[Any]:
    """All rows, two a page; `change` happens after the first page."""
    cursor: Cursor = ()
    rows: list[Any] = []
    while True:
        page = reader.page(replace(listing, page_size=2, cursor=cursor))
        rows += page.rows
        cursor = page.cursor
        if not cursor:
            return rows
        if change is not None:
            change(reader)
            change = None


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("listing", LISTINGS)
def test_later_pages_are_of_what_the_first_was(
    filled: ReadHarness, listing: Listing, change: Callable[[ReadHarness], None]
) -> None:
    """Program, currency, member and lot are those of the first page, whatever changes after it."""
    expected = rows_of(filled, listing, None)
    assert len(expected) > 4
    assert rows_of(filled, listing, change) == expected


@pytest.mark.parametrize("listing", LISTINGS)
def test_a_cursor_of_the_release_before_goes_on_with_the_names(
    filled: ReadHarness, listing: Listing
) -> None:
    """A cursor without program, currency and member continues what the names now stand for."""
    expected = rows_of(filled, listing, None)
    first = filled.page(replace(listing, page_size=2))
    earlier = replace(listing, page_size=100, cursor=first.cursor[4:])
    assert [*first.rows, *filled.page(earlier).rows] == expected
    if listing in (LISTINGS[0], LISTINGS[3]):
        change_program(filled)
        assert {row.owner.program_id for row in filled.page(earlier).rows} == {OTHER}


@pytest.mark.parametrize(
    ("order", "cursor"),
    [
        (Order.SPENDING, (0, 1, 2**50, 2**50, 5)),
        (Order.SPENDING, (1, 5)),
        (Order.EXPIRY, (0, 0, 2**50, 2**50, 5)),
        (Order.EXPIRY, (1, 5)),
        (Order.LATEST_LOT, (0, 5)),
    ],
)
def test_a_cursor_of_earlier_lists_of_lots_is_refused(
    filled: ReadHarness, order: Order, cursor: Cursor
) -> None:
    """ListLots had another order in the release before: the caller is told to begin again."""
    with pytest.raises(InvalidPageToken):
        filled.page(ListLots(0, ANN, None, order=order, cursor=cursor))


@pytest.mark.parametrize(
    ("place", "refusal"),
    [
        (("x", 1, 1, 1, 1), InvalidPageToken),
        ((PROGRAM, 1, 1, "x", 1), InvalidPageToken),
        ((5, 0, 0, 0, 1), ProgramNotFound),
        ((-1, 0, 0, 0, 1), ProgramNotFound),
    ],
)
@pytest.mark.parametrize("listing", LISTINGS)
def test_a_forged_subject_is_refused(
    filled: ReadHarness, listing: Listing, place: Cursor, refusal: type[Exception]
) -> None:
    """A subject that is none, or not the tenant's, gives no rows."""
    with pytest.raises(refusal):
        own = len(filled.page(replace(listing, page_size=2)).cursor)
        filled.page(replace(listing, cursor=place + (1,) * (own - len(place))))


def test_a_forged_member_is_refused(filled: ReadHarness) -> None:
    """A member that is not there, or another tenant's, is not found."""
    listing = ListLots(0, ANN, None, order=Order.LATEST_LOT, page_size=2)
    program_id, currency_id, member_id, *rest = filled.page(listing).cursor
    for forged in (int(member_id) + 64, -1, 1):
        cursor = (program_id, currency_id, forged, *rest)
        with pytest.raises(MemberNotFound):
            filled.page(replace(listing, cursor=cursor))

"""Listings: every row once, in order, page by page, as of now."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.service.listings import ANN, LOTS, everything, from_cursor, ids, moved
from tests.support.service.read_harness import (
    START,
    YEAR,
    ReadHarness,
    instant,
    named,
)

from points_grpc.domain.commands import MemberName, UpdateExpiry
from points_grpc.domain.model import LotState, TransactionType
from points_grpc.domain.policy import ExpireAt, Immediate
from points_grpc.domain.queries import (
    Cursor,
    ListExpiryChanges,
    Listing,
    ListTransactions,
    Order,
)
from points_grpc.errors import (
    CurrencyNotFound,
    InvalidField,
    InvalidPageToken,
    LotNotFound,
    MemberNotFound,
    ProgramNotFound,
)

OF_ANN = ListTransactions(0, ANN, None)


ACROSS = ListTransactions(0, None, None)


CHANGES = ListExpiryChanges(0, ANN, None)


def busy(reader: ReadHarness, rounds: int = 5) -> None:
    """Ann and others earn and spend."""
    for number in range(rounds):
        reader.at((START + timedelta(days=number)).isoformat())
        reader.earn(100 + number % 3, "ann", reference=f"order-{number}")
        for member in ("ben", "cid"):
            reader.earn(50 + number, member)
        reader.redeem(7, "ann")


# Transactions of a member
@pytest.mark.parametrize("size", [1, 2, 3, 10, 11, 100])
def test_a_history_is_listed_whole(reader: ReadHarness, size: int) -> None:
    """Paging to the end gives every transaction of the member once, the newest first."""
    busy(reader)
    rows = everything(reader, OF_ANN, size)
    kinds = [row.type for row in rows]
    assert kinds == [TransactionType.REDEEM, TransactionType.EARN] * 5
    assert len({row.transaction_id for row in rows}) == 10
    assert ids(reader, OF_ANN, size, order=Order.OLDEST) == [r.transaction_id for r in rows[::-1]]


def test_a_page_ends_the_listing_when_it_has_the_last_row(reader: ReadHarness) -> None:
    """A full page that holds the last row has no continuation."""
    busy(reader)
    assert len(reader.pages(from_cursor(OF_ANN, page_size=5))) == 2
    assert len(reader.pages(from_cursor(OF_ANN, page_size=10))) == 1


def test_new_rows_at_the_front_disturb_nothing(reader: ReadHarness) -> None:
    """Rows added while paging neither push rows into later pages twice nor hide any."""
    busy(reader)
    known = ids(reader, OF_ANN)
    pages = reader.pages(from_cursor(OF_ANN, page_size=3), between=lambda: reader.earn(1))
    assert [row.transaction_id for page in pages for row in page] == known


def test_rows_show_owner_allocations_and_state(reader: ReadHarness) -> None:
    """A listed transaction is the one that is read alone."""
    lot_id = reader.earn(10, initial_state=LotState.OPEN, expires="2021-02-01")
    reader.earn(20)
    reader.redeem(5)
    reader.at("2021-02-01")
    rows = {row.type: row for row in everything(reader, OF_ANN)}
    assert rows[TransactionType.REDEEM].allocations[0][1] == 5
    assert rows[TransactionType.REDEEM].owner.member.external_id == "ann"
    shown = next(r for r in everything(reader, OF_ANN) if r.transaction_id == lot_id)
    assert (shown.state, shown.updated_at) == (LotState.CLOSED, instant("2021-02-01"))


def test_filters_combine(reader: ReadHarness) -> None:
    """Types, reference and time all have to match; the end of a period is excluded."""
    busy(reader)
    earns = frozenset((TransactionType.EARN,))
    assert len(ids(reader, OF_ANN, types=earns)) == 5
    assert len(ids(reader, OF_ANN, types=earns, start_at=instant("2021-01-02"))) == 4
    window = {"start_at": instant("2021-01-02"), "end_at": instant("2021-01-04")}
    assert len(ids(reader, OF_ANN, **window)) == 4
    assert len(ids(reader, OF_ANN, reference="order-2")) == 1
    assert (
        ids(reader, OF_ANN, reference="order-2", types=frozenset((TransactionType.REDEEM,))) == []
    )
    assert ids(reader, OF_ANN, reference="order-9") == []


def test_states_are_those_of_the_lots_now(reader: ReadHarness) -> None:
    """An EARN matches by its lot's state now, unrecorded lapses included; others as APPROVED."""
    open_lot = reader.earn(1, initial_state=LotState.OPEN)
    fading = reader.earn(2, initial_state=LotState.PENDING, expires="2021-02-01")
    approved = reader.earn(3)
    spent = reader.redeem(1).transaction.transaction_id
    assert ids(reader, OF_ANN, states=frozenset((LotState.OPEN,))) == [open_lot]
    assert ids(reader, OF_ANN, states=frozenset((LotState.PENDING,))) == [fading]
    assert ids(reader, OF_ANN, states=frozenset((LotState.APPROVED,))) == [spent, approved]
    reader.at("2021-02-01")
    assert ids(reader, OF_ANN, states=frozenset((LotState.PENDING,))) == []
    assert ids(reader, OF_ANN, states=frozenset((LotState.CLOSED,))) == [fading]
    assert ids(reader, OF_ANN, 1, states=frozenset((LotState.CLOSED, LotState.OPEN))) == [
        fading,
        open_lot,
    ]


def test_a_members_largest_earns(reader: ReadHarness) -> None:
    """By amount, the largest first; of equal ones the newest first."""
    lots = [reader.earn(amount) for amount in (5, 9, 5, 7, 9, 1)]
    reader.redeem(20)
    earns = frozenset((TransactionType.EARN,))
    for size in (1, 2, 6, 10):
        listed = ids(reader, OF_ANN, size, order=Order.LARGEST, types=earns)
        assert listed == [lots[n] for n in (4, 1, 3, 2, 0, 5)]


@pytest.mark.parametrize("order", [Order.LARGEST, Order.NEWEST])
def test_a_long_history_is_listed_in_bounded_steps(
    reader: ReadHarness, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that may examine no more rows ends early, and the next one goes on from there."""
    lots = [reader.earn(n % 4 + 1, reference="x" if n % 3 == 0 else "y") for n in range(40)]
    for module in ("paging", "transactions"):
        monkeypatch.setattr(f"points_grpc.service.reads.listings.{module}.EXAMINED_MAX", 12)
    earns = frozenset((TransactionType.EARN,))
    pages = reader.pages(from_cursor(OF_ANN, page_size=5, types=earns, reference="x", order=order))
    assert any(len(page) < 5 for page in pages[:-1])
    listed = [row.transaction_id for page in pages for row in page]
    wanted = [(n % 4 + 1, lot) for n, lot in enumerate(lots) if n % 3 == 0]
    if order is Order.NEWEST:
        wanted = [(0, lot) for _, lot in wanted]
    assert listed == [lot for _, lot in sorted(wanted, reverse=True)]


def test_an_unknown_member_is_refused_and_an_empty_one_is_not(reader: ReadHarness) -> None:
    """Listing names nobody: refused; somebody without an account: an empty page."""
    reader.earn(1)
    reader.open_program(YEAR, program_id=123)
    for listing in (OF_ANN, LOTS, CHANGES):
        with pytest.raises(MemberNotFound):
            reader.page(replace(listing, member=named("nobody")))
        with pytest.raises(ProgramNotFound):
            reader.page(replace(listing, program_id=5))
        with pytest.raises(CurrencyNotFound):
            reader.page(replace(listing, currency="GOLD"))
        page = reader.page(replace(listing, program_id=123))
        assert (page.rows, page.cursor) == ((), ())


# Transactions across members
@pytest.mark.parametrize("size", [1, 7, 500])
def test_the_newest_of_everyone(reader: ReadHarness, size: int) -> None:
    """Without a member every bucket's transactions are merged, the highest id first."""
    for number in range(30):
        reader.earn(number + 1, f"member-{number % 17}")
    rows = everything(reader, ACROSS, size)
    assert [row.amount for row in rows] == list(range(30, 0, -1))
    assert {row.owner.member.external_id for row in rows} == {f"member-{n}" for n in range(17)}


@pytest.mark.parametrize("size", [1, 7, 500])
def test_the_largest_of_everyone(reader: ReadHarness, size: int) -> None:
    """Without a member the largest EARNs of all buckets are merged."""
    lots = {reader.earn(n % 5 + 1, f"member-{n % 17}"): n % 5 + 1 for n in range(30)}
    reader.redeem(1, "member-3")
    earns = frozenset((TransactionType.EARN,))
    listed = ids(reader, ACROSS, size, order=Order.LARGEST, types=earns)
    assert listed == sorted(lots, key=lambda lot: (-lots[lot], -lot))


def test_across_members_filters_apply(reader: ReadHarness) -> None:
    """Across members only the currency's transactions are listed, filtered as a member's are."""
    reader.open_program(YEAR, program_id=123)
    for number in range(20):
        reader.earn(number + 1, f"member-{number}", reference="even" if number % 2 == 0 else "odd")
        reader.earn(1, f"member-{number}", program_id=123)
    assert len(ids(reader, ACROSS)) == 20
    assert len(ids(reader, ACROSS, program_id=123)) == 20
    assert [r.amount for r in everything(reader, ACROSS, reference="odd")] == list(range(20, 0, -2))
    earns = frozenset((TransactionType.EARN,))
    largest = everything(reader, ACROSS, reference="odd", order=Order.LARGEST, types=earns)
    assert [r.amount for r in largest] == list(range(20, 0, -2))
    assert ids(reader, ACROSS, states=frozenset((LotState.OPEN,))) == []


def test_a_reference_of_too_many_is_found_in_bounded_steps(
    reader: ReadHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a reference is no help, the listing examines row by row and still finds all."""
    for number in range(30):
        reader.earn(number + 1, f"member-{number % 3}", reference="import")
    monkeypatch.setattr("points_grpc.service.reads.listings.transactions.EXAMINED_MAX", 64 * 3)
    rows = everything(reader, ACROSS, 4, reference="import")
    assert [row.amount for row in rows] == list(range(30, 0, -1))


def test_tenants_list_their_own(reader: ReadHarness) -> None:
    """A listing shows nothing of another tenant, by whatever name."""
    reader.open_program(YEAR, caller=reader.rival)
    lot_id = reader.earn(10, reference="order-1")
    reader.do(UpdateExpiry(0, ANN, lot_id, ExpireAt(instant("2021-02-01"))))
    member_id = reader.page(OF_ANN).rows[0].owner.member.member_id
    assert reader.page(ACROSS, reader.rival).rows == ()
    assert reader.page(replace(ACROSS, reference="order-1"), reader.rival).rows == ()
    by_id = MemberName("member_id", str(member_id))
    for listing in (OF_ANN, LOTS, CHANGES):
        with pytest.raises(MemberNotFound):
            reader.page(replace(listing, member=by_id), reader.rival)
    with pytest.raises(LotNotFound):
        reader.page(ListExpiryChanges(0, None, None, lot_id=lot_id), reader.rival)


@pytest.mark.parametrize("size", [1, 3, 100])
def test_changes_of_an_account_and_of_a_lot(reader: ReadHarness, size: int) -> None:
    """The newest change first, or the oldest; of all lots or of one, by our id or the vendor's."""
    first, second = reader.earn(10, vendor_id=7), reader.earn(10)
    for day in range(1, 11):
        reader.at(f"2021-01-{day + 1:02}")
        moved(reader, first if day % 2 else second, day)

    def days(**changes: Any) -> list[int]:
        rows = everything(reader, CHANGES, size, **changes)
        return [row.new_expires_at.day for row in rows]

    assert days() == list(range(10, 0, -1))
    assert days(order=Order.OLDEST) == list(range(1, 11))
    assert days(lot_id=first) == days(lot_id=7) == [9, 7, 5, 3, 1]
    assert days(lot_id=second, member=None) == [10, 8, 6, 4, 2]
    assert days(start_at=instant("2021-01-04"), end_at=instant("2021-01-06")) == [4, 3]
    assert days(lot_id=first, end_at=instant("2021-01-06")) == [3, 1]


def test_a_change_shows_old_and_new(reader: ReadHarness) -> None:
    """A change tells what was and what is, and of which lot; an immediate one is now."""
    lot_id = reader.earn(10, vendor_id=7, expires="2021-02-01")
    reader.at("2021-01-05")
    reader.do(UpdateExpiry(0, ANN, lot_id, Immediate(), reason_note="fraud"))
    (row,) = everything(reader, CHANGES)
    assert (row.old_expires_at, row.new_expires_at) == (
        instant("2021-02-01"),
        instant("2021-01-05"),
    )
    assert (row.lot_id, row.lot_vendor_id, row.reason_note) == (lot_id, 7, "fraud")
    assert row.owner.member.external_id == "ann"


def test_a_lot_must_be_the_members_the_programs_and_the_currencys(reader: ReadHarness) -> None:
    """Changes are asked of a lot by names that fit it; otherwise there is no such lot."""
    reader.open_program(YEAR, program_id=123)
    lot_id = reader.earn(10)
    reader.earn(10, "ben")
    moved(reader, lot_id, 1)
    assert len(reader.page(ListExpiryChanges(469, None, "PTS", lot_id=lot_id)).rows) == 1
    for wrong in (
        ListExpiryChanges(0, named("ben"), None, lot_id=lot_id),
        ListExpiryChanges(123, None, None, lot_id=lot_id),
        ListExpiryChanges(0, None, None, lot_id=lot_id + 64),
        ListExpiryChanges(0, ANN, None, lot_id=7),
    ):
        with pytest.raises(LotNotFound):
            reader.page(wrong)
    for unnamed in (ListExpiryChanges(0, None, None), ListExpiryChanges(0, None, None, lot_id=7)):
        with pytest.raises(InvalidField):
            reader.page(unnamed)


# Cursors
@pytest.mark.parametrize(
    ("listing", "cursor"),
    [
        (OF_ANN, ("x",)),
        (OF_ANN, (1, 2)),
        (ACROSS, (1, 2)),
        (replace(OF_ANN, order=Order.LARGEST), (1,)),
        (LOTS, (9,)),
        (LOTS, (0, 1)),
        (LOTS, (0, 0, 2**63, 1)),
        (LOTS, (0, 2**63 - 2, 0, 1)),
        (replace(LOTS, order=Order.LATEST_LOT), (1, 2)),
        (CHANGES, (1, 2)),
    ],
)
def test_a_cursor_of_another_listing_is_refused(
    reader: ReadHarness, listing: Listing, cursor: Cursor
) -> None:
    """A cursor that does not have the listing's form is no cursor."""
    reader.earn(1)
    with pytest.raises(InvalidPageToken):
        reader.page(replace(listing, cursor=cursor))

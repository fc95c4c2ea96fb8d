"""UpdateExpiry's request ids: one for all items of a call, however the call is sent and kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.support.service.engine_harness import locked
from tests.support.service.ledger_harness import START, LedgerHarness, earn, move, moves, outcomes

from points_grpc.domain.commands import UpdateExpiry
from points_grpc.domain.results import Earned, ExpiryUpdated
from points_grpc.errors import InvalidField, LotNotFound, RequestIdReused
from points_grpc.storage.tables import expiry_changes, requests

DAY = timedelta(days=1)
SOON = START + DAY
MISSING = 77
"""A vendor's lot that is not there until `mend`."""


def lots_of(harness: LedgerHarness) -> list[Earned]:
    return [harness.do(earn(5, name)) for name in ("ann", "bob", "cem")]


def items_of(lots: list[Earned], mark: bytes = b"mark", to: Any = SOON) -> tuple[UpdateExpiry, ...]:
    """Moves of the lots, and between them of one that is missing at first."""
    one, two, three = lots
    return moves(
        "u",
        mark,
        move(one, to),
        move(two, to, member="bob"),
        move(MISSING, to),
        move(three, to, member="cem"),
    )


def mend(harness: LedgerHarness) -> None:
    harness.do(earn(5, vendor_id=MISSING))


def kept(harness: LedgerHarness) -> tuple[int, int]:
    """How many rows there are for request ids, and how many changes."""
    return harness.look(
        lambda at: tuple(
            at.scalar(select(func.count()).select_from(table))
            for table in (requests, expiry_changes)
        )
    )


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("again", [False, True])
def test_a_call_kept_at_once_has_a_row_per_member(
    harness: LedgerHarness, first: bool, again: bool
) -> None:
    """Kept whole, a call has one row and one for each member; either flag replays it."""
    lots = lots_of(harness)
    mend(harness)
    items = items_of(lots)
    (answers,) = harness.execute(harness.call(*items, partial=first))
    assert [a.replayed for a in answers] == [False] * 4
    assert kept(harness) == (4, 4)
    (replays,) = harness.execute(harness.call(*items, partial=again))
    assert replays == [replace(a, replayed=True) for a in answers]
    assert kept(harness) == (4, 4)


def test_items_kept_apart_have_rows_of_their_own(harness: LedgerHarness) -> None:
    """Where an item was refused, the call has a row, and each member with kept items another."""
    items = items_of(lots_of(harness))
    (answers,) = harness.execute(harness.call(*items, partial=True))
    assert [type(a) for a in answers] == [ExpiryUpdated, ExpiryUpdated, LotNotFound, ExpiryUpdated]
    assert kept(harness) == (4, 3)


@pytest.mark.parametrize("again", [False, True])
def test_a_refused_item_is_decided_anew(harness: LedgerHarness, again: bool) -> None:
    """After a partial call a repetition with either flag decides what was refused, once."""
    items = items_of(lots_of(harness))
    (first,) = harness.execute(harness.call(*items, partial=True))
    (early,) = harness.execute(harness.call(*items, partial=again))
    if again:
        assert early[:2] == [replace(a, replayed=True) for a in first[:2]]
    assert isinstance(early[2] if again else early[0], LotNotFound)
    mend(harness)
    (second,) = harness.execute(harness.call(*items, partial=again))
    assert [a.replayed for a in second] == [True, True, False, True]
    (third,) = harness.execute(harness.call(*items, partial=not again))
    assert third == [replace(a, replayed=True) for a in second]
    assert kept(harness) == (5, 4)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("mended", [False, True])
def test_other_content_is_refused_whatever_the_flags(
    harness: LedgerHarness, first: bool, second: bool, mended: bool
) -> None:
    """An id that has kept anything is refused for other content, items in common or none."""
    lots = lots_of(harness)
    if mended or not first:
        mend(harness)
    harness.execute(harness.call(*items_of(lots), partial=first))
    before = kept(harness)
    other = items_of(list(reversed(lots)), b"other")
    fewer = moves("u", b"fewer", move(lots[2], SOON, member="cem"), move(lots[0], SOON))
    for items in (other, fewer):
        (result,) = harness.execute(harness.call(*items, partial=second))
        assert {type(o) for o in result} == {RequestIdReused}
    assert kept(harness) == before


def test_an_id_that_kept_nothing_is_free(harness: LedgerHarness) -> None:
    """A call that was refused, or whose items were all refused, leaves its id for other content."""
    lots = lots_of(harness)
    for partial in (False, True):
        nothing = moves("u", b"nothing", *(move(78, SOON, member=m) for m in ("ann", "bob")))
        (result,) = harness.execute(harness.call(*nothing, partial=partial))
        assert {type(o) for o in result} == {LotNotFound}
    (refused,) = harness.execute(harness.call(*items_of(lots)))
    assert {type(o) for o in refused} == {LotNotFound}
    mend(harness)
    (answers,) = harness.execute(harness.call(*items_of(lots, b"other")))
    assert [a.replayed for a in answers] == [False] * 4


@pytest.mark.parametrize("flags", [(True, True), (True, False), (False, True)])
def test_one_call_twice_in_a_batch_is_kept_once(
    harness: LedgerHarness, flags: tuple[bool, bool]
) -> None:
    """Both get the same answers, and a refused item is refused to both."""
    items = items_of(lots_of(harness))
    for mended in (False, True):
        if mended:
            mend(harness)
        one, two = harness.execute(*(harness.call(*items, partial=flag) for flag in flags))
        for a, b in zip(one, two, strict=True):
            if isinstance(a, ExpiryUpdated) and isinstance(b, ExpiryUpdated):
                assert replace(a, replayed=True) == b
    assert harness.look(lambda at: at.scalar(select(func.count()).select_from(expiry_changes))) == 4
    (third,) = harness.execute(harness.call(*items))
    assert [a.replayed for a in third] == [True] * 4


def test_other_content_in_a_batch_is_refused_without_a_common_item(harness: LedgerHarness) -> None:
    """What one call of a batch has kept refuses the id to another, at whichever places it is."""
    lots = lots_of(harness)
    first = harness.call(*items_of(lots), partial=True)
    other = harness.call(
        *moves("u", b"other", move(78, SOON), move(78, SOON, member="bob"), move(lots[0], SOON)),
        partial=True,
    )
    harness.execute(first, other)
    assert {type(o) for o in outcomes(other)} == {RequestIdReused}
    assert kept(harness) == (4, 3)


def test_a_call_of_one_member_has_that_members_id(harness: LedgerHarness) -> None:
    """Calls that name one member each share no ids, and write a row each."""
    lots = lots_of(harness)
    alone = [
        moves("u", mark, move(lot, SOON, member=name))
        for lot, name, mark in zip(lots, ("ann", "bob", "cem"), (b"1", b"2", b"3"), strict=True)
    ]
    first = harness.execute(*(harness.call(*items) for items in alone))
    assert [a.replayed for (a,) in first] == [False] * 3
    assert isinstance(
        harness.refusal(*moves("u", b"4", move(lots[0], SOON + DAY))), RequestIdReused
    )
    assert kept(harness) == (3, 3)
    again = harness.execute(*(harness.call(*items) for items in alone))
    assert [a.replayed for (a,) in again] == [True] * 3
    harness.open_program(harness.rival)
    theirs = harness.do(earn(5, "ann"), harness.rival)
    assert not harness.do(*moves("u", b"1", move(theirs, SOON)), harness.rival).replayed


@pytest.mark.parametrize("order", [1, -1])
def test_an_id_of_many_members_is_none_of_one(harness: LedgerHarness, order: int) -> None:
    """An id of a call of several members is refused for one of them alone, and the reverse."""
    one, two, three = lots_of(harness)
    calls = [
        moves("u", b"both", move(one, SOON), move(two, SOON, member="bob")),
        moves("u", b"alone", move(one, SOON + DAY)),
    ][::order]
    first, *rest = calls
    before = harness.do_all(first)
    for other in rest:
        assert {type(outcome) for outcome in harness.do_all(other)} == {RequestIdReused}
    elsewhere = moves("u", b"elsewhere", move(three, SOON, member="cem"))
    is_refused = isinstance(harness.do_all(elsewhere)[0], RequestIdReused)
    assert is_refused == (order == 1)
    assert harness.do_all(first) == [replace(answer, replayed=True) for answer in before]


def test_what_was_locked_is_decided_later_under_the_same_id(harness: LedgerHarness) -> None:
    """A part that had to wait joins what its call has kept, and both are replayed together."""
    lots = lots_of(harness)
    mend(harness)
    items = items_of(lots)
    call = harness.call(*items, partial=True)
    with locked(harness.database, lots[1].account.owner.account_id):
        (first,) = harness.execute(call)
        assert [o is None for o in first] == [False, True, False, False]
        other = harness.call(*items_of(lots, b"other"), partial=True)
        harness.execute(other)
        assert {type(o) for o in outcomes(other)} == {RequestIdReused}
    harness.execute(call)
    answers = outcomes(call)
    assert [a.replayed for a in answers] == [False] * 4
    assert kept(harness) == (4, 4)
    (replays,) = harness.execute(harness.call(*items))
    assert replays == [replace(a, replayed=True) for a in answers]


def test_a_call_that_is_narrowed_down_is_kept_in_parts(harness: LedgerHarness) -> None:
    """Where the database refuses one item's content, the others are kept and found again."""
    lots = lots_of(harness)
    mend(harness)
    items = list(items_of(lots))
    items[1] = replace(items[1], reason_note="\0")
    (answers,) = harness.execute(harness.call(*items, partial=True))
    assert [type(a) for a in answers] == [ExpiryUpdated, InvalidField, ExpiryUpdated, ExpiryUpdated]
    assert kept(harness) == (4, 3)
    items[1] = replace(items[1], reason_note="")
    (replays,) = harness.execute(harness.call(*items))
    assert [a.replayed for a in replays] == [True, False, True, True]


def test_a_late_part_is_forgotten_with_its_call(harness: LedgerHarness) -> None:
    """Rows that join a call's later are as old as its first, so that they go together."""
    lots = lots_of(harness)
    items = items_of(lots, to=START + 20 * DAY)
    harness.execute(harness.call(*items, partial=True))
    harness.clock.set(START + 6 * DAY)
    mend(harness)
    (second,) = harness.execute(harness.call(*items, partial=True))
    assert [a.replayed for a in second] == [True, True, False, True]
    harness.promise(7)
    harness.clock.set(START + 8 * DAY)
    harness.sweeper.purge()
    assert kept(harness)[0] == 0
    (anew,) = harness.execute(harness.call(*items_of(lots, b"other", START + 30 * DAY)))
    assert [a.replayed for a in anew] == [False] * 4

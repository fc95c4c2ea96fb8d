"""Request ids: one effect, and the first answer again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.support.service.days import DAY
from tests.support.service.ledger_harness import (
    PROGRAM,
    START,
    LedgerHarness,
    approve,
    earn,
    expire,
    move,
    moves,
    named,
    outcomes,
    redeem,
    update_status,
)
from tests.support.service.stories import first_again

from points_grpc.domain.admin.commands import (
    LinkIdentifier,
    UnlinkIdentifier,
    UpdateCurrency,
    UpdatePolicy,
)
from points_grpc.domain.commands import Command, MemberName, member_by_id
from points_grpc.domain.model import Currency, ExpirationSource, LotState, Period, ReasonType
from points_grpc.domain.policy import InDays, Never
from points_grpc.domain.results import Expired, ExpiryChangeView, ExpiryUpdated
from points_grpc.errors import (
    InsufficientPoints,
    LotNotFound,
    RequestIdReused,
)
from points_grpc.service.writes import replay
from points_grpc.storage.ledger import stored_answers
from points_grpc.storage.tables import requests, transactions


def shown(thing: Any) -> Any:
    """What callers can see of an answer: of a currency not its policies; of a change's the code."""
    if isinstance(thing, Currency):
        return replace(thing, default_policy="", policies={})
    if isinstance(thing, ExpiryChangeView):
        thing = replace(thing, owner=replace(thing.owner, currency=thing.owner.currency.code))
    if is_dataclass(thing):
        return {f.name: shown(getattr(thing, f.name)) for f in fields(thing)}
    return thing


def rows(harness: LedgerHarness) -> tuple[int, int]:
    return harness.look(
        lambda at: tuple(
            at.scalar(select(func.count()).select_from(table)) for table in (transactions, requests)
        )
    )


def earn_backdated(harness: LedgerHarness) -> Command:
    return earn(10, policy="month", earn_at=START - 90 * DAY, request_id="r", reference="o'1\\")


def earn_unapproved_backdated(harness: LedgerHarness) -> Command:
    past = START - 90 * DAY
    return earn(10, policy="month", earn_at=past, initial_state=LotState.PENDING, request_id="r")


def earn_idle(harness: LedgerHarness) -> Command:
    return earn("12.34", policy="idle", currency="EUR", request_id="r", description='é{"}')


def earn_everything(harness: LedgerHarness) -> Command:
    return earn(
        10,
        "new",
        request_id="r",
        reference="order",
        description="text",
        source="web",
        reason="because",
        vendor_id=55,
        initial_state=LotState.OPEN,
        expiration=InDays(5),
    )


def redeem_from_many(harness: LedgerHarness) -> Command:
    harness.do(earn(5))
    harness.do(earn(5, expiration=InDays(9)))
    harness.do(earn(5, expiration=InDays(3)))
    return redeem(12, request_id="r", reference="order")


def redeem_after_a_lapse(harness: LedgerHarness) -> Command:
    harness.do(earn(5, policy="month"))
    harness.do(earn(5))
    harness.clock.set(START + 31 * DAY)
    return redeem(3, request_id="r")


def expire_some(harness: LedgerHarness) -> Command:
    harness.do(earn(5))
    return expire(7, request_id="r", reason="fraud", description="text")


def expire_nothing(harness: LedgerHarness) -> Command:
    harness.do(earn(5))
    harness.do(redeem(5))
    return expire(7, request_id="r")


def move_later(harness: LedgerHarness) -> Command:
    lot = harness.do(earn(5, policy="idle"))
    return move(
        lot,
        InDays(70),
        request_id="r",
        reason_note="note",
        standard_meta=("a", "", "c"),
        custom_meta='{"a":[1,null]}',
    )


def move_to_never(harness: LedgerHarness) -> Command:
    return move(harness.do(earn(5, policy="month", vendor_id=9)), Never(), request_id="r")


def move_now(harness: LedgerHarness) -> Command:
    lot = harness.do(earn(5, policy="month"))
    return move(lot, request_id="r", reason_type=ReasonType.EARLY_EXPIRY)


def reinstate(harness: LedgerHarness) -> Command:
    lot = harness.do(earn(5, policy="month"))
    harness.clock.set(START + 31 * DAY)
    return move(lot, InDays(9), reinstate=True, request_id="r")


def approve_it(harness: LedgerHarness) -> Command:
    lot = harness.do(earn(5, initial_state=LotState.OPEN, policy="idle", reference="x"))
    harness.clock.set(START + DAY)
    return approve(lot, request_id="r")


def close_it(harness: LedgerHarness) -> Command:
    lot = harness.do(earn(5, initial_state=LotState.OPEN, expiration=InDays(9)))
    return update_status(lot, LotState.CLOSED, request_id="r")


STORIES = [
    earn_backdated,
    earn_unapproved_backdated,
    earn_idle,
    earn_everything,
    redeem_from_many,
    redeem_after_a_lapse,
    expire_some,
    expire_nothing,
    move_later,
    move_to_never,
    move_now,
    reinstate,
    approve_it,
    close_it,
]


def live_on(harness: LedgerHarness, member: str) -> None:
    """Change everything that an answer shows and that can change."""
    harness.do(earn(100, member, policy="month"))
    harness.do(redeem(3, member))
    harness.clock.set(harness.clock.now() + 50 * DAY)
    harness.do(expire(1, member))
    list(harness.sweeper.sweep())
    answer = harness.do(earn(1, member))
    member_id = answer.account.owner.member.member_id

    async def rename(programs: Any, members: Any) -> None:
        await members.link_identifier(
            harness.acme, LinkIdentifier(member_by_id(member_id), MemberName("vendor_id", "12"))
        )
        await members.link_identifier(
            harness.acme, LinkIdentifier(member_by_id(member_id), named("other"))
        )
        await members.unlink_identifier(
            harness.acme, UnlinkIdentifier(member_by_id(member_id), named(member))
        )
        for currency in ("PTS", "EUR"):
            other = UpdateCurrency(PROGRAM, currency, points_type="other", exchange_rate=7)
            await programs.update_currency(harness.acme, other)
            for code in ("month", "idle", "never"):
                known = harness.look(lambda at: harness.cache.current(at, {(1, PROGRAM)}))[
                    1, PROGRAM
                ]
                newest = next(
                    c.policies[code] for c in known.currencies.values() if c.code == currency
                )
                longer = replace(newest, priority=9, period=newest.period and Period(days=7))
                await programs.update_policy(harness.acme, UpdatePolicy(PROGRAM, currency, longer))

    harness.administrate(rename)


@pytest.mark.parametrize("story", STORIES)
def test_a_replay_gives_the_first_answer(
    open_ledger: Callable[..., LedgerHarness], story: Callable[[LedgerHarness], Command]
) -> None:
    """A repeated request has no effect and gets the first answer, also long and far away."""
    harness = open_ledger()
    command = story(harness)
    first = harness.do(command)
    assert not first.replayed
    before = rows(harness)
    again, twice = harness.execute(harness.call(command), harness.call(command))
    assert again[0] == twice[0] == first_again(first)
    assert rows(harness) == before
    live_on(harness, getattr(command, "member", named("ann")).value)
    before = rows(harness)
    late = open_ledger().do(command)
    assert shown(late) == shown(first_again(first))
    assert rows(harness) == before


@pytest.mark.parametrize("expiration", [None, InDays(5)])
def test_a_replay_shows_the_first_source(harness: LedgerHarness, expiration: InDays | None) -> None:
    """The source of an expiry is that of the first answer, also of a lot that was moved since."""
    command = earn(5, policy="idle", expiration=expiration, request_id="r")
    first = harness.do(command)
    expected = ExpirationSource.POLICY if expiration is None else ExpirationSource.EARN
    assert first.lot.expiration_source is expected
    harness.do(move(first, START + 90 * DAY))
    assert harness.do(command) == first_again(first)


@pytest.mark.parametrize("story", [earn_everything, redeem_from_many, expire_nothing, approve_it])
def test_a_repetition_in_the_batch_gives_the_first_answer(
    harness: LedgerHarness, story: Callable[[LedgerHarness], Command]
) -> None:
    """Repeated within a batch, or within a group, a request has one effect."""
    command = story(harness)
    (one,), (two,), pair = harness.execute(
        harness.call(command), harness.call(command), harness.call(command, command)
    )
    assert two == first_again(one)
    assert pair == [two, two]
    assert harness.do(command) == two


def test_a_repetition_within_the_group_that_is_first(harness: LedgerHarness) -> None:
    """A group may hold the same request twice: the second is the replay of the first."""
    command = earn(5, request_id="r")
    (result,) = harness.execute(harness.call(command, command, earn(5)))
    assert result[1] == first_again(result[0])
    assert harness.account().available == 10


def test_refusals_are_not_kept(harness: LedgerHarness) -> None:
    """A refused request is decided anew; a partial call repeats what was kept."""
    items = (earn(5, request_id="a"), redeem(9, request_id="b"))
    (first,) = harness.execute(harness.call(*items, partial=True))
    assert isinstance(first[1], InsufficientPoints)
    harness.do(earn(5))
    (second,) = harness.execute(harness.call(*items, partial=True))
    assert second[0] == first_again(first[0])
    assert (second[1].replayed, second[1].account.available) == (False, 1)


def test_a_dropped_group_keeps_no_answer(harness: LedgerHarness) -> None:
    """The request ids of a dropped group are free, for the next group and for later ones."""
    dropped, kept = harness.execute(
        harness.call(earn(5, request_id="a"), redeem(9)), harness.call(earn(6, request_id="a"))
    )
    assert isinstance(dropped[0], InsufficientPoints)
    assert kept[0].account.available == 6
    assert harness.do(earn(6, request_id="a")).replayed


def test_settled_nothing_is_kept(harness: LedgerHarness) -> None:
    """An Expire that found nothing is an answer, and stays it when there is something."""
    harness.do(earn(5))
    harness.do(redeem(5))
    first = harness.do(expire(7, request_id="r"))
    assert (first.transaction, first.settled) == (None, 0)
    harness.do(earn(50))
    assert harness.do(expire(7, request_id="r")) == Expired(
        None, 7, 0, first.account, replayed=True
    )


# UpdateExpiry: one id for the whole call
def test_items_of_an_update_are_replayed_by_place(harness: LedgerHarness) -> None:
    """A repeated partial update repeats what was kept and decides the refused items anew."""
    one, two = harness.do(earn(5)), harness.do(earn(6))
    soon = START + DAY
    items = moves("u", b"mark", move(one, soon), move(77, soon), move(two, soon))
    (first,) = harness.execute(harness.call(*items, partial=True))
    assert [type(o) for o in first] == [ExpiryUpdated, LotNotFound, ExpiryUpdated]
    harness.do(earn(5, vendor_id=77))
    (second,) = harness.execute(harness.call(*items, partial=True))
    assert second[0::2] == [first_again(first[0]), first_again(first[2])]
    assert not second[1].replayed


@pytest.mark.parametrize("partial", [False, True])
def test_one_mismatch_refuses_the_whole_update(harness: LedgerHarness, partial: bool) -> None:
    """Where one item's id was used for another call, the whole call is refused."""
    one, two = harness.do(earn(5)), harness.do(earn(6, "bob"))
    soon = START + DAY
    harness.execute(
        harness.call(
            *moves("u", b"one", move(77, soon), move(two, soon, member="bob")), partial=True
        )
    )
    other = moves("u", b"two", move(one, soon), move(two, soon, member="bob"))
    before = rows(harness)
    (result,) = harness.execute(harness.call(*other, partial=partial))
    assert [type(o) for o in result] == [RequestIdReused] * 2
    assert rows(harness) == before


@pytest.mark.parametrize("partial", [False, True])
def test_one_mismatch_within_the_batch_refuses_the_whole_update(
    harness: LedgerHarness, partial: bool
) -> None:
    """The same holds when both calls are in one batch: no item before the mismatch is kept."""
    one, two, three = harness.do(earn(5)), harness.do(earn(6, "bob")), harness.do(earn(7))
    soon = START + DAY
    first = harness.call(
        *moves("u", b"one", move(three, soon, name=named("ann")), move(two, soon, member="bob"))
    )
    second = harness.call(
        *moves("u", b"two", move(one, soon, member="ann2"), move(two, soon, member="bob")),
        partial=partial,
    )
    harness.do(earn(1))
    harness.administrate(
        lambda _, members: members.link_identifier(
            harness.acme,
            LinkIdentifier(
                member_by_id(one.account.owner.member.member_id), MemberName("external_id", "ann2")
            ),
        )
    )
    harness.execute(first, second)
    assert [type(o) for o in outcomes(first)] == [ExpiryUpdated] * 2
    assert [type(o) for o in outcomes(second)] == [RequestIdReused] * 2
    assert harness.do(move(one, START + 2 * DAY)).change.old_expires_at is None


def test_a_state_move_has_the_transactions_id_for_scope(harness: LedgerHarness) -> None:
    """One id approves many transactions; for one of them it means one method and content."""
    lots = [harness.do(earn(5, initial_state=LotState.OPEN)) for _ in range(3)]
    call = harness.call(*(approve(lot, request_id="r") for lot in lots))
    harness.execute(call)
    assert [o.replayed for o in outcomes(call)] == [False] * 3
    again = harness.execute(harness.call(*(approve(lot, request_id="r") for lot in lots)))
    assert [o.replayed for o in again[0]] == [True] * 3
    assert isinstance(
        harness.refusal(update_status(lots[0], LotState.CLOSED, request_id="r")), RequestIdReused
    )


def test_forgotten_ids_are_new_again(harness: LedgerHarness) -> None:
    """After their retention request ids are purged, and mean nothing any more."""
    command = earn(5, request_id="r")
    harness.do(command)
    harness.clock.set(START + 6 * DAY)
    harness.do(earn(5, request_id="s"))
    harness.promise(7)
    harness.clock.set(START + 8 * DAY)
    assert harness.sweeper.purge() >= 2
    assert not harness.do(command).replayed
    assert harness.do(earn(5, request_id="s")).replayed


@pytest.mark.parametrize("packed", [3, 1000])
def test_a_replay_shows_the_first_allocations_in_their_order(
    harness: LedgerHarness, monkeypatch: pytest.MonkeyPatch, packed: int
) -> None:
    """Of many allocations the first ones are kept and shown; earlier rows kept the order of all."""
    for policy in ("never", "month", "idle-first", "month", "idle-first"):
        harness.do(earn(10, policy=policy))
    monkeypatch.setattr(stored_answers, "ALLOCATIONS_MAX", packed)
    first = harness.do(redeem(45, request_id="r"))
    monkeypatch.setattr(replay, "ALLOCATIONS_MAX", 3)
    again = harness.do(redeem(45, request_id="r"))
    taken = first.transaction.allocations
    assert len(taken) == 5 and list(taken) != sorted(taken)
    assert again.replayed and again.transaction.allocations == taken[:3]
    assert again.transaction.allocation_count == 5

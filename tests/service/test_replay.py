"""Request ids: one effect, and the first answer again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from till import (
    PROGRAM,
    START,
    Till,
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

from points_grpc.domain.admin.commands import (
    CreateMember,
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
    MemberNotFound,
    RequestIdReused,
)
from points_grpc.service.writes import replay
from points_grpc.storage.ledger import stored_answers
from points_grpc.storage.tables import former_identifiers, requests, transactions

DAY = timedelta(days=1)


def first_again(answer: Any) -> Any:
    """What a replay of `answer` is."""
    return replace(answer, replayed=True)


def shown(thing: Any) -> Any:
    """What callers can see of an answer: of a currency not its policies; of a change's the code."""
    if isinstance(thing, Currency):
        return replace(thing, default_policy="", policies={})
    if isinstance(thing, ExpiryChangeView):
        thing = replace(thing, owner=replace(thing.owner, currency=thing.owner.currency.code))
    if is_dataclass(thing):
        return {f.name: shown(getattr(thing, f.name)) for f in fields(thing)}
    return thing


def rows(till: Till) -> tuple[int, int]:
    return till.look(
        lambda at: tuple(
            at.scalar(select(func.count()).select_from(table)) for table in (transactions, requests)
        )
    )


def earn_backdated(till: Till) -> Command:
    return earn(10, policy="month", earn_at=START - 90 * DAY, request_id="r", reference="o'1\\")


def earn_unapproved_backdated(till: Till) -> Command:
    past = START - 90 * DAY
    return earn(10, policy="month", earn_at=past, initial_state=LotState.PENDING, request_id="r")


def earn_idle(till: Till) -> Command:
    return earn("12.34", policy="idle", currency="EUR", request_id="r", description='é{"}')


def earn_everything(till: Till) -> Command:
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


def redeem_from_many(till: Till) -> Command:
    till.do(earn(5))
    till.do(earn(5, expiration=InDays(9)))
    till.do(earn(5, expiration=InDays(3)))
    return redeem(12, request_id="r", reference="order")


def redeem_after_a_lapse(till: Till) -> Command:
    till.do(earn(5, policy="month"))
    till.do(earn(5))
    till.clock.set(START + 31 * DAY)
    return redeem(3, request_id="r")


def expire_some(till: Till) -> Command:
    till.do(earn(5))
    return expire(7, request_id="r", reason="fraud", description="text")


def expire_nothing(till: Till) -> Command:
    till.do(earn(5))
    till.do(redeem(5))
    return expire(7, request_id="r")


def move_later(till: Till) -> Command:
    lot = till.do(earn(5, policy="idle"))
    return move(
        lot,
        InDays(70),
        request_id="r",
        reason_note="note",
        standard_meta=("a", "", "c"),
        custom_meta='{"a":[1,null]}',
    )


def move_to_never(till: Till) -> Command:
    return move(till.do(earn(5, policy="month", vendor_id=9)), Never(), request_id="r")


def move_now(till: Till) -> Command:
    lot = till.do(earn(5, policy="month"))
    return move(lot, request_id="r", reason_type=ReasonType.EARLY_EXPIRY)


def reinstate(till: Till) -> Command:
    lot = till.do(earn(5, policy="month"))
    till.clock.set(START + 31 * DAY)
    return move(lot, InDays(9), reinstate=True, request_id="r")


def approve_it(till: Till) -> Command:
    lot = till.do(earn(5, initial_state=LotState.OPEN, policy="idle", reference="x"))
    till.clock.set(START + DAY)
    return approve(lot, request_id="r")


def close_it(till: Till) -> Command:
    lot = till.do(earn(5, initial_state=LotState.OPEN, expiration=InDays(9)))
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


def live_on(till: Till, member: str) -> None:
    """Change everything that an answer shows and that can change."""
    till.do(earn(100, member, policy="month"))
    till.do(redeem(3, member))
    till.clock.set(till.clock.now() + 50 * DAY)
    till.do(expire(1, member))
    list(till.sweeper.sweep())
    answer = till.do(earn(1, member))
    member_id = answer.account.owner.member.member_id

    async def rename(programs: Any, members: Any) -> None:
        await members.link_identifier(
            till.acme, LinkIdentifier(member_by_id(member_id), MemberName("vendor_id", "12"))
        )
        await members.link_identifier(
            till.acme, LinkIdentifier(member_by_id(member_id), named("other"))
        )
        await members.unlink_identifier(
            till.acme, UnlinkIdentifier(member_by_id(member_id), named(member))
        )
        for currency in ("PTS", "EUR"):
            other = UpdateCurrency(PROGRAM, currency, points_type="other", exchange_rate=7)
            await programs.update_currency(till.acme, other)
            for code in ("month", "idle", "never"):
                known = till.look(lambda at: till.cache.current(at, {(1, PROGRAM)}))[1, PROGRAM]
                newest = next(
                    c.policies[code] for c in known.currencies.values() if c.code == currency
                )
                longer = replace(newest, priority=9, period=newest.period and Period(days=7))
                await programs.update_policy(till.acme, UpdatePolicy(PROGRAM, currency, longer))

    till.administrate(rename)


@pytest.mark.parametrize("story", STORIES)
def test_a_replay_gives_the_first_answer(
    open_till: Callable[..., Till], story: Callable[[Till], Command]
) -> None:
    """A repeated request has no effect and gets the first answer, also long and far away."""
    till = open_till()
    command = story(till)
    first = till.do(command)
    assert not first.replayed
    before = rows(till)
    again, twice = till.execute(till.call(command), till.call(command))
    assert again[0] == twice[0] == first_again(first)
    assert rows(till) == before
    live_on(till, getattr(command, "member", named("ann")).value)
    before = rows(till)
    late = open_till().do(command)
    assert shown(late) == shown(first_again(first))
    assert rows(till) == before


@pytest.mark.parametrize("expiration", [None, InDays(5)])
def test_a_replay_shows_the_first_source(till: Till, expiration: InDays | None) -> None:
    """The source of an expiry is that of the first answer, also of a lot that was moved since."""
    command = earn(5, policy="idle", expiration=expiration, request_id="r")
    first = till.do(command)
    expected = ExpirationSource.POLICY if expiration is None else ExpirationSource.EARN
    assert first.lot.expiration_source is expected
    till.do(move(first, START + 90 * DAY))
    assert till.do(command) == first_again(first)


@pytest.mark.parametrize("story", [earn_everything, redeem_from_many, expire_nothing, approve_it])
def test_a_repetition_in_the_batch_gives_the_first_answer(
    till: Till, story: Callable[[Till], Command]
) -> None:
    """Repeated within a batch, or within a group, a request has one effect."""
    command = story(till)
    (one,), (two,), pair = till.execute(
        till.call(command), till.call(command), till.call(command, command)
    )
    assert two == first_again(one)
    assert pair == [two, two]
    assert till.do(command) == two


def test_a_repetition_within_the_group_that_is_first(till: Till) -> None:
    """A group may hold the same request twice: the second is the replay of the first."""
    command = earn(5, request_id="r")
    (result,) = till.execute(till.call(command, command, earn(5)))
    assert result[1] == first_again(result[0])
    assert till.account().available == 10


def test_refusals_are_not_kept(till: Till) -> None:
    """A refused request is decided anew; a partial call repeats what was kept."""
    items = (earn(5, request_id="a"), redeem(9, request_id="b"))
    (first,) = till.execute(till.call(*items, partial=True))
    assert isinstance(first[1], InsufficientPoints)
    till.do(earn(5))
    (second,) = till.execute(till.call(*items, partial=True))
    assert second[0] == first_again(first[0])
    assert (second[1].replayed, second[1].account.available) == (False, 1)


def test_a_dropped_group_keeps_no_answer(till: Till) -> None:
    """The request ids of a dropped group are free, for the next group and for later ones."""
    dropped, kept = till.execute(
        till.call(earn(5, request_id="a"), redeem(9)), till.call(earn(6, request_id="a"))
    )
    assert isinstance(dropped[0], InsufficientPoints)
    assert kept[0].account.available == 6
    assert till.do(earn(6, request_id="a")).replayed


def test_settled_nothing_is_kept(till: Till) -> None:
    """An Expire that found nothing is an answer, and stays it when there is something."""
    till.do(earn(5))
    till.do(redeem(5))
    first = till.do(expire(7, request_id="r"))
    assert (first.transaction, first.settled) == (None, 0)
    till.do(earn(50))
    assert till.do(expire(7, request_id="r")) == Expired(None, 7, 0, first.account, replayed=True)


OTHERS = [
    earn(6, request_id="r"),
    earn(5, request_id="r", reference="x"),
    earn(5, request_id="r", currency="EUR"),
    redeem(5, request_id="r"),
    expire(5, request_id="r"),
]


@pytest.mark.parametrize("other", OTHERS)
def test_an_id_used_for_other_content_is_refused(till: Till, other: Command) -> None:
    """The same id with other content, or another method, is refused: in a batch and later."""
    first = earn(5, request_id="r")
    before, reused = till.execute(till.call(first), till.call(earn(1), other, earn(1)))
    assert {type(o) for o in reused} == {RequestIdReused}
    assert isinstance(till.refusal(other), RequestIdReused)
    assert till.do(first) == first_again(before[0])
    assert till.account().available == 5


def linked(till: Till, member: MemberName, *names: MemberName) -> None:
    """Make the member known by more names."""

    async def link(_: Any, members: Any) -> None:
        for name in names:
            await members.link_identifier(till.acme, LinkIdentifier(member, name))

    till.administrate(link)


def unlinked(till: Till, member: MemberName, name: MemberName) -> None:
    """Take a name from the member."""
    change = UnlinkIdentifier(member, name)
    till.administrate(lambda _, members: members.unlink_identifier(till.acme, change))


@pytest.mark.parametrize("at_once", [False, True])
def test_an_id_is_the_members_as_resolved(till: Till, at_once: bool) -> None:
    """However a request names its member, an id is used for it once; content is as it was sent."""
    till.open_program(till.rival)
    by_id = member_by_id(till.do(earn(1)).account.owner.member.member_id)
    mail = MemberName("email", "ann@example.com")
    linked(till, by_id, mail)
    asked = [earn(5, name=name, request_id="r") for name in (named("ann"), mail, by_id)]
    if at_once:
        results = till.execute(*map(till.call, asked))
    else:
        results = [till.execute(till.call(command))[0] for command in asked]
    assert not results[0][0].replayed
    assert [type(result[0]) for result in results[1:]] == [RequestIdReused] * 2
    assert not till.do(earn(5, "bob", request_id="r")).replayed
    assert not till.do(earn(5, request_id="r"), till.rival).replayed
    assert till.account().available == 6


def by_methods(till: Till) -> list[tuple[Command, ...]]:
    """One id and member under every method that names a member."""
    lot = till.do(earn(50))
    return [
        (earn(5, request_id="r"),),
        (redeem(5, request_id="r"),),
        (expire(5, request_id="r"),),
        moves("r", b"mark", move(lot, START + DAY)),
        moves("r", b"many", move(77, START + DAY, member="bob"), move(lot, START + DAY)),
    ]


@pytest.mark.parametrize("first", range(5))
@pytest.mark.parametrize("at_once", [False, True])
def test_an_id_is_of_one_method(till: Till, first: int, at_once: bool) -> None:
    """An id that one method has used for a member is refused to every other, in any order."""
    till.do(earn(9, "bob", vendor_id=77))
    calls = by_methods(till)
    one = calls.pop(first)
    before = till.execute(*(till.call(*call) for call in ([one, *calls] if at_once else [one])))
    assert [answer.replayed for answer in before[0]] == [False] * len(one)
    after = before[1:] if at_once else [till.execute(till.call(*call))[0] for call in calls]
    assert {type(outcome) for result in after for outcome in result} == {RequestIdReused}
    (again,) = till.execute(till.call(*one))
    assert again == [first_again(answer) for answer in before[0]]


def test_a_former_members_id_is_its_own(till: Till) -> None:
    """After a relink the name's new member may use an id that the former one has used."""
    first = till.do(earn(5, request_id="r"))
    unlinked(till, member_by_id(first.account.owner.member.member_id), named("ann"))
    other = earn(6, request_id="r")
    assert not till.do(other).replayed
    assert till.do(other).replayed
    assert till.do(earn(5, request_id="s")).account.available == 11


def test_a_trace_is_kept_as_long_as_ids(till: Till) -> None:
    """A former member is tried until the retention ends after the unlinking, and no longer."""
    till.promise(7)
    member = member_by_id(till.do(earn(5)).account.owner.member.member_id)
    unlinked(till, member, named("ann"))
    known = select(func.count()).select_from(former_identifiers)
    for age, count in ((7 * DAY, 1), (7 * DAY + timedelta(microseconds=1), 0)):
        till.clock.set(START + age)
        till.sweeper.purge()
        assert till.look(lambda at: at.scalar(known)) == count  # done with by then


def relinked(till: Till, member: MemberName, name: MemberName) -> None:
    """Give the name to a new member."""
    unlinked(till, member, name)
    till.administrate(lambda _, members: members.create_member(till.acme, CreateMember((name,))))


def test_a_retry_under_way_meets_its_request(till: Till) -> None:
    """What was resolved before a relink and is written after the retry is the retry's replay."""
    member = member_by_id(till.do(earn(1)).account.owner.member.member_id)
    relinked(till, member, named("ann"))
    retry = till.do(earn(5, request_id="r"))
    of_former = select(requests.c.key, requests.c.fingerprint, requests.c.answer)
    kept = till.look(lambda at: at.execute(of_former).all())
    assert len({row.key for row in kept}) == 2
    assert {(row.fingerprint, row.answer) for row in kept} == {kept[0][1:]}
    assert till.do(earn(5, request_id="r")) == first_again(retry)


@pytest.mark.parametrize("other", [1, 2])
def test_names_that_come_back_are_tried_everywhere(till: Till, other: int) -> None:
    """A name that has gone through several members finds what was answered for each of them."""
    command = earn(5, request_id="r")
    first = till.do(command)
    member = member_by_id(first.account.owner.member.member_id)
    for _ in range(other):
        relinked(till, member, named("ann"))
        member = member_by_id(till.account().owner.member.member_id) if till.do(earn(1)) else member
    assert till.do(command) == first_again(first)
    unlinked(till, member, named("ann"))
    spent = redeem(5, request_id="r")
    assert isinstance(till.refusal(spent), MemberNotFound)
    assert till.do(command) == first_again(first)


def test_a_replay_outlives_the_name(till: Till) -> None:
    """A retry finds the first answer after its member's identifier went to someone else."""
    command = earn(5, request_id="r")
    first = till.do(command)
    by_id = member_by_id(first.account.owner.member.member_id)

    async def hand_on(_: Any, members: Any) -> None:
        mail = MemberName("email", "a@b.example")
        await members.link_identifier(till.acme, LinkIdentifier(by_id, mail))
        await members.unlink_identifier(till.acme, UnlinkIdentifier(by_id, named("ann")))
        await members.create_member(till.acme, CreateMember((named("ann"),)))

    till.administrate(hand_on)
    assert till.do(command) == first_again(first)
    assert till.do(earn(7)).account.available == 7


def test_equal_amounts_are_equal_content(till: Till) -> None:
    """5, 5.0 and 5.00 are the same amount, so the same content."""
    first = till.do(earn("5", currency="EUR", request_id="r"))
    assert till.do(earn("5.00", currency="EUR", request_id="r")) == first_again(first)


# UpdateExpiry: one id for the whole call


def test_items_of_an_update_are_replayed_by_place(till: Till) -> None:
    """A repeated partial update repeats what was kept and decides the refused items anew."""
    one, two = till.do(earn(5)), till.do(earn(6))
    soon = START + DAY
    items = moves("u", b"mark", move(one, soon), move(77, soon), move(two, soon))
    (first,) = till.execute(till.call(*items, partial=True))
    assert [type(o) for o in first] == [ExpiryUpdated, LotNotFound, ExpiryUpdated]
    till.do(earn(5, vendor_id=77))
    (second,) = till.execute(till.call(*items, partial=True))
    assert second[0::2] == [first_again(first[0]), first_again(first[2])]
    assert not second[1].replayed


@pytest.mark.parametrize("partial", [False, True])
def test_one_mismatch_refuses_the_whole_update(till: Till, partial: bool) -> None:
    """Where one item's id was used for another call, the whole call is refused."""
    one, two = till.do(earn(5)), till.do(earn(6, "bob"))
    soon = START + DAY
    till.execute(
        till.call(*moves("u", b"one", move(77, soon), move(two, soon, member="bob")), partial=True)
    )
    other = moves("u", b"two", move(one, soon), move(two, soon, member="bob"))
    before = rows(till)
    (result,) = till.execute(till.call(*other, partial=partial))
    assert [type(o) for o in result] == [RequestIdReused] * 2
    assert rows(till) == before


@pytest.mark.parametrize("partial", [False, True])
def test_one_mismatch_within_the_batch_refuses_the_whole_update(till: Till, partial: bool) -> None:
    """The same holds when both calls are in one batch: no item before the mismatch is kept."""
    one, two, three = till.do(earn(5)), till.do(earn(6, "bob")), till.do(earn(7))
    soon = START + DAY
    first = till.call(
        *moves("u", b"one", move(three, soon, name=named("ann")), move(two, soon, member="bob"))
    )
    second = till.call(
        *moves("u", b"two", move(one, soon, member="ann2"), move(two, soon, member="bob")),
        partial=partial,
    )
    till.do(earn(1))
    till.administrate(
        lambda _, members: members.link_identifier(
            till.acme,
            LinkIdentifier(
                member_by_id(one.account.owner.member.member_id), MemberName("external_id", "ann2")
            ),
        )
    )
    till.execute(first, second)
    assert [type(o) for o in outcomes(first)] == [ExpiryUpdated] * 2
    assert [type(o) for o in outcomes(second)] == [RequestIdReused] * 2
    assert till.do(move(one, START + 2 * DAY)).change.old_expires_at is None


def test_a_state_move_has_the_transactions_id_for_scope(till: Till) -> None:
    """One id approves many transactions; for one of them it means one method and content."""
    lots = [till.do(earn(5, initial_state=LotState.OPEN)) for _ in range(3)]
    call = till.call(*(approve(lot, request_id="r") for lot in lots))
    till.execute(call)
    assert [o.replayed for o in outcomes(call)] == [False] * 3
    again = till.execute(till.call(*(approve(lot, request_id="r") for lot in lots)))
    assert [o.replayed for o in again[0]] == [True] * 3
    assert isinstance(
        till.refusal(update_status(lots[0], LotState.CLOSED, request_id="r")), RequestIdReused
    )


def test_forgotten_ids_are_new_again(till: Till) -> None:
    """After their retention request ids are purged, and mean nothing any more."""
    command = earn(5, request_id="r")
    till.do(command)
    till.clock.set(START + 6 * DAY)
    till.do(earn(5, request_id="s"))
    till.promise(7)
    till.clock.set(START + 8 * DAY)
    assert till.sweeper.purge() >= 2
    assert not till.do(command).replayed
    assert till.do(earn(5, request_id="s")).replayed


@pytest.mark.parametrize("packed", [3, 1000])
def test_a_replay_shows_the_first_allocations_in_their_order(
    till: Till, monkeypatch: pytest.MonkeyPatch, packed: int
) -> None:
    """Of many allocations the first ones are kept and shown; earlier rows kept the order of all."""
    for policy in ("never", "month", "idle-first", "month", "idle-first"):
        till.do(earn(10, policy=policy))
    monkeypatch.setattr(stored_answers, "ALLOCATIONS_MAX", packed)
    first = till.do(redeem(45, request_id="r"))
    monkeypatch.setattr(replay, "ALLOCATIONS_MAX", 3)
    again = till.do(redeem(45, request_id="r"))
    taken = first.transaction.allocations
    assert len(taken) == 5 and list(taken) != sorted(taken)
    assert again.replayed and again.transaction.allocations == taken[:3]
    assert again.transaction.allocation_count == 5

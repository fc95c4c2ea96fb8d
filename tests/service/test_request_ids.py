"""Request ids: whose they are, and what content they stand for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.support.service.days import DAY
from tests.support.service.ledger_harness import (
    START,
    LedgerHarness,
    earn,
    expire,
    move,
    moves,
    named,
    redeem,
)
from tests.support.service.stories import first_again

from points_grpc.domain.admin.commands import (
    CreateMember,
    LinkIdentifier,
    UnlinkIdentifier,
)
from points_grpc.domain.commands import Command, MemberName, member_by_id
from points_grpc.errors import (
    MemberNotFound,
    RequestIdReused,
)
from points_grpc.storage.tables import former_identifiers, requests

OTHERS = [
    earn(6, request_id="r"),
    earn(5, request_id="r", reference="x"),
    earn(5, request_id="r", currency="EUR"),
    redeem(5, request_id="r"),
    expire(5, request_id="r"),
]


@pytest.mark.parametrize("other", OTHERS)
def test_an_id_used_for_other_content_is_refused(harness: LedgerHarness, other: Command) -> None:
    """The same id with other content, or another method, is refused: in a batch and later."""
    first = earn(5, request_id="r")
    before, reused = harness.execute(harness.call(first), harness.call(earn(1), other, earn(1)))
    assert {type(o) for o in reused} == {RequestIdReused}
    assert isinstance(harness.refusal(other), RequestIdReused)
    assert harness.do(first) == first_again(before[0])
    assert harness.account().available == 5


def linked(harness: LedgerHarness, member: MemberName, *names: MemberName) -> None:
    """Make the member known by more names."""

    async def link(_: Any, members: Any) -> None:
        for name in names:
            await members.link_identifier(harness.acme, LinkIdentifier(member, name))

    harness.administrate(link)


def unlinked(harness: LedgerHarness, member: MemberName, name: MemberName) -> None:
    """Take a name from the member."""
    change = UnlinkIdentifier(member, name)
    harness.administrate(lambda _, members: members.unlink_identifier(harness.acme, change))


@pytest.mark.parametrize("at_once", [False, True])
def test_an_id_is_the_members_as_resolved(harness: LedgerHarness, at_once: bool) -> None:
    """However a request names its member, an id is used for it once; content is as it was sent."""
    harness.open_program(harness.rival)
    by_id = member_by_id(harness.do(earn(1)).account.owner.member.member_id)
    mail = MemberName("email", "ann@example.com")
    linked(harness, by_id, mail)
    asked = [earn(5, name=name, request_id="r") for name in (named("ann"), mail, by_id)]
    if at_once:
        results = harness.execute(*map(harness.call, asked))
    else:
        results = [harness.execute(harness.call(command))[0] for command in asked]
    assert not results[0][0].replayed
    assert [type(result[0]) for result in results[1:]] == [RequestIdReused] * 2
    assert not harness.do(earn(5, "bob", request_id="r")).replayed
    assert not harness.do(earn(5, request_id="r"), harness.rival).replayed
    assert harness.account().available == 6


def by_methods(harness: LedgerHarness) -> list[tuple[Command, ...]]:
    """One id and member under every method that names a member."""
    lot = harness.do(earn(50))
    return [
        (earn(5, request_id="r"),),
        (redeem(5, request_id="r"),),
        (expire(5, request_id="r"),),
        moves("r", b"mark", move(lot, START + DAY)),
        moves("r", b"many", move(77, START + DAY, member="bob"), move(lot, START + DAY)),
    ]


@pytest.mark.parametrize("first", range(5))
@pytest.mark.parametrize("at_once", [False, True])
def test_an_id_is_of_one_method(harness: LedgerHarness, first: int, at_once: bool) -> None:
    """An id that one method has used for a member is refused to every other, in any order."""
    harness.do(earn(9, "bob", vendor_id=77))
    calls = by_methods(harness)
    one = calls.pop(first)
    before = harness.execute(
        *(harness.call(*call) for call in ([one, *calls] if at_once else [one]))
    )
    assert [answer.replayed for answer in before[0]] == [False] * len(one)
    after = before[1:] if at_once else [harness.execute(harness.call(*call))[0] for call in calls]
    assert {type(outcome) for result in after for outcome in result} == {RequestIdReused}
    (again,) = harness.execute(harness.call(*one))
    assert again == [first_again(answer) for answer in before[0]]


def test_a_former_members_id_is_its_own(harness: LedgerHarness) -> None:
    """After a relink the name's new member may use an id that the former one has used."""
    first = harness.do(earn(5, request_id="r"))
    unlinked(harness, member_by_id(first.account.owner.member.member_id), named("ann"))
    other = earn(6, request_id="r")
    assert not harness.do(other).replayed
    assert harness.do(other).replayed
    assert harness.do(earn(5, request_id="s")).account.available == 11


def test_a_trace_is_kept_as_long_as_ids(harness: LedgerHarness) -> None:
    """A former member is tried until the retention ends after the unlinking, and no longer."""
    harness.promise(7)
    member = member_by_id(harness.do(earn(5)).account.owner.member.member_id)
    unlinked(harness, member, named("ann"))
    known = select(func.count()).select_from(former_identifiers)
    for age, count in ((7 * DAY, 1), (7 * DAY + timedelta(microseconds=1), 0)):
        harness.clock.set(START + age)
        harness.sweeper.purge()
        assert harness.look(lambda at: at.scalar(known)) == count  # done with by then


def relinked(harness: LedgerHarness, member: MemberName, name: MemberName) -> None:
    """Give the name to a new member."""
    unlinked(harness, member, name)
    harness.administrate(
        lambda _, members: members.create_member(harness.acme, CreateMember((name,)))
    )


def test_a_retry_under_way_meets_its_request(harness: LedgerHarness) -> None:
    """What was resolved before a relink and is written after the retry is the retry's replay."""
    member = member_by_id(harness.do(earn(1)).account.owner.member.member_id)
    relinked(harness, member, named("ann"))
    retry = harness.do(earn(5, request_id="r"))
    of_former = select(requests.c.key, requests.c.fingerprint, requests.c.answer)
    kept = harness.look(lambda at: at.execute(of_former).all())
    assert len({row.key for row in kept}) == 2
    assert {(row.fingerprint, row.answer) for row in kept} == {kept[0][1:]}
    assert harness.do(earn(5, request_id="r")) == first_again(retry)


@pytest.mark.parametrize("other", [1, 2])
def test_names_that_come_back_are_tried_everywhere(harness: LedgerHarness, other: int) -> None:
    """A name that has gone through several members finds what was answered for each of them."""
    command = earn(5, request_id="r")
    first = harness.do(command)
    member = member_by_id(first.account.owner.member.member_id)
    for _ in range(other):
        relinked(harness, member, named("ann"))
        member = (
            member_by_id(harness.account().owner.member.member_id)
            if harness.do(earn(1))
            else member
        )
    assert harness.do(command) == first_again(first)
    unlinked(harness, member, named("ann"))
    spent = redeem(5, request_id="r")
    assert isinstance(harness.refusal(spent), MemberNotFound)
    assert harness.do(command) == first_again(first)


def test_a_replay_outlives_the_name(harness: LedgerHarness) -> None:
    """A retry finds the first answer after its member's identifier went to someone else."""
    command = earn(5, request_id="r")
    first = harness.do(command)
    by_id = member_by_id(first.account.owner.member.member_id)

    async def hand_on(_: Any, members: Any) -> None:
        mail = MemberName("email", "a@b.example")
        await members.link_identifier(harness.acme, LinkIdentifier(by_id, mail))
        await members.unlink_identifier(harness.acme, UnlinkIdentifier(by_id, named("ann")))
        await members.create_member(harness.acme, CreateMember((named("ann"),)))

    harness.administrate(hand_on)
    assert harness.do(command) == first_again(first)
    assert harness.do(earn(7)).account.available == 7


def test_equal_amounts_are_equal_content(harness: LedgerHarness) -> None:
    """5, 5.0 and 5.00 are the same amount, so the same content."""
    first = harness.do(earn("5", currency="EUR", request_id="r"))
    assert harness.do(earn("5.00", currency="EUR", request_id="r")) == first_again(first)

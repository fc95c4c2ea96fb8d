"""The engine: which lane, and what becomes of the outcomes of a call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from branch import Branch, at_once, run
from till import START, Till, earn, expire, move, moves, redeem

from points_grpc.domain.commands import Command, Earn
from points_grpc.domain.policy import InDays
from points_grpc.domain.results import Earned, ExpiryUpdated, Redeemed
from points_grpc.errors import (
    InsufficientPoints,
    LotNotFound,
    MemberNotFound,
    Overloaded,
    PolicyNotFound,
    Refusal,
    RequestIdReused,
    StorageUnavailable,
)
from points_grpc.service.writes import decide as deciding

DAY = timedelta(days=1)


@pytest.fixture
def branch(open_branch: Callable[..., Branch]) -> Branch:
    """One engine."""
    return open_branch()


def ask(branch: Branch, *commands: Command, **more: Any) -> list[Any]:
    return list(run(branch.engine.write(branch.acme, commands, **more)))


def refusal(branch: Branch, *commands: Command, **more: Any) -> Refusal:
    with pytest.raises(Refusal) as refused:
        ask(branch, *commands, **more)
    return refused.value


def test_nothing_asked_is_nothing_answered(branch: Branch) -> None:
    """A call without commands has no outcomes."""
    assert ask(branch) == []


@pytest.mark.parametrize("many", [1, 32, 33, 200])
def test_small_and_large_calls_are_answered_in_order(branch: Branch, many: int) -> None:
    """Calls of any size, whichever lane they take, have one answer per command, in order."""
    answers = ask(branch, *(earn(n + 1, f"m{n % 5}") for n in range(many)))
    assert [answer.transaction.amount for answer in answers] == [n + 1 for n in range(many)]


def test_the_first_bad_item_is_told_with_its_path(branch: Branch) -> None:
    """A call that is kept whole fails with its first bad item's refusal, below its path."""
    refused = refusal(branch, earn(1), earn(1, policy="nix"), redeem(9), item_path="earns")
    assert isinstance(refused, PolicyNotFound)
    assert refused.field == "earns[1].policy"
    assert isinstance(refusal(branch, redeem(1)), MemberNotFound)


def test_items_of_a_partial_call_are_told_in_place(branch: Branch) -> None:
    """A partial call has its refusals in their places, each below its own path."""
    answers = ask(branch, earn(1), redeem(9), redeem(1), partial=True, item_path="x")
    assert [type(a) for a in answers] == [Earned, InsufficientPoints, Redeemed]
    assert answers[1].field == "x[1].amount"


def stumbling(error: Exception) -> Callable[..., Any]:
    """A decision that meets `error` where 13 points are earned."""
    decide = deciding.decide

    def stumble(case: Any, *rest: Any) -> Any:
        if isinstance(case.command, Earn) and case.command.amount == 13:
            raise error
        return decide(case, *rest)

    return stumble


def test_an_unforeseen_failure_of_an_item_is_told_in_place(
    branch: Branch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody foresaw in one item of a partial call takes nothing from the others."""
    error = LookupError("boom")
    monkeypatch.setattr(deciding, "decide", stumbling(error))
    answers = ask(branch, earn(1), earn(13), redeem(9), earn(2), partial=True)
    assert [type(a) for a in answers] == [Earned, LookupError, InsufficientPoints, Earned]
    assert run(branch.available()) == 3


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("error", [LookupError("boom"), Overloaded(), StorageUnavailable()])
def test_a_call_of_which_nothing_could_be_decided_fails(
    branch: Branch, monkeypatch: pytest.MonkeyPatch, error: Exception, partial: bool
) -> None:
    """A call fails as a whole where every item met what says nothing about the item."""
    monkeypatch.setattr(deciding, "decide", stumbling(error))
    with pytest.raises(type(error)):
        ask(branch, earn(13), earn(13), partial=partial)


@pytest.mark.parametrize("partial", [False, True])
def test_a_reused_id_of_an_update_is_the_calls(till: Till, branch: Branch, partial: bool) -> None:
    """A request id used for another update refuses the call, and names no item."""
    lot = till.do(earn(1))
    items = (move(lot, START + DAY), move(lot, START + 2 * DAY))
    ask(branch, *moves("u", b"one", *items))
    other = moves("u", b"two", *items)
    refused = refusal(branch, *other, partial=partial, item_path="updates")
    assert isinstance(refused, RequestIdReused)


def test_previews_are_answered_by_the_engine(till: Till, branch: Branch) -> None:
    """A validate_only call is decided like any other, and nothing comes of it."""
    lot = till.do(earn(10))
    asked = (redeem(4), move(lot, START + DAY), move(7, START + DAY))
    answers = ask(branch, *asked, partial=True, validate_only=True)
    assert [type(a) for a in answers] == [Redeemed, ExpiryUpdated, LotNotFound]
    assert till.account().available == 10
    refused = refusal(branch, *asked, validate_only=True, item_path="updates")
    assert refused.field == "updates[2].lot_id"


def test_crowded_accounts_are_answered(till: Till, branch: Branch) -> None:
    """Accounts with many due lots are served too, in a call and in a preview of it."""
    till.execute(till.call(*(earn(1, policy="month") for _ in range(300)), earn(5)))
    till.clock.set(START + 31 * DAY)
    (previewed,) = ask(branch, redeem(5), validate_only=True)
    (answer,) = ask(branch, redeem(5))
    assert answer.account.total_expired == previewed.account.total_expired == 300
    (settled,) = ask(branch, expire(5))
    assert settled.settled == 0


def test_large_calls_on_the_same_accounts_are_all_kept(
    till: Till, open_branch: Callable[..., Branch]
) -> None:
    """Calls for the bulk lane that share every account, at once, are each kept once."""
    branch = open_branch()
    names = [f"m{n}" for n in range(40)]
    lots = [till.do(earn(1, name)) for name in names]

    async def story() -> list[object]:
        works = []
        for n in range(6):
            earns = (earn(1, name, request_id=f"r{n}") for name in names)
            places = zip(names, lots, strict=True)
            moves = (move(lot, InDays(30 + n), member=name) for name, lot in places)
            works += [branch.do(*earns), branch.do(*moves)]
        return await at_once(*works)

    answers = run(story())
    assert not [a for a in answers if isinstance(a, BaseException)]
    assert [till.account(name).available for name in names] == [7] * len(names)
    assert {till.account(name).version for name in names} == {13}

"""The engine: which lane, and what becomes of the outcomes of a call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.support.service.engine_harness import EngineHarness, at_once, run
from tests.support.service.ledger_harness import (
    START,
    LedgerHarness,
    earn,
    expire,
    move,
    moves,
    redeem,
)

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
def engine_harness(open_engine: Callable[..., EngineHarness]) -> EngineHarness:
    """One engine."""
    return open_engine()


def ask(engine_harness: EngineHarness, *commands: Command, **more: Any) -> list[Any]:
    return list(run(engine_harness.engine.write(engine_harness.acme, commands, **more)))


def refusal(engine_harness: EngineHarness, *commands: Command, **more: Any) -> Refusal:
    with pytest.raises(Refusal) as refused:
        ask(engine_harness, *commands, **more)
    return refused.value


def test_nothing_asked_is_nothing_answered(engine_harness: EngineHarness) -> None:
    """A call without commands has no outcomes."""
    assert ask(engine_harness) == []


@pytest.mark.parametrize("many", [1, 32, 33, 200])
def test_small_and_large_calls_are_answered_in_order(
    engine_harness: EngineHarness, many: int
) -> None:
    """Calls of any size, whichever lane they take, have one answer per command, in order."""
    answers = ask(engine_harness, *(earn(n + 1, f"m{n % 5}") for n in range(many)))
    assert [answer.transaction.amount for answer in answers] == [n + 1 for n in range(many)]


def test_the_first_bad_item_is_told_with_its_path(engine_harness: EngineHarness) -> None:
    """A call that is kept whole fails with its first bad item's refusal, below its path."""
    refused = refusal(engine_harness, earn(1), earn(1, policy="nix"), redeem(9), item_path="earns")
    assert isinstance(refused, PolicyNotFound)
    assert refused.field == "earns[1].policy"
    assert isinstance(refusal(engine_harness, redeem(1)), MemberNotFound)


def test_items_of_a_partial_call_are_told_in_place(engine_harness: EngineHarness) -> None:
    """A partial call has its refusals in their places, each below its own path."""
    answers = ask(engine_harness, earn(1), redeem(9), redeem(1), partial=True, item_path="x")
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
    engine_harness: EngineHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody foresaw in one item of a partial call takes nothing from the others."""
    error = LookupError("boom")
    monkeypatch.setattr(deciding, "decide", stumbling(error))
    answers = ask(engine_harness, earn(1), earn(13), redeem(9), earn(2), partial=True)
    assert [type(a) for a in answers] == [Earned, LookupError, InsufficientPoints, Earned]
    assert run(engine_harness.available()) == 3


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("error", [LookupError("boom"), Overloaded(), StorageUnavailable()])
def test_a_call_of_which_nothing_could_be_decided_fails(
    engine_harness: EngineHarness, monkeypatch: pytest.MonkeyPatch, error: Exception, partial: bool
) -> None:
    """A call fails as a whole where every item met what says nothing about the item."""
    monkeypatch.setattr(deciding, "decide", stumbling(error))
    with pytest.raises(type(error)):
        ask(engine_harness, earn(13), earn(13), partial=partial)


@pytest.mark.parametrize("partial", [False, True])
def test_a_reused_id_of_an_update_is_the_calls(
    harness: LedgerHarness, engine_harness: EngineHarness, partial: bool
) -> None:
    """A request id used for another update refuses the call, and names no item."""
    lot = harness.do(earn(1))
    items = (move(lot, START + DAY), move(lot, START + 2 * DAY))
    ask(engine_harness, *moves("u", b"one", *items))
    other = moves("u", b"two", *items)
    refused = refusal(engine_harness, *other, partial=partial, item_path="updates")
    assert isinstance(refused, RequestIdReused)


def test_previews_are_answered_by_the_engine(
    harness: LedgerHarness, engine_harness: EngineHarness
) -> None:
    """A validate_only call is decided like any other, and nothing comes of it."""
    lot = harness.do(earn(10))
    asked = (redeem(4), move(lot, START + DAY), move(7, START + DAY))
    answers = ask(engine_harness, *asked, partial=True, validate_only=True)
    assert [type(a) for a in answers] == [Redeemed, ExpiryUpdated, LotNotFound]
    assert harness.account().available == 10
    refused = refusal(engine_harness, *asked, validate_only=True, item_path="updates")
    assert refused.field == "updates[2].lot_id"


def test_crowded_accounts_are_answered(
    harness: LedgerHarness, engine_harness: EngineHarness
) -> None:
    """Accounts with many due lots are served too, in a call and in a preview of it."""
    harness.execute(harness.call(*(earn(1, policy="month") for _ in range(300)), earn(5)))
    harness.clock.set(START + 31 * DAY)
    (previewed,) = ask(engine_harness, redeem(5), validate_only=True)
    (answer,) = ask(engine_harness, redeem(5))
    assert answer.account.total_expired == previewed.account.total_expired == 300
    (settled,) = ask(engine_harness, expire(5))
    assert settled.settled == 0


def test_large_calls_on_the_same_accounts_are_all_kept(
    harness: LedgerHarness, open_engine: Callable[..., EngineHarness]
) -> None:
    """Calls for the bulk lane that share every account, at once, are each kept once."""
    engine_harness = open_engine()
    names = [f"m{n}" for n in range(40)]
    lots = [harness.do(earn(1, name)) for name in names]

    async def story() -> list[object]:
        works = []
        for n in range(6):
            earns = (earn(1, name, request_id=f"r{n}") for name in names)
            places = zip(names, lots, strict=True)
            moves = (move(lot, InDays(30 + n), member=name) for name, lot in places)
            works += [engine_harness.do(*earns), engine_harness.do(*moves)]
        return await at_once(*works)

    answers = run(story())
    assert not [a for a in answers if isinstance(a, BaseException)]
    assert [harness.account(name).available for name in names] == [7] * len(names)
    assert {harness.account(name).version for name in names} == {13}

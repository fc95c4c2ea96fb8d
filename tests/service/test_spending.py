"""Spending from accounts with many lots: in steps, and where they are very many, elsewhere."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from tests.support.service.engine_harness import PATIENCE_SECONDS, EngineHarness, run
from tests.support.service.ledger_harness import (
    START,
    LedgerHarness,
    earn,
    expire,
    outcomes,
    redeem,
)

from points_grpc.domain.policy import InDays, Never
from points_grpc.domain.results import Redeemed
from points_grpc.errors import CallTooLarge
from points_grpc.service.writes import decide, gather
from points_grpc.service.writes.ledger import LedgerTerms
from points_grpc.storage.ledger.lots import Lot

DAY = timedelta(days=1)

Load = Callable[..., dict[int, Lot]]


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Up to how many lots of a stream were loaded for spending, each time; 2 at first."""
    asked: list[int] = []

    def noting(real: Load) -> Load:
        def note(connection: Any, streams: Sequence[Any], limit: int) -> dict[int, Lot]:
            if streams:
                asked.append(limit)
            return real(connection, streams, limit)

        return note

    monkeypatch.setattr(gather, "SPENDABLE_FIRST", 2)
    monkeypatch.setattr(gather, "SPENDABLE_NEXT", 4)
    monkeypatch.setattr(gather, "SPENDABLE_GROWTH", 3)
    monkeypatch.setattr(gather, "SPENDABLE_FAST", 12)
    monkeypatch.setattr(gather.spendable, "first", noting(gather.spendable.first))
    monkeypatch.setattr(gather.spendable, "following", noting(gather.spendable.following))
    return asked


@pytest.mark.parametrize(
    ("amount", "steps"), [(1, [2]), (70, [2, 2]), (71, [2, 2, 4]), (120, [2, 2, 4])]
)
def test_no_more_lots_are_loaded_than_are_needed(
    harness: LedgerHarness, loads: list[int], amount: int, steps: list[int]
) -> None:
    """A spender's lots are first a few of each stream, then more, then all the ledger takes on."""
    for policy in ("never", "month"):
        harness.execute(harness.call(*(earn(10, policy=policy) for _ in range(3))))
    harness.execute(harness.call(*(earn(10, policy="idle") for _ in range(6))))
    call = harness.call(redeem(amount))
    assert harness.ledger_on(LedgerTerms(lots_max=8)).execute([call]).oversized == []
    assert outcomes(call)[0].account.available == 120 - amount
    assert loads == steps


def test_an_account_that_needs_too_many_is_handed_on(
    harness: LedgerHarness, loads: list[int]
) -> None:
    """Whoever spends from too many lots is left over, and so is who comes behind; others not."""
    harness.execute(harness.call(*(earn(10) for _ in range(12)), earn(5, "bob")))
    before, large = harness.call(redeem(5)), harness.call(redeem(100))
    behind, free = harness.call(earn(1), earn(1, "cyd")), harness.call(redeem(5, "bob"))
    leftover = harness.ledger_on(LedgerTerms(lots_max=8)).execute([before, large, behind, free])
    assert (leftover.oversized, leftover.locked_out) == ([large, behind], [])
    assert outcomes(before)[0].account.available == 115
    assert outcomes(free)[0].account.available == 0
    assert harness.account().available == 115
    assert harness.bulk.execute([large, behind]).oversized == []
    assert outcomes(large)[0].account.available == 15
    assert loads == [2, 2, 4, 2, 2, 8]


def test_only_what_needs_too_many_is_handed_on(harness: LedgerHarness, loads: list[int]) -> None:
    """Items of a partial call that could be decided stay decided when another is handed on."""
    harness.execute(harness.call(*(earn(10) for _ in range(12)), earn(5, "bob")))
    call = harness.call(redeem(20), redeem(5, "bob"), redeem(90), redeem(1, "bob"), partial=True)
    assert harness.ledger_on(LedgerTerms(lots_max=8)).execute([call]).oversized == [call]
    assert [outcome is None for outcome in outcomes(call)] == [False, False, True, False]
    assert harness.bulk.execute([call]).oversized == []
    assert outcomes(call)[2].account.available == 10


def test_spending_is_the_same_by_whatever_steps(harness: LedgerHarness, loads: list[int]) -> None:
    """Redemptions take the same parts of the same lots as where all lots are loaded."""
    for day in range(12):
        harness.clock.set(START + day * DAY)
        policies = ("month", "idle", "never", "idle-first")
        harness.execute(harness.call(*(earn(10, policy=policy) for policy in policies)))
    narrow = harness.ledger_on(LedgerTerms(lots_max=8))
    handed_on = 0
    for command in (redeem(25), expire(60), redeem(3), redeem(150), expire(1), redeem(241)):
        (foretold,) = harness.preview(command)
        call = harness.call(command)
        if narrow.execute([call]).oversized:
            handed_on += 1
            harness.bulk.execute([call])
        (answer,) = outcomes(call)
        assert answer.transaction.allocations == foretold.transaction.allocations
    assert harness.account().available == 0
    assert handed_on == 2


@pytest.mark.parametrize(
    ("amount", "steps"),
    [(40, [2, 2]), (41, [2, 2, 8]), (121, [2, 2, 8, 12]), (241, [2, 2, 8, 12, 24])],
)
def test_lots_are_loaded_in_growing_steps(
    harness: LedgerHarness, loads: list[int], amount: int, steps: list[int]
) -> None:
    """Each step goes on behind the one before, three times as far, and twice from 12 on."""
    harness.execute(harness.call(*(earn(10) for _ in range(60))))
    call = harness.call(redeem(amount))
    assert harness.bulk.execute([call]).oversized == []
    assert outcomes(call)[0].account.available == 600 - amount
    assert loads == steps


def test_steps_pass_from_dates_to_none_and_over_priorities(
    harness: LedgerHarness, loads: list[int]
) -> None:
    """What steps load together is all there is, in spending order, whatever lies at their ends."""
    for day in range(5):
        harness.clock.set(START + day * DAY)
        harness.execute(
            harness.call(
                *(
                    earn(10, policy=policy, expiration=expiration)
                    for policy in ("month", "idle-first", "never")
                    for expiration in (InDays(40), InDays(40 + day), Never(), None)
                )
            )
        )
    call = harness.call(redeem(600))
    harness.bulk.execute([call])
    parts = outcomes(call)[0].transaction.allocations
    assert len({lot for lot, _ in parts}) == len(parts) == 60
    assert loads[:2] == [2, 2]


def test_one_call_takes_from_so_many_lots_at_most(
    harness: LedgerHarness, loads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that would need more lots than one call may take from is refused, alone."""
    monkeypatch.setattr(gather, "SPENDABLE_MAX", 10)
    monkeypatch.setattr(decide, "SPENDABLE_MAX", 10)
    harness.execute(harness.call(*(earn(10) for _ in range(12))))
    large, small = harness.call(redeem(101)), harness.call(redeem(100))
    harness.bulk.execute([large, small])
    (refused,) = outcomes(large)
    assert isinstance(refused, CallTooLarge)
    assert (refused.field, refused.facts["lots_max"]) == ("amount", 10)
    assert outcomes(small)[0].account.available == 20


def test_spending_from_very_many_lots_holds_up_nobody(
    harness: LedgerHarness,
    open_engine: Callable[..., EngineHarness],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While the heavy lane loads many lots of an account, all other lanes go on."""
    harness.execute(harness.call(*(earn(1) for _ in range(300)), earn(5, "bob")))
    loading, go_on = threading.Event(), threading.Event()
    real: Load = gather.spendable.following

    def stall(connection: Any, streams: Sequence[Any], limit: int) -> dict[int, Lot]:
        if limit > 300:
            loading.set()
            assert go_on.wait(PATIENCE_SECONDS)
        return real(connection, streams, limit)

    monkeypatch.setattr(gather.spendable, "following", stall)
    engine_harness = open_engine()

    async def spend() -> tuple[bool, Any]:
        large = asyncio.ensure_future(engine_harness.do(redeem(290)))
        await engine_harness.do(redeem(2, "bob"))
        await asyncio.to_thread(loading.wait, PATIENCE_SECONDS)
        await engine_harness.do(*(earn(1, f"m{n}") for n in range(40)))
        small = await engine_harness.do(redeem(3, "bob"))
        was_done = large.done()
        go_on.set()
        assert small.account.available == 0
        return was_done, await large

    was_done, answer = run(spend())
    assert isinstance(answer, Redeemed)
    assert (was_done, answer.account.available) == (False, 10)

"""What takes long to answer has a lane of its own, so that single answers need not wait for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.support.service.engine_harness import PATIENCE_SECONDS, EngineHarness, run
from tests.support.service.ledger_harness import PROGRAM, START, LedgerHarness, earn, named, redeem

from points_grpc.domain.queries import GetSchedule, ListLots, Schedule
from points_grpc.domain.results import Earned
from points_grpc.service.reads import reports

SCHEDULE = GetSchedule(PROGRAM, named("ann"), "PTS", 3, 6)
LOTS = ListLots(PROGRAM, named("ann"), "PTS")


class Stall:
    """Schedules are not made until `go_on` is set; `begun` tells that one is to be made."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        self._make: Callable[..., Schedule] = reports.make_schedule

    def __call__(self, *given: Any, **more: Any) -> Schedule:
        self.begun.set()
        assert self.go_on.wait(PATIENCE_SECONDS)
        return self._make(*given, **more)


@pytest.fixture
def stall(monkeypatch: pytest.MonkeyPatch) -> Stall:
    """Whoever makes a schedule waits."""
    stalled = Stall()
    monkeypatch.setattr(reports, "make_schedule", stalled)
    return stalled


def test_what_takes_long_holds_up_no_single_answer(
    harness: LedgerHarness, open_engine: Callable[..., EngineHarness], stall: Stall
) -> None:
    """Schedules, listings, previews of many items or many lots wait for each other alone."""
    harness.execute(harness.call(*(earn(1, policy="month") for _ in range(300)), earn(5)))
    harness.clock.set(START + timedelta(days=31))
    engine_harness = open_engine()
    engine, acme = engine_harness.engine, engine_harness.acme
    large = [earn(1, f"m{n}") for n in range(33)]

    async def ask() -> list[Any]:
        slow = [asyncio.ensure_future(engine.read(acme, SCHEDULE))]
        await asyncio.to_thread(stall.begun.wait, PATIENCE_SECONDS)
        slow += [
            asyncio.ensure_future(work)
            for work in (
                engine.list(acme, LOTS),
                engine.write(acme, large, validate_only=True),
                engine.write(acme, [redeem(5)], validate_only=True),
            )
        ]
        for _ in range(3):
            (earned,) = await engine.write(acme, [earn(1, "bob")], validate_only=True)
            assert isinstance(earned, Earned)
            assert await engine_harness.available() == 5
        assert not any(one.done() for one in slow)
        stall.go_on.set()
        return list(await asyncio.gather(*slow))

    schedule, lots, many, (redeemed,) = run(ask())
    assert isinstance(schedule, Schedule)
    assert len(lots.rows) == 50
    assert len(many) == 33
    assert redeemed.account.total_expired == 300
    assert redeemed.account.available == 0

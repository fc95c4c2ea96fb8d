"""What takes long to answer has a lane of its own, so that single answers need not wait for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from branch import PATIENCE_SECONDS, Branch, run
from till import PROGRAM, START, Till, earn, named, redeem

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
    till: Till, open_branch: Callable[..., Branch], stall: Stall
) -> None:
    """Schedules, listings, previews of many items or many lots wait for each other alone."""
    till.execute(till.call(*(earn(1, policy="month") for _ in range(300)), earn(5)))
    till.clock.set(START + timedelta(days=31))
    branch = open_branch()
    engine, acme = branch.engine, branch.acme
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
            assert await branch.available() == 5
        assert not any(one.done() for one in slow)
        stall.go_on.set()
        return list(await asyncio.gather(*slow))

    schedule, lots, many, (redeemed,) = run(ask())
    assert isinstance(schedule, Schedule)
    assert len(lots.rows) == 50
    assert len(many) == 33
    assert redeemed.account.total_expired == 300
    assert redeemed.account.available == 0

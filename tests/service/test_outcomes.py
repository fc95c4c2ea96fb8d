"""What callers who get no answer are told: that nothing has changed, or that nobody knows."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from tests.support.service.engine_harness import PATIENCE_SECONDS, EngineHarness, run
from tests.support.service.ledger_harness import LedgerHarness, earn, outcomes

from points_grpc import effects
from points_grpc.domain.admin.commands import CreateProgram
from points_grpc.errors import CallTooLarge, Overloaded, Refusal, StorageUnavailable
from points_grpc.service.admin.codecs import PROGRAM
from points_grpc.service.admin.executor import AdminChange, AdminExecutor
from points_grpc.service.shared import retry
from points_grpc.service.writes.ledger import Ledger, LedgerTerms
from points_grpc.storage.core.database import Connection
from points_grpc.storage.core.db_errors import Unreachable


class Gate:
    """Holds up whoever passes, until it is opened."""

    def __init__(self) -> None:
        self.entered, self.go_on = threading.Event(), threading.Event()

    def wait(self) -> None:
        """Pass, once it is open."""
        self.entered.set()
        assert self.go_on.wait(PATIENCE_SECONDS)


async def cancelled(work: Any, begun: Callable[[], Any]) -> bool:
    """Whether the work, cancelled after `begun`, may have had an effect."""
    found: list[effects.Effect] = []

    async def follow() -> None:
        found.append(effects.watch())
        await work

    task = asyncio.create_task(follow())
    await asyncio.sleep(0)
    await asyncio.to_thread(begun)
    task.cancel()
    await asyncio.wait([task])
    return found[0].possible


def nothing() -> None:
    """Wait for nothing."""


def test_what_waits_is_not_applied_and_what_runs_may_be(
    harness: LedgerHarness,
    open_engine: Callable[..., EngineHarness],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A write cancelled in its queue has changed nothing; nobody knows of one that runs."""
    harness.do(earn(1))
    gate, real = Gate(), Ledger.execute

    def execute(self: Ledger, calls: Any) -> Any:
        gate.wait()
        return real(self, calls)

    monkeypatch.setattr(Ledger, "execute", execute)
    engine_harness = open_engine()

    def write(amount: int, **more: Any) -> Any:
        return engine_harness.engine.write(engine_harness.acme, [earn(amount)], **more)

    async def story() -> tuple[bool, bool, bool]:
        runs = await cancelled(write(10), gate.entered.wait)
        waits = await cancelled(write(100), nothing)
        preview = await cancelled(write(100, validate_only=True), nothing)
        gate.go_on.set()
        assert (await engine_harness.do(earn(1000))).account.available == 1011
        return runs, waits, preview

    assert run(story()) == (True, False, False)


def test_an_answered_write_may_have_changed_something(
    harness: LedgerHarness, open_engine: Callable[..., EngineHarness]
) -> None:
    """A call that is ended after its write was kept, but before it is answered, is in doubt."""
    engine_harness = open_engine()

    async def story() -> bool:
        effect = effects.watch()
        assert not effect.possible
        await engine_harness.do(earn(1))
        return effect.possible

    assert run(story())


def test_an_administrators_change_that_waits_is_not_applied(harness: LedgerHarness) -> None:
    """A change that is cancelled before its turn is dropped; one in the making may be kept."""
    desk, gate, decided = AdminExecutor(harness.database, harness.clock), Gate(), []

    def task(name: str, work: Callable[[], None]) -> Any:
        def decide(_: Connection, __: Any) -> Any:
            work()
            decided.append(name)
            return None

        return desk.run(AdminChange(1, ("programs",), CreateProgram(name, "UTC"), decide, PROGRAM))

    async def story() -> list[bool]:
        found = [await cancelled(task("runs", gate.wait), gate.entered.wait)]
        found.append(await cancelled(task("waits", nothing), nothing))
        gate.go_on.set()
        await task("last", nothing)
        return found

    assert run(story()) == [True, False]
    assert decided == ["runs", "last"]
    desk.close()


class Losing:
    """A link that loses the connection around its first COMMIT, and then finds no database."""

    def __init__(self, link: Any, committed: bool) -> None:
        self.link, self.committed, self.units = link, committed, 0

    @contextmanager
    def unit(self) -> Iterator[Connection]:
        """A unit of work that comes to nothing, or is committed without an answer."""
        self.units += 1
        if self.units > 1:
            raise Unreachable
        with self.link.unit() as connection:
            yield connection
            if not self.committed:
                raise psycopg.OperationalError("before the COMMIT")
        raise psycopg.OperationalError("after the COMMIT")


@pytest.mark.parametrize(
    ("while_committing", "outcome"), [(True, "UNKNOWN"), (False, "NOT_APPLIED")]
)
def test_a_lost_commit_is_in_doubt(
    harness: LedgerHarness, monkeypatch: pytest.MonkeyPatch, while_committing: bool, outcome: str
) -> None:
    """Without a database nothing has changed, unless the answer to a COMMIT was lost."""
    monkeypatch.setattr(retry, "LOST_SECONDS", 0.0)
    monkeypatch.setattr(retry, "IN_DOUBT_SECONDS", 0.0)
    link: Any = Losing(harness.link, while_committing)
    if not while_committing:
        link.units = 1
    ledger = Ledger(link, harness.cache, harness.ids, harness.clock, LedgerTerms())
    call = harness.call(earn(1))
    ledger.execute([call])
    (refused,) = outcomes(call)
    assert isinstance(refused, StorageUnavailable)
    assert refused.facts == {"outcome": outcome}


@pytest.mark.parametrize("refusal", [Overloaded(), StorageUnavailable(), CallTooLarge()])
def test_what_is_refused_for_want_of_room_is_not_applied(refusal: Refusal) -> None:
    """Refusals that say nothing about what was asked say that nothing has changed."""
    assert refusal.facts["outcome"] == "NOT_APPLIED"


def test_of_many_failures_the_one_in_doubt_is_raised(
    harness: LedgerHarness,
    open_engine: Callable[..., EngineHarness],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A partial call of which nothing was decided is in doubt where any of its items is."""

    def execute(self: Ledger, calls: Any) -> Any:
        for call in calls:
            for place, group in enumerate(call.groups):
                group.fail(StorageUnavailable(in_doubt=place == 1))
        return self._round([], self._terms.locking)

    monkeypatch.setattr(Ledger, "execute", execute)
    engine_harness = open_engine()
    with pytest.raises(StorageUnavailable) as refused:
        run(engine_harness.engine.write(engine_harness.acme, [earn(1)] * 3, partial=True))
    assert refused.value.in_doubt

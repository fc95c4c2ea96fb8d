"""Work that takes too long: it fails alone, and what was decided along with it does not."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import DDL, func, select
from tests.support.service.engine_harness import EngineHarness, at_once, run
from tests.support.service.ledger_harness import (
    PROGRAM,
    START,
    LedgerHarness,
    earn,
    named,
    outcomes,
)

from points_grpc.domain.admin.commands import CreateProgram
from points_grpc.domain.queries import GetAccount, ListLots
from points_grpc.domain.results import Earned
from points_grpc.errors import CallTooLarge, StorageUnavailable
from points_grpc.service.admin.codecs import PROGRAM as PROGRAM_FORM
from points_grpc.service.admin.executor import AdminChange, AdminExecutor
from points_grpc.service.reads.listings.lister import Lister
from points_grpc.service.writes.gather import Locking
from points_grpc.service.writes.ledger import SLOW_MAX, Ledger, LedgerTerms
from points_grpc.storage.core.database import Connection, Database, Timeouts
from points_grpc.storage.core.db_errors import Fault, OutOfTime, fault_of

DAY = timedelta(days=1)
SHORT = Timeouts(statement=400)
LOTS = ListLots(PROGRAM, named("ann"), "PTS", page_size=10)

_SLEEP = """CREATE FUNCTION sleep_if_told() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
IF NEW.reference = 'slow' OR NEW.amount = 404 THEN PERFORM pg_sleep(30);
END IF;
RETURN NEW; END $$"""


@pytest.fixture
def slow_till(harness: LedgerHarness, open_ledger: Callable[..., LedgerHarness]) -> LedgerHarness:
    """A harness with a short statement_timeout, which rows with the reference `slow` run into.

    So do those of 404 points.
    """
    harness.look(lambda at: at.execute(DDL(_SLEEP)))
    trigger = "CREATE TRIGGER sleeps BEFORE INSERT ON transactions"
    each = "FOR EACH ROW EXECUTE FUNCTION sleep_if_told()"
    harness.look(lambda at: at.execute(DDL(f"{trigger} {each}")))
    return open_ledger(timeouts=SHORT)


def alone(harness: LedgerHarness) -> Ledger:
    """The ledger of a lane whose calls are decided one by one."""
    return harness.ledger_on(LedgerTerms(Locking.WAIT, lots_max=None))


SLOW = earn(1, reference="slow")


def test_a_batch_that_takes_too_long_is_handed_on(slow_till: LedgerHarness) -> None:
    """A ledger of many calls leaves such a batch to one that takes them one by one."""
    calls = [slow_till.call(earn(1, "bob")), slow_till.call(SLOW), slow_till.call(earn(2, "cyd"))]
    began = time.monotonic()
    leftover = slow_till.ledger.execute(calls)
    assert time.monotonic() - began < 5
    assert (leftover.oversized, leftover.locked_out) == (calls, [])
    for call in calls:
        alone(slow_till).execute([call])
    assert [type(*outcomes(call)) for call in calls] == [Earned, StorageUnavailable, Earned]


def test_a_large_group_that_takes_too_long_is_refused(slow_till: LedgerHarness) -> None:
    """Whoever asks for much at once, and for too much, is told to ask for less; nothing is kept."""
    call = slow_till.call(*(earn(1, f"m{n}") for n in range(32)), SLOW)
    alone(slow_till).execute([call])
    assert {type(outcome) for outcome in outcomes(call)} == {CallTooLarge}


def test_items_of_a_partial_call_are_slow_alone(slow_till: LedgerHarness) -> None:
    """In a call of many groups the slow one is found, and all others are kept."""
    commands = [earn(1, "bob"), SLOW, earn(2, "cyd"), earn(3, "bob")]
    call = slow_till.call(*commands, partial=True)
    assert alone(slow_till).execute([call]).oversized == []
    assert [type(o) for o in outcomes(call)] == [Earned, StorageUnavailable, Earned, Earned]


def test_a_call_runs_into_the_timeout_so_often_at_most(slow_till: LedgerHarness) -> None:
    """After three of its groups a call has held up the others of its lane for long enough."""
    commands = [*(SLOW,) * (SLOW_MAX + 3), earn(1, "bob")]
    call = slow_till.call(*commands, partial=True)
    began = time.monotonic()
    alone(slow_till).execute([call])
    assert time.monotonic() - began < (SLOW_MAX + 3) * SHORT.statement / 1000 + 2
    assert {type(outcome) for outcome in outcomes(call)} == {StorageUnavailable}


def test_one_slow_call_fails_no_other(
    slow_till: LedgerHarness, open_engine: Callable[..., EngineHarness]
) -> None:
    """Of many calls at once, in whatever batches, the slow one fails, and it alone."""
    engine_harness = open_engine(timeouts=SHORT)
    commands = [*(earn(1, f"m{n}") for n in range(20)), SLOW, *(earn(1, f"n{n}") for n in range(9))]
    results = run(at_once(*(engine_harness.do(command) for command in commands)))
    assert [type(r) for r in results] == [*(Earned,) * 20, StorageUnavailable, *(Earned,) * 9]


def test_one_slow_listing_fails_no_other(
    slow_till: LedgerHarness,
    open_engine: Callable[..., EngineHarness],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A listing or read that takes too long is refused alone; those of its batch are answered."""
    slow_till.do(earn(1))
    real = Lister.page

    def page(self: Lister, connection: Connection, caller: Any, listing: Any) -> Any:
        if listing.page_size == 7:
            connection.execute(select(func.pg_sleep(30)))
        return real(self, connection, caller, listing)

    monkeypatch.setattr(Lister, "page", page)
    engine_harness = open_engine(timeouts=SHORT)
    slow = ListLots(PROGRAM, named("ann"), "PTS", page_size=7)
    asked = [
        engine_harness.engine.list(engine_harness.acme, listing)
        for listing in (LOTS, slow, LOTS, LOTS)
    ]
    first, refused, *rest = run(at_once(*asked))
    assert isinstance(refused, CallTooLarge)
    assert [len(page.rows) for page in (first, *rest)] == [1, 1, 1]


def test_one_slow_account_holds_up_no_sweep(slow_till: LedgerHarness) -> None:
    """A sweep records all that it can; an account that takes too long is left to the next one."""
    for name, points in (("ann", 10), ("bob", 404), ("cyd", 10)):
        slow_till.execute(slow_till.call(earn(points - 1, name, policy="month")))
        slow_till.execute(slow_till.call(earn(1, name, policy="month")))
    slow_till.clock.set(START + 31 * DAY)
    swept = list(slow_till.sweeper.sweep())
    assert sorted(lapse.expired for one in swept for lapse in one.lapses) == [10, 10]
    assert [type(f) for one in swept for f in one.failures] == [CallTooLarge]


def test_a_slow_change_is_tried_once(database_url: str, harness: LedgerHarness) -> None:
    """An administrator's change that takes too long does not hold up the others five times."""
    database = Database(database_url, SHORT)
    desk = AdminExecutor(database, harness.clock)
    attempts: list[int] = []

    def decide(connection: Connection, now: Any) -> Any:
        attempts.append(1)
        connection.execute(select(func.pg_sleep(30)))
        return now()

    task = AdminChange(1, ("programs",), CreateProgram("", "UTC", 1), decide, PROGRAM_FORM)
    with pytest.raises(StorageUnavailable):
        run(desk.run(task))
    assert attempts == [1]
    desk.close()
    database.close()


def sleeps(connection: Connection, seconds: Sequence[float]) -> None:
    for part in seconds:
        connection.execute(select(func.pg_sleep(part)))


def fault(database_url: str, timeouts: Timeouts, work: Callable[[Connection], Any]) -> Any:
    """What kind of fault ends the work."""
    database = Database(database_url, timeouts)
    try:
        with pytest.raises(Exception) as raised:  # whatever it is
            database.run(work)
    finally:
        database.close()
    return raised.value, fault_of(raised.value)


def test_a_timeout_is_no_lost_database(harness: LedgerHarness, database_url: str) -> None:
    """A statement beyond statement_timeout is slow; one that an administrator cancels is lost."""
    _, kind = fault(database_url, SHORT, lambda at: sleeps(at, [30]))
    assert kind is Fault.SLOW
    cancel = select(func.pg_cancel_backend(func.pg_backend_pid()))
    _, kind = fault(database_url, SHORT, lambda at: at.execute(cancel))
    assert kind is Fault.LOST


def test_work_of_many_statements_is_slow_as_a_whole(
    harness: LedgerHarness, database_url: str
) -> None:
    """A unit of work that the watchdog ends before its COMMIT has changed nothing: it is slow."""
    error, kind = fault(
        database_url, Timeouts(statement=300, grace=100), lambda at: sleeps(at, [0.2] * 20)
    )
    assert (type(error), kind) == (OutOfTime, Fault.SLOW)


def test_reads_go_on_after_a_slow_one(
    slow_till: LedgerHarness, open_engine: Callable[..., EngineHarness]
) -> None:
    """The lanes' connections serve whoever comes after a timeout."""
    engine_harness = open_engine(timeouts=SHORT)

    async def story() -> int:
        with pytest.raises(StorageUnavailable):
            await engine_harness.do(SLOW)
        await engine_harness.do(earn(3))
        view = await engine_harness.engine.read(
            engine_harness.acme, GetAccount(PROGRAM, named("ann"), "PTS")
        )
        return int(view.available)

    assert run(story()) == 3

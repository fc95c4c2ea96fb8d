"""A machine with a wrong clock writes nothing, and an account of the future is left as it is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.support.service.engine_harness import EngineHarness, run
from tests.support.service.ledger_harness import PROGRAM, START, LedgerHarness, earn, redeem

from points_grpc.clock import TestClock
from points_grpc.domain.admin.commands import UpdateProgram
from points_grpc.errors import TimeInDoubt
from points_grpc.service.admin.programs import ProgramService
from points_grpc.service.shared.checked_clock import TRIES, CheckedClock, Difference
from points_grpc.service.transfer.importer.importer import JSON_LINES, Importer, ImportJob
from points_grpc.storage.core.database import Connection, Database
from points_grpc.storage.tables import accounts, transactions

FAR = timedelta(days=400)
SECOND = timedelta(seconds=1)


class Machine:
    """A machine's clock and a database's, and how long that takes to answer, in seconds."""

    def __init__(self, database: Database) -> None:
        self.ahead = timedelta()
        self.took = 0.0
        self.asked = 0
        self.set_meanwhile = timedelta()
        self._passed = 0.0
        self.clock = CheckedClock(database, self, read=self._read, monotonic=lambda: self._passed)

    def now(self) -> datetime:
        """The machine's time."""
        return START + timedelta(seconds=self._passed) + self.ahead

    def _read(self, _: Connection) -> datetime:
        self.asked += 1
        self._passed += self.took / 2
        shown = START + timedelta(seconds=self._passed)
        self._passed += self.took / 2
        self.ahead += self.set_meanwhile
        return shown


@pytest.fixture
def machine(harness: LedgerHarness) -> Machine:
    """A machine on the harness's database, whose clocks agree."""
    made = Machine(harness.database)
    made.clock.compare()
    made.asked = 0
    return made


@pytest.fixture
def engine_harness(machine: Machine, database_url: str) -> Iterator[EngineHarness]:
    """An engine that goes by the machine's clock."""
    opened = EngineHarness(database_url, machine.clock)
    yield opened
    opened.close()


def go(machine: Machine, ahead: timedelta) -> None:
    """Set the machine's clock and compare."""
    machine.ahead = ahead
    machine.clock.compare()


def facts(harness: LedgerHarness) -> list[Any]:
    """How much there is, and when each account was last written."""

    def look(at: Connection) -> list[Any]:
        count = at.execute(select(func.count()).select_from(transactions)).scalar_one()
        return [count, *at.execute(select(accounts.c.last_at).order_by(accounts.c.account_id))]

    return list(harness.look(look))


@pytest.mark.parametrize(
    ("ahead", "error", "wrong", "right"),
    [
        (2.0, 0.0, False, True),
        (2.001, 0.0, True, False),
        (-2.0, 0.0, False, True),
        (-2.001, 0.0, True, False),
        (1.5, 0.5, False, True),
        (1.5, 0.501, False, False),
        (2.5, 0.5, False, False),
        (2.501, 0.5, True, False),
        (-9.0, 7.0, False, False),
        (-9.0, 6.9, True, False),
    ],
)
def test_half_of_the_round_trip_is_in_doubt(
    ahead: float, error: float, wrong: bool, right: bool
) -> None:
    """Clocks differ, or agree, where that holds whenever the database has read its own."""
    found = Difference(ahead, error)
    assert (found.proves_wrong, found.proves_right) == (wrong, right)


@pytest.mark.parametrize("ahead", [FAR, -FAR, 3 * SECOND, -3 * SECOND])
def test_a_wrong_clock_tells_no_time_until_it_is_right(machine: Machine, ahead: timedelta) -> None:
    """A machine that is ahead or behind has no time to write by, and has it again by itself."""
    go(machine, timedelta())
    assert machine.clock.now() == START
    go(machine, ahead)
    side = "ahead of" if ahead > timedelta() else "behind"
    assert f"{abs(ahead.total_seconds()):.1f} s {side} the" in machine.clock.problem
    with pytest.raises(TimeInDoubt):
        machine.clock.now()
    go(machine, 2 * SECOND)
    assert machine.clock.now() == START + 2 * SECOND


@pytest.mark.parametrize("ahead", [timedelta(), 5 * SECOND])
def test_slow_answers_tell_nothing(machine: Machine, ahead: timedelta) -> None:
    """While answers take too long to tell, they are asked for again, and what was known stays."""
    go(machine, ahead)
    before, machine.asked, machine.took = machine.clock.problem, 0, 10.0
    go(machine, 4 * SECOND)
    assert (machine.clock.problem, machine.asked) == (before, TRIES)
    machine.took = 3.0
    go(machine, 4 * SECOND)
    assert machine.clock.problem


def test_a_slow_answer_that_tells_enough_counts(machine: Machine) -> None:
    """A difference larger than any round trip explains is one, however slow the answer."""
    machine.took = 10.0
    go(machine, FAR)
    assert machine.clock.problem


def test_a_clock_that_is_set_meanwhile_proves_nothing(machine: Machine) -> None:
    """A comparison during which the machine's clock was set is made again."""
    machine.set_meanwhile = 3 * SECOND
    go(machine, -3 * SECOND)
    assert (machine.clock.problem, machine.asked) == ("", TRIES)
    machine.set_meanwhile = timedelta()
    go(machine, -3 * SECOND)
    assert machine.clock.problem


def test_a_clock_that_was_never_compared_tells_no_time(harness: LedgerHarness) -> None:
    """Until the first comparison has told something nothing is written."""
    machine = Machine(harness.database)
    machine.took = 10.0
    for _ in range(2):
        with pytest.raises(TimeInDoubt):
            machine.clock.now()
        machine.clock.compare()
    machine.took = 0.0
    machine.clock.compare()
    assert machine.clock.now()


def test_a_database_that_is_away_changes_nothing(machine: Machine) -> None:
    """Where the database cannot be asked, what was known of the clocks stays."""
    go(machine, FAR)
    machine.clock._database = Database("postgresql+psycopg://u@127.0.0.1:1/p")
    with pytest.raises(Exception, match="cannot be reached"):
        go(machine, timedelta())
    assert machine.clock.problem


def test_an_engine_with_a_wrong_clock_reads_and_does_not_write(
    harness: LedgerHarness, machine: Machine, engine_harness: EngineHarness
) -> None:
    """Writes and previews are refused, and reads are answered, until the clocks agree."""
    harness.do(earn(100, policy="month"))
    before = facts(harness)
    go(machine, FAR)
    for more in ({}, {"validate_only": True}, {"partial": True}):
        with pytest.raises(TimeInDoubt):
            run(engine_harness.engine.write(engine_harness.acme, [redeem(1)], **more))
    assert run(engine_harness.available()) == 0  # by a clock at which all has lapsed
    assert facts(harness) == before
    go(machine, timedelta())
    assert run(engine_harness.available()) == 100
    assert run(engine_harness.do(redeem(1)))


def test_a_clock_that_is_found_wrong_later_refuses_the_batch(
    harness: LedgerHarness, machine: Machine
) -> None:
    """What waited in a lane is refused as a whole, each call for itself, and tried only once."""
    harness.do(earn(100))
    before = facts(harness)
    ledger = harness.ledger
    ledger._clock = machine.clock
    go(machine, FAR)
    calls = [harness.call(redeem(1)), harness.call(redeem(2))]
    ledger.execute(calls)
    failures = [group.failure for call in calls for group in call.groups]
    assert [type(failure) for failure in failures] == [TimeInDoubt] * 2
    assert failures[0] is not failures[1]
    assert facts(harness) == before


def test_administrators_wait_for_the_clock(harness: LedgerHarness, machine: Machine) -> None:
    """Changes of programs are refused by a wrong clock, too."""
    go(machine, FAR)
    harness.clock = machine.clock
    change = UpdateProgram(program_id=PROGRAM, name="New")
    with pytest.raises(TimeInDoubt):
        harness.administrate(lambda books, _: _changed(books, harness, change))


async def _changed(books: ProgramService, harness: LedgerHarness, change: UpdateProgram) -> Any:
    return await books.update_program(harness.acme, change)


def test_a_sweep_with_a_wrong_clock_ends_nothing(harness: LedgerHarness, machine: Machine) -> None:
    """A sweep at a time when all would have lapsed records nothing and forgets nothing."""
    harness.promise(7)
    harness.do(earn(100, policy="month"))
    before = facts(harness)
    harness.sweeper._clock = harness.sweeper._ledger._clock = machine.clock
    go(machine, FAR)
    for work in (lambda: list(harness.sweeper.sweep()), harness.sweeper.purge):
        with pytest.raises(TimeInDoubt):
            work()
    assert facts(harness) == before


def test_an_import_with_a_wrong_clock_writes_nothing(
    harness: LedgerHarness, machine: Machine, tmp_path: Path
) -> None:
    """An import whose machine's clock is found wrong stops before its next chunk."""
    before = facts(harness)
    importer = _importer(harness, machine, tmp_path)
    go(machine, FAR)
    with pytest.raises(TimeInDoubt):
        list(importer.run())
    importer.close()
    assert facts(harness) == before


def _importer(harness: LedgerHarness, machine: Machine, folder: Path) -> Importer:
    file = folder / "lots.jsonl"
    file.write_text(
        '{"external_id": "ann", "vendor_id": 7, "amount": "5", "currency": "PTS",'
        ' "earned_at": "2030-01-01T00:00:00Z"}\n'
    )
    order = ImportJob(file, JSON_LINES, 1, PROGRAM, folder / "report.csv", 1)
    return Importer(harness.database, machine.clock, order)


def _written_ahead(harness: LedgerHarness, by: timedelta) -> None:
    """Write an account as a server did whose clock was wrong."""
    harness.do(earn(100, policy="month", request_id="before"))
    harness.ledger._clock = TestClock(START + by)
    harness.do(earn(1))
    harness.do(earn(5, "bob"))


def test_an_account_of_the_future_is_not_moved_further(
    harness: LedgerHarness, machine: Machine, tmp_path: Path
) -> None:
    """An account that was last written far ahead is neither written, swept nor imported into."""
    _written_ahead(harness, timedelta(days=20))
    before = facts(harness)
    harness.ledger._clock = harness.sweeper._clock = harness.sweeper._ledger._clock = machine.clock
    assert isinstance(harness.refusal(redeem(1)), TimeInDoubt)
    assert harness.do(earn(100, policy="month", request_id="before")).replayed
    assert facts(harness) == before
    importer = _importer(harness, machine, tmp_path)
    assert [done.refused for done in importer.run()][-1] == 1
    importer.close()
    assert (
        "member: has an account that was last written in the future"
        in (tmp_path / "report.csv").read_text()
    )
    assert facts(harness) == before
    assert harness.do(earn(3, "carol"))  # others go on


def test_a_sweep_leaves_an_account_of_the_future(harness: LedgerHarness, machine: Machine) -> None:
    """A lot that is due by now is left to a later sweep where its account was written later."""
    harness.do(earn(100, policy="month"))
    harness.ledger._clock = TestClock(START + FAR)
    before = facts(harness)
    with harness.link.unit() as at:
        at.execute(accounts.update().where(accounts.c.tenant_id == 1).values(last_at=START + FAR))
    harness.sweeper._clock = harness.sweeper._ledger._clock = machine.clock
    machine.ahead = timedelta(days=60)
    found = list(harness.sweeper.sweep())
    assert [(chunk.lapses, chunk.skipped, chunk.failures) for chunk in found] == [((), 1, ())]
    assert facts(harness)[0] == before[0]


@pytest.mark.parametrize(("by", "refused"), [(5 * SECOND, False), (5.001 * SECOND, True)])
def test_servers_may_differ_by_what_is_tolerated(
    harness: LedgerHarness, machine: Machine, by: timedelta, refused: bool
) -> None:
    """An account that a server wrote whose clock is ahead as far as it may be is written."""
    _written_ahead(harness, by)
    harness.ledger._clock = machine.clock
    if refused:
        assert isinstance(harness.refusal(redeem(1)), TimeInDoubt)
    else:
        assert harness.do(redeem(1))


def test_a_test_clock_is_not_checked(harness: LedgerHarness) -> None:
    """Under a test clock that has gone back an account is written at the time it had."""
    _written_ahead(harness, FAR)
    harness.ledger._clock = TestClock(START)
    assert harness.do(redeem(1)).transaction.effective_at >= START + FAR

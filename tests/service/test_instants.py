"""The instant of a decision: it is taken once the accounts are locked, whatever came before."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from branch import locked, run, until_blocked
from sqlalchemy import select
from till import IDLE_DAYS, PROGRAM, START, Till, approve, earn, expire, move, redeem, update_status

from points_grpc.clock import TestClock
from points_grpc.domain.admin.commands import UpdateProgram
from points_grpc.domain.model import LotState, TransactionType
from points_grpc.domain.policy import InDays
from points_grpc.errors import InsufficientPoints, LotNotLive, TransactionNotOpen
from points_grpc.service.transfer.importer.importer import JSON_LINES, Importer, ImportJob
from points_grpc.service.transfer.importer.lookup import Finder
from points_grpc.service.writes.gather import Gatherer
from points_grpc.storage.admin import programs
from points_grpc.storage.ledger import accounts as stored_accounts
from points_grpc.storage.tables import transactions

DAY = timedelta(days=1)
EXPIRY = START + 30 * DAY
"""When lots under the policy `month` lapse that were earned at START."""

BEFORE = EXPIRY - timedelta(seconds=1)


class MovedClock(TestClock):
    """A clock that counts how often it was read."""

    reads = 0

    def now(self) -> datetime:
        """The instant, and one reading more."""
        self.reads += 1
        return super().now()


def waiting(till: Till, account_id: int, work: Callable[[], Any], to: datetime = EXPIRY) -> Any:
    """What `work` returns that waits for the account's lock while the clock moves on."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    with locked(till.database, account_id):
        thread.start()
        run(until_blocked(till, 1))
        till.clock.set(to)
    thread.join(20)
    (result,) = results
    return result


def patiently(till: Till, command: Any) -> Callable[[], Any]:
    """Has the command decided by a ledger that waits; its answer or its failure."""

    def execute() -> Any:
        call = till.call(command)
        till.patient.execute([call])
        (group,) = call.groups
        return group.failure or group.results[0]

    return execute


def due(till: Till, **more: Any) -> Any:
    """A lot of 100 points that lapses at EXPIRY, a second before that."""
    earned = till.do(earn(100, policy="month", **more))
    till.clock.set(BEFORE)
    return earned


def account_of(earned: Any) -> int:
    return int(earned.account.owner.account_id)


def test_points_that_expire_while_a_lock_is_waited_for_cannot_be_spent(till: Till) -> None:
    """A Redeem that waits for its account from before an expiry to after it is refused."""
    earned = due(till)
    outcome = waiting(till, account_of(earned), patiently(till, redeem(1)))
    assert isinstance(outcome, InsufficientPoints)
    assert till.account().available == 0


def test_points_that_are_live_after_the_wait_are_spent(till: Till) -> None:
    """A Redeem that gets its lock a moment before the expiry is carried out."""
    earned = due(till)
    to = EXPIRY - timedelta(microseconds=1)
    outcome = waiting(till, account_of(earned), patiently(till, redeem(1)), to)
    assert outcome.transaction.created_at == to


def test_an_expire_settles_what_is_left_after_the_wait(till: Till) -> None:
    """An Expire that waits beyond the expiry finds nothing; the lapse is what took the points."""
    earned = due(till)
    outcome = waiting(till, account_of(earned), patiently(till, expire(5)))
    assert (outcome.settled, outcome.account.total_expired) == (0, 100)


def test_an_expiry_cannot_be_moved_after_it_has_come(till: Till) -> None:
    """An UpdateExpiry that waits beyond the lot's expiry is refused: the lot has lapsed."""
    earned = due(till)
    later = patiently(till, move(earned, EXPIRY + 9 * DAY))
    assert isinstance(waiting(till, account_of(earned), later), LotNotLive)


def test_days_count_from_the_instant_of_the_decision(till: Till) -> None:
    """`days: n` counts from the day on which the lock was granted, not from the one before."""
    earned = till.do(earn(100))
    moved = waiting(till, account_of(earned), patiently(till, move(earned, InDays(3))), START + DAY)
    assert moved.change.new_expires_at.date() == (START + 4 * DAY).date()


@pytest.mark.parametrize("by", [approve, lambda lot: update_status(lot, LotState.PENDING)])
def test_a_promise_that_expires_during_the_wait_is_closed(till: Till, by: Any) -> None:
    """A state cannot be moved after the unapproved lot's expiry, which has closed it."""
    earned = due(till, initial_state=LotState.OPEN)
    outcome = waiting(till, account_of(earned), patiently(till, by(earned)))
    assert isinstance(outcome, TransactionNotOpen)
    assert outcome.facts["state"] == "CLOSED"


def test_an_earn_is_dated_after_the_wait(till: Till) -> None:
    """An Earn happens when its account was locked, and may be for anything up to then."""
    earned = due(till)
    command = earn(7, earn_at=EXPIRY, request_id="r")
    outcome = waiting(till, account_of(earned), patiently(till, command))
    assert outcome.transaction.created_at == outcome.lot.earned_at == EXPIRY
    assert (outcome.account.available, outcome.account.total_expired) == (7, 100)


@pytest.fixture
def after_locks(till: Till, monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Has the clock pass while the next locks are being asked for."""

    def pass_to(at: datetime) -> None:
        ask_locks = Gatherer.ask_locks

        def ask(*args: Any) -> None:
            till.clock.set(at)
            ask_locks(*args)

        monkeypatch.setattr(Gatherer, "ask_locks", ask)

    return pass_to


def test_previews_and_new_accounts_have_the_instant_of_the_batch(
    till: Till, after_locks: Callable[[datetime], None]
) -> None:
    """What is due is looked for, and a new account dated, by the instant after the locks."""
    due(till)
    after_locks(EXPIRY)
    (preview,) = till.preview(redeem(1))
    assert isinstance(preview, InsufficientPoints)
    fresh, spent = till.call(earn(1, "new")), till.call(redeem(1))
    till.ledger.execute([fresh, spent])
    (answer,) = fresh.groups[0].results
    assert answer.account.created_at == answer.transaction.created_at == EXPIRY
    assert isinstance(spent.groups[0].failure, InsufficientPoints)


def test_a_batch_has_one_instant(till: Till) -> None:
    """All commands of a batch are decided at the same instant, read once."""
    till.do(earn(1))
    clock = MovedClock(START)
    ledger = till.ledger_on(till.ledger._terms)
    ledger._clock = clock
    ledger.execute([till.call(earn(1)), till.call(earn(1, "bob")), till.call(redeem(1))])
    assert clock.reads == 2  # the other one dates the id of the unit of work


@pytest.fixture
def locks_pass(till: Till, monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Has the clock pass while the next accounts are being locked by those who lock directly."""

    def pass_to(at: datetime) -> None:
        lock = stored_accounts.lock

        def lock_then(*args: Any, **more: Any) -> Any:
            till.clock.set(at)
            return lock(*args, **more)

        monkeypatch.setattr(stored_accounts, "lock", lock_then)

    return pass_to


def test_a_sweep_records_what_has_lapsed_when_it_has_the_locks(
    till: Till, locks_pass: Callable[[datetime], None]
) -> None:
    """Lapses by statement are told by the instant after the locks, of which they are dated."""
    till.do(earn(1, expiration=InDays(1)))
    till.do(earn(10, policy="month"))
    till.clock.set(START + 3 * DAY)
    locks_pass(EXPIRY)
    (swept,) = till.sweeper.sweep()
    assert [(lapse.lots, lapse.expired) for lapse in swept.lapses] == [(2, 11)]
    rows = select(transactions.c.created_at).where(transactions.c.type == TransactionType.EXPIRE)
    assert till.look(lambda at: at.scalars(rows).all()) == [EXPIRY, EXPIRY]


def test_a_sweep_by_the_core_has_the_instant_after_its_locks(
    till: Till, after_locks: Callable[[datetime], None]
) -> None:
    """Lapses of accounts that follow their activity are told by the instant after the locks."""
    till.do(earn(1, expiration=InDays(1)))
    till.do(earn(10, policy="idle"))
    till.clock.set(START + 3 * DAY)
    after_locks(START + (IDLE_DAYS + 1) * DAY)
    (swept,) = till.sweeper.sweep()
    assert [(lapse.lots, lapse.expired) for lapse in swept.lapses] == [(2, 11)]


def test_a_change_of_a_program_is_dated_after_the_wait(till: Till) -> None:
    """An administrator's change that waits for another has the later instant of the two."""

    async def rename(book: Any, _: Any) -> Any:
        return (await book.update_program(till.acme, UpdateProgram(PROGRAM, name="Klub"))).answer

    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(till.administrate(rename)))
    link = till.database.link()
    with link.unit() as connection:
        assert programs.lock(connection, till.acme.tenant_id, PROGRAM)
        thread.start()
        run(until_blocked(till, 1))
        till.clock.set(EXPIRY)
    thread.join(20)
    link.close()
    assert results[0].updated_at == EXPIRY


def import_of(till: Till, folder: Path, *rows: dict[str, Any]) -> Any:
    """Import the rows, two to a chunk; what became of them."""
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    order = ImportJob(path, JSON_LINES, 1, PROGRAM, folder / "refused.csv", 2)
    importer = Importer(till.database, till.clock, order)
    try:
        (*_, done) = importer.run()
    finally:
        importer.close()
    return done


@pytest.mark.parametrize("past", [0, 1])
def test_an_import_revives_nothing_that_lapses_during_the_wait(
    till: Till, tmp_path: Path, past: int
) -> None:
    """A chunk whose account is locked beyond a lapse lets that come first, and not before it."""
    earned = till.do(earn(100, policy="idle"))
    lapse = START + IDLE_DAYS * DAY
    till.clock.set(lapse - DAY)
    at = (lapse - 2 * DAY).isoformat()
    row = {"external_id": "ann", "vendor_id": 1, "amount": 10, "earned_at": at}
    to = lapse + (past - 1) * timedelta(microseconds=1)
    done = waiting(till, account_of(earned), lambda: import_of(till, tmp_path, row), to)
    assert done.imported == 1
    till.clock.set(lapse + DAY)
    assert till.account().total_expired == (100 if past else 0)


def test_rows_that_wait_for_an_account_are_dated_after_it(
    till: Till, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chunk that has to be prepared again has the instant after its accounts' locks."""
    earned = till.do(earn(100))
    find = Finder.find_accounts
    seen: list[bool] = []

    def find_then(self: Any, pairs: Any, clock: Any, lock: bool) -> Any:
        if not lock:
            found = find(self, pairs, clock, lock)
            till.do(earn(1))  # what was prepared is void
            return found
        seen.append(lock)
        return waiting(till, account_of(earned), lambda: find(self, pairs, clock, lock))

    monkeypatch.setattr(Finder, "find_accounts", find_then)
    row = {"external_id": "ann", "vendor_id": 1, "amount": 10, "earned_at": "2031-01-02"}
    assert import_of(till, tmp_path, row).imported == 1
    assert seen
    of_file = select(transactions.c.created_at).where(transactions.c.amount == 10)
    assert till.look(lambda at: at.scalar(of_file)) == EXPIRY


def test_a_read_is_as_of_its_snapshot(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that takes long to begin shows nothing that has lapsed when its snapshot is there."""
    due(till)
    read = stored_accounts.read

    def read_then(*args: Any) -> Any:
        till.clock.set(EXPIRY)
        return read(*args)

    monkeypatch.setattr(stored_accounts, "read", read_then)
    assert till.account().available == 0

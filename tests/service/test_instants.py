"""The instant of a decision: it is taken once the accounts are locked, whatever came before."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.support.service.engine_harness import locked, run, until_blocked
from tests.support.service.ledger_harness import (
    IDLE_DAYS,
    PROGRAM,
    START,
    LedgerHarness,
    approve,
    earn,
    expire,
    move,
    redeem,
    update_status,
)

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


def waiting(
    harness: LedgerHarness, account_id: int, work: Callable[[], Any], to: datetime = EXPIRY
) -> Any:
    """What `work` returns that waits for the account's lock while the clock moves on."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    with locked(harness.database, account_id):
        thread.start()
        run(until_blocked(harness, 1))
        harness.clock.set(to)
    thread.join(20)
    (result,) = results
    return result


def patiently(harness: LedgerHarness, command: Any) -> Callable[[], Any]:
    """Has the command decided by a ledger that waits; its answer or its failure."""

    def execute() -> Any:
        call = harness.call(command)
        harness.patient.execute([call])
        (group,) = call.groups
        return group.failure or group.results[0]

    return execute


def due(harness: LedgerHarness, **more: Any) -> Any:
    """A lot of 100 points that lapses at EXPIRY, a second before that."""
    earned = harness.do(earn(100, policy="month", **more))
    harness.clock.set(BEFORE)
    return earned


def account_of(earned: Any) -> int:
    return int(earned.account.owner.account_id)


def test_points_that_expire_while_a_lock_is_waited_for_cannot_be_spent(
    harness: LedgerHarness,
) -> None:
    """A Redeem that waits for its account from before an expiry to after it is refused."""
    earned = due(harness)
    outcome = waiting(harness, account_of(earned), patiently(harness, redeem(1)))
    assert isinstance(outcome, InsufficientPoints)
    assert harness.account().available == 0


def test_points_that_are_live_after_the_wait_are_spent(harness: LedgerHarness) -> None:
    """A Redeem that gets its lock a moment before the expiry is carried out."""
    earned = due(harness)
    to = EXPIRY - timedelta(microseconds=1)
    outcome = waiting(harness, account_of(earned), patiently(harness, redeem(1)), to)
    assert outcome.transaction.created_at == to


def test_an_expire_settles_what_is_left_after_the_wait(harness: LedgerHarness) -> None:
    """An Expire that waits beyond the expiry finds nothing; the lapse is what took the points."""
    earned = due(harness)
    outcome = waiting(harness, account_of(earned), patiently(harness, expire(5)))
    assert (outcome.settled, outcome.account.total_expired) == (0, 100)


def test_an_expiry_cannot_be_moved_after_it_has_come(harness: LedgerHarness) -> None:
    """An UpdateExpiry that waits beyond the lot's expiry is refused: the lot has lapsed."""
    earned = due(harness)
    later = patiently(harness, move(earned, EXPIRY + 9 * DAY))
    assert isinstance(waiting(harness, account_of(earned), later), LotNotLive)


def test_days_count_from_the_instant_of_the_decision(harness: LedgerHarness) -> None:
    """`days: n` counts from the day on which the lock was granted, not from the one before."""
    earned = harness.do(earn(100))
    moved = waiting(
        harness, account_of(earned), patiently(harness, move(earned, InDays(3))), START + DAY
    )
    assert moved.change.new_expires_at.date() == (START + 4 * DAY).date()


@pytest.mark.parametrize("by", [approve, lambda lot: update_status(lot, LotState.PENDING)])
def test_a_promise_that_expires_during_the_wait_is_closed(harness: LedgerHarness, by: Any) -> None:
    """A state cannot be moved after the unapproved lot's expiry, which has closed it."""
    earned = due(harness, initial_state=LotState.OPEN)
    outcome = waiting(harness, account_of(earned), patiently(harness, by(earned)))
    assert isinstance(outcome, TransactionNotOpen)
    assert outcome.facts["state"] == "CLOSED"


def test_an_earn_is_dated_after_the_wait(harness: LedgerHarness) -> None:
    """An Earn happens when its account was locked, and may be for anything up to then."""
    earned = due(harness)
    command = earn(7, earn_at=EXPIRY, request_id="r")
    outcome = waiting(harness, account_of(earned), patiently(harness, command))
    assert outcome.transaction.created_at == outcome.lot.earned_at == EXPIRY
    assert (outcome.account.available, outcome.account.total_expired) == (7, 100)


@pytest.fixture
def after_locks(
    harness: LedgerHarness, monkeypatch: pytest.MonkeyPatch
) -> Callable[[datetime], None]:
    """Has the clock pass while the next locks are being asked for."""

    def pass_to(at: datetime) -> None:
        ask_locks = Gatherer.ask_locks

        def ask(*args: Any) -> None:
            harness.clock.set(at)
            ask_locks(*args)

        monkeypatch.setattr(Gatherer, "ask_locks", ask)

    return pass_to


def test_previews_and_new_accounts_have_the_instant_of_the_batch(
    harness: LedgerHarness, after_locks: Callable[[datetime], None]
) -> None:
    """What is due is looked for, and a new account dated, by the instant after the locks."""
    due(harness)
    after_locks(EXPIRY)
    (preview,) = harness.preview(redeem(1))
    assert isinstance(preview, InsufficientPoints)
    fresh, spent = harness.call(earn(1, "new")), harness.call(redeem(1))
    harness.ledger.execute([fresh, spent])
    (answer,) = fresh.groups[0].results
    assert answer.account.created_at == answer.transaction.created_at == EXPIRY
    assert isinstance(spent.groups[0].failure, InsufficientPoints)


def test_a_batch_has_one_instant(harness: LedgerHarness) -> None:
    """All commands of a batch are decided at the same instant, read once."""
    harness.do(earn(1))
    clock = MovedClock(START)
    ledger = harness.ledger_on(harness.ledger._terms)
    ledger._clock = clock
    ledger.execute([harness.call(earn(1)), harness.call(earn(1, "bob")), harness.call(redeem(1))])
    assert clock.reads == 2  # the other one dates the id of the unit of work


@pytest.fixture
def locks_pass(
    harness: LedgerHarness, monkeypatch: pytest.MonkeyPatch
) -> Callable[[datetime], None]:
    """Has the clock pass while the next accounts are being locked by those who lock directly."""

    def pass_to(at: datetime) -> None:
        lock = stored_accounts.lock

        def lock_then(*args: Any, **more: Any) -> Any:
            harness.clock.set(at)
            return lock(*args, **more)

        monkeypatch.setattr(stored_accounts, "lock", lock_then)

    return pass_to


def test_a_sweep_records_what_has_lapsed_when_it_has_the_locks(
    harness: LedgerHarness, locks_pass: Callable[[datetime], None]
) -> None:
    """Lapses by statement are told by the instant after the locks, of which they are dated."""
    harness.do(earn(1, expiration=InDays(1)))
    harness.do(earn(10, policy="month"))
    harness.clock.set(START + 3 * DAY)
    locks_pass(EXPIRY)
    (swept,) = harness.sweeper.sweep()
    assert [(lapse.lots, lapse.expired) for lapse in swept.lapses] == [(2, 11)]
    rows = select(transactions.c.created_at).where(transactions.c.type == TransactionType.EXPIRE)
    assert harness.look(lambda at: at.scalars(rows).all()) == [EXPIRY, EXPIRY]


def test_a_sweep_by_the_core_has_the_instant_after_its_locks(
    harness: LedgerHarness, after_locks: Callable[[datetime], None]
) -> None:
    """Lapses of accounts that follow their activity are told by the instant after the locks."""
    harness.do(earn(1, expiration=InDays(1)))
    harness.do(earn(10, policy="idle"))
    harness.clock.set(START + 3 * DAY)
    after_locks(START + (IDLE_DAYS + 1) * DAY)
    (swept,) = harness.sweeper.sweep()
    assert [(lapse.lots, lapse.expired) for lapse in swept.lapses] == [(2, 11)]


def test_a_change_of_a_program_is_dated_after_the_wait(harness: LedgerHarness) -> None:
    """An administrator's change that waits for another has the later instant of the two."""

    async def rename(book: Any, _: Any) -> Any:
        return (await book.update_program(harness.acme, UpdateProgram(PROGRAM, name="Klub"))).answer

    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(harness.administrate(rename)))
    link = harness.database.link()
    with link.unit() as connection:
        assert programs.lock(connection, harness.acme.tenant_id, PROGRAM)
        thread.start()
        run(until_blocked(harness, 1))
        harness.clock.set(EXPIRY)
    thread.join(20)
    link.close()
    assert results[0].updated_at == EXPIRY


def import_of(harness: LedgerHarness, folder: Path, *rows: dict[str, Any]) -> Any:
    """Import the rows, two to a chunk; what became of them."""
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    order = ImportJob(path, JSON_LINES, 1, PROGRAM, folder / "refused.csv", 2)
    importer = Importer(harness.database, harness.clock, order)
    try:
        (*_, done) = importer.run()
    finally:
        importer.close()
    return done


@pytest.mark.parametrize("past", [0, 1])
def test_an_import_revives_nothing_that_lapses_during_the_wait(
    harness: LedgerHarness, tmp_path: Path, past: int
) -> None:
    """A chunk whose account is locked beyond a lapse lets that come first, and not before it."""
    earned = harness.do(earn(100, policy="idle"))
    lapse = START + IDLE_DAYS * DAY
    harness.clock.set(lapse - DAY)
    at = (lapse - 2 * DAY).isoformat()
    row = {"external_id": "ann", "vendor_id": 1, "amount": 10, "earned_at": at}
    to = lapse + (past - 1) * timedelta(microseconds=1)
    done = waiting(harness, account_of(earned), lambda: import_of(harness, tmp_path, row), to)
    assert done.imported == 1
    harness.clock.set(lapse + DAY)
    assert harness.account().total_expired == (100 if past else 0)


def test_rows_that_wait_for_an_account_are_dated_after_it(
    harness: LedgerHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chunk that has to be prepared again has the instant after its accounts' locks."""
    earned = harness.do(earn(100))
    find = Finder.find_accounts
    seen: list[bool] = []

    def find_then(self: Any, pairs: Any, clock: Any, lock: bool) -> Any:
        if not lock:
            found = find(self, pairs, clock, lock)
            harness.do(earn(1))  # what was prepared is void
            return found
        seen.append(lock)
        return waiting(harness, account_of(earned), lambda: find(self, pairs, clock, lock))

    monkeypatch.setattr(Finder, "find_accounts", find_then)
    row = {"external_id": "ann", "vendor_id": 1, "amount": 10, "earned_at": "2031-01-02"}
    assert import_of(harness, tmp_path, row).imported == 1
    assert seen
    of_file = select(transactions.c.created_at).where(transactions.c.amount == 10)
    assert harness.look(lambda at: at.scalar(of_file)) == EXPIRY


def test_a_read_is_as_of_its_snapshot(
    harness: LedgerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read that takes long to begin shows nothing that has lapsed when its snapshot is there."""
    due(harness)
    read = stored_accounts.read

    def read_then(*args: Any) -> Any:
        harness.clock.set(EXPIRY)
        return read(*args)

    monkeypatch.setattr(stored_accounts, "read", read_then)
    assert harness.account().available == 0

"""Sums over lots and transactions, and the plans of everything that only reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from points_grpc.domain.as_of import FixedLots
from points_grpc.domain.model import AwardKind, LotState, TransactionType
from points_grpc.domain.schedule import InactivityLots, MonthSums
from points_grpc.domain.state import Account, Allocation, ExpiryChange, Lot, Transaction
from points_grpc.storage.core.database import Database
from points_grpc.storage.ledger import accounts, expiry_changes, lots, transactions
from points_grpc.storage.reads import change_pages, lot_pages, schedules, transaction_pages

START = datetime(2031, 1, 1, tzinfo=UTC)
NOW = datetime(2031, 6, 15, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
ONE = 2**46 + 64
TWO = ONE + 1
RULE = 5


class ScheduleRows:
    """Writes rows as they are told, without any rules."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._number = 2**41

    def new_id(self, account_id: int) -> int:
        """An id in the account's bucket."""
        self._number += 1
        return self._number * 64 + account_id % 64

    def lot(self, account_id: int = ONE, tenant_id: int = 1, **values: Any) -> Lot:
        """A lot of 10 that nothing was taken from, approved, without an expiry."""
        fields: dict[str, Any] = {
            "lot_id": self.new_id(account_id),
            "account_id": account_id,
            "member_id": account_id,
            "currency_id": 7,
            "vendor_id": 0,
            "kind": AwardKind.POINT_AWARDED,
            "state": LotState.APPROVED,
            "policy_version_id": 1,
            "rule": 0,
            "priority": 0,
            "amount": 10,
            "remaining": 10,
            "earned_at": START,
            "expires_at": None,
            "state_at": START,
        }
        lot = Lot(**fields | values)
        lots.insert(self.connection, [(tenant_id, lot)])
        return lot

    def transaction(
        self, kind: TransactionType, at: datetime, account_id: int = ONE, **values: Any
    ) -> Transaction:
        """A transaction of 10 that took effect at an instant."""
        number = self.new_id(account_id)
        fields: dict[str, Any] = {
            "transaction_id": number,
            "account_id": account_id,
            "currency_id": 7,
            "version": number,
            "type": kind,
            "amount": 10,
            "available_after": 0,
            "pending_after": 0,
            "held_after": 0,
            "principal": "anna",
            "effective_at": at,
            "created_at": at,
        }
        row = Transaction(**fields | values)
        transactions.insert(self.connection, [(1, row)])
        return row


@pytest.fixture
def schedule_rows(database: Database) -> Iterator[ScheduleRows]:
    """A desk over a fresh database."""
    link = database.link()
    with link.unit() as connection:
        yield ScheduleRows(connection)
    link.close()


def fixed(schedule_rows: ScheduleRows, tenant_id: int = 1, now: datetime = NOW) -> FixedLots | None:
    """How the fixed lots of the first account stand."""
    asked = [(tenant_id, ONE, state, now) for state in LotState]
    return schedules.fixed_lots(asked).run(schedule_rows.connection).get(ONE)


def test_a_lot_has_lapsed_from_its_expiry_on(schedule_rows: ScheduleRows) -> None:
    """A lot that expires now is due, one that expires a microsecond later is live."""
    schedule_rows.lot(expires_at=NOW, remaining=4, redeemed=6)
    schedule_rows.lot(expires_at=NOW + TICK)
    assert fixed(schedule_rows) == FixedLots(lapsed=4, next_expires_at=NOW + TICK)


def test_unapproved_lots_stand_apart(schedule_rows: ScheduleRows) -> None:
    """What is due of open and pending lots is counted by itself, and they are no next expiry."""
    for state in (LotState.OPEN, LotState.PENDING):
        schedule_rows.lot(expires_at=NOW, state=state)
        schedule_rows.lot(expires_at=NOW + DAY, state=state)
    schedule_rows.lot(expires_at=NOW, state=LotState.CLOSED, remaining=0)
    assert fixed(schedule_rows) == FixedLots(lapsed_pending=20)


def test_finished_and_other_lots_do_not_stand(schedule_rows: ScheduleRows) -> None:
    """Used-up lots, lots without a date, other accounts and other tenants count nothing."""
    schedule_rows.lot(expires_at=NOW, remaining=0, redeemed=10)
    schedule_rows.lot(expires_at=NOW + DAY, remaining=0, expired=10)
    schedule_rows.lot()
    schedule_rows.lot(rule=RULE)
    schedule_rows.lot(TWO, expires_at=NOW)
    schedule_rows.lot(tenant_id=2, expires_at=NOW)
    assert fixed(schedule_rows) == FixedLots()
    assert fixed(schedule_rows, tenant_id=2) == FixedLots(lapsed=10)


def test_a_period_is_half_open(schedule_rows: ScheduleRows) -> None:
    """A period counts lots from its start up to, and without, its end."""
    for at in (NOW - TICK, NOW, NOW + DAY - TICK, NOW + DAY):
        schedule_rows.lot(expires_at=at)
    schedule_rows.lot(expires_at=NOW, state=LotState.PENDING)
    schedule_rows.lot(expires_at=NOW, remaining=0, redeemed=10)
    schedule_rows.lot(tenant_id=2, expires_at=NOW)
    periods = [(0, 1, ONE, NOW, NOW + DAY), (1, 1, ONE, NOW + DAY, NOW + 2 * DAY)]
    periods += [(2, 1, TWO, NOW, NOW + DAY), (3, 2, ONE, NOW, NOW + DAY)]
    found = schedules.expiring(periods).run(schedule_rows.connection)
    assert found == {0: (20, 2), 1: (10, 1), 3: (10, 1)}


def test_inactivity_lots_count_from_the_later_of_earn_and_activity(
    schedule_rows: ScheduleRows,
) -> None:
    """Lots earned before the activity count from it together, later ones from their earn."""
    for at in (START, NOW - TICK, NOW):
        schedule_rows.lot(rule=RULE, earned_at=at)
    schedule_rows.lot(rule=RULE, earned_at=NOW + DAY, remaining=3, redeemed=7)
    schedule_rows.lot(rule=RULE, earned_at=NOW + DAY, state=LotState.PENDING)
    schedule_rows.lot(rule=RULE, remaining=0, redeemed=10)
    schedule_rows.lot(rule=RULE + 1)
    schedule_rows.lot(tenant_id=2, rule=RULE)
    rules = [
        (1, account_id, state, rule, at)
        for account_id, rule, at in ((ONE, RULE, NOW), (ONE, RULE + 1, None), (TWO, RULE, None))
        for state in (LotState.PENDING, LotState.APPROVED)
    ]
    found = schedules.inactivity_lots(rules).run(schedule_rows.connection)
    assert set(found) == {ONE}
    assert set(found[ONE]) == {
        InactivityLots(RULE, True, NOW, 30, 3),
        InactivityLots(RULE, True, NOW + DAY, 3, 1),
        InactivityLots(RULE, False, NOW + DAY, 10, 1),
        InactivityLots(RULE + 1, True, START, 10, 1),
    }


def sums(schedule_rows: ScheduleRows, now: datetime = NOW) -> MonthSums:
    """The first account's figures of the day that begins at NOW."""
    found = schedules.months(schedule_rows.connection, [(0, 0, 1, ONE, now, NOW, NOW + DAY)])
    return found.get(0, {}).get(0, MonthSums())


def test_a_months_lots_are_those_whose_expiry_lies_in_it(schedule_rows: ScheduleRows) -> None:
    """Live remainders, redemptions and the latest expiry are those of the month's own lots."""
    schedule_rows.lot(expires_at=NOW, remaining=6, redeemed=4)
    schedule_rows.lot(expires_at=NOW + DAY - TICK, remaining=0, redeemed=10)
    schedule_rows.lot(expires_at=NOW + DAY - TICK, state=LotState.PENDING)
    schedule_rows.lot(expires_at=NOW - TICK)
    schedule_rows.lot(expires_at=NOW + DAY)
    schedule_rows.lot(expires_at=NOW, rule=RULE, remaining=0, expired=10, lapse_id=1)
    schedule_rows.lot(tenant_id=2, expires_at=NOW)
    before = sums(schedule_rows, NOW - TICK)
    assert before == MonthSums(0, 6, 0, 14, NOW + DAY - TICK)
    assert sums(schedule_rows, NOW) == MonthSums(6, 0, 0, 14, NOW + DAY - TICK)


def test_a_months_transactions_are_those_that_took_effect_in_it(
    schedule_rows: ScheduleRows,
) -> None:
    """Expiries and redemptions count by when they took effect, other types not at all."""
    for kind in TransactionType:
        for at in (NOW - TICK, NOW, NOW + DAY - TICK, NOW + DAY):
            schedule_rows.transaction(kind, at)
    schedule_rows.transaction(TransactionType.EXPIRE, NOW, TWO)
    assert sums(schedule_rows) == MonthSums(expired=20, redeemed=20)


def test_a_reversal_counts_against_what_it_undoes(schedule_rows: ScheduleRows) -> None:
    """A REVERSE lowers what was expired or redeemed, whichever it undoes."""
    lapse = schedule_rows.transaction(TransactionType.EXPIRE, NOW)
    spent = schedule_rows.transaction(TransactionType.REDEEM, NOW)
    for undone, amount in ((lapse, 3), (spent, 4)):
        schedule_rows.transaction(
            TransactionType.REVERSE, NOW, amount=amount, related_id=undone.transaction_id
        )
    assert sums(schedule_rows) == MonthSums(expired=7, redeemed=6)


# Plans


def fill(schedule_rows: ScheduleRows) -> None:
    """A few thousand rows of every fact table, and what the planner knows of them."""
    new_lots, new_rows, parts, changes, owners = [], [], [], [], []
    for place in range(300):
        account_id = ONE + place
        for turn in range(12):
            lot_id, event_id = schedule_rows.new_id(account_id), schedule_rows.new_id(account_id)
            at = START + turn * 20 * DAY
            finished = turn < 9
            new_lots.append(
                Lot(
                    lot_id=lot_id,
                    account_id=account_id,
                    member_id=account_id,
                    currency_id=7,
                    vendor_id=turn + 1,
                    kind=AwardKind.POINT_AWARDED,
                    state=LotState.APPROVED,
                    policy_version_id=1,
                    rule=RULE if turn % 4 == 3 else 0,
                    priority=0,
                    amount=10,
                    remaining=0 if finished else 10,
                    redeemed=10 if finished else 0,
                    earned_at=at,
                    expires_at=None if turn % 4 == 3 else at + 100 * DAY,
                    state_at=at,
                )
            )
            for step, kind in enumerate((TransactionType.EARN, TransactionType.REDEEM)):
                new_rows.append(
                    Transaction(
                        transaction_id=schedule_rows.new_id(account_id) if step else lot_id,
                        account_id=account_id,
                        currency_id=7,
                        version=3 * turn + step,
                        type=kind,
                        amount=10 + place,
                        available_after=0,
                        pending_after=0,
                        held_after=0,
                        principal="anna",
                        effective_at=at,
                        created_at=at,
                        reference=f"order-{place}-{turn}" if kind is TransactionType.EARN else "",
                    )
                )
            parts.append(Allocation(new_rows[-1].transaction_id, lot_id, 10))
            changes.append(
                ExpiryChange(
                    event_id=event_id,
                    account_id=account_id,
                    currency_id=7,
                    version=3 * turn + 2,
                    lot_id=lot_id,
                    old_expires_at=None,
                    new_expires_at=at,
                    reason_type=None,
                    reason_note="",
                    standard_meta=("", "", ""),
                    custom_meta="",
                    principal="anna",
                    request_id="",
                    created_at=at,
                )
            )
        owners.append(Account(1, account_id, 469, account_id, 7, START, START, version=36))
    connection = schedule_rows.connection
    accounts.insert(connection, owners)
    lots.insert(connection, [(1, lot) for lot in new_lots])
    transactions.insert(connection, [(1, row) for row in new_rows])
    transactions.insert_allocations(connection, [(1, part) for part in parts])
    expiry_changes.insert(connection, [(1, change) for change in changes])
    connection.exec_driver_sql("ANALYZE")


def read_everything(schedule_rows: ScheduleRows) -> None:
    """Call every function that reads figures or pages."""
    c, some = schedule_rows.connection, [(1, ONE + n) for n in range(20)]
    wanted = transaction_pages.Wanted(currency_id=7)
    schedules.fixed_lots([(*key, 3, NOW) for key in some]).run(c)
    schedules.expiring([(0, *key, NOW, NOW + 90 * DAY) for key in some]).run(c)
    schedules.inactivity_lots([(*key, 3, RULE, NOW) for key in some]).run(c)
    schedules.months(c, [(0, n, 1, ONE, NOW, NOW, NOW + 30 * DAY) for n in range(10)])
    for ascending in (True, False):
        transaction_pages.history(c, (1, ONE), wanted, after=9, quota=50, ascending=ascending)
        for lot_id in (0, ONE):
            change_pages.changes(
                c, 1, (ONE, lot_id), (None, None), after=9, quota=50, ascending=ascending
            )
    buckets = range(64)
    transaction_pages.newest(c, 1, buckets, wanted, after=2**62, quota=50)
    transaction_pages.largest(c, 1, buckets, wanted, after=(100, 2**62), quota=50)
    transaction_pages.referred(c, 1, buckets, "order-1-1", 156)
    streams = [lot_pages.Stream(3, 0, 0, True), lot_pages.Stream(3, RULE, 0, False)]
    places = [(stream, lot_pages.START) for stream in streams]
    lot_pages.unfinished(c, (1, ONE), places, (None, None), 50)
    lot_pages.finished(c, (1, ONE), lot_pages.START, (None, None), 50)
    walks = [(rule, *lot_pages.START[1:]) for rule in (0, RULE)]
    lot_pages.ended_undated(c, (1, ONE), walks, 50)
    lot_pages.lot_ids(c, (1, ONE))
    lot_pages.marks(c, (1, ONE))
    lot_pages.lot_ids_of_bucket(c, (1, ONE), 2**62, 50)


def test_reading_never_scans_a_table(
    schedule_rows: ScheduleRows, plans: Callable[[Connection, Callable[[], object]], str]
) -> None:
    """Under generic plans every statement that reads finds its rows by an index."""
    fill(schedule_rows)
    plan = plans(schedule_rows.connection, lambda: read_everything(schedule_rows))
    assert "Seq Scan" not in plan, plan
    for index in (
        "transactions_by_version",
        "transactions_by_effect",
        "transactions_by_reference",
        "transactions_by_amount",
        "expiry_changes_by_version",
        "expiry_changes_by_lot",
    ):
        assert index in plan, plan


def test_figures_never_read_finished_lots(
    schedule_rows: ScheduleRows, plans: Callable[[Connection, Callable[[], object]], str]
) -> None:
    """What an account's figures are made of comes from the index of unfinished lots alone."""
    fill(schedule_rows)
    c = schedule_rows.connection

    def read_figures() -> None:
        schedules.fixed_lots([(1, ONE, 3, NOW)]).run(c)
        schedules.expiring([(0, 1, ONE, NOW, NOW + 90 * DAY)]).run(c)
        schedules.inactivity_lots([(1, ONE, 3, RULE, NOW)]).run(c)

    plan = plans(c, read_figures)
    assert plan.count("lots_spending") == 3, plan
    assert "lots_finished" not in plan, plan

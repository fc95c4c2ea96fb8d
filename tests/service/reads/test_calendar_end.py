"""The calendar's last instants are instants like others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from bank import NEVER, START, YEAR, Bank, named, policy

from points_grpc.domain.model import Period, PolicyKind
from points_grpc.domain.policy import LAST_INSTANT
from points_grpc.domain.queries import (
    GetAccount,
    GetExpiring,
    GetLot,
    GetSchedule,
    ListLots,
    ListTransactions,
    Order,
)
from points_grpc.service.shared.program_cache import ProgramCache
from points_grpc.service.sweep.dry_run import DryRun

ANN = named("ann")
LAST = datetime.max.replace(tzinfo=UTC)
AGES = policy("ages", PolicyKind.INACTIVITY, period=Period(days=(date.max - START.date()).days))
"""Ends beyond the calendar for whoever is active after the first day."""


@pytest.fixture
def bank(new_bank: Callable[..., Bank]) -> Bank:
    """A bank in a zone in which the calendar ends before it does in UTC."""
    return new_bank(YEAR, NEVER, AGES, zone="Pacific/Auckland")


def listed(bank: Bank, listing: Any) -> list[int]:
    """The ids of all rows, in pages of two."""
    pages = bank.pages(lambda cursor: replace(listing, page_size=2, cursor=cursor))
    return [getattr(row, "lot_id", 0) or row.transaction_id for page in pages for row in page]


def earn_for_ages(bank: Bank) -> None:
    """Ten points that lapse at LAST_INSTANT."""
    bank.earn(10, policy="ages")
    bank.at("2021-01-03").earn(1, policy="never")


def test_lots_that_expire_at_the_last_instant_are_listed(bank: Bank) -> None:
    """Without an end of the period they are there, in every order; an end leaves them out."""
    used_up = bank.earn(5, expires=LAST.isoformat())
    bank.redeem(5)
    idle = bank.earn(1, policy="ages")
    bank.at("2021-01-03")
    late = [bank.earn(10, expires=LAST.isoformat()) for _ in range(3)]
    never = bank.earn(10, expires="never")
    lots = ListLots(0, ANN, None)
    assert listed(bank, lots) == [idle, used_up, *late, never]
    assert listed(bank, replace(lots, order=Order.EXPIRY)) == [idle, used_up, *late, never]
    last = replace(lots, order=Order.EXPIRY, start_at=LAST)
    assert listed(bank, last) == [used_up, *late]
    assert listed(bank, replace(last, order=Order.LATEST_LOT)) == [*late[::-1], used_up]
    assert listed(bank, replace(lots, order=Order.EXPIRY, end_at=LAST)) == [idle]


def test_what_happens_at_the_last_instant_is_listed(bank: Bank) -> None:
    """Transactions made at the calendar's last microsecond are in the account's history."""
    bank.at(LAST.isoformat())
    lot_id = bank.earn(10, policy="never")
    assert listed(bank, ListTransactions(0, ANN, None)) == [lot_id]
    assert listed(bank, ListTransactions(0, None, None)) == [lot_id]


def test_points_live_up_to_the_last_instant(bank: Bank) -> None:
    """A lot that expires at the last microsecond is alive before it, and gone at it."""
    lot_id = bank.earn(10, expires=LAST.isoformat())
    expiring = GetExpiring(0, ANN, None, LAST_INSTANT, LAST)
    assert bank.ask(GetAccount(0, ANN, None)).next_expires_at == LAST
    bank.at(LAST_INSTANT.isoformat())
    assert bank.ask(GetAccount(0, ANN, None)).available == 10
    bank.at(LAST.isoformat())
    assert bank.ask(GetAccount(0, ANN, None)).available == 0
    assert bank.ask(GetLot(lot_id)).remaining == 0
    answer = bank.ask(expiring)
    assert (answer.points, answer.lot_count, answer.as_of) == (0, 0, LAST)


def test_an_inactivity_without_end_is_told_in_days(bank: Bank) -> None:
    """Where the last instant is beyond the zone's calendar, days are counted to its last date."""
    earn_for_ages(bank)
    (entry,) = bank.ask(GetSchedule(0, ANN, None)).inactivity
    today = date(2021, 1, 3)
    assert (entry.expires_at, entry.expiring) == (LAST_INSTANT, 10)
    assert entry.days_until_expiry == (date.max - today).days


def test_a_lapse_at_the_last_instant_is_foretold(bank: Bank) -> None:
    """A dry run of the sweep puts what lapses beyond the zone's calendar on its last date."""
    earn_for_ages(bank)
    bank.at(LAST.isoformat())
    forecaster = DryRun(bank.database, ProgramCache(), bank.ids, bank.clock)
    found = [due for _, some in forecaster.due(1) for due in some]
    forecaster.close()
    (due,) = [due for due in found if due.on.tenant_id == bank.acme.tenant_id]
    assert (due.on.day, due.points) == (date.max, 10)

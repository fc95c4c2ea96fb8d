"""The calendar's last instants are instants like others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from tests.support.service.read_harness import NEVER, START, YEAR, ReadHarness, named, policy

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
def reader(new_bank: Callable[..., ReadHarness]) -> ReadHarness:
    """A harness in a zone in which the calendar ends before it does in UTC."""
    return new_bank(YEAR, NEVER, AGES, zone="Pacific/Auckland")


def listed(reader: ReadHarness, listing: Any) -> list[int]:
    """The ids of all rows, in pages of two."""
    pages = reader.pages(lambda cursor: replace(listing, page_size=2, cursor=cursor))
    return [getattr(row, "lot_id", 0) or row.transaction_id for page in pages for row in page]


def earn_for_ages(reader: ReadHarness) -> None:
    """Ten points that lapse at LAST_INSTANT."""
    reader.earn(10, policy="ages")
    reader.at("2021-01-03").earn(1, policy="never")


def test_lots_that_expire_at_the_last_instant_are_listed(reader: ReadHarness) -> None:
    """Without an end of the period they are there, in every order; an end leaves them out."""
    used_up = reader.earn(5, expires=LAST.isoformat())
    reader.redeem(5)
    idle = reader.earn(1, policy="ages")
    reader.at("2021-01-03")
    late = [reader.earn(10, expires=LAST.isoformat()) for _ in range(3)]
    never = reader.earn(10, expires="never")
    lots = ListLots(0, ANN, None)
    assert listed(reader, lots) == [idle, used_up, *late, never]
    assert listed(reader, replace(lots, order=Order.EXPIRY)) == [idle, used_up, *late, never]
    last = replace(lots, order=Order.EXPIRY, start_at=LAST)
    assert listed(reader, last) == [used_up, *late]
    assert listed(reader, replace(last, order=Order.LATEST_LOT)) == [*late[::-1], used_up]
    assert listed(reader, replace(lots, order=Order.EXPIRY, end_at=LAST)) == [idle]


def test_what_happens_at_the_last_instant_is_listed(reader: ReadHarness) -> None:
    """Transactions made at the calendar's last microsecond are in the account's history."""
    reader.at(LAST.isoformat())
    lot_id = reader.earn(10, policy="never")
    assert listed(reader, ListTransactions(0, ANN, None)) == [lot_id]
    assert listed(reader, ListTransactions(0, None, None)) == [lot_id]


def test_points_live_up_to_the_last_instant(reader: ReadHarness) -> None:
    """A lot that expires at the last microsecond is alive before it, and gone at it."""
    lot_id = reader.earn(10, expires=LAST.isoformat())
    expiring = GetExpiring(0, ANN, None, LAST_INSTANT, LAST)
    assert reader.ask(GetAccount(0, ANN, None)).next_expires_at == LAST
    reader.at(LAST_INSTANT.isoformat())
    assert reader.ask(GetAccount(0, ANN, None)).available == 10
    reader.at(LAST.isoformat())
    assert reader.ask(GetAccount(0, ANN, None)).available == 0
    assert reader.ask(GetLot(lot_id)).remaining == 0
    answer = reader.ask(expiring)
    assert (answer.points, answer.lot_count, answer.as_of) == (0, 0, LAST)


def test_an_inactivity_without_end_is_told_in_days(reader: ReadHarness) -> None:
    """Where the last instant is beyond the zone's calendar, days are counted to its last date."""
    earn_for_ages(reader)
    (entry,) = reader.ask(GetSchedule(0, ANN, None)).inactivity
    today = date(2021, 1, 3)
    assert (entry.expires_at, entry.expiring) == (LAST_INSTANT, 10)
    assert entry.days_until_expiry == (date.max - today).days


def test_a_lapse_at_the_last_instant_is_foretold(reader: ReadHarness) -> None:
    """A dry run of the sweep puts what lapses beyond the zone's calendar on its last date."""
    earn_for_ages(reader)
    reader.at(LAST.isoformat())
    forecaster = DryRun(reader.database, ProgramCache(), reader.ids, reader.clock)
    found = [due for _, some in forecaster.due(1) for due in some]
    forecaster.close()
    (due,) = [due for due in found if due.on.tenant_id == reader.acme.tenant_id]
    assert (due.on.day, due.points) == (date.max, 10)

"""Listings of lots: in the order asked for, each once, as of now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, event
from tests.support.service.listings import LOTS, everything, from_cursor, ids
from tests.support.service.read_harness import (
    IDLE,
    IDLE_MONTHLY,
    NEVER,
    START,
    YEAR,
    ReadHarness,
    instant,
)

from points_grpc.domain.commands import ChangeLotState
from points_grpc.domain.model import LotCategory, LotState
from points_grpc.domain.queries import (
    Order,
)
from points_grpc.service.reads.listings import paging


# Lots
def lots_of_all_kinds(reader: ReadHarness) -> dict[str, int]:
    """Ann's lots: fixed, never, moved by inactivity; spendable or not."""
    lots = {
        "june": reader.earn(10, expires="2021-06-01"),
        "march": reader.earn(10, expires="2021-03-01"),
        "never": reader.earn(10, expires="never"),
        "idle": reader.earn(10, policy="idle"),
        "pending": reader.earn(10, expires="2021-04-01", initial_state=LotState.PENDING),
        "late-priority": reader.earn(10, policy="idle-monthly"),
        "lapses": reader.earn(10, expires="2021-02-01"),
        "used-up": reader.earn(5, expires="2021-01-20"),
        "closed": reader.earn(10, expires="2021-05-01", initial_state=LotState.OPEN),
        "march-too": reader.earn(10, expires="2021-03-01"),
    }
    reader.redeem(5)
    reader.do(ChangeLotState(lots["closed"], LotState.CLOSED, approving=False))
    return lots


@pytest.fixture
def mixed(new_bank: Callable[..., ReadHarness]) -> ReadHarness:
    """A harness with policies of every kind."""
    return new_bank(YEAR, NEVER, IDLE, IDLE_MONTHLY)


@pytest.mark.parametrize("size", [1, 2, 3, 10, 100])
def test_lots_in_spending_order(mixed: ReadHarness, size: int) -> None:
    """By priority, expiry (never last), earn and id, whatever is left of a lot."""
    lots = lots_of_all_kinds(mixed)
    wanted = ["used-up", "lapses", "march", "march-too", "pending", "closed", "june", "idle"]
    wanted += ["never", "late-priority"]
    assert ids(mixed, LOTS, size) == [lots[name] for name in wanted]


@pytest.mark.parametrize("order", [Order.SPENDING, Order.EXPIRY, Order.LATEST_LOT])
@pytest.mark.parametrize("size", [1, 3, 100])
def test_live_lots_alone(mixed: ReadHarness, size: int, order: Order) -> None:
    """With live_only the lots that are closed, used up or lapsed are left out of any order."""
    lots = lots_of_all_kinds(mixed)
    mixed.at("2021-02-01")
    every = ids(mixed, LOTS, size, order=order)
    ended = {lots[name] for name in ("closed", "used-up", "lapses")}
    live = [lot for lot in every if lot not in ended]
    assert len(live) == 7
    assert ids(mixed, LOTS, size, order=order, live_only=True) == live


@pytest.mark.parametrize("size", [1, 2, 3, 10, 100])
def test_lots_by_expiry(mixed: ReadHarness, size: int) -> None:
    """By expiry, whatever is left, inactivity lots at their projected instant, never last."""
    lots = lots_of_all_kinds(mixed)
    wanted = ["used-up", "lapses", "march", "march-too", "pending", "closed", "june"]
    wanted += ["late-priority", "idle", "never"]
    assert ids(mixed, LOTS, size, order=Order.EXPIRY) == [lots[name] for name in wanted]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_the_latest_lots_first(mixed: ReadHarness, size: int) -> None:
    """The lot earned last comes first."""
    lots = lots_of_all_kinds(mixed)
    assert ids(mixed, LOTS, size, order=Order.LATEST_LOT) == list(lots.values())[::-1]


@pytest.mark.parametrize("order", [Order.SPENDING, Order.EXPIRY, Order.LATEST_LOT])
@pytest.mark.parametrize("steps", [10, 100])
def test_many_lots_are_listed_once_in_bounded_steps(
    mixed: ReadHarness, order: Order, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of every order together have each lot once, however few rows a page may examine."""
    everyone = set()
    for number in range(25):
        mixed.at((START + timedelta(hours=number)).isoformat())
        everyone.add(mixed.earn(2, expires=f"2021-0{2 + number % 3}-01"))
        everyone.add(mixed.earn(2, expires="never"))
        everyone.add(mixed.earn(2, policy=("idle", "idle-monthly")[number % 2]))
    mixed.redeem(41)
    mixed.at("2021-02-15")
    monkeypatch.setattr(paging, "EXAMINED_MAX", steps)
    listed = ids(mixed, LOTS, 7, order=order)
    assert len(listed) == len(everyone) == len(set(listed))
    assert set(listed) == everyone


@pytest.mark.parametrize("order", [Order.SPENDING, Order.EXPIRY])
def test_many_policies_cost_no_statement_each(
    new_bank: Callable[..., ReadHarness], order: Order
) -> None:
    """With 1,000 priorities, half of inactivity, each page is full, by a few statements."""
    every = [replace(NEVER, code=f"p{n}", priority=n) for n in range(500)]
    every += [replace(IDLE, code=f"p{n}", priority=n) for n in range(500, 1000)]
    reader = new_bank(*every)
    wanted = [reader.earn(1, policy=f"p{n}") for n in (999, 700, 500, 499, 3, 0)][::-1]
    if order is Order.EXPIRY:
        wanted = [*sorted(wanted[3:]), *sorted(wanted[:3])]
    sent: list[str] = []

    def before(_: object, __: object, statement: str, *___: object) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", before)
    try:
        pages = reader.pages(from_cursor(LOTS, page_size=2, order=order))
    finally:
        event.remove(Engine, "before_cursor_execute", before)
    listed = [[row.lot_id for row in page] for page in pages]
    assert listed == [wanted[:2], wanted[2:4], wanted[4:]]
    assert 0 < len(sent) <= 20 * len(pages)


def test_lots_in_spending_order_are_spent_in_that_order(mixed: ReadHarness) -> None:
    """What a redemption takes from is the beginning of the listing."""
    lots_of_all_kinds(mixed)
    mixed.at("2021-02-15")
    approved = frozenset((LotState.APPROVED,))
    rows = everything(mixed, LOTS, states=approved)
    listed = [row.lot_id for row in rows if row.remaining]
    spent = mixed.redeem(55).transaction
    assert len(listed) == 6
    assert sorted(lot for lot, _ in spent.allocations) == sorted(listed)
    assert [part for _, part in sorted(spent.allocations, key=lambda a: listed.index(a[0]))] == [
        *[10] * 5,
        5,
    ]


def test_lots_are_listed_as_of_now(mixed: ReadHarness) -> None:
    """A lapse that nobody recorded shows in remaining and state, and in the filters."""
    lots = lots_of_all_kinds(mixed)
    mixed.at("2021-04-01")
    rows = {row.lot_id: row for row in everything(mixed, LOTS)}
    assert rows[lots["lapses"]].remaining == 0
    assert rows[lots["june"]].remaining == 10
    assert rows[lots["pending"]].state is LotState.CLOSED
    closed = frozenset((LotState.CLOSED,))
    assert set(ids(mixed, LOTS, states=closed)) == {lots["pending"], lots["closed"]}
    promised = frozenset((LotCategory.PROMISED,))
    assert ids(mixed, LOTS, categories=promised) == []


def test_lots_are_filtered(mixed: ReadHarness) -> None:
    """States, categories, reference and expiry have to match; never has no place in a range."""
    lots = lots_of_all_kinds(mixed)
    referred = mixed.earn(1, reference="order-1", expires="2021-03-01")
    promised = frozenset((LotCategory.PROMISED,))
    assert ids(mixed, LOTS, categories=promised) == [lots["pending"]]
    regular = frozenset((LotCategory.REGULAR,))
    assert len(ids(mixed, LOTS, categories=regular)) == 9
    for order in (Order.SPENDING, Order.EXPIRY, Order.LATEST_LOT):
        assert ids(mixed, LOTS, order=order, reference="order-1") == [referred]
        march = {"start_at": instant("2021-03-01"), "end_at": instant("2021-04-01")}
        found = ids(mixed, LOTS, order=order, **march)
        assert set(found) == {lots["march"], lots["march-too"], referred}
        ever = set(ids(mixed, LOTS, order=order, start_at=instant("2021-01-01")))
        assert ever == {*lots.values(), referred} - {lots["never"]}
        idle = {"start_at": instant("2022-01-01"), "end_at": instant("2022-01-02")}
        assert ids(mixed, LOTS, order=order, **idle) == [lots["idle"]]

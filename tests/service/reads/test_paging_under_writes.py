"""Listings while others write: what is there throughout is listed once, in the order asked for."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.support.service.read_harness import IDLE, IDLE_MONTHLY, NEVER, YEAR, ReadHarness, named

from points_grpc.domain.commands import ChangeLotState, UpdateExpiry
from points_grpc.domain.model import LotState, TransactionType
from points_grpc.domain.policy import ExpireAt, Immediate, InDays, Never
from points_grpc.domain.queries import ListExpiryChanges, Listing, ListLots, ListTransactions, Order
from points_grpc.errors import Refusal

ANN = named("ann")
LOTS = ListLots(0, ANN, None, order=Order.LATEST_LOT, page_size=1000)
CHANGES = ListExpiryChanges(0, ANN, None, page_size=1000)
OF_ANN = ListTransactions(0, ANN, None, page_size=1000)
ACROSS = ListTransactions(0, None, None, page_size=1000)
EARNS = frozenset((TransactionType.EARN,))
APPROVED = frozenset((LotState.APPROVED,))
FIRST = replace(YEAR, code="first", priority=-1)
PRIORITIES = {"first": -1, "idle-monthly": 5}
SEEDS = range(2)
WRITES_MAX = 20


class Traffic:
    """Random calls for a few members, each from a seeded source."""

    def __init__(self, reader: ReadHarness, seed: int) -> None:
        self.reader = reader
        self.random = random.Random(seed)
        self._now = reader.clock.now()

    def run(self, calls: int) -> None:
        """Make so many calls, refused ones included."""
        for _ in range(calls):
            if self.random.random() < 0.2:
                self.reader.change_server()
            call = self.random.choice(
                (self._earn, self._earn, self._spend, self._expire, self._move, self._approve)
            )
            with suppress(Refusal):
                call()
            if self.random.random() < 0.3:
                self._now += timedelta(hours=self.random.randrange(1, 200))
                self.reader.at(self._now.isoformat())

    def _member(self) -> str:
        return self.random.choice(("ann", "ann", "ben", "cid"))

    def _earn(self) -> None:
        more: dict[str, Any] = {"policy": self.random.choice(self._policies)}
        if self.random.random() < 0.3:
            days = self.random.choice((3, 20, 20, 90))
            expires_at = self._now.replace(hour=0, minute=0) + timedelta(days=days)
            more = {"expires": expires_at.isoformat()}
        if self.random.random() < 0.3:
            more["earn_at"] = self._now - timedelta(days=self.random.randrange(1, 40))
        if self.random.random() < 0.3:
            more["initial_state"] = self.random.choice((LotState.OPEN, LotState.PENDING))
        more["reference"] = self.random.choice(("even", "odd"))
        self.reader.earn(self.random.randrange(1, 20), self._member(), **more)

    _policies = ("year", "first", "never", "idle", "idle-monthly")

    def _spend(self) -> None:
        self.reader.redeem(self.random.randrange(1, 60), self._member())

    def _expire(self) -> None:
        self.reader.expire(self.random.randrange(1, 20), self._member())

    def _lot(self) -> int:
        rows = self.reader.page(LOTS).rows
        return self.random.choice(rows).lot_id if rows else 0

    def _move(self) -> None:
        to = self.random.choice((InDays(self.random.randrange(1, 100)), Immediate(), Never()))
        if self.random.random() < 0.2:
            to = ExpireAt(self._now + timedelta(days=20))
        self.reader.do(UpdateExpiry(0, ANN, self._lot(), to, reinstate=True))

    def _approve(self) -> None:
        state = self.random.choice((LotState.APPROVED, LotState.CLOSED))
        self.reader.do(ChangeLotState(self._lot(), state, approving=True))


def listed(
    traffic: Traffic, listing: Listing, size: int, look: Callable[[], dict[int, Any]]
) -> tuple[list[int], list[dict[int, Any]]]:
    """The ids that small pages show, and what `look` has seen before, between and after them."""
    seen = [look()]

    def between() -> None:
        # Only so many, or a listing that goes forward in time would never end.
        if len(seen) > WRITES_MAX:
            return
        for _ in range(traffic.random.randrange(3)):
            traffic.run(1)
            seen.append(look())

    pages = traffic.reader.pages(
        lambda cursor: replace(listing, cursor=cursor, page_size=size), between
    )
    return [_id(row) for page in pages for row in page], seen


def _id(row: Any) -> int:
    for name in ("transaction_id", "event_id"):
        if number := getattr(row, name, 0):
            return int(number)
    return int(row.lot_id)


def unchanged(seen: list[dict[int, Any]]) -> dict[int, Any]:
    """What was there throughout, and the same."""
    return {
        number: thing
        for number, thing in seen[0].items()
        if all(number in later and later[number] == thing for later in seen)
    }


def check(shown: list[int], wanted: dict[int, Any], key: Callable[[Any], Any]) -> None:
    """Each of `wanted` is shown once, sorted by `key`."""
    once = [number for number in shown if number in wanted]
    assert sorted(once) == sorted(wanted)
    assert once == sorted(wanted, key=lambda number: key(wanted[number]))


@pytest.fixture(params=SEEDS)
def traffic(new_bank: Callable[..., ReadHarness], request: pytest.FixtureRequest) -> Traffic:
    """A harness with a past, from both of two servers."""
    reader = new_bank(YEAR, NEVER, IDLE, IDLE_MONTHLY, FIRST)
    traffic = Traffic(reader, request.param)
    traffic.reader.earn(1)
    for _ in range(4):
        traffic.run(10)
        reader.change_server()
    return traffic


def lot_keys(reader: ReadHarness, **changes: Any) -> dict[int, tuple[Any, ...]]:
    """By lot, its key in spending order."""
    rows = reader.page(replace(LOTS, **changes)).rows
    return {
        row.lot_id: (
            PRIORITIES.get(row.policy, 0),
            row.expires_at is None,
            row.expires_at or row.earned_at,
            row.earned_at,
            row.lot_id,
        )
        for row in rows
    }


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"states": APPROVED},
        {"reference": "odd"},
        {"start_at": datetime.fromisoformat("2021-01-20T00:00:00Z")},
        {"live_only": True},
    ],
)
@pytest.mark.parametrize("order", [Order.SPENDING, Order.EXPIRY])
@pytest.mark.parametrize("runs_max", [0, 8])
def test_lots_by_expiry(
    traffic: Traffic,
    order: Order,
    changes: dict[str, Any],
    runs_max: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A lot that does not move is listed once, by priority, expiry, earn and id.

    So it is from the indexes' runs, and where the lots are sorted by the service.
    """
    monkeypatch.setattr("points_grpc.service.reads.listings.sorted_lots.RUNS_MAX", runs_max)
    listing = replace(LOTS, order=order, **changes)
    shown, seen = listed(traffic, listing, 2, lambda: lot_keys(traffic.reader, **changes))
    first = 0 if order is Order.SPENDING else 1
    check(shown, unchanged(seen), lambda key: key[first:])


@pytest.mark.parametrize("long", [False, True])
def test_the_latest_lots(traffic: Traffic, long: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every lot is listed once, the highest id first, also of an account with a long history."""
    if long:
        monkeypatch.setattr("points_grpc.service.reads.listings.lots.EXAMINED_MAX", 10)
    shown, seen = listed(traffic, LOTS, 3, lambda: dict.fromkeys(_ids(traffic.reader, LOTS), 0))
    check(shown, {number: number for number in unchanged(seen)}, lambda number: -number)


def _ids(reader: ReadHarness, listing: Listing) -> list[int]:
    return [_id(row) for row in reader.page(listing).rows]


def rows_of(reader: ReadHarness, listing: Listing) -> dict[int, tuple[Any, ...]]:
    """By transaction, its state, amount and place in the account."""
    rows = reader.page(listing).rows
    return {row.transaction_id: (row.state, row.amount, row.transaction_id) for row in rows}


FILTERS: list[dict[str, Any]] = [
    {},
    {"types": EARNS},
    {"states": APPROVED},
    {"reference": "odd"},
    {"start_at": datetime.fromisoformat("2021-01-10T00:00:00Z")},
]


@pytest.mark.parametrize("changes", FILTERS)
@pytest.mark.parametrize("order", [Order.NEWEST, Order.OLDEST])
def test_a_members_transactions(traffic: Traffic, order: Order, changes: dict[str, Any]) -> None:
    """Each of a member's transactions is listed once, in the order of the ledger."""
    listing = replace(OF_ANN, order=order, **changes)
    ledger = {n: place for place, n in enumerate(_ids(traffic.reader, OF_ANN))}
    shown, seen = listed(traffic, listing, 3, lambda: rows_of(traffic.reader, listing))
    wanted = {n: ledger[n] for n in unchanged(seen)}
    sign = 1 if order is Order.NEWEST else -1
    check(shown, wanted, lambda place: sign * place)


@pytest.mark.parametrize("changes", FILTERS)
def test_the_newest_transactions_of_everyone(traffic: Traffic, changes: dict[str, Any]) -> None:
    """Across members each transaction is listed once, the highest id first."""
    listing = replace(ACROSS, **changes)
    shown, seen = listed(traffic, listing, 7, lambda: rows_of(traffic.reader, listing))
    check(shown, unchanged(seen), lambda row: -row[2])


@pytest.mark.parametrize("of", [OF_ANN, ACROSS])
@pytest.mark.parametrize("changes", [{}, {"reference": "odd"}, {"states": APPROVED}])
def test_the_largest_earns(traffic: Traffic, of: Listing, changes: dict[str, Any]) -> None:
    """Each EARN is listed once, the largest first, of equal ones the highest id."""
    listing = replace(of, order=Order.LARGEST, **{"types": EARNS, **changes})
    shown, seen = listed(traffic, listing, 3, lambda: rows_of(traffic.reader, listing))
    check(shown, unchanged(seen), lambda row: (-row[1], -row[2]))


@pytest.mark.parametrize("of_lot", [False, True])
@pytest.mark.parametrize("order", [Order.NEWEST, Order.OLDEST])
def test_expiry_changes(traffic: Traffic, order: Order, of_lot: bool) -> None:
    """Each change of an account or a lot is listed once, in the order of time."""
    reader = traffic.reader
    changes = reader.page(CHANGES).rows
    of = replace(CHANGES, lot_id=changes[0].lot_id) if of_lot else CHANGES
    ledger = {n: place for place, n in enumerate(_ids(reader, of))}
    shown, seen = listed(traffic, replace(of, order=order), 2, lambda: dict(ledger))
    sign = 1 if order is Order.NEWEST else -1
    check(shown, unchanged(seen), lambda place: sign * place)

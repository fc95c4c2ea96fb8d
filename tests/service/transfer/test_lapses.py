"""Lots under inactivity policies that had lapsed before a file reached their account."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select
from tests.support.service.ledger_harness import IDLE_DAYS, START, LedgerHarness, earn

from points_grpc.domain.model import TransactionType
from points_grpc.service.transfer.importer import writing
from points_grpc.storage.tables import accounts, lots, transactions

T = TransactionType
DAY = timedelta(days=1)
NOW = START + 100 * DAY
RIVAL = 2


def ago(days: float) -> str:
    """An instant so many days before the import, as files have it."""
    return (NOW - days * DAY).isoformat()


def lot(number: int, days: float, **more: Any) -> dict[str, Any]:
    """A lot of ann that was earned so many days ago."""
    row = {"external_id": "ann", "vendor_id": number, "amount": 10, "earned_at": ago(days)}
    return {**row, **more}


def taken(kind: str, name: str, days: float, *numbers: int, **more: Any) -> dict[str, Any]:
    """A REDEEM or EXPIRE of 4 points of each of these lots."""
    part = more.pop("part", 4)
    return {
        "type": "transaction",
        "transaction": kind,
        "external_id": "ann",
        "import_id": name,
        "effective_at": ago(days),
        "allocations": [{"lot_vendor_id": number, "amount": part} for number in numbers],
        **more,
    }


def file_of(counter: Any, *rows: dict[str, Any]) -> Any:
    return counter.file("".join(json.dumps(row) + "\n" for row in rows), ".jsonl")


def idle_since(harness: LedgerHarness, days: float, *, vendor_id: int = 0) -> datetime:
    """Let ann earn 100 points under `idle` here, so many days ago; when they lapse."""
    earned_at = NOW - days * DAY
    harness.clock.set(earned_at)
    harness.do(earn(100, policy="idle", vendor_id=vendor_id))
    harness.clock.set(NOW)
    return earned_at + IDLE_DAYS * DAY


def ends(at: Connection) -> list[tuple[int, datetime]]:
    """Amount and instant of every EXPIRE, in the account's order."""
    rows = select(transactions.c.amount, transactions.c.effective_at)
    expired = rows.where(transactions.c.type == T.EXPIRE).order_by(transactions.c.version)
    return [(amount, effective) for amount, effective in at.execute(expired)]


def brought(counter: Any, harness: LedgerHarness, days: float) -> datetime:
    """Let an earlier import bring a lot of 10 under `idle`, earned so many days ago; its lapse."""
    harness.clock.set(NOW)
    counter.take(file_of(counter, lot(1, days, policy="idle")))
    return NOW - days * DAY + IDLE_DAYS * DAY


@pytest.mark.parametrize("swept", [False, True])
@pytest.mark.parametrize("days", [3, 30])
@pytest.mark.parametrize("more", [{}, {"policy": "idle"}, {"redeemed": 4}, {"remaining": 6}])
def test_an_import_revives_nothing(counter, harness, swept: bool, days: int, more: Any) -> None:
    """What was earned here and has lapsed stays so, whatever was active since or before then."""
    lapsed_at = idle_since(harness, IDLE_DAYS + 10)
    assert harness.account().available == 0
    if swept:
        list(harness.sweeper.sweep())
    assert counter.counts(file_of(counter, lot(1, days, **more))) == (1, 0, 0)
    assert harness.account().available == (6 if "re" in str(more) else 10)
    assert harness.look(ends) == [(100, lapsed_at)]


def test_a_redemption_revives_nothing(counter, harness) -> None:
    """Neither does history of other lots, under a policy that counts nothing but redemptions."""
    harness.clock.set(NOW - 25 * DAY)
    harness.do(earn(100, policy="idle-first"))
    harness.clock.set(NOW)
    assert counter.counts(file_of(counter, lot(1, 40))) == (1, 0, 0)
    assert harness.look(ends) == []
    assert counter.counts(file_of(counter, taken("REDEEM", "r", 10, 1))) == (1, 0, 0)
    assert harness.look(ends) == [(100, NOW - 5 * DAY)]
    assert harness.account().available == 6


def test_what_is_there_already_records_nothing(counter, harness) -> None:
    """Rows that are known, or refused, are no activity, and leave the account as it was."""
    harness.clock.set(START + 10 * DAY)
    path = file_of(counter, lot(1, 95), lot(2, 95, expires_at=ago(96)))
    counter.take(path)
    idle_since(harness, IDLE_DAYS + 10)
    before = harness.look(lambda at: at.execute(select(accounts.c.version)).all())
    assert counter.counts(path) == (0, 1, 1)
    assert harness.look(lambda at: at.execute(select(accounts.c.version)).all()) == before


def test_history_prolongs_what_a_file_brought(counter, harness) -> None:
    """What an earlier file brought lives on with activity from before it had lapsed."""
    brought(counter, harness, IDLE_DAYS + 20)
    assert harness.account().available == 0
    assert counter.counts(file_of(counter, lot(2, 30), taken("REDEEM", "r", 10, 1))) == (2, 0, 0)
    assert harness.look(ends) == []
    assert harness.account().available == 16


def test_a_brought_lot_ends_before_later_activity(counter, harness) -> None:
    """A row that took effect after the lapse of what an earlier file brought revives nothing."""
    lapsed_at = brought(counter, harness, IDLE_DAYS + 20)
    assert counter.counts(file_of(counter, lot(2, 10, redeemed=4))) == (1, 0, 0)
    assert harness.look(ends) == [(10, lapsed_at)]
    assert harness.account().available == 6


@pytest.mark.parametrize("chunk", [1, 2, 5_000])
@pytest.mark.parametrize("order", [1, -1])
def test_lots_without_history_are_as_told(counter, harness, chunk: int, order: int) -> None:
    """One file's lots do not end each other, whatever their order and wherever chunks end."""
    harness.clock.set(NOW)
    rows = [lot(n, 90 - 20 * n, policy="idle") for n in range(1, 5)][::order]
    assert counter.counts(file_of(counter, *rows), chunk) == (4, 0, 0)
    assert harness.account().available == 40
    assert harness.look(ends) == []


def test_an_interrupted_import_knows_its_lots(counter, harness) -> None:
    """What an import had brought before it was interrupted is not older than the import."""
    harness.clock.set(NOW)
    path = file_of(counter, lot(1, 80, policy="idle"), lot(2, 10), lot(3, 5))
    first = counter.importer(path, 1)
    assert next(first.run()).imported == 1
    first.close()
    assert counter.counts(path, 1) == (3, 0, 0)
    assert harness.account().available == 30


def mixed(number: int) -> list[dict[str, Any]]:
    """Lots and history of ann before, between and after the lapses that are due in her account."""
    rows: list[dict[str, Any]] = []
    for n in range(1, number + 1):
        rows.append(lot(n, 95 - n * 3, **({"policy": "idle"} if n % 3 else {})))
        if n % 4 == 0:
            rows.append(taken("REDEEM", f"r{n}", 94 - n * 3, n, n - 1))
        if n % 5 == 0:
            rows.append(taken("EXPIRE", f"e{n}", 93 - n * 3, n, part=3))
    return rows


def told(at: Connection, tenant: int) -> tuple[list[Any], list[Any]]:
    """The tenant's lots and transactions, without ids."""
    of = lots.c
    found = select(of.vendor_id, of.remaining, of.redeemed, of.expired, of.expires_at, of.rule != 0)
    row = transactions.c
    rows = select(row.version, row.type, row.amount, row.available_after, row.effective_at)
    return (
        list(at.execute(found.where(of.tenant_id == tenant).order_by(of.earned_at, of.lot_id))),
        list(at.execute(rows.where(row.tenant_id == tenant).order_by(row.version))),
    )


@pytest.mark.parametrize("chunk", [1, 3, 7])
def test_chunks_do_not_matter(counter, harness, chunk: int) -> None:
    """An account with lapses that are due comes to the same in chunks of any size."""
    harness.open_program(harness.rival)
    for caller in (harness.acme, harness.rival):
        harness.do(earn(100, policy="idle"), caller)
        harness.do(earn(50, policy="idle-first"), caller)
    harness.clock.set(START + 20 * DAY)
    for tenant in (1, RIVAL):
        early = file_of(counter, lot(90, 95, policy="idle"), lot(91, 85, policy="idle-first"))
        assert counter.take(early, tenant=tenant).refused == 0
    harness.clock.set(NOW)
    path = file_of(counter, *mixed(25))
    parts, whole = counter.take(path, chunk), counter.take(path, tenant=RIVAL)
    assert (parts.imported, parts.refused) == (whole.imported, whole.refused)
    assert parts.imported > 25
    first, second = harness.look(lambda at: told(at, 1)), harness.look(lambda at: told(at, RIVAL))
    assert first == second
    assert sum(kind == T.EXPIRE for _, kind, *_ in first[1]) > 5


@pytest.fixture
def swept_between(counter, harness, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Imports rows one by one, and sweeps before each is written."""
    commit = writing.ChunkWriter._commit

    def after_a_sweep(self: Any, *given: Any) -> Any:
        list(harness.sweeper.sweep())
        return commit(self, *given)

    def take(*rows: dict[str, Any]) -> Any:
        monkeypatch.setattr(writing.ChunkWriter, "_commit", after_a_sweep)
        return counter.take(file_of(counter, *rows), 1)

    return take


def ended_history() -> list[dict[str, Any]]:
    """Two lots that are redeemed, moved and lapse, as their system has recorded it."""
    change = {"type": "expiry_change", "external_id": "ann", "import_id": "c", "lot_vendor_id": 3}
    dates = {"old_expires_at": ago(35), "new_expires_at": "2032-01-31", "recorded_at": ago(40)}
    return [
        lot(1, 90, expires_at=ago(30)),
        lot(2, 90, policy="idle"),
        lot(3, 90, expires_at=ago(35)),
        taken("REDEEM", "r1", 80, 1, 2),
        taken("EXPIRE", "x1", 70, 1, part=1),
        {**change, **dates},
        taken("EXPIRE", "x2", 30, 1, part=5, lapse=True),
        taken("EXPIRE", "x3", 20, 2, part=6, lapse=True),
        taken("REVERSE", "v2", 10, 1, part=5, reverses="x2"),
    ]


def test_a_sweep_between_chunks(harness, swept_between) -> None:
    """What a sweep ended before its history came is given that history, and ends as it says."""
    harness.clock.set(NOW)
    done = swept_between(*ended_history())
    assert (done.imported + done.known, done.refused) == (9, 0)
    account = harness.account()
    assert (account.total_earned, account.total_redeemed, account.total_expired) == (30, 8, 12)
    assert account.available == 10
    moved = harness.look(lambda at: told(at, 1))[0][2]
    assert (moved.remaining, moved.expires_at.year) == (10, 2032)


def test_the_same_lapse_is_known(counter, harness) -> None:
    """A lapse that a server has recorded as the file tells it counts as there already, for good."""
    harness.clock.set(NOW)
    rows = [
        lot(1, 90, expires_at=ago(30)),
        lot(2, 90, expires_at=ago(30)),
        taken("EXPIRE", "x1", 30, 1, part=10, lapse=True),
        taken("EXPIRE", "x2", 30, 2, part=10, lapse=True),
    ]
    path = file_of(counter, *rows[:2])
    counter.take(path)
    list(harness.sweeper.sweep())
    assert harness.look(ends) == [(20, NOW - 30 * DAY)]
    again = file_of(counter, *rows)
    assert counter.counts(again) == (0, 4, 0)
    assert counter.counts(again, 1) == (0, 4, 0)
    assert harness.look(ends) == [(20, NOW - 30 * DAY)]


def test_a_promise_that_a_server_has_closed(harness, swept_between) -> None:
    """A CLOSE that a server has recorded as the file tells it counts as there already."""
    harness.clock.set(NOW)
    close = {"transaction": "CLOSE", "lot_vendor_id": 1, "lapse": True, "effective_at": ago(30)}
    row = {"type": "transaction", "external_id": "ann", "import_id": "x", **close}
    rows = [lot(1, 90, expires_at=ago(30), state="OPEN"), row]
    done = swept_between(*rows)
    assert (done.imported, done.known, done.refused) == (1, 1, 0)


def test_what_the_file_has_ended_stays_ended(harness, swept_between) -> None:
    """Only a server's lapse gives way to more history, not one that the file has told itself."""
    harness.clock.set(NOW)
    rows = [
        lot(1, 90, expires_at=ago(30)),
        lot(2, 90, expires_at=ago(30), remaining=0, redeemed=4),
        taken("EXPIRE", "x1", 30, 1, part=10, lapse=True),
        taken("REDEEM", "r1", 50, 1),
        taken("REDEEM", "r2", 50, 2),
        taken("EXPIRE", "x2", 30, 2, part=6, lapse=True),
    ]
    done = swept_between(*rows)
    assert (done.imported, done.known, done.refused) == (2, 1, 3)


def test_a_lapse_from_before_the_import_stands(counter, harness) -> None:
    """What had been recorded as lapsed before a file was begun is not given back by its history."""
    lapsed_at = brought(counter, harness, IDLE_DAYS + 20)
    list(harness.sweeper.sweep())
    path = file_of(counter, taken("REDEEM", "r", 50, 1))
    assert counter.counts(path) == (0, 0, 1)
    assert counter.refused(path) == {1: "allocations: must be what the lots have left"}
    assert harness.look(ends) == [(10, lapsed_at)]


@pytest.mark.parametrize(
    ("kind", "days", "more", "refused"),
    [
        ("REDEEM", 91, {}, True),
        ("REDEEM", 90, {}, False),
        ("REDEEM", 30.001, {}, False),
        ("REDEEM", 30, {}, True),
        ("EXPIRE", 91, {}, True),
        ("EXPIRE", 30, {}, False),
        ("EXPIRE", 29.999, {}, True),
        ("EXPIRE", 29.999, {"part": 10, "lapse": True}, False),
        ("EXPIRE", 91, {"part": 10, "lapse": True}, True),
    ],
)
def test_history_outside_of_a_lots_life(counter, harness, kind, days, more, refused: bool) -> None:
    """Nothing is taken from a lot before its earn, or redeemed from its expiry on."""
    harness.clock.set(NOW)
    row = taken(kind, "t", days, 1, **more)
    path = file_of(counter, lot(1, 90, expires_at=ago(30)), row)
    assert counter.counts(path) == (2 - refused, 0, refused)
    if refused:
        reason = "effective_at: must lie between the lot's earn and its expiry"
        assert counter.refused(path) == {2: reason}


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"redeemed": 4, "redeemed_at": ago(91)}, "redeemed_at"),
        ({"redeemed": 4, "redeemed_at": ago(30)}, "redeemed_at"),
        ({"redeemed": 4, "redeemed_at": ago(30.001)}, ""),
        ({"expired": 4, "expired_at": ago(91)}, "expired_at"),
        ({"expired": 4, "expired_at": ago(29)}, "expired_at"),
        ({"expired": 4, "expired_at": ago(30)}, ""),
        ({"expired": 10, "expired_at": ago(29)}, ""),
    ],
)
@pytest.mark.parametrize("idle", [False, True])
def test_parts_outside_of_a_lots_life(counter, harness, idle: bool, more: Any, field: str) -> None:
    """What is told to be gone of a lot was so between its earn and its expiry."""
    harness.clock.set(NOW)
    until = {"policy": "idle"} if idle else {"expires_at": ago(30)}
    path = file_of(counter, lot(1, 90, **until, **more))
    assert counter.counts(path) == ((0, 0, 1) if field else (1, 0, 0))
    refused = {1: f"{field}: must lie between the lot's earn and its expiry"} if field else {}
    assert counter.refused(path) == refused

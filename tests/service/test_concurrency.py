"""Many at once: on one account, with one request id, enrolling one member, against the sweep."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from itertools import islice
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.support.service.days import DAY
from tests.support.service.engine_harness import (
    EngineHarness,
    at_once,
    held_row,
    in_threads,
    locked,
    run,
    until_blocked,
)
from tests.support.service.ledger_harness import START, LedgerHarness, earn, expire, move, redeem

from points_grpc.errors import (
    IdentifierTaken,
    InsufficientPoints,
    LotNotLive,
    Overloaded,
)
from points_grpc.service.writes.gather import Gatherer
from points_grpc.storage.core.database import Timeouts
from points_grpc.storage.core.ids import BUCKETS, bucket_of_name
from points_grpc.storage.tables import accounts, identifiers, lots, members

PATIENCE_SECONDS = 10.0


OpenEngine = Callable[..., EngineHarness]


def kinds(results: list[Any]) -> Counter[str]:
    return Counter(type(result).__name__ for result in results)


def test_many_clients_spend_one_account(harness: LedgerHarness, open_engine: OpenEngine) -> None:
    """Of many spends in two processes exactly as many succeed as there are points."""
    harness.do(earn(60))
    harness.do(earn(40, policy="month"))
    here, there = open_engine(), open_engine()

    async def story() -> list[Any]:
        return await at_once(*(b.do(redeem(1)) for _ in range(75) for b in (here, there)))

    assert kinds(run(story())) == {"Redeemed": 100, "InsufficientPoints": 50}
    assert harness.account().total_redeemed == 100


def test_many_commands_on_few_accounts(harness: LedgerHarness, open_engine: OpenEngine) -> None:
    """Commands of all kinds over a few accounts, in groups that overlap, lose nothing."""
    names = [f"m{n}" for n in range(6)]
    for name in names:
        harness.do(earn(1000, name, policy="idle"))
    engine_harnesses = [open_engine(), open_engine()]

    def call(n: int, engine_harness: EngineHarness) -> Any:
        first, second = names[n % 6], names[(n * 5 + 1) % 6]
        if n % 5 == 0:
            return engine_harness.do(
                earn(3, first, policy="month"), redeem(2, second), earn(1, second)
            )
        if n % 5 == 1:
            return engine_harness.do(expire(2, first), redeem(10_000, second))
        return engine_harness.do(redeem(1, first), redeem(1, second))

    async def story() -> list[Any]:
        return await at_once(*(call(n, b) for n in range(60) for b in engine_harnesses))

    found = kinds(run(story()))
    assert found == {"Earned": 24, "InsufficientPoints": 24, "Redeemed": 72}


def test_sweeps_and_spends_meet(harness: LedgerHarness, open_engine: OpenEngine) -> None:
    """While two sweeps record lapses, spends find what is left, and nothing lapses twice."""
    names = [f"m{n}" for n in range(40)]
    harness.execute(*(harness.call(earn(10, n, policy="month"), earn(3, n)) for n in names))
    engine_harnesses = [open_engine(), open_engine()]
    harness.clock.set(START + 31 * DAY)

    def spend(engine_harness: EngineHarness) -> list[Any]:
        async def story() -> list[Any]:
            return await at_once(*(engine_harness.do(redeem(2, name)) for name in names))

        return list(run(story()))

    def sweep(engine_harness: EngineHarness) -> int:
        return sum(
            lapsed.expired for swept in engine_harness.sweeper.sweep(7) for lapsed in swept.lapses
        )

    one, two = engine_harnesses
    spent, more, *swept = in_threads(
        lambda: spend(one), lambda: spend(two), lambda: sweep(one), lambda: sweep(two)
    )
    assert kinds([*spent, *more]) == {"Redeemed": 40, "InsufficientPoints": 40}
    assert sum(swept) <= 400
    list(harness.sweeper.sweep())
    totals = [harness.account(name).total_expired for name in names]
    assert totals == [10] * 40


@pytest.mark.parametrize("own_id", [True, False])
def test_a_lot_changed_just_before_its_lock(
    harness: LedgerHarness, open_engine: OpenEngine, monkeypatch: pytest.MonkeyPatch, own_id: bool
) -> None:
    """What was read of a lot before its account was locked counts only if nothing has changed."""
    earned = harness.do(earn(10, vendor_id=77))
    lot_id = earned.lot.lot_id if own_id else 77
    engine_harness = open_engine()
    ask_locks = Gatherer.ask_locks
    between = [move(lot_id, START + 5 * DAY), redeem(10)]

    def ask_after_others(*args: Any) -> None:
        if threading.current_thread() is threading.main_thread() and between:
            run(engine_harness.do(between.pop(0)))
        ask_locks(*args)

    monkeypatch.setattr(Gatherer, "ask_locks", ask_after_others)
    moved = harness.do(move(lot_id, START + 9 * DAY))
    assert moved.change.old_expires_at == START + 5 * DAY
    with pytest.raises(LotNotLive):
        harness.do(move(lot_id, START + 11 * DAY))
    assert not between


def test_one_request_at_once_has_one_effect(
    harness: LedgerHarness, open_engine: OpenEngine
) -> None:
    """The same request many times at once, in two processes, is one, also for a new member."""
    engine_harnesses = [open_engine(), open_engine()]
    commands = [earn(7, "new", request_id="r"), redeem(2, "new", request_id="s")]
    harness.do(earn(1, "old"))
    commands += [earn(5, "old", request_id="r"), expire(100, "old", request_id="s")]

    async def story(command: Any) -> list[Any]:
        return await at_once(*(b.do(command) for _ in range(25) for b in engine_harnesses))

    for command in commands:
        answers = run(story(command))
        assert Counter(answer.replayed for answer in answers) == {False: 1, True: 49}
        assert (
            len({str(answer).replace("replayed=True", "replayed=False") for answer in answers}) == 1
        )
    assert harness.account("new").available == 5
    assert harness.account("old").available == 0


def test_one_request_at_once_in_two_real_processes(
    harness: LedgerHarness, open_engine: OpenEngine, database_url: str
) -> None:
    """A second process with the same requests gets the same transactions, each earned once."""
    here, requests = open_engine(), 60
    harness.do(earn(1))
    program = ("-m", "tests.support.service.second_process")
    arguments = [sys.executable, *program, database_url, START.isoformat(), str(requests)]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        other.stdin.write("go\n")
        other.stdin.flush()

        async def story() -> list[Any]:
            return await asyncio.gather(
                *(
                    here.do(earn(1, f"racer{n % 7}", request_id=f"r{n}"))
                    for n in reversed(range(requests))
                )
            )

        ours = list(reversed(run(story())))
        theirs = json.loads(other.stdout.readline())
        other.stdin.close()
        assert other.wait(PATIENCE_SECONDS) == 0
    assert [a.transaction.transaction_id for a in ours] == [number for number, _ in theirs]
    pairs = zip((a.replayed for a in ours), (replayed for _, replayed in theirs), strict=True)
    assert Counter(map(sum, pairs)) == {1: requests}
    assert sum(harness.account(f"racer{n}").available for n in range(7)) == requests


def test_racing_enrolments_make_one_member(harness: LedgerHarness, open_engine: OpenEngine) -> None:
    """Two processes that enrol the same members in opposite orders make each of them once."""
    here, there = open_engine(), open_engine()
    names = [f"m{n}" for n in range(40)]

    async def story(a: str, b: str, c: str) -> list[Any]:
        order = [f"{a}{n}" for n in names]
        back = list(reversed(order))
        return await at_once(
            here.do(*(earn(1, name) for name in order)),
            there.do(*(earn(1, name) for name in back)),
            *(
                engine_harness.do(earn(1, f"{b}{name}"))
                for name in names
                for engine_harness in (here, there)
            ),
            here.do(*(earn(1, f"{c}{n}", currency="EUR") for n in names)),
            there.do(*(earn(1, f"{c}{n}") for n in reversed(names))),
        )

    for a, b, c in ("abc", "def"):
        assert kinds(run(story(a, b, c))) == {"Earned": 84}
    found = harness.look(lambda at: at.scalar(select(func.count()).select_from(members)))
    assert found == 6 * len(names)


PATIENT = Timeouts(brief_lock=5_000)
"""With which engines wait for rows that others are adding, so that they meet for certain."""


def in_one_bucket(count: int) -> list[str]:
    """Names of members who share a bucket."""
    names = (f"m{n}" for n in range(10_000))
    return list(islice((n for n in names if bucket_of_name(1, "external_id", n) == 7), count))


def test_racing_first_accounts_meet_in_one_order(
    harness: LedgerHarness, open_engine: OpenEngine
) -> None:
    """Two processes that open the same members' accounts in opposite orders do not deadlock."""
    here, there = open_engine(timeouts=PATIENT), open_engine(timeouts=PATIENT)
    names = in_one_bucket(3)
    owners = [harness.do(earn(1, name)).account.owner for name in names]
    harness.do(earn(1, currency="EUR"))
    euros = harness.account("ann", "EUR").owner.currency.currency_id
    middle = {"member_id": owners[1].member.member_id, "currency_id": euros}
    place = {"bucket": owners[1].account_id % BUCKETS, "account_id": owners[1].account_id - 64}

    async def story() -> list[Any]:
        with held_row(harness, accounts, **place, **middle):
            both = asyncio.gather(
                here.do(*(earn(1, name, currency="EUR") for name in names)),
                there.do(*(earn(1, name, currency="EUR") for name in reversed(names))),
            )
            await until_blocked(harness, 2)
        return await both

    assert kinds(run(story())) == {"Earned": 2}
    assert [harness.account(name, "EUR").available for name in names] == [200] * 3


def test_racing_vendors_lots_meet_in_one_order(
    harness: LedgerHarness, open_engine: OpenEngine
) -> None:
    """Two processes that bring the same vendor's lots in opposite orders: one wins whole."""
    here, there = open_engine(timeouts=PATIENT), open_engine(timeouts=PATIENT)
    lot_id = harness.do(earn(1)).lot.lot_id
    harness.do(earn(1, currency="EUR"))

    async def story() -> list[Any]:
        with held_row(harness, lots, lot_id=lot_id - 64, vendor_id=2):
            both = asyncio.create_task(
                at_once(
                    here.do(*(earn(1, vendor_id=n) for n in (1, 2, 3))),
                    there.do(*(earn(1, vendor_id=n, currency="EUR") for n in (3, 2, 1))),
                )
            )
            await until_blocked(harness, 2)
        return await both

    assert kinds(run(story())) == {"Earned": 1, IdentifierTaken.__name__: 1}


def test_a_member_being_enrolled_elsewhere_holds_up_nobody_else(
    harness: LedgerHarness, open_engine: OpenEngine
) -> None:
    """While another process is about to add a member, only the Earns for that one wait."""
    engine_harness = open_engine()
    harness.do(earn(1))
    name = {"type": "external_id", "value": "new", "tenant_id": 1}
    bucket = bucket_of_name(1, "external_id", "new")

    async def story() -> None:
        with held_row(harness, identifiers, bucket=bucket, **name):
            waiting = asyncio.create_task(engine_harness.do(earn(1, "new")))
            others = [engine_harness.do(earn(1, f"other{n}")) for n in range(10)]
            assert kinds(await at_once(*others, engine_harness.do(redeem(1)))) == {
                "Earned": 10,
                "Redeemed": 1,
            }
            assert not waiting.done()
        await waiting

    run(story())


def test_others_go_on_while_one_account_is_locked(
    harness: LedgerHarness, open_engine: OpenEngine
) -> None:
    """A command for an account locked elsewhere waits, those for other accounts do not."""
    engine_harness = open_engine()
    account_id = harness.do(earn(10)).account.owner.account_id
    harness.do(earn(10, "bob"))

    async def story() -> list[Any]:
        with locked(harness.database, account_id):
            waiting = [asyncio.create_task(engine_harness.do(redeem(1))) for _ in range(5)]
            both = asyncio.create_task(engine_harness.do(redeem(1, "bob"), redeem(1)))
            for _ in range(6):
                await engine_harness.do(redeem(1, "bob"))
            await engine_harness.do(earn(1, "new"))
            done, _ = await asyncio.wait([*waiting, both], timeout=0)
            assert not done
        return await asyncio.gather(*waiting, both)

    assert kinds(run(story())) == {"Redeemed": 6}
    assert (harness.account().available, harness.account("bob").available) == (4, 3)


def test_patience_ends(harness: LedgerHarness, open_engine: OpenEngine) -> None:
    """After some lock timeouts commands are refused as overload, and only those."""
    engine_harness = open_engine(timeouts=Timeouts(lock=100))
    account_ids = [harness.do(earn(10, name)).account.owner.account_id for name in ("ann", "bob")]
    harness.do(earn(10, "cyd"))

    async def story() -> None:
        with ExitStack() as locks:
            for account_id in account_ids:
                locks.enter_context(locked(harness.database, account_id))
            waiting = [
                engine_harness.do(redeem(1, name)) for name in ("ann", "bob") for _ in range(20)
            ]
            free = engine_harness.do(redeem(1, "cyd"))
            results = await at_once(*waiting, free)
            assert kinds(results) == {Overloaded.__name__: 40, "Redeemed": 1}
        await engine_harness.do(redeem(1))

    run(story())
    assert harness.account().available == 9


def test_an_account_locked_by_turns_is_had(harness: LedgerHarness, open_engine: OpenEngine) -> None:
    """Commands that wait in patience for several accounts are done as each becomes free."""
    engine_harness = open_engine()
    one = harness.do(earn(10)).account.owner.account_id
    two = harness.do(earn(10, "bob")).account.owner.account_id

    async def story() -> None:
        with locked(harness.database, one):
            first = asyncio.create_task(engine_harness.do(redeem(1)))
            with locked(harness.database, two):
                second = asyncio.create_task(engine_harness.do(redeem(1, "bob")))
                await engine_harness.do(earn(1, "cyd"))
            await second
            assert not first.done()
        await first

    run(story())


def test_moves_race_with_spends(harness: LedgerHarness, open_engine: OpenEngine) -> None:
    """Moving a lot's expiry to now, and spending it, at once: each point goes one way."""
    engine_harnesses = [open_engine(), open_engine()]
    lots = {name: harness.do(earn(10, name)) for name in (f"m{n}" for n in range(20))}

    async def story() -> list[Any]:
        one, two = engine_harnesses
        works = [two.do(redeem(4, name)) for name in lots]
        works += [one.do(move(lot, member=name)) for name, lot in lots.items()]
        return await at_once(*works)

    results = run(story())
    assert set(kinds(results)) <= {"Redeemed", "ExpiryUpdated", "InsufficientPoints"}
    assert not any(isinstance(result, LotNotLive) for result in results)
    for name, spent in zip(lots, results, strict=False):
        view = harness.account(name)
        wanted = (0, 10) if isinstance(spent, InsufficientPoints) else (4, 6)
        assert (view.total_redeemed, view.total_expired) == wanted

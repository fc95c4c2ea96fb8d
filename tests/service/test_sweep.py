"""The sweep: by statement and by the core the same, in bounded units of work, whatever fails."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import Table, func, select, update
from tests.support.service.engine_harness import EngineHarness, at_once, in_threads, run
from tests.support.service.ledger_audit import audit
from tests.support.service.ledger_harness import START, LedgerHarness, approve, earn, move, redeem

from points_grpc.clock import TestClock
from points_grpc.domain.commands import Earn
from points_grpc.domain.model import LotState
from points_grpc.domain.policy import ExpireAt, InDays, Never
from points_grpc.domain.results import Earned
from points_grpc.errors import InvalidField, Refusal
from points_grpc.service.sweep import due_accounts, sweeper
from points_grpc.service.sweep.dry_run import DryRun
from points_grpc.storage.core.database import Connection
from points_grpc.storage.ledger import bulk_lapse
from points_grpc.storage.tables import (
    accounts,
    allocations,
    expiry_changes,
    lots,
    members,
    transactions,
)

DAY = timedelta(days=1)
POLICIES = ("month", "month", "month", "year-end", "idle", "idle-first", "")

OpenTill = Callable[..., LedgerHarness]


@pytest.fixture
def core(other_database_url: str) -> Iterator[LedgerHarness]:
    """A harness with its own database, whose sweeps go through the core alone."""
    harness = LedgerHarness(other_database_url, TestClock(START))
    harness.open_program()
    yield harness
    harness.close()


def by_core(harness: LedgerHarness, monkeypatch: pytest.MonkeyPatch) -> list[sweeper.Swept]:
    """What a sweep records that finds no account plain."""
    real = bulk_lapse.summarise

    def all_odd(*rest: Any) -> dict[int, bulk_lapse.DueLapse]:
        return {
            key: bulk_lapse.DueLapse(due.lots, due.instants, due.amount, True, due.next_at)
            for key, due in real(*rest).items()
        }

    with monkeypatch.context() as patched:
        patched.setattr(bulk_lapse, "summarise", all_odd)
        return list(harness.sweeper.sweep(7))


def story(harness: LedgerHarness, seed: int) -> None:
    """A random past: earns of all kinds, some approved, moved and spent, over ten days."""
    draw = random.Random(seed)
    earned: list[Earned] = []
    for _ in range(260):
        try:
            answer = harness.do(command(draw, earned))
        except Refusal:
            continue
        if isinstance(answer, Earned):
            earned.append(answer)
        if draw.random() < 0.05:
            harness.clock.set(harness.clock.now() + DAY * draw.random())


def command(draw: random.Random, earned: list[Earned]) -> Any:
    member = f"m{draw.randrange(30)}"
    chance = draw.random()
    if chance < 0.1:
        return redeem(draw.randint(1, 30), member)
    if chance < 0.16 and earned:
        return approve(draw.choice(earned))
    if chance < 0.24 and earned:
        lot = draw.choice(earned)
        to = ExpireAt(START + DAY * draw.choice((20, 25, 31)))
        external_id = lot.account.owner.member.external_id
        currency = lot.account.owner.currency.code
        return move(lot, to.at, member=external_id, currency=currency)
    return an_earn(draw, member)


def an_earn(draw: random.Random, member: str) -> Earn:
    more: dict[str, Any] = {"currency": draw.choice(("PTS", "PTS", "EUR"))}
    if draw.random() < 0.5:
        instants = [ExpireAt(START + DAY * days) for days in (20, 25, 40)]
        more["expiration"] = draw.choice([*instants, InDays(draw.randint(1, 50)), Never()])
    else:
        more["policy"] = draw.choice(POLICIES)
    if draw.random() < 0.12:
        more["initial_state"] = draw.choice((LotState.OPEN, LotState.PENDING))
    if draw.random() < 0.2:
        more["vendor_id"] = draw.randint(1, 10**6)
    return earn(draw.randint(1, 50), member, **more)


def hold_some(harness: LedgerHarness, seed: int) -> None:
    """Hold a part of a few lots, which no command does yet."""
    draw = random.Random(seed)

    def hold(at: Connection) -> None:
        whole = at.execute(
            select(lots.c.lot_id, lots.c.account_id)
            .where(lots.c.remaining > 1, lots.c.state == LotState.APPROVED)
            .order_by(lots.c.lot_id)
        ).all()
        for lot_id, account_id in draw.sample(whole, 8):
            at.execute(
                update(lots)
                .where(lots.c.lot_id == lot_id)
                .values(remaining=lots.c.remaining - 1, held=lots.c.held + 1)
            )
            at.execute(
                update(accounts)
                .where(accounts.c.account_id == account_id)
                .values(available=accounts.c.available - 1, held=accounts.c.held + 1)
            )

    harness.look(hold)


def everything(harness: LedgerHarness) -> dict[str, list[Any]]:
    """All rows of all facts; a transaction that a sweep made goes by its account and version."""

    def read(at: Connection) -> dict[str, list[Any]]:
        made = {
            row.transaction_id: f"{row.account_id} {row.version}"
            for row in at.execute(select(transactions).where(transactions.c.principal == "sweep"))
        }

        def rows(of: Table) -> list[Any]:
            found = at.execute(select(of)).all()
            places = [
                place
                for place, name in enumerate(of.c.keys())
                if name in ("transaction_id", "lapse_id")
            ]
            return sorted(
                repr([made.get(v, v) if n in places else v for n, v in enumerate(row)])
                for row in found
            )

        tables = (members, accounts, lots, transactions, allocations, expiry_changes)
        return {of.name: rows(of) for of in tables}

    return harness.look(read)


def told(swept: list[sweeper.Swept]) -> dict[tuple[int, str], list[int]]:
    """Lots, expired and closed by program and currency."""
    totals: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for chunk in swept:
        for one in chunk.lapses:
            total = totals[one.program_id, one.currency.code]
            for place, figure in enumerate((one.lots, one.expired, one.closed)):
                total[place] += figure
    return {key: total for key, total in totals.items() if any(total)}


def foretold(harness: LedgerHarness) -> tuple[dict[tuple[int, str], list[int]], set[date]]:
    """What a dry run tells, as `told` does; and the days."""
    forecaster = DryRun(harness.database, harness.cache, harness.ids, harness.clock)
    totals: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    days = set()
    for _, found in forecaster.due(7):
        for due in found:
            total = totals[due.on.program_id, due.on.currency]
            total[0] += 1
            total[1 if due.approved else 2] += due.points
            days.add(due.on.day)
    forecaster.close()
    return dict(totals), days


@pytest.mark.parametrize("seed", range(6))
def test_by_statement_and_by_the_core_the_same(
    open_ledger: OpenTill, core: LedgerHarness, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random accounts swept by statement and by the core have the same rows in every table.

    Both record what a dry run said they would, also after half of the accounts had moved on.
    """
    harness = open_ledger()
    for each in (harness, core):
        story(each, seed)
    ended: list[int] = []
    real = bulk_lapse.record
    for days in (22, 13, 30):
        now = harness.clock.now() + DAY * days
        for each in (harness, core):
            each.clock.set(now)
        assert everything(harness) == everything(core)
        wanted, _ = foretold(harness)
        with monkeypatch.context() as patched:
            patched.setattr(bulk_lapse, "record", lambda *of: ended.append(real(*of)))
            assert told(list(harness.sweeper.sweep(7))) == wanted
        assert told(by_core(core, monkeypatch)) == wanted
        assert everything(harness) == everything(core)
        assert foretold(harness) == ({}, set())
    assert sum(ended) > 50
    assert audit(core.database) == []


def test_held_parts_are_the_cores(
    database_url: str, core: LedgerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lot with a part that is held lapses as the core says: the held part stays."""
    harness = LedgerHarness(database_url, TestClock(START))
    harness.open_program()
    for each in (harness, core):
        story(each, 7)
        hold_some(each, 7)
        each.clock.set(each.clock.now() + 25 * DAY)
    assert told(list(harness.sweeper.sweep())) == told(by_core(core, monkeypatch))
    assert everything(harness) == everything(core)
    harness.close()


def test_units_of_work_are_bounded(harness: LedgerHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """No unit of work ends more lots than it may, but for an account that has more by itself."""
    for n in range(12):
        harness.do(earn(1, f"m{n}", policy="month"))
        harness.execute(harness.call(*[earn(1, f"m{n}", policy="month")] * 3))
    harness.execute(harness.call(*[earn(1, "rich", policy="month")] * 20))
    harness.clock.set(START + 31 * DAY)
    monkeypatch.setattr(sweeper, "LOTS_MAX", 9)
    swept = list(harness.sweeper.sweep())
    sizes = sorted(sum(one.lots for one in chunk.lapses) for chunk in swept)
    assert sum(sizes) == 68
    assert sizes[-1] == 20
    assert sizes[-2] <= 9


def test_what_the_statement_is_refused_is_the_cores(harness: LedgerHarness) -> None:
    """One account that cannot be recorded keeps none of the others of its chunk from it."""
    earned = {name: harness.do(earn(10, name, policy="month")) for name in ("ann", "bob", "cyd")}
    harness.clock.set(START + 31 * DAY)
    bob = earned["bob"].account.owner.account_id

    def set_figures(available: int, redeemed: int) -> None:
        figures = {"available": available, "total_redeemed": redeemed}
        harness.look(
            lambda at: at.execute(
                update(accounts).where(accounts.c.account_id == bob).values(figures)
            )
        )

    set_figures(1, 9)
    swept = list(harness.sweeper.sweep())
    assert sum(len(chunk.lapses) for chunk in swept) == 2
    assert [type(f) for chunk in swept for f in chunk.failures] == [InvalidField]
    set_figures(10, 0)
    assert told(list(harness.sweeper.sweep())) == {(469, "PTS"): [1, 10, 0]}


def test_a_sweep_that_is_killed_goes_on(
    harness: LedgerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before its COMMIT a unit of work has done nothing, and is done again."""
    for n in range(30):
        harness.execute(
            harness.call(earn(1, f"m{n}", policy="month"), earn(2, f"m{n}", policy="idle"))
        )
        harness.do(earn(3, f"m{n}", policy="month"))
    harness.clock.set(START + 31 * DAY)
    real, ends = bulk_lapse.record, []

    def die_at_times(connection: Connection, *rest: Any) -> int:
        lots_ended = real(connection, *rest)
        ends.append(lots_ended)
        if len(ends) % 2:
            mine = connection.scalar(select(func.pg_backend_pid()))
            harness.look(lambda at: at.scalar(select(func.pg_terminate_backend(mine))))
        return lots_ended

    monkeypatch.setattr(bulk_lapse, "record", die_at_times)
    assert told(list(harness.sweeper.sweep(5))) == {(469, "PTS"): [60, 120, 0]}


def test_pages_find_every_account_once(
    harness: LedgerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However small the pages, and however many accounts are due at one instant."""
    monkeypatch.setattr(due_accounts, "FIRST", 2)
    monkeypatch.setattr(due_accounts, "PAGE", 3)
    monkeypatch.setattr(due_accounts, "PLACES", 50)
    earned = [harness.do(earn(1, f"m{n % 200}", policy="month")) for n in range(250)]
    harness.open_program(harness.rival, 1)
    for n in range(200):
        harness.do(earn(1, f"m{n}", policy="month", program_id=1), harness.rival)
    until = START + 31 * DAY
    pages = list(due_accounts.find_due_accounts(harness.link, until))
    keys = [key for page in pages for key in page]
    assert len(keys) == len(set(keys)) == 400
    assert {answer.account.owner.account_id for answer in earned} < {key[1] for key in keys}
    assert due_accounts.estimate(harness.link, until) == 400
    assert due_accounts.estimate(harness.link, START) == 0


def test_how_many_are_due_is_estimated_from_some(
    harness: LedgerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where much is due only some buckets are counted, and the rest is taken to be like them."""
    for n in range(640):
        harness.do(earn(1, f"m{n}", policy="month"))
    monkeypatch.setattr(due_accounts, "COUNTED_MAX", 100)
    about = due_accounts.estimate(harness.link, START + 31 * DAY)
    assert about % due_accounts.SAMPLE == 0
    assert 400 <= about <= 900


def test_sweeps_beside_writers(
    harness: LedgerHarness, open_engine: Callable[..., EngineHarness]
) -> None:
    """Earns, redemptions and moved expiries go on while all is swept, and all sums agree."""
    earned = [harness.do(earn(10, f"m{n}", policy="month")) for n in range(60)]
    live = [harness.do(earn(7, f"m{n}")) for n in range(60)]
    engine_harnesses = [open_engine(), open_engine()]
    harness.clock.set(START + 31 * DAY)

    async def writes() -> list[Any]:
        works = [engine_harnesses[0].do(earn(1, f"m{n}")) for n in range(60)]
        works += [engine_harnesses[0].do(redeem(2, f"m{n}")) for n in range(60)]
        to = START + 90 * DAY
        works += [
            engine_harnesses[0].do(move(lot, to, member=f"m{n}")) for n, lot in enumerate(live)
        ]
        return await at_once(*works)

    _, answers = in_threads(
        lambda: list(engine_harnesses[1].sweeper.sweep(3)), lambda: run(writes())
    )
    assert not [answer for answer in answers if isinstance(answer, Exception)]
    list(harness.sweeper.sweep())
    for n in range(len(earned)):
        view = harness.account(f"m{n}")
        assert (view.total_expired, view.total_redeemed, view.available) == (10, 2, 6)

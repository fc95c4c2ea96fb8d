"""When the database or the way to it fails: nothing is done twice, and nothing said is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import DDL, column, func, select, table, update
from structlog.testing import capture_logs
from tests.support.service.engine_harness import EngineHarness, run, until_blocked
from tests.support.service.ledger_harness import (
    PROGRAM,
    LedgerHarness,
    earn,
    named,
    outcomes,
    redeem,
)
from tests.support.service.proxy import Failure, Proxy

from points_grpc.domain.queries import ListLots
from points_grpc.domain.results import Earned
from points_grpc.errors import InvalidField, StorageUnavailable
from points_grpc.service.shared import retry as persisting
from points_grpc.service.writes import ledger
from points_grpc.storage.core.database import Connection, Timeouts
from points_grpc.storage.core.db_errors import Unreachable
from points_grpc.storage.tables import accounts, transactions

SHORT = Timeouts(statement=400, lock=300, connect=1_000, grace=100)

LOTS = ListLots(PROGRAM, named("ann"), "PTS")

_activity = table("pg_stat_activity", column("pid"), column("datname"), column("application_name"))


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    """A network that fails when told to."""
    network = Proxy(database_url)
    yield network
    network.stop()


@pytest.fixture
def far(harness: LedgerHarness, proxy: Proxy) -> Iterator[LedgerHarness]:
    """A harness beyond that network, on the same database as `harness`."""
    there = LedgerHarness(proxy.url, harness.clock, SHORT)
    # On a busy machine the first batch may take longer than a statement may: it is done again.
    warm = there.call(earn(1, "warm"))
    while not warm.groups[0].settled:
        there.ledger.execute([warm])
    yield there
    there.close()


def terminate_others(connection: Connection) -> None:
    """Kill every other connection to the database."""
    connection.execute(
        select(func.pg_terminate_backend(_activity.c.pid))
        .where(_activity.c.datname == func.current_database())
        .where(_activity.c.pid != func.pg_backend_pid())
    ).all()


LOST_COMMITS = [Failure.NOT_SENT, Failure.CUT, Failure.SWALLOWED]


@pytest.mark.parametrize("request_id", ["", "r"])
@pytest.mark.parametrize("failure", LOST_COMMITS)
def test_a_lost_commit_is_settled(
    harness: LedgerHarness, far: LedgerHarness, proxy: Proxy, failure: Failure, request_id: str
) -> None:
    """A batch whose COMMIT gets no answer has its effect once, and every call its answer."""
    proxy.fail_next_commit(failure)
    calls = [
        far.call(earn(10, request_id=request_id)),
        far.call(redeem(11)),
        far.call(redeem(4), earn(1, "new")),
    ]
    results = far.execute(*calls)
    assert [[type(o).__name__ for o in r] for r in results] == [
        ["Earned"],
        ["InsufficientPoints"],
        ["Redeemed", "Earned"],
    ]
    assert [o.replayed for o in (*results[0], *results[2])] == [False] * 3
    assert harness.account().available == 6
    if request_id:
        again = far.do(earn(10, request_id=request_id))
        assert again.replayed
        assert again.account == results[0][0].account
    assert far.do(redeem(6)).account.available == 0


def test_a_commit_under_way_is_waited_for(
    harness: LedgerHarness, far: LedgerHarness, proxy: Proxy
) -> None:
    """A COMMIT that arrives after its connection was lost is found, not done again."""
    proxy.fail_next_commit(Failure.HELD)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(far.do, earn(10))
        assert proxy.failed.wait(5)
        run(until_blocked(harness, 1))
        proxy.release()
        assert answer.result(5).account.available == 10
    assert harness.account().available == 10


def test_a_commit_in_doubt_for_long_is_unavailable(
    harness: LedgerHarness, far: LedgerHarness, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the database stays away after a COMMIT the caller is told so; a retry finds it."""
    monkeypatch.setattr(persisting, "IN_DOUBT_SECONDS", 0.3)
    proxy.fail_next_commit(Failure.CUT)

    def go_away() -> None:
        assert proxy.failed.wait(5)
        proxy.stop()

    leaving = threading.Thread(target=go_away)
    leaving.start()
    command = earn(10, request_id="r")
    assert isinstance(far.refusal(command), StorageUnavailable)
    leaving.join(5)
    proxy.start()
    again = far.do(command)
    assert (again.replayed, again.account.available) == (True, 10)
    assert harness.account().available == 10


def test_a_refused_commit_is_not_in_doubt(
    harness: LedgerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A COMMIT that the database refuses for want of space is given up like any statement."""
    monkeypatch.setattr(persisting, "LOST_SECONDS", 0.1)
    monkeypatch.setattr(persisting, "IN_DOUBT_SECONDS", 60.0)
    for statement in (
        (
            "CREATE FUNCTION extend() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$"
        ),
        (
            "CREATE CONSTRAINT TRIGGER extend AFTER INSERT ON units"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION extend()"
        ),
    ):
        harness.look(lambda at, statement=statement: at.execute(DDL(statement)))
    began = time.monotonic()
    assert isinstance(harness.refusal(earn(10)), StorageUnavailable)
    assert time.monotonic() - began < 30
    harness.look(lambda at: at.execute(DDL("DROP TRIGGER extend ON units")))
    assert harness.do(earn(10)).account.available == 10


def test_a_connection_killed_in_the_middle_is_replaced(
    harness: LedgerHarness, far: LedgerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch whose connection dies before its COMMIT is gathered again on another."""
    real, attempts = ledger.apply, []

    def die_once(connection: Connection, *rest: Any) -> None:
        attempts.append(1)
        if len(attempts) == 1:
            harness.look(terminate_others)
        real(connection, *rest)

    monkeypatch.setattr(ledger, "apply", die_once)
    results = far.execute(far.call(earn(10)), far.call(redeem(3)))
    assert [type(r[0]).__name__ for r in results] == ["Earned", "Redeemed"]
    assert len(attempts) == 2
    assert harness.account().available == 7


def test_connections_killed_between_batches_are_not_noticed(
    harness: LedgerHarness, proxy: Proxy
) -> None:
    """Writes, reads and listings open new connections when the old ones have died."""
    engine_harness = EngineHarness(proxy.url, harness.clock, SHORT)

    async def story() -> None:
        for _ in range(3):
            answer = await engine_harness.do(earn(1))
            harness.look(terminate_others)
            assert await engine_harness.available() == answer.account.available
            harness.look(terminate_others)
            await engine_harness.engine.list(engine_harness.acme, LOTS)
            harness.look(terminate_others)

    run(story())
    engine_harness.close()


def test_without_a_database_the_service_is_unavailable_until_it_is_back(
    harness: LedgerHarness, proxy: Proxy
) -> None:
    """Unreachable, every kind of call is refused soon; when it is back, all are served again."""
    engine_harness = EngineHarness(proxy.url, harness.clock, SHORT)

    async def story() -> None:
        await engine_harness.do(earn(5))
        proxy.stop()
        for ask in (
            lambda: engine_harness.do(earn(1)),
            lambda: engine_harness.do(*[earn(1)] * 40),
            lambda: engine_harness.engine.write(
                engine_harness.acme, [earn(1), earn(2)], partial=True
            ),
            lambda: engine_harness.engine.write(engine_harness.acme, [earn(1)], validate_only=True),
            engine_harness.available,
            lambda: engine_harness.engine.list(engine_harness.acme, LOTS),
        ):
            began = time.monotonic()
            with pytest.raises(StorageUnavailable) as refused:
                await ask()
            assert refused.value.field == ""
            assert time.monotonic() - began < 3
        with pytest.raises(StorageUnavailable):
            list(engine_harness.sweeper.sweep())
        proxy.start()
        assert (await engine_harness.do(earn(1))).account.available == 6
        assert await engine_harness.available() == 6
        await engine_harness.engine.list(engine_harness.acme, LOTS)
        assert list(engine_harness.sweeper.sweep()) == []

    run(story())
    engine_harness.close()


def test_ids_that_cannot_be_had_are_asked_for_again(harness: LedgerHarness) -> None:
    """Losing the database while new ids are taken makes the batch start over, not fail."""
    real, attempts = harness.ids._run, []

    def stumble(work: Callable[[Connection], int]) -> int:
        attempts.append(1)
        if len(attempts) == 1:
            raise Unreachable
        return real(work)

    harness.ids._run = stumble
    harness.ids._next = harness.ids._end
    harness.do(earn(1))
    harness.ids._next = harness.ids._end
    attempts.clear()
    harness.do(earn(1))
    assert len(attempts) == 2
    assert harness.account().available == 2


def test_a_swallowed_connection_is_shut_by_the_watchdog(
    harness: LedgerHarness, far: LedgerHarness, proxy: Proxy
) -> None:
    """A unit of work that hears nothing from the network is ended by the client's own clock."""
    proxy.fail_next_commit(Failure.SWALLOWED)
    began = time.monotonic()
    assert far.do(earn(10)).account.available == 10
    assert time.monotonic() - began < 3
    assert harness.account().available == 10


def test_the_watchdog_watches_units_within_units(
    harness: LedgerHarness, far: LedgerHarness, proxy: Proxy
) -> None:
    """A unit of work stays watched after another one of the same thread has ended."""
    with far.database.link().unit() as outer:
        outer.execute(select(1))
        far.database.run(lambda at: at.execute(select(1)))
        assert len(far.database.watchdog._watched) == 1
    assert len(far.database.watchdog._watched) == 0


def test_what_the_database_refuses_fails_its_group_alone(harness: LedgerHarness) -> None:
    """A violated check or a number out of range refuses one group; its batch is kept."""
    harness.look(
        lambda at: at.execute(
            DDL("ALTER TABLE transactions ADD CONSTRAINT no_bad CHECK (reference <> 'bad')")
        )
    )
    odd = harness.do(earn(1, "odd")).account.owner.account_id
    version = accounts.c.version

    def set_version(to: int) -> None:
        harness.look(
            lambda at: at.execute(
                update(accounts).where(accounts.c.account_id == odd).values({version: to})
            )
        )

    set_version(2**63 - 1)
    calls = [
        harness.call(earn(1)),
        harness.call(earn(2), earn(4, "bob", reference="bad")),
        harness.call(earn(8), earn(16, "bob")),
        harness.call(earn(32, "odd")),
        harness.call(earn(64), earn(128, reference="bad"), earn(256), partial=True),
    ]
    harness.execute(*calls)
    set_version(1)
    kinds = [type(o) for call in calls for o in outcomes(call)]
    bad = InvalidField
    assert kinds == [Earned, bad, bad, Earned, Earned, bad, Earned, bad, Earned]
    assert (harness.account().available, harness.account("bob").available) == (329, 16)
    found = harness.look(lambda at: at.scalar(select(func.count()).select_from(transactions)))
    assert found == 6


def test_a_deadlock_is_told(harness: LedgerHarness) -> None:
    """A deadlock is tried again like any conflict, and logged, as there should be none."""
    for statement in (
        "CREATE SEQUENCE turns",
        """CREATE FUNCTION lock() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('turns') = 1 THEN RAISE EXCEPTION USING ERRCODE = 'deadlock_detected'; END IF;
        RETURN NULL; END $$""",
        "CREATE TRIGGER lock BEFORE INSERT ON units EXECUTE FUNCTION lock()",
    ):
        harness.look(lambda at, statement=statement: at.execute(DDL(statement)))
    with capture_logs() as logs:
        assert harness.do(earn(10)).account.available == 10
    assert [(one["event"], one["log_level"]) for one in logs] == [("deadlock", "warning")]


def test_a_conflict_that_stays_fails_its_group_alone(harness: LedgerHarness) -> None:
    """A group that always conflicts is overload for itself, and its batch is kept."""
    harness.look(lambda at: at.execute(DDL("CREATE UNIQUE INDEX one ON transactions (reference)")))
    harness.do(earn(1, reference="taken"))
    calls = [harness.call(earn(1, reference="taken" if n == 2 else f"{n}")) for n in range(4)]
    results = harness.execute(*calls)
    assert [type(r[0]).__name__ for r in results] == ["Earned", "Earned", "Overloaded", "Earned"]
    assert harness.account().available == 4

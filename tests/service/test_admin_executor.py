"""The desk: each change once, whatever happens to the connection."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select

from points_grpc.domain.admin.commands import CreateProgram, Outcome, ProgramView, UpdateProgram
from points_grpc.domain.commands import VENDOR_ID_END
from points_grpc.errors import Overloaded, StorageUnavailable
from points_grpc.service.admin.codecs import PROGRAM
from points_grpc.service.admin.executor import AdminChange, AdminExecutor, Instant
from points_grpc.service.admin.programs import ProgramService
from points_grpc.storage.core.database import Connection, Database
from points_grpc.storage.tables import programs, requests, units


class Stumbling:
    """A link that breaks some of its units of work, before or after their COMMIT."""

    def __init__(self, link: Any, database: StumblingDatabase) -> None:
        self.link = link
        self.database = database

    @contextmanager
    def unit(self) -> Iterator[Connection]:
        """A unit of work that fails as the next of the database's `breaks` says."""
        how, *self.database.breaks = self.database.breaks or [""]
        with self.link.unit() as connection:
            yield connection
            if how == "before":
                raise psycopg.OperationalError("the connection broke")
        if how == "after":
            raise psycopg.OperationalError("the connection broke")

    def close(self) -> None:
        """Close the link."""
        self.link.close()


class StumblingDatabase(Database):
    """A database whose links stumble, each time as the next of `breaks` says."""

    breaks: Sequence[str] = ()

    def link(self, snapshot: bool = False) -> Any:
        """A stumbling link."""
        return Stumbling(super().link(snapshot), self)


@pytest.fixture
def stumbling(
    admin_harness: Any, database_url: str
) -> Iterator[tuple[ProgramService, StumblingDatabase]]:
    """A service on a stumbling database, and the database."""
    database = StumblingDatabase(database_url)
    desk = AdminExecutor(database, admin_harness.clock)
    yield ProgramService(desk, admin_harness.ids), database
    desk.close()
    database.close()


def count(admin_harness: Any, table: Any) -> int:
    """How many rows a table has."""
    return int(
        admin_harness.database.run(lambda at: at.scalar(select(func.count()).select_from(table)))
    )


def test_a_commit_whose_answer_was_lost_is_not_done_again(
    admin_harness: Any, stumbling: Any
) -> None:
    """A change without a request id that was committed is answered, once, as it was done."""
    book, database = stumbling
    database.breaks = ["after"]
    outcome = admin_harness.ask(
        book.create_program(admin_harness.acme, CreateProgram("Shop", "UTC"))
    )
    assert outcome.answer.program_id >= VENDOR_ID_END
    assert not outcome.replayed
    assert count(admin_harness, programs) == count(admin_harness, units) == 1


def test_a_unit_that_was_lost_before_its_commit_is_done_again(
    admin_harness: Any, stumbling: Any
) -> None:
    """A change that was not committed when the connection broke is done by the next attempt."""
    book, database = stumbling
    database.breaks = ["before", "before", "after"]
    outcome = admin_harness.ask(
        book.create_program(admin_harness.acme, CreateProgram("Shop", "UTC"))
    )
    found = admin_harness.ask(
        admin_harness.programs.get_program(admin_harness.acme, outcome.answer.program_id)
    )
    assert found == outcome.answer
    assert count(admin_harness, programs) == count(admin_harness, units) == 1


def test_a_database_that_stays_away_is_unavailable(admin_harness: Any, stumbling: Any) -> None:
    """A change whose every attempt loses its connection is refused and changes nothing."""
    book, database = stumbling
    database.breaks = ["before"] * 100
    with pytest.raises(StorageUnavailable):
        admin_harness.ask(book.create_program(admin_harness.acme, CreateProgram("Shop", "UTC")))
    with pytest.raises(StorageUnavailable):
        admin_harness.ask(book.list_programs(admin_harness.acme))
    assert count(admin_harness, programs) == count(admin_harness, units) == 0


def test_an_unreachable_database_is_unavailable(admin_harness: Any) -> None:
    """Without any connection every method is refused as STORAGE_UNAVAILABLE."""
    database = Database("postgresql+psycopg://nobody@127.0.0.1:1/none")
    desk = AdminExecutor(database, admin_harness.clock)
    with pytest.raises(StorageUnavailable):
        admin_harness.ask(
            ProgramService(desk, admin_harness.ids).get_program(admin_harness.acme, 1)
        )
    desk.close()
    database.close()


def test_a_killed_connection_is_replaced(admin_harness: Any) -> None:
    """A change during which the server ends the connection is done on another one."""
    attempts: list[datetime] = []

    def decide(connection: Connection, now: Instant) -> ProgramView:
        attempts.append(now())
        if len(attempts) == 1:
            connection.execute(select(func.pg_terminate_backend(func.pg_backend_pid())))
        return ProgramView(1, "", "UTC", True, "", 1, now(), now())

    task = AdminChange(
        1, ("programs",), CreateProgram("", "UTC", 1, request_id="r1"), decide, PROGRAM
    )
    assert not admin_harness.ask(admin_harness.desk.run(task)).replayed
    assert len(attempts) == 2
    assert admin_harness.ask(admin_harness.desk.run(task)).replayed


def test_a_refused_change_leaves_nothing(admin_harness: Any) -> None:
    """What fails leaves neither its unit's id nor an idempotency row."""

    def decide(connection: Connection, now: Instant) -> ProgramView:
        raise Overloaded

    task = AdminChange(
        1, ("programs",), CreateProgram("", "UTC", 1, request_id="r1"), decide, PROGRAM
    )
    with pytest.raises(Overloaded):
        admin_harness.ask(admin_harness.desk.run(task))
    assert count(admin_harness, units) == count(admin_harness, requests) == 0


def test_an_unforeseen_failure_is_raised_as_it_is(admin_harness: Any) -> None:
    """A fault of ours is neither hidden nor repeated."""
    attempts: list[datetime] = []

    def decide(connection: Connection, now: Instant) -> ProgramView:
        attempts.append(now())
        raise ZeroDivisionError

    task = AdminChange(1, ("programs",), CreateProgram("", "UTC", 1), decide, PROGRAM)
    with pytest.raises(ZeroDivisionError):
        admin_harness.ask(admin_harness.desk.run(task))
    assert len(attempts) == 1


class Held:
    """Work that waits for `go_on` once it has `begun`."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self, *_: Any) -> Any:
        self.begun.set()
        assert self.go_on.wait(30)
        return "waited"


@pytest.mark.parametrize("kind", ["changes", "reads"])
def test_what_waits_is_bounded(admin_harness: Any, kind: str) -> None:
    """When as many wait as may, the next is refused as OVERLOADED; afterwards all is as before."""
    desk = AdminExecutor(admin_harness.database, admin_harness.clock, **{f"{kind}_max": 2})
    held = Held()

    async def ask(work: Any) -> Any:
        if kind == "reads":
            return await desk.read(work)
        task: AdminChange[Any] = AdminChange(1, (), CreateProgram("", "UTC"), work, PROGRAM)
        return (await desk.run(task)).answer

    async def crowd() -> list[Any]:
        first = asyncio.ensure_future(ask(held))
        await asyncio.to_thread(held.begun.wait, 30)
        second = asyncio.ensure_future(ask(lambda *_: "in turn"))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await ask(lambda *_: "too many")
        held.go_on.set()
        return [await first, await second]

    assert admin_harness.ask(crowd()) == ["waited", "in turn"]
    assert admin_harness.ask(ask(lambda *_: "again")) == "again"
    desk.close()


def test_whoever_leaves_the_queue_gives_up_its_place(admin_harness: Any) -> None:
    """A change whose caller left before its turn is dropped without effect."""
    held = Held()
    blocking: AdminChange[Any] = AdminChange(1, (), CreateProgram("", "UTC"), held, PROGRAM)

    async def leave() -> None:
        first = asyncio.ensure_future(admin_harness.desk.run(blocking))
        await asyncio.to_thread(held.begun.wait, 30)
        create = admin_harness.programs.create_program(
            admin_harness.acme, CreateProgram("", "UTC", 1)
        )
        second = asyncio.ensure_future(create)
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        held.go_on.set()
        await first

    admin_harness.ask(leave())
    assert admin_harness.ask(admin_harness.programs.list_programs(admin_harness.acme)) == []


def test_questions_are_answered_while_a_change_waits(admin_harness: Any) -> None:
    """However many ask while a change waits for a locked program, each has its answer at once."""
    admin_harness.ask(
        admin_harness.programs.create_program(admin_harness.acme, CreateProgram("Shop", "UTC", 1))
    )
    link = admin_harness.database.link()

    async def wait_and_ask() -> None:
        with link.unit() as elsewhere:
            elsewhere.execute(select(programs).with_for_update()).all()
            change = admin_harness.programs.update_program(
                admin_harness.acme, UpdateProgram(1, name="Store")
            )
            waiting = asyncio.ensure_future(change)
            asked = (admin_harness.programs.get_program(admin_harness.acme, 1) for _ in range(600))
            found = await asyncio.gather(*asked)
            assert {program.name for program in found} == {"Shop"}
            assert not waiting.done()
        assert (await waiting).answer.name == "Store"
        assert (await admin_harness.programs.get_program(admin_harness.acme, 1)).name == "Store"

    admin_harness.ask(wait_and_ask())
    link.close()


def test_an_answer_is_rebuilt_exactly(admin_harness: Any) -> None:
    """What is kept of an answer gives the same answer, whatever characters it has."""
    name = 'Ünï "quoted" \\ \n 😀'
    change = CreateProgram(name, "UTC", 1, auto_enroll=False, request_id="r1")
    first = admin_harness.ask(admin_harness.programs.create_program(admin_harness.acme, change))
    again = admin_harness.ask(admin_harness.programs.create_program(admin_harness.acme, change))
    assert again == Outcome(first.answer, replayed=True)
    assert again.answer.name == name

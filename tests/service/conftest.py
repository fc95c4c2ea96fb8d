"""Harnesses over a fresh database; tests of this folder may import `harness`, too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest
from sqlalchemy import (
    DDL,
)
from tests.support.service.audit_story import (
    CHECKS,
    TABLES,
    done,
    tell,
)
from tests.support.service.engine_harness import EngineHarness, deadlocks
from tests.support.service.lanes import Gate, Open
from tests.support.service.ledger_audit import audit
from tests.support.service.ledger_harness import (
    START,
    LedgerHarness,
)
from tests.support.service.program_changes import do

from points_grpc.clock import TestClock
from points_grpc.domain.admin.commands import (
    CreateCurrency,
    CreateProgram,
)
from points_grpc.domain.commands import Caller
from points_grpc.service.admin.executor import AdminExecutor
from points_grpc.service.admin.members import MemberService
from points_grpc.service.admin.programs import ProgramService
from points_grpc.service.batching import Lane
from points_grpc.storage.core.database import Database
from points_grpc.storage.core.ids import IdSource

T = TypeVar("T")


class AdminHarness:
    """One process's services over a database; a second harness on it is another process."""

    def __init__(self, url: str, clock: TestClock) -> None:
        self.clock = clock
        self.database = Database(url)
        self.ids = IdSource(self.database.run)
        self.desk = AdminExecutor(self.database, clock)
        self.programs = ProgramService(self.desk, self.ids)
        self.members = MemberService(self.desk, self.ids)
        self.acme = Caller(1, "acme", "anna@acme")
        self.rival = Caller(2, "rival", "rita@rival")

    @staticmethod
    def ask(work: Coroutine[Any, Any, T]) -> T:
        """What the coroutine returns."""
        return asyncio.run(work)

    @staticmethod
    def ask_at_once(*works: Coroutine[Any, Any, Any]) -> list[Any]:
        """What each coroutine returns or raises, all running at the same time."""

        async def gather() -> list[Any]:
            return await asyncio.gather(*works, return_exceptions=True)

        return asyncio.run(gather())

    def close(self) -> None:
        """Close every connection."""
        self.desk.close()
        self.database.close()


@pytest.fixture
def open_admin(database_url: str) -> Iterator[Callable[[], AdminHarness]]:
    """Opens offices on one database and one clock."""
    clock = TestClock(START)
    admin_harnesses: list[AdminHarness] = []

    def open_one() -> AdminHarness:
        admin_harnesses.append(AdminHarness(database_url, clock))
        return admin_harnesses[-1]

    yield open_one
    for admin_harness in admin_harnesses:
        admin_harness.close()


@pytest.fixture
def admin_harness(open_admin: Callable[[], AdminHarness]) -> AdminHarness:
    """One harness."""
    return open_admin()


@pytest.fixture
def open_ledger(database_url: str) -> Iterator[Callable[..., LedgerHarness]]:
    """Opens harnesses on one database and one clock; the first one creates the program.

    Afterwards the whole database is audited.
    """
    clock = TestClock(START)
    harnesses: list[LedgerHarness] = []

    def open_one(**more: Any) -> LedgerHarness:
        harnesses.append(LedgerHarness(database_url, clock, **more))
        if len(harnesses) == 1:
            harnesses[0].open_program()
        return harnesses[-1]

    yield open_one
    findings = audit(harnesses[0].database) if harnesses else []
    for harness in harnesses:
        harness.close()
    assert findings == []


@pytest.fixture
def harness(open_ledger: Callable[..., LedgerHarness]) -> LedgerHarness:
    """One harness."""
    return open_ledger()


@pytest.fixture
def open_engine(
    harness: LedgerHarness, database_url: str
) -> Iterator[Callable[..., EngineHarness]]:
    """Opens engines on the harness's database; afterwards there must have been no deadlock."""
    engine_harnesses: list[EngineHarness] = []

    def open_one(**more: Any) -> EngineHarness:
        engine_harnesses.append(EngineHarness(database_url, harness.clock, **more))
        return engine_harnesses[-1]

    yield open_one
    for engine_harness in engine_harnesses:
        engine_harness.close()
    assert harness.look(deadlocks) == 0


@pytest.fixture
def shop(admin_harness: Any) -> Any:
    """A harness whose acme has the program 1 with the currency 10, `pts`."""
    do(admin_harness, CreateProgram("Shop", "Europe/Berlin", 1))
    do(admin_harness, CreateCurrency(1, "pts", 2, "cash", 100, 10))
    return admin_harness


@pytest.fixture
def open_lane() -> Iterator[Open]:
    """Opens lanes, each with its gate."""
    opened: list[tuple[Lane[str], Gate]] = []

    def open_one(**more: Any) -> tuple[Lane[str], Gate]:
        gate = Gate()
        lane: Lane[str] = Lane("test", gate, more.pop("bounds", None), **more)
        lane.start()
        opened.append((lane, gate))
        return lane, gate

    yield open_one
    for lane, gate in opened:
        gate.open()
        lane.stop()


@pytest.fixture(scope="module")
def story(module_database_url: str) -> Iterator[LedgerHarness]:
    """A database in which everything has happened, without what keeps it from being broken."""
    harness = LedgerHarness(module_database_url, TestClock(START))
    harness.open_program()
    tell(harness)
    for table, name in CHECKS:
        harness.look(done(DDL(f"ALTER TABLE {table} DROP CONSTRAINT {name}")))
    for table in TABLES:
        harness.look(done(DDL(f"CREATE TABLE kept_{table.name} AS TABLE {table.name}")))
    yield harness
    harness.close()

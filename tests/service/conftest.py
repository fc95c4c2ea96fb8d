"""Offices and tills over a fresh database; tests of this folder may import `till`, too."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from points_grpc.clock import TestClock
from points_grpc.domain.commands import Caller
from points_grpc.service.admin.executor import AdminExecutor
from points_grpc.service.admin.members import MemberService
from points_grpc.service.admin.programs import ProgramService
from points_grpc.storage.core.database import Database
from points_grpc.storage.core.ids import IdSource

sys.path.insert(0, str(Path(__file__).parent))

from branch import Branch, deadlocks  # only found through the line above
from ledger_audit import audit
from till import Till

T = TypeVar("T")

START = datetime(2031, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)


class Office:
    """One process's books over a database; another office on the same one is another process."""

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
def open_office(database_url: str) -> Iterator[Callable[[], Office]]:
    """Opens offices on one database and one clock."""
    clock = TestClock(START)
    offices: list[Office] = []

    def open_one() -> Office:
        offices.append(Office(database_url, clock))
        return offices[-1]

    yield open_one
    for office in offices:
        office.close()


@pytest.fixture
def office(open_office: Callable[[], Office]) -> Office:
    """One office."""
    return open_office()


@pytest.fixture
def open_till(database_url: str) -> Iterator[Callable[..., Till]]:
    """Opens tills on one database and one clock, whose program the first one makes.

    Afterwards the whole database is audited.
    """
    clock = TestClock(START)
    tills: list[Till] = []

    def open_one(**more: Any) -> Till:
        tills.append(Till(database_url, clock, **more))
        if len(tills) == 1:
            tills[0].open_program()
        return tills[-1]

    yield open_one
    findings = audit(tills[0].database) if tills else []
    for till in tills:
        till.close()
    assert findings == []


@pytest.fixture
def till(open_till: Callable[..., Till]) -> Till:
    """One till."""
    return open_till()


@pytest.fixture
def open_branch(till: Till, database_url: str) -> Iterator[Callable[..., Branch]]:
    """Opens branches on the till's database; afterwards there must have been no deadlock."""
    branches: list[Branch] = []

    def open_one(**more: Any) -> Branch:
        branches.append(Branch(database_url, till.clock, **more))
        return branches[-1]

    yield open_one
    for branch in branches:
        branch.close()
    assert till.look(deadlocks) == 0

"""One process's engine over a database; two harnesses on one are two processes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Row, Table, column, func, select, table
from tests.support.service.ledger_harness import PROGRAM, LedgerHarness, named

from points_grpc.clock import Clock
from points_grpc.domain.commands import Caller, Command
from points_grpc.domain.queries import GetAccount
from points_grpc.service.batching import Bounds
from points_grpc.service.engine import Engine
from points_grpc.service.shared.program_cache import ProgramCache
from points_grpc.service.sweep.sweeper import Sweeper
from points_grpc.storage.core.database import Connection, Database, Timeouts
from points_grpc.storage.core.ids import IdSource
from points_grpc.storage.tables import accounts

PATIENCE_SECONDS = 20.0

_activity = table("pg_stat_activity", column("datname"), column("wait_event_type"))
_databases = table("pg_stat_database", column("datname"), column("deadlocks"))


class EngineHarness:
    """Its coroutines are run by `run`, many at once."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        timeouts: Timeouts | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        self.database = Database(url, timeouts)
        self.ids = IdSource(self.database.run)
        self.cache = ProgramCache()
        self.engine = Engine(self.database, self.cache, self.ids, clock, bounds)
        self.sweeper = Sweeper(self.database, self.cache, self.ids, clock)
        self.acme = Caller(1, "acme", "anna@acme", PROGRAM)
        self.engine.start()

    def close(self) -> None:
        """Finish what was begun and close every connection."""
        self.engine.stop()
        self.sweeper.close()
        self.database.close()

    async def do(self, *commands: Command) -> Any:
        """The answer to the last of the commands, which are one call."""
        return (await self.engine.write(self.acme, commands))[-1]

    async def available(self, member: str = "ann", currency: str = "PTS") -> int:
        """What a member can spend now."""
        query = GetAccount(PROGRAM, named(member), currency)
        view = await self.engine.read(self.acme, query)
        return int(view.available)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """What the coroutine returns, within bounds."""
    return asyncio.run(asyncio.wait_for(work, PATIENCE_SECONDS))


async def at_once(*works: Coroutine[Any, Any, Any]) -> list[Any]:
    """What each returns or raises."""
    return await asyncio.gather(*works, return_exceptions=True)


def in_threads(*works: Callable[[], Any]) -> list[Any]:
    """What each function returns, all running at the same time."""
    results: list[Any] = [None] * len(works)
    started = threading.Barrier(len(works))

    def begin(place: int, work: Callable[[], Any]) -> None:
        started.wait(PATIENCE_SECONDS)
        results[place] = work()

    threads = [threading.Thread(target=begin, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()
    return results


@contextmanager
def locked(database: Database, account_id: int) -> Iterator[None]:
    """While the block runs, another connection keeps the account's row locked."""
    link = database.link()
    with link.unit() as connection:
        connection.execute(
            select(accounts.c.version)
            .where(accounts.c.account_id == account_id)
            .with_for_update(key_share=True)
        )
        yield
    link.close()


@contextmanager
def held_row(harness: LedgerHarness, thing: Table, **changes: Any) -> Iterator[None]:
    """While the block runs, another connection has added a row, and then takes it back.

    The row is a copy of one that is there, but for `changes`.
    """
    link = harness.database.link()

    class TakeBack(Exception): ...

    with suppress(TakeBack), link.unit() as connection:
        row = connection.execute(select(thing).limit(1)).one()
        connection.execute(thing.insert().values({**row._mapping, **changes}))
        yield
        raise TakeBack
    link.close()


async def until_blocked(harness: LedgerHarness, count: int) -> None:
    """Wait until so many statements on the database wait for a lock."""
    waiting = (
        select(func.count())
        .select_from(_activity)
        .where(_activity.c.datname == func.current_database())
        .where(_activity.c.wait_event_type == "Lock")
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await asyncio.to_thread(harness.look, lambda at: at.scalar(waiting)) < count:
            pass


def deadlocks(connection: Connection) -> int:
    """How many deadlocks the database has had to resolve."""
    found: Row[Any] = connection.execute(
        select(_databases.c.deadlocks).where(_databases.c.datname == func.current_database())
    ).one()
    return int(found[0])

"""Connections: one kept per lane, opened anew when lost, and never allowed to hang."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection, Engine, event

from points_grpc.storage.core.connecting import connect, make_engine
from points_grpc.storage.core.db_errors import Fault, OutOfTime, fault_of
from points_grpc.storage.core.pipeline import commit, drain, flush, open_wire, reset

__all__ = ["Connection", "Database", "Link", "Timeouts", "Watchdog"]

T = TypeVar("T")

_BEGIN = b"BEGIN"
_SNAPSHOT = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Bounds on what the database may take, in milliseconds.

    `brief_lock` is how long a link waits for a lock that others' work depends on; `grace` for
    how much longer than a statement a unit of work may do nothing before its socket is shut.
    """

    statement: int = 15_000
    lock: int = 2_000
    brief_lock: int = 250
    connect: int = 5_000
    grace: int = 2_000


class Database:
    """Where the tables are, and how to connect to them."""

    def __init__(self, url: str, timeouts: Timeouts | None = None) -> None:
        self.timeouts = timeouts or Timeouts()
        bounds = self.timeouts
        self._engine = self._make_engine(url, bounds.lock)
        self._brief = self._make_engine(url, min(bounds.lock, bounds.brief_lock))
        self.watchdog = Watchdog((bounds.statement + bounds.grace) / 1000)

    def _make_engine(self, url: str, lock_timeout: int) -> Engine:
        bounds = self.timeouts
        options = (
            f"-c statement_timeout={bounds.statement} -c lock_timeout={lock_timeout}"
            f" -c idle_in_transaction_session_timeout={bounds.statement}"
            " -c client_connection_check_interval=1000 -c timezone=UTC -c jit=off"
            # Every statement has its index. A plan made while a table was small, or not yet
            # analyzed, must not read it from end to end when it has grown.
            " -c enable_seqscan=off -c plan_cache_mode=force_generic_plan"
        )
        engine = make_engine(
            url,
            connect_args={
                # What is added here has to be refused in a URL, where it would do nothing.
                "options": options,
                "client_encoding": "UTF8",  # COPY is written in it
                "connect_timeout": max(1, bounds.connect // 1000),
                "fallback_application_name": "points-grpc",
                "prepare_threshold": 3,
            },
        )
        event.listen(engine, "before_cursor_execute", _flush_before)
        return engine

    def link(self, snapshot: bool = False, *, brief: bool = False) -> Link:
        """A connection of one's own; it opens when first used.

        With `snapshot` its units of work are REPEATABLE READ and READ ONLY; with `brief` it
        does not wait for locks for long.
        """
        return Link(self._brief if brief else self._engine, self.watchdog, snapshot)

    def run(self, work: Callable[[Connection], T]) -> T:
        """`work` in a unit of work of its own on a connection of its own."""
        link = self.link()
        try:
            with link.unit() as connection:
                return work(connection)
        finally:
            link.close()

    def close(self) -> None:
        """Stop the watchdog; links are closed by their owners."""
        self.watchdog.stop()
        self._engine.dispose()
        self._brief.dispose()


def _flush_before(connection: Connection, *_: object) -> None:
    """Flush the pipeline before SQLAlchemy executes anything."""
    flush(connection)


class Link:
    """One connection, used by one thread, that opens again after it was lost."""

    def __init__(self, engine: Engine, watchdog: Watchdog, snapshot: bool) -> None:
        self._engine = engine
        self._watchdog = watchdog
        self._snapshot = snapshot
        self._connection: Connection | None = None

    @contextmanager
    def unit(self) -> Iterator[Connection]:
        """A unit of work: committed at the end, rolled back by any exception.

        Raises Unreachable when no connection can be had, and OutOfTime where the watchdog shut
        the socket before the COMMIT was sent; after any fault that broke the connection the next
        unit opens another.
        """
        connection = self._open()
        watch = Watch()
        try:
            with self._watchdog.over(connection, watch), connection.begin():
                try:
                    yield connection
                    watch.committing = True
                    commit(connection)
                except BaseException:
                    drain(connection)
                    raise
        except Exception as error:
            if fault_of(error) is not Fault.LOST:
                if not connection.closed:
                    reset(connection)
                raise
            self.close()
            if watch.shut and not watch.committing:
                raise OutOfTime from None
            raise

    def close(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.invalidate()
            with contextlib.suppress(Exception):
                connection.close()

    def _open(self) -> Connection:
        if self._connection is None or self._connection.invalidated or self._connection.closed:
            self.close()
            self._connection = connect(self._engine)
            if self._snapshot:
                self._connection = self._connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            open_wire(self._connection, _SNAPSHOT if self._snapshot else _BEGIN)
        return self._connection


@dataclass(slots=True, eq=False)
class Watch:
    """A unit of work that is watched: how far it is, and whether its socket was shut."""

    until: float = 0.0
    fileno: int = -1
    committing: bool = False
    shut: bool = False


class Watchdog:
    """Shuts the socket of a unit of work that outlives every timeout of the server's own.

    A network that swallows packets leaves the client waiting for an answer that the server
    believes to have sent; only the client's own clock ends that.
    """

    def __init__(self, limit_seconds: float) -> None:
        self._limit = limit_seconds
        self._changed = threading.Condition()
        self._watched: set[Watch] = set()
        self._stopped = False
        self._thread: threading.Thread | None = None

    @contextmanager
    def over(self, connection: Connection, watch: Watch) -> Iterator[None]:
        """Watch over `connection` while the block runs."""
        watch.fileno = connection.connection.dbapi_connection.fileno()  # type: ignore[union-attr]
        watch.until = time.monotonic() + self._limit
        with self._changed:
            self._watched.add(watch)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._changed:
                self._watched.discard(watch)

    def stop(self) -> None:
        """End the watching thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _watch(self) -> None:
        with self._changed:
            while not self._stopped:
                now = time.monotonic()
                for watch in [watch for watch in self._watched if watch.until <= now]:
                    self._watched.discard(watch)
                    watch.shut = True
                    _shut(watch.fileno)
                # Whatever is watched from now on has the whole limit before it.
                self._changed.wait(min(1.0, self._limit))


def _shut(fileno: int) -> None:
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(fileno)) as borrowed:
        borrowed.shutdown(socket.SHUT_RDWR)

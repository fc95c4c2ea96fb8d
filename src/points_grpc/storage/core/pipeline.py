"""Statements that are compiled once, and sent several at a time in one round trip.

SQLAlchemy's typed expressions stay the source of every statement; what is spared is going
through its execution, and the driver's, for each of the dozen statements of a small batch, and
above all waiting for each: while it waits the thread gives up the interpreter, and has to get it
back from an event loop that is never idle.

Nothing is waited for before its answer is needed. Short statements leave with what is asked next;
a long one leaves at once, and the server is at work on it while the next is being written.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import psycopg
from psycopg import pq
from psycopg.adapt import Transformer
from psycopg.waiting import Ready, Wait
from sqlalchemy import Connection, Executable

from points_grpc.storage.core.statements import Params, Statement, statement_of

T = TypeVar("T")

Row = tuple[Any, ...]

REPLAN_SECONDS = 5.0
"""How long a connection keeps its plans.

One that was made while a table was nearly empty reads the table from end to end, and is kept
until autovacuum has looked at what has grown meanwhile: a minute of writes at full speed.
"""

FORGOTTEN_MAX = 100
"""How many statements a connection may have prepared that nobody asks for any more."""

_WIRE = "points_wire"


@dataclass(frozen=True, slots=True)
class Query(Generic[T]):
    """A statement with its parameters, and what to make of the rows it gives back.

    Without a statement there is nothing to ask: the answer is that of no rows.
    """

    expression: Executable | None
    params: Params
    read: Callable[[Sequence[Row]], T]

    def run(self, connection: Connection) -> T:
        """Return the result, in a round trip of its own."""
        answer: T = run_all(connection, self)[0]
        return answer


def execute(connection: Connection, expression: Executable, params: Params) -> Sequence[Row]:
    """The rows that one statement gives back, in a round trip of its own."""
    return Query(expression, params, _same).run(connection)


def _same(rows: Sequence[Row]) -> Sequence[Row]:
    return rows


_Take = Callable[[Sequence[Row]], None]
"""Takes the rows that a statement gives back."""

_Queued = tuple[Statement, list[bytes | None], _Take | None]
"""A statement with its parameters as they are sent, and who takes its rows."""

SENT_AT_ONCE = 32_768
"""From how many bytes of parameters on the server gets a statement while others are written."""


class _Wire:
    """What is known of one connection: its prepared statements, and those under way.

    `sent` has one entry for each result to come: the statement's, with who takes its rows, or
    None for one without rows.
    """

    def __init__(self, begin: bytes) -> None:
        self.begin = begin
        self.prepared: dict[Statement, _Prepared] = {}
        self.sent: list[tuple[_Prepared, _Take | None] | None] = []
        self.forgotten = 0
        self._made = 0
        self._planned_at = time.monotonic()

    def new_name(self) -> bytes:
        """A name that no statement of the connection has had."""
        self._made += 1
        return b"points_%d" % self._made

    def takes_new_plans(self) -> bool:
        """Whether the connection's plans are too old to be kept; they are then new."""
        now = time.monotonic()
        if now - self._planned_at < REPLAN_SECONDS:
            return False
        self._planned_at = now
        return True


@dataclass(slots=True)
class _Prepared:
    """A statement as a connection knows it; `loader` once it has given back rows."""

    name: bytes
    loader: Any = None


def open_wire(connection: Connection, begin: bytes) -> None:
    """Open a pipeline on the connection; its units of work begin with the command `begin`."""
    connection.info[_WIRE] = _Wire(begin)


def enqueue(connection: Connection, expression: Executable, params: Params) -> None:
    """Execute a statement that gives back nothing, without waiting for it.

    What it makes fail fails with what is asked next, or with the COMMIT. The server is at work on
    a long one while the next is written.
    """
    statement = statement_of(expression)
    _send_all(connection, [(statement, statement.values(params), None)])


class PendingQuery(Generic[T]):
    """An answer that is on its way: asked for before something else that is sent with it."""

    def __init__(self, connection: Connection, query: Query[T]) -> None:
        self._connection = connection
        self._query = query
        self._rows: Sequence[Row] | None = () if query.expression is None else None
        if query.expression is not None:
            statement = statement_of(query.expression)
            _send_all(connection, [(statement, statement.values(query.params), self._take)])

    def _take(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def answer(self) -> T:
        """The answer, in a round trip of its own where nothing was asked since."""
        if self._rows is None:
            flush(self._connection)
        if self._rows is None:
            raise LookupError("the unit of work in which this was asked is over")
        return self._query.read(self._rows)


def run_all(connection: Connection, *queries: Query[Any]) -> list[Any]:
    """The answers to all, in order, sent one after the other and waited for once.

    Each sees what the ones before it have done. The first that fails is raised, as the driver's
    own error, and none after it is executed.
    """
    # Written before anything is sent: what cannot be written must leave the connection whole.
    rows: list[Sequence[Row]] = []
    queue: list[_Queued] = []
    for query in queries:
        if query.expression is not None:
            statement = statement_of(query.expression)
            queue.append((statement, statement.values(query.params), rows.append))
    if queue:
        _send_all(connection, queue)
        _receive(connection)
    found = iter(rows)
    return [query.read(() if query.expression is None else next(found)) for query in queries]


def flush(connection: Connection) -> None:
    """Wait for what is under way, if anything is."""
    if _wire_of(connection).sent:
        _receive(connection)


def commit(connection: Connection) -> None:
    """Wait for what is under way and for the COMMIT of the unit of work, if one has begun."""
    wire = _wire_of(connection)
    pgconn = _driver_of(connection).pgconn
    if wire.sent or pgconn.transaction_status != pq.TransactionStatus.IDLE:
        _receive(connection, commit=True)


def drain(connection: Connection) -> None:
    """Wait for what is under way in a unit of work that is to be rolled back, whatever it gives."""
    if not connection.closed and not connection.invalidated and _wire_of(connection).sent:
        with contextlib.suppress(Exception):  # the unit has failed already, and says why itself
            _exchange(connection)


def reset(connection: Connection) -> None:
    """Prepare all anew: the driver's ROLLBACK may drop what was prepared."""
    wire = _wire_of(connection)
    wire.forgotten += len(wire.prepared)
    wire.prepared.clear()


def _wire_of(connection: Connection) -> _Wire:
    wire: _Wire = connection.info[_WIRE]
    return wire


def _driver_of(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _send_all(connection: Connection, queue: Sequence[_Queued]) -> None:
    """Send statements, the first of a unit of work after its BEGIN."""
    wire, driver = _wire_of(connection), _driver_of(connection)
    pgconn = driver.pgconn
    if not wire.sent:
        _forget(wire, driver)
    try:
        if not wire.sent:
            is_idle = pgconn.transaction_status == pq.TransactionStatus.IDLE
            pgconn.enter_pipeline_mode()
            if is_idle:
                _send_command(pgconn, wire, wire.begin)
            if wire.takes_new_plans():
                _send_command(pgconn, wire, b"DISCARD PLANS")
        for statement, values, take in queue:
            wire.sent.append((_send(pgconn, wire, statement, values), take))
            if sum([len(value) for value in values if value is not None]) >= SENT_AT_ONCE:
                pgconn.flush()
    except BaseException:
        _break(pgconn, wire)
        raise


def _send(pgconn: Any, wire: _Wire, statement: Statement, values: list[bytes | None]) -> _Prepared:
    """Send one statement, prepared before where it is new."""
    prepared = wire.prepared.get(statement)
    if prepared is None:
        prepared = wire.prepared[statement] = _Prepared(wire.new_name())
        wire.sent.append(None)
        pgconn.send_prepare(prepared.name, statement.text)
    pgconn.send_query_prepared(
        prepared.name, values, statement.formats, result_format=pq.Format.BINARY
    )
    return prepared


def _send_command(pgconn: Any, wire: _Wire, command: bytes) -> None:
    wire.sent.append(None)
    pgconn.send_query_params(command, None)


def _forget(wire: _Wire, driver: Any) -> None:
    """Have the server drop what was prepared in vain, where that is much."""
    if wire.forgotten > FORGOTTEN_MAX:
        driver.execute("DEALLOCATE ALL", prepare=False)  # by the driver, whose own go with it
        wire.prepared.clear()
        wire.forgotten = 0


def _break(pgconn: Any, wire: _Wire) -> None:
    """End a connection on which what is in flight belongs to nobody: the link opens another."""
    wire.sent = []
    if pgconn.pipeline_status != pq.PipelineStatus.OFF:
        pgconn.finish()


def _receive(connection: Connection, commit: bool = False) -> None:
    """Wait for all that is under way, and hand on the rows of each statement."""
    driver = _driver_of(connection)
    sent, results = _exchange(connection, commit)
    failure = _failure(results)
    if failure is not None:
        raise failure
    if commit and results[-1].command_status != b"COMMIT":
        raise psycopg.errors.InFailedSqlTransaction("the unit of work had failed before")
    for entry, result in zip(sent, results, strict=True):
        if entry is not None:
            prepared, take = entry
            if take is not None:
                take(_rows_of(driver, prepared, result))


def _exchange(
    connection: Connection, commit: bool = False
) -> tuple[list[tuple[_Prepared, _Take | None] | None], list[Any]]:
    """Receive the result of each statement that was sent."""
    wire, driver = _wire_of(connection), _driver_of(connection)
    pgconn = driver.pgconn
    try:
        if pgconn.pipeline_status == pq.PipelineStatus.OFF:
            pgconn.enter_pipeline_mode()
        if commit:
            _send_command(pgconn, wire, b"COMMIT")
        sent, wire.sent = wire.sent, []
        pgconn.pipeline_sync()
        results = driver.wait(_exchanged(pgconn))
        pgconn.exit_pipeline_mode()
    except BaseException:
        _break(pgconn, wire)
        raise
    return sent, results


def _exchanged(pgconn: Any) -> Generator[Wait, Ready, list[Any]]:
    """Send what is queued and collect the results of all, up to the point of synchronization."""
    while pgconn.flush():
        if (yield Wait.RW) & Ready.R:
            pgconn.consume_input()
    results: list[Any] = []
    while True:
        while pgconn.is_busy():
            yield Wait.R
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is not None:
            if result.status == pq.ExecStatus.PIPELINE_SYNC:
                return results
            results.append(result)
        elif pgconn.status == pq.ConnStatus.BAD:
            raise _failure(results) or psycopg.OperationalError("the connection was lost")


def _failure(results: Sequence[Any]) -> psycopg.Error | None:
    for result in results:
        if result.status == pq.ExecStatus.FATAL_ERROR:
            return psycopg.errors.error_from_result(result)
    return None


def _rows_of(driver: Any, prepared: _Prepared, result: Any) -> Sequence[Row]:
    if not result.ntuples:
        return ()
    is_new = prepared.loader is None
    if is_new:
        prepared.loader = Transformer(driver)
    prepared.loader.set_pgresult(result, set_loaders=is_new)
    rows: Sequence[Row] = prepared.loader.load_rows(0, result.ntuples, tuple)
    return rows

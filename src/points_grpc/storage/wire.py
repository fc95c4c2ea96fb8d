"""Statements that are compiled once, and sent several at a time in one round trip.

SQLAlchemy's typed expressions stay the source of every statement; what is spared is going
through its execution, and the driver's, for each of the dozen statements of a small batch, and
above all waiting for each: while it waits the thread gives up the interpreter, and has to get it
back from an event loop that is never idle.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import psycopg
from psycopg import pq
from psycopg.adapt import Transformer
from psycopg.waiting import Ready, Wait
from sqlalchemy import Connection, Executable
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

T = TypeVar("T")

Row = tuple[Any, ...]
Params = dict[str, Any]

REPLAN_SECONDS = 5.0
"""How long a connection keeps its plans.

One that was made while a table was nearly empty reads the table from end to end, and is kept
until autovacuum has looked at what has grown meanwhile: a minute of writes at full speed.
"""

FORGOTTEN_MAX = 100
"""How many statements a connection may have prepared that nobody asks for any more."""

_WIRE = "points_wire"
_DIALECT = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


class Statement:
    """A compiled expression: the text that PostgreSQL reads, and its parameters in order."""

    __slots__ = ("_parameters", "text")

    def __init__(self, expression: Any) -> None:
        compiled = expression.compile(dialect=_DIALECT)
        self.text: bytes = compiled.string.encode()
        self._parameters = [_parameter(compiled.binds[n]) for n in compiled.positiontup or ()]

    def __len__(self) -> int:
        """How many parameters it has."""
        return len(self._parameters)

    def values(self, params: Params) -> list[bytes | None]:
        """The parameters' values in the server's text form."""
        return [parameter.write(params) for parameter in self._parameters]


class _Parameter:
    """One parameter, and how its values are written."""

    __slots__ = ("_name", "_write")

    def __init__(self, bind: Any) -> None:
        self._name: str = bind.key
        processor = bind.type.dialect_impl(_DIALECT).bind_processor(_DIALECT)
        self._write: Callable[[Any], Any] = processor or _plain

    def write(self, params: Params) -> bytes | None:
        """Its value of these."""
        return _encode(self._write(params[self._name]))


class _Literal:
    """A parameter that has always the same value."""

    __slots__ = ("_written",)

    def __init__(self, value: Any) -> None:
        self._written = _encode(_plain(value))

    def write(self, _: Params) -> bytes | None:
        """The value."""
        return self._written


def _parameter(bind: Any) -> _Parameter | _Literal:
    return _Parameter(bind) if bind.required else _Literal(bind.value)


def _plain(value: Any) -> str | None:
    if isinstance(value, datetime):
        return value.isoformat()
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not sent as a single value")


def _encode(text: str | UUID | None) -> bytes | None:
    if text is None:
        return None
    encoded = str(text).encode()
    if b"\0" in encoded:  # libpq would take it for the end
        raise psycopg.DataError("text cannot contain NUL (0x00) bytes")
    return encoded


_statements: dict[Executable, Statement] = {}
"""Every expression that was sent; expressions are made once, so that these are few."""


def statement_of(expression: Executable) -> Statement:
    """The expression compiled, once and for all."""
    statement = _statements.get(expression)
    if statement is None:
        statement = _statements[expression] = Statement(expression)
    return statement


@dataclass(frozen=True, slots=True)
class Ask(Generic[T]):
    """A statement with its parameters, and what to make of the rows it gives back.

    Without a statement there is nothing to ask: the answer is that of no rows.
    """

    expression: Executable | None
    params: Params
    read: Callable[[Sequence[Row]], T]

    def alone(self, connection: Connection) -> T:
        """Its answer, in a round trip of its own."""
        answer: T = together(connection, self)[0]
        return answer


def execute(connection: Connection, expression: Executable, params: Params) -> Sequence[Row]:
    """The rows that one statement gives back, in a round trip of its own."""
    return Ask(expression, params, _same).alone(connection)


def _same(rows: Sequence[Row]) -> Sequence[Row]:
    return rows


_Queued = tuple["Statement", "list[bytes | None]", "Callable[[Sequence[Row]], None] | None"]
"""A statement with its parameters as they are sent, and who takes its rows."""


class _Wire:
    """What is known of one connection: its prepared statements, and what waits to be sent."""

    def __init__(self, begin: bytes) -> None:
        self.begin = begin
        self.prepared: dict[Statement, _Prepared] = {}
        self.waiting: list[_Queued] = []
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
    """Let units of work that begin on the wire begin with the command `begin`."""
    connection.info[_WIRE] = _Wire(begin)


def later(connection: Connection, expression: Executable, params: Params) -> None:
    """Send a statement that gives back nothing with what is sent next, or with the COMMIT.

    What it makes fail fails then.
    """
    _wire_of(connection).waiting.append(_queued(expression, params, None))


class Ahead(Generic[T]):
    """An answer that is on its way: asked for before something else that is sent with it."""

    def __init__(self, connection: Connection, ask: Ask[T]) -> None:
        self._connection = connection
        self._ask = ask
        self._rows: Sequence[Row] | None = () if ask.expression is None else None
        if ask.expression is not None:
            queued = _queued(ask.expression, ask.params, self._take)
            _wire_of(connection).waiting.append(queued)

    def _take(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def answer(self) -> T:
        """The answer, in a round trip of its own where nothing was sent since."""
        if self._rows is None:
            flush(self._connection)
        if self._rows is None:
            raise LookupError("the unit of work in which this was asked is over")
        return self._ask.read(self._rows)


def together(connection: Connection, *asks: Ask[Any]) -> list[Any]:
    """The answers to all, in order, sent one after the other and waited for once.

    Each sees what the ones before it have done. The first that fails is raised, as the driver's
    own error, and none after it is executed.
    """
    # Written before anything is sent: what cannot be written must leave the connection whole.
    rows: list[Sequence[Row]] = []
    queue = [
        _queued(ask.expression, ask.params, rows.append)
        for ask in asks
        if ask.expression is not None
    ]
    if queue:
        _exchange(connection, queue)
    found = iter(rows)
    return [ask.read(() if ask.expression is None else next(found)) for ask in asks]


def flush(connection: Connection) -> None:
    """Send what waits, if anything does."""
    if _wire_of(connection).waiting:
        _exchange(connection, [])


def finish(connection: Connection) -> None:
    """Send what waits and with it the COMMIT of the unit of work, if one has begun."""
    wire = _wire_of(connection)
    pgconn = _driver_of(connection).pgconn
    if wire.waiting or pgconn.transaction_status != pq.TransactionStatus.IDLE:
        _exchange(connection, [], commit=True)


def abandon(connection: Connection) -> None:
    """Forget what waits, and prepare all anew: the driver's ROLLBACK may drop what was prepared."""
    wire = _wire_of(connection)
    wire.waiting.clear()
    wire.forgotten += len(wire.prepared)
    wire.prepared.clear()


def _wire_of(connection: Connection) -> _Wire:
    wire: _Wire = connection.info[_WIRE]
    return wire


def _driver_of(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _queued(
    expression: Executable, params: Params, take: Callable[[Sequence[Row]], None] | None
) -> _Queued:
    statement = statement_of(expression)
    return statement, statement.values(params), take


def _exchange(connection: Connection, queue: Sequence[_Queued], commit: bool = False) -> None:
    """Send what waits and `queue`, and hand on the rows of each statement."""
    wire, driver = _wire_of(connection), _driver_of(connection)
    pgconn = driver.pgconn
    queue, wire.waiting = [*wire.waiting, *queue], []
    if wire.forgotten > FORGOTTEN_MAX:
        driver.execute("DEALLOCATE ALL", prepare=False)  # by the driver, whose own go with it
        wire.prepared.clear()
        wire.forgotten = 0
    sent: list[_Prepared | None] = []
    try:
        is_idle = pgconn.transaction_status == pq.TransactionStatus.IDLE
        pgconn.enter_pipeline_mode()
        if is_idle:
            pgconn.send_query_params(wire.begin, None)
            sent.append(None)
        if wire.takes_new_plans():
            pgconn.send_query_params(b"DISCARD PLANS", None)
            sent.append(None)
        for statement, values, _ in queue:
            sent += _send(pgconn, wire, statement, values)
        if commit:
            pgconn.send_query_params(b"COMMIT", None)
            sent.append(None)
        pgconn.pipeline_sync()
        results = driver.wait(_exchanged(pgconn))
        pgconn.exit_pipeline_mode()
    except BaseException:
        if pgconn.pipeline_status != pq.PipelineStatus.OFF:
            pgconn.finish()  # what is in flight belongs to nobody: the link opens another
        raise
    failure = _failure(results)
    if failure is not None:
        raise failure
    if commit and results[-1].command_status != b"COMMIT":
        raise psycopg.errors.InFailedSqlTransaction("the unit of work had failed before")
    of_statements = (pair for pair in zip(sent, results, strict=True) if pair[0] is not None)
    for (_, _, take), (prepared, result) in zip(queue, of_statements, strict=True):
        if take is not None and prepared is not None:
            take(_rows_of(driver, prepared, result))


def _send(
    pgconn: Any, wire: _Wire, statement: Statement, values: list[bytes | None]
) -> list[_Prepared | None]:
    """Queue a statement; what each of its results will be: None for those without rows."""
    prepared = wire.prepared.get(statement)
    if prepared is not None:
        pgconn.send_query_prepared(prepared.name, values, result_format=pq.Format.BINARY)
        return [prepared]
    prepared = wire.prepared[statement] = _Prepared(wire.new_name())
    pgconn.send_prepare(prepared.name, statement.text)
    pgconn.send_query_prepared(prepared.name, values, result_format=pq.Format.BINARY)
    return [None, prepared]


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

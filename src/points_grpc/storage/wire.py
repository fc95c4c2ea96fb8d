"""Statements that are compiled once, and sent several at a time in one round trip.

SQLAlchemy's typed expressions stay the source of every statement; what is spared is going
through its execution, and the driver's, for each of the dozen statements of a small batch, and
above all waiting for each: while it waits the thread gives up the interpreter, and has to get it
back from an event loop that is never idle.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
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

_WIRE = "points_wire"
_DIALECT = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


class Statement:
    """An expression with its text and its parameters in order, made when first asked for."""

    __slots__ = ("_compiled", "expression")

    def __init__(self, expression: Executable) -> None:
        self.expression = expression
        self._compiled: tuple[bytes, tuple[_Parameter, ...]] | None = None

    @property
    def text(self) -> bytes:
        """The statement as PostgreSQL reads it."""
        return self._compile()[0]

    def values(self, params: Params) -> list[bytes | None]:
        """The parameters in the server's text form and in its order."""
        return [parameter.write(params) for parameter in self._compile()[1]]

    def _compile(self) -> tuple[bytes, tuple[_Parameter, ...]]:
        if self._compiled is None:
            compiled: Any = self.expression.compile(dialect=_DIALECT)  # type: ignore[attr-defined]
            parameters = tuple(_Parameter(compiled.binds[n]) for n in compiled.positiontup or ())
            self._compiled = compiled.string.encode(), parameters
        return self._compiled


class _Parameter:
    """How one parameter's value is written; a literal of the expression always the same."""

    __slots__ = ("_default", "_name", "_write")

    def __init__(self, bind: Any) -> None:
        self._name = bind.key
        of_type = bind.type.dialect_impl(_DIALECT).bind_processor(_DIALECT)
        self._write: Callable[[Any], Any] = of_type or _plain
        self._default = None if bind.required else _encode(_plain(bind.value))

    def write(self, params: Params) -> bytes | None:
        if self._default is not None and self._name not in params:
            return self._default
        return _encode(self._write(params[self._name]))


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


@dataclass(frozen=True, slots=True)
class Ask(Generic[T]):
    """A statement with its parameters, and what to make of the rows it gives back.

    Without a statement there is nothing to ask: the answer is that of no rows.
    """

    statement: Statement | None
    params: Params
    read: Callable[[Sequence[Row]], T]

    def alone(self, connection: Connection) -> T:
        """Its answer, in a round trip of its own."""
        return together(connection, self)[0]


class _Wire:
    """What is known of one connection: its prepared statements, each with its rows' loader."""

    def __init__(self, begin: bytes) -> None:
        self.begin = begin
        self.prepared: dict[Statement, _Prepared] = {}
        self._made = 0

    def new_name(self) -> bytes:
        """A name that no statement of the connection has had."""
        self._made += 1
        return b"points_%d" % self._made


@dataclass(slots=True)
class _Prepared:
    """A statement as a connection knows it; `loader` once it has given back rows."""

    name: bytes
    loader: Transformer | None = None


def open_wire(connection: Connection, begin: bytes) -> None:
    """Let units of work that begin on the wire begin with the command `begin`."""
    connection.info[_WIRE] = _Wire(begin)


def forget(connection: Connection) -> None:
    """Prepare all anew: a ROLLBACK of the driver drops every prepared statement."""
    connection.info[_WIRE].prepared.clear()


def together(connection: Connection, *asks: Ask[Any], commit: bool = False) -> list[Any]:
    """The answers to all, in order, sent one after the other and waited for once.

    Each sees what the ones before it have done. The first that fails is raised, as the driver's
    own error, and none after it is executed. With `commit` the unit of work ends with them.
    """
    driver: Any = connection.connection.driver_connection
    wire: _Wire = connection.info[_WIRE]
    pgconn = driver.pgconn
    if not commit and all(ask.statement is None for ask in asks):
        return [ask.read(()) for ask in asks]
    sent: list[_Prepared | None] = []
    is_idle = pgconn.transaction_status == pq.TransactionStatus.IDLE
    try:
        pgconn.enter_pipeline_mode()
        if is_idle:
            pgconn.send_query_params(wire.begin, None)
            sent.append(None)
        for ask in asks:
            if ask.statement is not None:
                sent += _send(pgconn, wire, ask.statement, ask.params)
        if commit:
            pgconn.send_query_params(b"COMMIT", None)
            sent.append(None)
        pgconn.pipeline_sync()
        results = driver.wait(_exchanged(pgconn))
        pgconn.exit_pipeline_mode()
    except BaseException:
        # What is in flight belongs to nobody; the link opens another connection.
        if pgconn.pipeline_status != pq.PipelineStatus.OFF:
            pgconn.finish()
        raise
    rows = _rows_of(driver, sent, results)
    return [ask.read(() if ask.statement is None else next(rows)) for ask in asks]


def _send(
    pgconn: Any, wire: _Wire, statement: Statement, params: Params
) -> list[_Prepared | None]:
    values = statement.values(params)
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


def _rows_of(
    driver: Any, sent: Sequence[_Prepared | None], results: Sequence[Any]
) -> Iterator[Sequence[Row]]:
    """The rows of each statement that is not a command; raises the first failure."""
    failure = _failure(results)
    if failure is not None:
        raise failure
    for prepared, result in zip(sent, results, strict=True):
        if prepared is None:
            continue
        if not result.ntuples:
            yield ()
            continue
        is_new = prepared.loader is None
        loader = prepared.loader = prepared.loader or Transformer(driver)
        loader.set_pgresult(result, set_loaders=is_new)
        yield loader.load_rows(0, result.ntuples, tuple)

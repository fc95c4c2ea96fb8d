"""Expressions compiled once, and their parameters as PostgreSQL reads them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.pq import Format
from sqlalchemy import Executable
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from points_grpc.storage.core.unnest import PackedArray

Params = dict[str, Any]

_DIALECT = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


class Statement:
    """A compiled expression: the text that PostgreSQL reads, and its parameters in order."""

    __slots__ = ("_parameters", "formats", "text")

    def __init__(self, expression: Any) -> None:
        compiled = expression.compile(dialect=_DIALECT)
        self.text: bytes = compiled.string.encode()
        self._parameters = [_parameter(compiled.binds[n]) for n in compiled.positiontup or ()]
        self.formats = [parameter.format for parameter in self._parameters]

    def __len__(self) -> int:
        """Return the number of parameters."""
        return len(self._parameters)

    def values(self, params: Params) -> list[bytes | None]:
        """The parameters' values as the server reads them, each in its format."""
        return [parameter.write(params) for parameter in self._parameters]


class _Parameter:
    """One parameter, and how its values are written."""

    __slots__ = ("_name", "_write", "format")

    def __init__(self, bind: Any) -> None:
        self._name: str = bind.key
        processor = bind.type.dialect_impl(_DIALECT).bind_processor(_DIALECT)
        self._write: Callable[[Any], Any] = processor or _plain
        self.format = Format.TEXT

    def write(self, params: Params) -> bytes | None:
        """Return its value among `params`, encoded."""
        return _encode(self._write(params[self._name]))


class _PackedParameter:
    """An array that is sent in its binary form."""

    __slots__ = ("_name", "_pack", "format")

    def __init__(self, name: str, pack: Callable[[Any], bytes]) -> None:
        self._name = name
        self._pack = pack
        self.format = Format.BINARY

    def write(self, params: Params) -> bytes | None:
        """Return its value among `params`, encoded."""
        return self._pack(params[self._name])


class _Literal:
    """A parameter that has always the same value."""

    __slots__ = ("_written", "format")

    def __init__(self, value: Any) -> None:
        self.format = Format.TEXT
        self._written = _encode(_plain(value))

    def write(self, _: Params) -> bytes | None:
        """The value."""
        return self._written


def _parameter(bind: Any) -> _Parameter | _PackedParameter | _Literal:
    if isinstance(bind.type, PackedArray) and bind.type.pack is not None:
        return _PackedParameter(bind.key, bind.type.pack)
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

"""Batches of rows as arrays: every set-based statement reads its input from `unnest`.

On the wire arrays of numbers and instants travel in PostgreSQL's binary form, which both sides
handle fastest; all others, and what SQLAlchemy itself executes, in its text form, which the server
parses in C and which costs the client one join instead of a conversion per element (a batch of 256
earns has 12,000 of them).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import chain, repeat
from struct import Struct
from struct import error as StructError  # noqa: N812  # the name of a class
from typing import Any

from psycopg import DataError
from sqlalchemy import (
    Dialect,
    Insert,
    Table,
    Update,
    bindparam,
    column,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.types import (
    BigInteger,
    Boolean,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    TypeEngine,
    UserDefinedType,
)

from points_grpc.storage.tables import INSTANT

INT, BIGINT, SMALL, TEXT, BYTES, FLAG = (
    Integer(),
    BigInteger(),
    SmallInteger(),
    Text(),
    LargeBinary(),
    Boolean(),
)

Params = dict[str, Any]


def _text(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _hexadecimal(value: bytes) -> str:
    return f'"\\\\x{value.hex()}"'


def _flag(value: bool) -> str:
    return "t" if value else "f"


def _writer(write: Callable[[Any], str]) -> Callable[[Sequence[Any]], str]:
    """Writes a column with `write` for each element, or once for one that is all the same.

    Most columns of most batches are: tenants, states, instants, what is not set.
    """

    def write_column(values: Sequence[Any]) -> str:
        first = values[0] if values else None
        if values.count(first) == len(values):
            parts = ["NULL" if first is None else write(first)] * len(values)
        else:
            parts = ["NULL" if v is None else write(v) for v in values]
        return "{" + ",".join(parts) + "}"

    return write_column


def _write_numbers(values: Sequence[int | None]) -> str:
    """Write numbers like `_writer`'s, without a call of ours for each (an enum is its number)."""
    first = values[0] if values else None
    if values.count(first) == len(values):
        text = ",".join([str(first)] * len(values))
    else:
        text = ",".join(map(str, values))
    return "{" + text.replace("None", "NULL") + "}"


_FORMS: tuple[tuple[type[TypeEngine[Any]], str, Callable[[Any], str]], ...] = (
    (SmallInteger, "SMALLINT[]", _write_numbers),
    (BigInteger, "BIGINT[]", _write_numbers),
    (Integer, "INTEGER[]", _write_numbers),
    (Text, "TEXT[]", _writer(_text)),
    (LargeBinary, "BYTEA[]", _writer(_hexadecimal)),
    (Boolean, "BOOLEAN[]", _writer(_flag)),
    (type(INSTANT), "TIMESTAMPTZ[]", _writer(datetime.isoformat)),
)


_HEAD = Struct(">iiIii")
_EMPTY = Struct(">iiI")
_NULL = b"\xff\xff\xff\xff"
_RUN = 128
_Pack = Callable[[Sequence[Any]], bytes]


def _packer(oid: int, code: str) -> _Pack:
    """Packs a column of numbers, of `code` in terms of `struct`, in PostgreSQL's binary form."""
    one = Struct(f">i{code}")
    size = one.size - 4

    @lru_cache(_RUN)
    def of_run(count: int) -> Struct:
        return Struct(">" + f"i{code}" * count)

    def pack_run(numbers: Sequence[int | None]) -> bytes:
        sized = chain.from_iterable(zip(repeat(size), numbers))  # endless
        return of_run(len(numbers)).pack(*sized)

    def pack_all(numbers: Sequence[int | None]) -> bytes:
        count = len(numbers)
        if not count:
            return _EMPTY.pack(0, 0, oid)
        first = numbers[0]
        if numbers.count(first) == count:
            return (_NULL if first is None else one.pack(size, first)) * count
        if None in numbers:
            return b"".join([_NULL if n is None else one.pack(size, n) for n in numbers])
        return b"".join([pack_run(numbers[n : n + _RUN]) for n in range(0, count, _RUN)])

    def pack(numbers: Sequence[int | None]) -> bytes:
        try:
            body = pack_all(numbers)
        except StructError as error:
            raise DataError("a number lies beyond its column's range") from error
        return _HEAD.pack(1, None in numbers, oid, len(numbers), 1) + body if numbers else body

    return pack


_pack_big = _packer(1184, "q")
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def _pack_instants(values: Sequence[datetime | None]) -> bytes:
    first = values[0] if values else None
    if values.count(first) == len(values):
        micros = None if first is None else (first - _EPOCH) // _MICROSECOND
        return _pack_big([micros] * len(values))
    return _pack_big([None if v is None else (v - _EPOCH) // _MICROSECOND for v in values])


_PACKERS: dict[str, _Pack] = {
    "SMALLINT[]": _packer(21, "h"),
    "INTEGER[]": _packer(23, "i"),
    "BIGINT[]": _packer(20, "q"),
    "TIMESTAMPTZ[]": _pack_instants,
}


class PackedArray(UserDefinedType[Sequence[Any]]):
    """A one-dimensional array parameter; `pack` writes its binary form where it has one."""

    cache_ok = True
    render_bind_cast = True

    def __init__(self, of: str) -> None:
        self.of = of
        self.pack = _PACKERS.get(of)

    def get_col_spec(self, **_: object) -> str:
        """The array's SQL type."""
        return self.of

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], str]:  # noqa: ARG002
        """The function that writes a sequence in PostgreSQL's text form."""
        return next(write for _, of, write in _FORMS if of == self.of)


def _packed(kind: TypeEngine[Any]) -> PackedArray:
    return PackedArray(next(of for base, of, _ in _FORMS if isinstance(kind, base)))


def rows(name: str, **columns: TypeEngine[Any]) -> TableValuedAlias:
    """A table named `name` made of array parameters; feed it with `fill(name, …)`."""
    binds = (bindparam(f"{name}_{c}", type_=_packed(kind)) for c, kind in columns.items())
    return (
        func.unnest(*binds)
        .table_valued(*(column(c, kind) for c, kind in columns.items()), name=name)
        .render_derived()
    )


def fill(name: str, columns: Sequence[str], values: Sequence[Sequence[Any]]) -> Params:
    """The parameters of `rows(name, …)`: `values` are rows in the order of `columns`."""
    arrays = zip(*values, strict=True) if values else ((),) * len(columns)
    return {f"{name}_{c}": array for c, array in zip(columns, arrays, strict=True)}


def insert_rows(table: Table, names: Sequence[str]) -> Insert:
    """An INSERT of the columns `names`, fed with `fill("new", names, …)`."""
    new = rows("new", **{name: table.c[name].type for name in names})
    return insert(table).from_select(list(names), select(*(new.c[name] for name in names)))


def update_rows(table: Table, key: Sequence[str], names: Sequence[str]) -> Update:
    """An UPDATE of the columns `names` by `key`, fed with `fill("new", (*key, *names), …)`."""
    new = rows("new", **{name: table.c[name].type for name in (*key, *names)})
    return (
        update(table)
        .where(*(table.c[name] == new.c[name] for name in key))
        .values({name: new.c[name] for name in names})
    )

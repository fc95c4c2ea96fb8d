"""Records of a file as rows: which type they are, and a value for every field of it.

Values are texts as they stand in the file, "" for what is not given; of JSON also true, false,
lists and objects. Numbers of JSON stay texts, so that no digit is lost.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NoReturn

from points_grpc.service.transfer.importer.fields import (
    ALL,
    KINDS,
    REQUIRED_OF_LOTS,
    STRUCTURED,
    Fields,
    PlainFields,
)
from points_grpc.service.transfer.importer.source import InvalidFile, Records

_PLAIN = frozenset((*PlainFields._fields, "type"))

RawRow = tuple[int, Fields]
"""Line number, and the fields of the row's type."""

_TYPES = tuple(KINDS)

NOT_UTF8 = "is not UTF-8"
_SHOWN_MAX = 40


@dataclass(slots=True)
class ReadRows:
    """The rows of some records, in order, and why other records are not rows."""

    rows: list[RawRow] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)


class CsvReader:
    """Reads CSV whose first record, `header`, names the columns. Raises BadFile."""

    def __init__(self, header: bytes) -> None:
        try:
            (names,) = csv.reader([header.decode()], strict=True)
        except (UnicodeDecodeError, csv.Error, ValueError) as error:
            raise InvalidFile("the first line is not a line of CSV in UTF-8") from error
        names = [name.strip() for name in names]
        _check_header(names)
        self._width = len(names)
        self._type_at = names.index("type") if "type" in names else None
        self._plain = _getter(names, PlainFields)
        others = [at for at, name in enumerate(names) if name not in _PLAIN]
        # The cell that is added comes first, twice: of one place there would be no tuple.
        self._others = itemgetter(self._width, self._width, *others)
        self._no_others = ("",) * (len(others) + 2)
        self._getters = {kind: _getter(names, KINDS[kind]) for kind in KINDS}
        self._foreign = {
            kind: [
                (at, name)
                for at, name in enumerate(names)
                if name not in KINDS[kind]._fields and name != "type"
            ]
            for kind in KINDS
        }

    def read(self, records: Records) -> ReadRows:
        """Return the records as rows."""
        read = ReadRows()
        for number, cells in _cells(records, read.refused):
            if len(cells) != self._width:
                problem = f"has {len(cells)} columns instead of {self._width}"
                read.refused.append((number, problem))
                continue
            kind = "lot" if self._type_at is None else cells[self._type_at] or "lot"
            if kind not in KINDS:
                read.refused.append((number, "type: must be " + _listed(_TYPES)))
                continue
            cells.append("")
            if kind == "lot" and self._others(cells) == self._no_others:
                read.rows.append((number, self._plain(cells)))
                continue
            stray = next((name for at, name in self._foreign[kind] if cells[at]), None)
            if stray is not None:
                read.refused.append((number, f"{stray}: is not for the type {kind}"))
                continue
            read.rows.append((number, self._getters[kind](cells)))
        return read


def _check_header(names: Sequence[str]) -> None:
    unknown = sorted(set(names) - set(ALL))
    if unknown:
        raise InvalidFile(f"unknown column: {_shown(unknown[0])}")
    if len(set(names)) < len(names):
        raise InvalidFile("a column is there twice")
    missing = [name for name in REQUIRED_OF_LOTS if name not in names]
    if missing and "type" not in names:
        raise InvalidFile(f"missing column: {missing[0]}")


def _getter(names: Sequence[str], kind: type[Fields]) -> Callable[[Sequence[str]], Fields]:
    """Return what makes a row of a record's cells; an empty cell is appended to them."""
    places = (names.index(f) if f in names else len(names) for f in kind._fields)
    pick, make = itemgetter(*places), kind._make
    return lambda cells: make(pick(cells))


def _cells(records: Records, refused: list[tuple[int, str]]) -> list[tuple[int, list[str]]]:
    """Yield the numbered cells of each record; one bad record does not affect the others."""
    try:
        texts = [text.decode() for text in records.texts]
        found = list(csv.reader(texts, strict=True))
        if len(found) == len(texts):
            return list(zip(records.numbers, found, strict=True))
    except (UnicodeDecodeError, csv.Error):
        pass
    good: list[tuple[int, list[str]]] = []
    for number, text in zip(records.numbers, records.texts, strict=True):
        try:
            (cells,) = csv.reader([text.decode()], strict=True)
        except UnicodeDecodeError:
            refused.append((number, NOT_UTF8))
        except (csv.Error, ValueError):
            refused.append((number, "is not a line of CSV"))
        else:
            good.append((number, cells))
    return good


class JsonReader:
    """Reads JSON lines: one object on each line."""

    def __init__(self) -> None:
        self._decode = json.JSONDecoder(
            parse_float=str, parse_int=str, parse_constant=_no_number
        ).decode
        self._allowed = {kind: frozenset((*KINDS[kind]._fields, "type")) for kind in KINDS}

    def read(self, records: Records) -> ReadRows:
        """Return the records as rows."""
        read = ReadRows()
        for number, text in zip(records.numbers, records.texts, strict=True):
            try:
                read.rows.append((number, self._row(text)))
            except UnicodeError:
                read.refused.append((number, NOT_UTF8))
            except json.JSONDecodeError:
                read.refused.append((number, "is not a JSON object"))
            except (ValueError, RecursionError) as error:
                problem = "is nested too deeply" if isinstance(error, RecursionError) else error
                read.refused.append((number, str(problem)))
        return read

    def _row(self, text: bytes) -> Fields:
        row = self._decode(text.decode())
        if type(row) is not dict:
            raise ValueError("is not a JSON object")
        kind = row.get("type", "lot")
        allowed = self._allowed.get(kind) if isinstance(kind, str) else None
        if allowed is None:
            raise ValueError("type: must be " + _listed(_TYPES))
        if not row.keys() <= allowed:
            raise ValueError(f"unknown field: {_shown(min(row.keys() - allowed))}")
        if type(row.get("custom_meta")) is dict:
            row["custom_meta"] = json.loads(text)["custom_meta"]  # whose numbers are to stay
        given = row.get
        plain = kind == "lot" and row.keys() <= _PLAIN
        fields = PlainFields if plain else KINDS[kind]
        return fields._make([_value(given(name, ""), name) for name in fields._fields])


def _value(value: Any, name: str) -> Any:
    if type(value) is str:
        return value
    if value is None:
        return ""
    if isinstance(value, bool) and name == "lapse":
        return "true" if value else "false"
    if name in STRUCTURED:
        return value
    raise ValueError(f"{name}: must be a text or a number")


def _no_number(_: str) -> NoReturn:
    raise ValueError("is not a JSON object")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + " or " + names[-1]


def _shown(name: str) -> str:
    """Return a name from a file, made fit for a terminal."""
    return ascii(name[:_SHOWN_MAX])[1:-1]

"""Reading a file by records, whatever is in it, without ever holding much of it."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from io import SEEK_END
from pathlib import Path
from typing import BinaryIO, cast

BLOCK = 1 << 20
RECORD_MAX = 1 << 20
"""Bytes of one record; longer ones are refused without being held."""

VALUES_MAX = 100_000
"""Values of one record: cells, and what JSON in them holds. One with more is never taken apart."""

CHUNK_BYTES_MAX = 16 << 20
_BOM = b"\xef\xbb\xbf"


class InvalidFile(Exception):
    """The file as a whole cannot be imported; the message says why."""


@dataclass(slots=True)
class Records:
    """Some records, each with the number of its first line, and where the next record begins.

    `refused` has the line number and the reason of each refused record.
    """

    texts: list[bytes] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
    bytes_done: int = 0
    lines_done: int = 0


class Source:
    """A file, plain or (by its name) compressed with gzip; positions are of what is inside."""

    def __init__(self, path: Path, quoted: bool) -> None:
        self._path = path
        self._quoted = quoted
        self.compressed = path.suffix == ".gz"

    def digest(self) -> bytes:
        """Return 16 bytes that identify the file's content."""
        found = blake2b(digest_size=16)
        with self._path.open("rb") as file:
            while block := file.read(BLOCK):
                found.update(block)
        return found.digest()

    def size(self) -> int | None:
        """Return the number of bytes to read; None if it is not known beforehand."""
        if self.compressed:
            return None
        with self._path.open("rb") as file:
            return file.seek(0, SEEK_END)

    def records(self, size: int, bytes_done: int = 0, lines_done: int = 0) -> Iterator[Records]:
        """Yield all records after a position, `size` at a time. Raises BadFile."""
        try:
            with self._open() as file:
                file.seek(bytes_done)
                yield from _group(_lines(file), size, self._quoted, bytes_done, lines_done)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise InvalidFile("the file is not whole: it cannot be decompressed") from error

    def _open(self) -> BinaryIO:
        if self.compressed:
            return cast(BinaryIO, gzip.GzipFile(self._path))
        return self._path.open("rb")


def without_mark(line: bytes) -> bytes:
    """Return a file's first line without a byte order mark."""
    return line.removeprefix(_BOM)


def _lines(file: BinaryIO) -> Iterator[tuple[bytes | None, int]]:
    """Yield each line with its size in the file; None for a line that is too long."""
    rest, skipped = b"", 0
    while block := file.read(BLOCK):
        first, *more = block.split(b"\n")
        if not more:
            rest += first
            if len(rest) > RECORD_MAX or skipped:
                skipped += len(rest)
                rest = b""
            continue
        whole = rest + first
        if skipped or len(whole) > RECORD_MAX:
            yield None, skipped + len(whole) + 1
        else:
            yield whole, len(whole) + 1
        skipped = 0
        rest = more.pop()
        for line in more:
            yield line, len(line) + 1
    if skipped or len(rest) > RECORD_MAX:
        yield None, skipped + len(rest)
    elif rest:
        yield rest, len(rest)


def _values_in(text: bytes) -> int:
    """Return the most values that a record can have."""
    return text.count(b",") + text.count(b"[") + text.count(b"{")


@dataclass(slots=True)
class _OpenRecord:
    """A record whose quotes are still open. Each line is examined once, as it comes."""

    number: int
    lines: list[bytes]
    size: int
    is_open: bool = True

    def take(self, line: bytes | None) -> bool:
        """Add a line; return whether the record continues on the next line."""
        if line is None or self.size + 1 + len(line) > RECORD_MAX:
            self.size = RECORD_MAX + 1
            return False
        self.lines.append(line)
        self.size += 1 + len(line)
        self.is_open ^= bool(line.count(b'"') & 1)
        return self.is_open

    def text(self) -> bytes | None:
        """Return the whole record; None if it is too long."""
        return b"\n".join(self.lines) if self.size <= RECORD_MAX else None


def _group(
    lines: Iterator[tuple[bytes | None, int]],
    size: int,
    quoted: bool,
    bytes_done: int,
    lines_done: int,
) -> Iterator[Records]:
    """Group lines into records; with `quoted` an open quote continues on the next line."""
    records = Records()
    began_at = bytes_done
    pending: _OpenRecord | None = None
    for line, length in lines:
        bytes_done += length
        lines_done += 1
        if pending is not None:
            if pending.take(line):
                continue
            number, text, pending = pending.number, pending.text(), None
        elif quoted and line is not None and b'"' in line and line.count(b'"') & 1:
            pending = _OpenRecord(lines_done, [line], len(line))
            continue
        else:
            number, text = lines_done, line
        if text is None:
            records.refused.append((number, f"is longer than {RECORD_MAX} bytes"))
        elif len(text) > VALUES_MAX and _values_in(text) > VALUES_MAX:
            records.refused.append((number, f"has more than {VALUES_MAX} values"))
        elif text and not text.isspace():
            records.texts.append(text.removesuffix(b"\r"))
            records.numbers.append(number)
        full = len(records.texts) + len(records.refused) >= size
        if full or bytes_done - began_at >= CHUNK_BYTES_MAX:
            records.bytes_done, records.lines_done = bytes_done, lines_done
            yield records
            records, began_at = Records(), bytes_done
    if pending is not None:
        records.refused.append((pending.number, "has quotes that are never closed"))
    records.bytes_done, records.lines_done = bytes_done, lines_done
    if records.texts or records.refused:
        yield records

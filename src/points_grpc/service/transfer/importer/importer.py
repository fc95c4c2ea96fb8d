"""Importing one file: chunks are read and prepared here while a thread writes those before."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from points_grpc.clock import Clock
from points_grpc.domain.limits import DEFAULT_QUOTAS
from points_grpc.domain.model import Program
from points_grpc.errors import InvalidField, ProgramNotFound
from points_grpc.service.transfer.importer.lookup import ChunkLookup, Scope
from points_grpc.service.transfer.importer.parsing import Parser, Versions
from points_grpc.service.transfer.importer.preparing import Preparer
from points_grpc.service.transfer.importer.report import Report
from points_grpc.service.transfer.importer.rows import CsvReader, JsonReader, ReadRows
from points_grpc.service.transfer.importer.source import InvalidFile, Records, Source, without_mark
from points_grpc.service.transfer.importer.writing import ChunkWriter, ImportedElsewhere, RowChunk
from points_grpc.storage.admin import policies, programs
from points_grpc.storage.core.database import Connection, Database, Link
from points_grpc.storage.core.ids import IdSource
from points_grpc.storage.transfer import imports
from points_grpc.storage.transfer.imports import FileKey, Progress

T = TypeVar("T")

CHUNK = 5_000
"""Rows in one unit of work."""

AHEAD = 2
"""Chunks that are prepared or being written while the next one is read."""

HELD_SECONDS = 5.0
"""How long the database may take to notice that an import of the same file was killed."""

CSV, JSON_LINES = "csv", "jsonl"


@dataclass(frozen=True, slots=True)
class ImportJob:
    """The file to import, and its target: `form` is CSV or JSON_LINES, `chunk` a number of rows.

    `merge_by` has the types of identifiers by which somebody new is taken for a member that has
    one of them. `identifiers_max` is the most identifiers of a member.
    """

    path: Path
    form: str
    tenant_id: int
    program_id: int
    report: Path
    chunk: int = CHUNK
    merge_by: frozenset[str] = frozenset()
    identifiers_max: int = DEFAULT_QUOTAS.identifiers


class _Reader(Protocol):
    def read(self, records: Records) -> ReadRows: ...


class Importer:
    """Imports one file, from where an earlier attempt on the same content has come to.

    Raises ProgramNotFound, and ImportedElsewhere where somebody else is at it: the file, and with
    it the report, is this importer's until it is closed.

    `resumed` is what that had committed. A file that was finished begins anew; its rows are
    recognised one by one.
    """

    def __init__(self, database: Database, clock: Clock, order: ImportJob) -> None:
        self._clock = clock
        self._order = order
        self._source = Source(order.path, quoted=order.form == CSV)
        self.total_bytes = self._source.size()
        file = FileKey(order.tenant_id, order.program_id, self._source.digest())
        self._file = file
        self._left = ExitStack()
        self._link = self._linked(database)
        self._ids = IdSource(_on(self._linked(database)))
        try:
            _hold(self._linked(database), file)
            with self._link.unit() as connection:
                program, self._versions = _settings(connection, order)
                origin = imports.origin(connection)
                first_number = self._ids.numbers(1)
                self.resumed = _begin(connection, file, clock, first_number)
            report = Report(order.report, self.resumed.report_bytes)
        except BaseException:
            self._left.close()
            raise
        first, most = self.resumed.first_number, order.identifiers_max
        self._scope = Scope(order.tenant_id, program, origin, first, order.merge_by, most)
        self._writer = ChunkWriter(
            self._linked(database), self._scope, self._ids, clock=clock, file=file, report=report
        )
        self._writer.done = self.resumed
        self._thread = ThreadPoolExecutor(1, "import")

    def run(self) -> Iterator[Progress]:
        """Import what is left, yielding how far it has come with each committed chunk.

        Raises BadFile, ImportedElsewhere and StorageUnavailable; what was yielded stays.
        """
        under_way: deque[tuple[Future[Progress], ChunkLookup]] = deque()
        generation = self._writer.generation
        for records in self._records():
            chunk = self._parsed(records)
            while under_way and (
                len(under_way) >= AHEAD
                or under_way[0][0].done()
                or generation != self._writer.generation
            ):
                yield under_way.popleft()[0].result()
            if not under_way:
                generation = self._writer.generation
            # Not the writer's, which may just have grown: what is under way would be void.
            chunk.generation = generation
            with self._link.unit() as connection:
                before = [lookup for _, lookup in under_way]
                preparer = Preparer(connection, self._scope, self._ids, self._clock, before)
                chunk.prepared = preparer.prepare(chunk.rows)
            lookup = chunk.prepared.lookup
            under_way.append((self._thread.submit(self._writer.write, chunk), lookup))
        for written, _ in under_way:
            yield written.result()
        yield self._finish()

    def close(self) -> None:
        """End the thread and close every connection."""
        self._thread.shutdown(cancel_futures=True)
        self._left.close()

    def _finish(self) -> Progress:
        done = self._writer.done.after(finished=True)
        with self._link.unit() as connection:
            imports.save(connection, self._file, done, self._clock.now())
        return done

    def _records(self) -> Iterator[Records]:
        done = self.resumed
        if self._order.form == JSON_LINES:
            self._reader: _Reader = JsonReader()
        else:
            head = next(self._source.records(1), None)
            if head is None or not head.texts:
                raise InvalidFile(
                    "the file is empty" if head is None else "the first line is no header"
                )
            self._reader = CsvReader(without_mark(head.texts[0]))
            if not done.lines_done:
                done = done.after(bytes_done=head.bytes_done, lines_done=head.lines_done)
        return self._source.records(self._order.chunk, done.bytes_done, done.lines_done)

    def _parsed(self, records: Records) -> RowChunk:
        if records.numbers and records.numbers[0] == 1:
            records.texts[0] = without_mark(records.texts[0])
        read = self._reader.read(records)
        parser = Parser(self._scope.program, self._versions, self._clock.now())
        chunk = RowChunk([], records.refused + read.refused, records.bytes_done, records.lines_done)
        for number, fields in read.rows:
            try:
                chunk.rows.append(parser.parse(number, fields))
            except InvalidField as refusal:
                chunk.refused.append((number, f"{refusal.field}: {refusal.problem}"))
        return chunk

    def _linked(self, database: Database) -> Link:
        link = database.link()
        self._left.callback(link.close)
        return link


def _on(link: Link) -> Callable[[Callable[[Connection], int]], int]:
    def run(work: Callable[[Connection], int]) -> int:
        with link.unit() as connection:
            return work(connection)

    return run


def _hold(link: Link, file: FileKey) -> None:
    until = time.monotonic() + HELD_SECONDS
    while True:
        with link.unit() as connection:
            if imports.hold(connection, file):
                return
        if time.monotonic() > until:
            raise ImportedElsewhere
        time.sleep(0.1)


def _settings(connection: Connection, order: ImportJob) -> tuple[Program, Versions]:
    key = (order.tenant_id, order.program_id)
    program = programs.load(connection, [key]).get(key)
    if program is None:
        raise ProgramNotFound("program_id")
    versions = {
        (currency, view.policy.code, str(view.policy.version)): view.policy
        for currency in program.currencies
        for view in policies.of_currency(connection, *key, currency)
    }
    return program, versions


def _begin(connection: Connection, file: FileKey, clock: Clock, first_number: int) -> Progress:
    imports.start(connection, file, clock.now(), first_number)
    found = imports.lock_progress(connection, file)
    if found is None or found.finished:
        found = Progress(first_number=first_number)
        imports.save(connection, file, found, clock.now())
    return found

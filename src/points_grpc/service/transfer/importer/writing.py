"""Writing a prepared chunk, in one unit of work, however often that takes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from points_grpc.clock import Clock
from points_grpc.domain.lapse import may_be_due
from points_grpc.errors import StorageUnavailable
from points_grpc.service.transfer.importer.lookup import Scope
from points_grpc.service.transfer.importer.new_ids import ImportNumberSource
from points_grpc.service.transfer.importer.parsing import Parsed
from points_grpc.service.transfer.importer.prepared import Prepared
from points_grpc.service.transfer.importer.preparing import Preparer
from points_grpc.service.transfer.importer.report import Report
from points_grpc.storage.core import unit_ids
from points_grpc.storage.core.database import Connection, Link
from points_grpc.storage.core.db_errors import Fault, fault_of, is_unavailable
from points_grpc.storage.ledger import accounts, expiry_changes, lots, members
from points_grpc.storage.transfer import bulk_copy, imports
from points_grpc.storage.transfer.imports import FileKey, Progress

CONFLICTS_MAX = 20
LOST_SECONDS = 30.0
RETRY_SECONDS = 0.2


class ImportedElsewhere(Exception):
    """Another process is importing the same file."""

    def __init__(self) -> None:
        super().__init__("another import of the same file is under way")


class _Stale(Exception):
    """The chunk was prepared on a state that has changed."""


@dataclass(slots=True)
class RowChunk:
    """Parsed rows, why others are refused, and where the next chunk begins in the file."""

    rows: list[Parsed]
    refused: list[tuple[int, str]]
    bytes_done: int
    lines_done: int
    generation: int = 0
    prepared: Prepared | None = field(default=None, repr=False)


class ChunkWriter:
    """Writes one chunk after the other; used by one thread.

    `generation` grows with every chunk that had to be prepared again: what was prepared before
    that, on the first preparation of another chunk, is void.
    """

    def __init__(
        self,
        link: Link,
        scope: Scope,
        ids: ImportNumberSource,
        *,
        clock: Clock,
        file: FileKey,
        report: Report,
    ) -> None:
        self._link = link
        self._scope = scope
        self._ids = ids
        self._clock = clock
        self._file = file
        self._report = report
        self.generation = 0
        self.done = Progress()

    def write(self, chunk: RowChunk) -> Progress:
        """Commit the chunk and return the file's progress. Raises StorageUnavailable."""
        prepared = chunk.prepared if chunk.generation == self.generation else None
        unit_id, conflicts, lost_at = uuid4(), 0, None
        while True:
            try:
                return self._commit(chunk, prepared, unit_id)
            except _Stale:
                pass
            except Exception as error:
                fault = fault_of(error)
                if fault is Fault.CONFLICT and conflicts < CONFLICTS_MAX:
                    conflicts += 1
                elif is_unavailable(error):
                    lost_at = lost_at or time.monotonic()
                    if time.monotonic() - lost_at > LOST_SECONDS:
                        raise StorageUnavailable from error
                    time.sleep(RETRY_SECONDS)
                    continue
                else:
                    raise
            prepared = None

    def _commit(self, chunk: RowChunk, prepared: Prepared | None, unit_id: UUID) -> Progress:
        with self._link.unit() as connection:
            fresh = unit_ids.open_unit(connection, unit_id, self._clock.now())
            stored = imports.lock_progress(connection, self._file)
            if not fresh and stored is not None:
                return self._keep(stored)  # the answer to a COMMIT that had succeeded was lost
            if stored != self.done:
                raise ImportedElsewhere
            if prepared is None:
                self.generation += 1
                preparer = Preparer(connection, self._scope, self._ids, self._clock)
                prepared = preparer.prepare(chunk.rows, lock=True)
            else:
                self._check_accounts(connection, prepared)
            self._check_members(connection, prepared)
            _apply(connection, self._scope.tenant_id, prepared)
            refused = [*chunk.refused, *prepared.refused]
            done = self.done.after(
                bytes_done=chunk.bytes_done,
                lines_done=chunk.lines_done,
                imported=self.done.imported + prepared.imported,
                known=self.done.known + prepared.known,
                refused=self.done.refused + len(refused),
                report_bytes=self._report.write([*refused, *prepared.merged]),
                finished=False,
            )
            imports.save(connection, self._file, done, self._clock.now())
        return self._keep(done)

    def _check_accounts(self, connection: Connection, prepared: Prepared) -> None:
        """Lock the accounts that the chunk changes, and check that they are unchanged.

        Raises _Stale, also where something has lapsed since, or while the locks were waited for.
        """
        keys = [(self._scope.tenant_id, account) for account in prepared.versions]
        locked = accounts.lock(connection, keys, wait=True)
        if {a.account_id: a.version for a in locked} != prepared.versions:
            raise _Stale
        if may_be_due(prepared.lookup.until, self._clock.now()):
            raise _Stale

    def _check_members(self, connection: Connection, prepared: Prepared) -> None:
        """Lock members that get identifiers, and check that they are unchanged. _Stale."""
        tenant_id = self._scope.tenant_id
        for member in sorted(prepared.labels):
            members.lock(connection, tenant_id, member)
        found = members.labels(connection, [(tenant_id, member) for member in prepared.labels])
        if {member: label for (_, member), label in found.items()} != prepared.labels:
            raise _Stale
        held = members.count_identifiers(connection, tenant_id, prepared.names_held)
        if held != prepared.names_held:
            raise _Stale

    def _keep(self, done: Progress) -> Progress:
        self.done = done
        self._report.keep(done.report_bytes)
        return done


def _apply(connection: Connection, tenant_id: int, prepared: Prepared) -> None:
    """Write in the order of the engine: first what may collide."""
    members.insert_identifiers(connection, prepared.identifiers)
    members.insert_members(connection, prepared.members)
    for label in prepared.relabelled:
        members.set_label(connection, tenant_id, label)
    accounts.insert(connection, prepared.new_accounts)
    accounts.update(connection, prepared.accounts)
    bulk_copy.copy_lots(connection, prepared.lots)
    lots.update(connection, [(tenant_id, lot) for lot in prepared.changed_lots])
    bulk_copy.copy_transactions(connection, prepared.transactions)
    bulk_copy.copy_allocations(connection, prepared.allocations)
    changes = [(tenant_id, change) for change in prepared.changes]
    expiry_changes.insert(connection, changes)
    imports.insert_keys(connection, tenant_id, prepared.keys.items())

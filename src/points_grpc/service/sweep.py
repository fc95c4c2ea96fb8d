"""The sweep: recording expiries that have already happened.

Correctness never waits for it. It goes through the same ledger as every write, account by
account in chunks, leaves alone what others have locked, and cleans up what is kept only for a
time: answers to request ids, and the ids of units of work.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from points_grpc.clock import Clock
from points_grpc.domain.answers import Lapsed
from points_grpc.domain.commands import Caller, Lapse
from points_grpc.errors import StorageUnavailable
from points_grpc.service.batch import Call, Group
from points_grpc.service.gather import Locking
from points_grpc.service.ledger import Ledger, Terms
from points_grpc.service.program_cache import ProgramCache
from points_grpc.storage import accounts, programs, requests, units
from points_grpc.storage.accounts import AccountKey
from points_grpc.storage.database import Database
from points_grpc.storage.faults import Fault, fault_of
from points_grpc.storage.ids import IdSource

CHUNK = 500
"""Accounts in one unit of work."""

LOOK_AHEAD = 20
"""Chunks that are looked up at once."""

PURGE_ROWS = 5_000
"""Rows deleted in one unit of work."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What one chunk recorded, by account.

    `skipped` accounts were locked elsewhere; `failures` are those of accounts that could not
    be recorded for another reason. Both are left to the next sweep.
    """

    lapses: tuple[Lapsed, ...]
    skipped: int
    failures: tuple[Exception, ...] = ()


class Sweeper:
    """Sweeps on a connection of its own; several may run at once, in any processes."""

    def __init__(
        self, database: Database, program_cache: ProgramCache, ids: IdSource, clock: Clock
    ) -> None:
        self._link = database.link(brief=True)
        self._clock = clock
        self._ledger = Ledger(
            self._link, program_cache, ids, clock, Terms(Locking.SKIP, lots_max=None)
        )

    def sweep(self, chunk: int = CHUNK) -> Iterator[Swept]:
        """Record everything that was due at its start, chunk by chunk.

        Accounts that cannot be recorded are left to the next sweep. Raises StorageUnavailable.
        """
        as_of = self._clock.now()
        left: set[AccountKey] = set()
        while due := self._due(as_of, chunk * LOOK_AHEAD, left):
            for start in range(0, len(due), chunk):
                yield self._record(due[start : start + chunk], left)

    def purge(self, older_than: timedelta) -> int:
        """Forget request ids and units of work from before that; how many rows they were.

        Rounds of bounded deletes, each a unit of work of its own.
        """
        before = self._clock.now() - older_than
        return self._purge_rows(before)

    def close(self) -> None:
        """Close the connection."""
        self._link.close()

    def _due(self, as_of: datetime, limit: int, left: set[AccountKey]) -> list[AccountKey]:
        # Those that were left are found again, in front of the others.
        most = limit + len(left)
        try:
            with self._link.unit() as connection:
                keys = programs.all_keys(connection)
                found = accounts.due(connection, keys, as_of, most, total=most)
        except Exception as error:
            if fault_of(error) is Fault.LOST:
                raise StorageUnavailable from error
            raise
        return [key for key in found if key not in left]

    def _record(self, due: list[AccountKey], left: set[AccountKey]) -> Swept:
        calls = [
            Call(Caller(tenant_id, "", "sweep"), [Group((Lapse(account_id),))])
            for tenant_id, account_id in due
        ]
        leftover = self._ledger.execute(calls)
        lapses: list[Lapsed] = []
        failures: list[Exception] = []
        for key, call in zip(due, calls, strict=True):
            (group,) = call.groups
            if isinstance(group.failure, StorageUnavailable):
                raise group.failure
            if group.failure is not None:
                failures.append(group.failure)
            if group.failure is not None or not group.settled:
                left.add(key)
            lapses += [answer for answer in group.results if isinstance(answer, Lapsed)]
        return Swept(tuple(lapses), len(leftover.missed), tuple(failures))

    def _purge_rows(self, before: datetime) -> int:
        total = 0
        for delete in (requests.delete_older_than, units.delete_older_than):
            deleted = PURGE_ROWS
            while deleted == PURGE_ROWS:
                with self._link.unit() as connection:
                    deleted = delete(connection, before, PURGE_ROWS)
                total += deleted
        return total

"""What a sweep would record, found out without recording it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from points_grpc.clock import Clock
from points_grpc.domain.calendar import nearest_local_date
from points_grpc.domain.commands import Caller, Lapse
from points_grpc.domain.model import LotState
from points_grpc.domain.state import AccountState, Lot
from points_grpc.service.shared.program_cache import ProgramCache
from points_grpc.service.sweep import due_accounts
from points_grpc.service.writes.gather import Gatherer, Locking
from points_grpc.service.writes.resolve import WorkItem
from points_grpc.service.writes.work import Group, LedgerCall
from points_grpc.storage.core.database import Connection, Database
from points_grpc.storage.core.ids import IdSource
from points_grpc.storage.ledger.accounts import AccountKey


@dataclass(frozen=True, slots=True)
class Day:
    """Where and when points lapsed: the day is that of the program's time zone."""

    tenant_id: int
    program_id: int
    currency: str
    scale: int
    day: date


@dataclass(frozen=True, slots=True)
class DueLots:
    """One lot that is due; `points` of an unapproved one are cancelled, not expired."""

    on: Day
    points: int
    approved: bool


class DryRun:
    """Looks at what is due, on a connection of its own that cannot write."""

    def __init__(
        self, database: Database, program_cache: ProgramCache, ids: IdSource, clock: Clock
    ) -> None:
        self._link = database.link(snapshot=True)
        self._programs = program_cache
        self._ids = ids
        self._clock = clock

    def estimate(self) -> int:
        """About how many accounts `due` will look at. Raises StorageUnavailable."""
        return due_accounts.estimate(self._link, self._clock.now())

    def due(self, chunk: int) -> Iterator[tuple[int, list[DueLots]]]:
        """So many accounts and what is due in them, chunk by chunk. Raises StorageUnavailable."""
        for page in due_accounts.find_due_accounts(self._link, self._clock.now()):
            for start in range(0, len(page), chunk):
                keys = page[start : start + chunk]
                with self._link.unit() as connection:
                    found = self._look(connection, keys)
                yield len(keys), found

    def close(self) -> None:
        """Close the connection."""
        self._link.close()

    def _look(self, connection: Connection, keys: list[AccountKey]) -> list[DueLots]:
        gatherer = Gatherer(
            connection,
            self._programs,
            self._ids,
            clock=self._clock,
            locking=Locking.NONE,
            lots_max=None,
        )
        items = [_item(tenant_id, account_id) for tenant_id, account_id in keys]
        gathered = gatherer.lock(items, gatherer.names(items))
        gatherer.load(items, gathered)
        return [
            due
            for account_state in gathered.batch_state.account_states.values()
            for lot in account_state.lots.values()
            if (due := _due(account_state, lot)) is not None
        ]


def _item(tenant_id: int, account_id: int) -> WorkItem:
    group = Group((Lapse(account_id),))
    return WorkItem(LedgerCall(Caller(tenant_id, "", "sweep"), [group]), group, group.commands[0])


def _due(account_state: AccountState, lot: Lot) -> DueLots | None:
    at = account_state.expiry_of(lot) if lot.unfinished else None
    if at is None or at > account_state.now:
        return None
    account, currency = account_state.account, account_state.currency
    day = nearest_local_date(account_state.program.zone, at)
    on = Day(account.tenant_id, account.program_id, currency.code, currency.scale, day)
    return DueLots(on, lot.remaining, lot.state is LotState.APPROVED)

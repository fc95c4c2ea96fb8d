"""The sweep: recording expiries that have already happened.

Correctness never waits for it. Plain accounts are recorded by statement, all others go through
the same ledger as every write; both in chunks that leave alone what others have locked. It also
cleans up what is kept only for a time: answers to request ids, and the ids of units of work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from points_grpc.clock import Clock
from points_grpc.domain.commands import Caller, Lapse
from points_grpc.domain.lapse import may_be_due
from points_grpc.domain.model import Currency, Program
from points_grpc.domain.results import Lapsed
from points_grpc.domain.state import Account
from points_grpc.errors import StorageUnavailable, TimeInDoubt
from points_grpc.service.shared import retention
from points_grpc.service.shared.checked_clock import is_ahead
from points_grpc.service.shared.program_cache import ProgramCache
from points_grpc.service.shared.retry import run_with_retries
from points_grpc.service.sweep import due_accounts
from points_grpc.service.writes.gather import Locking
from points_grpc.service.writes.ledger import Ledger, LedgerTerms
from points_grpc.service.writes.work import Group, LedgerCall
from points_grpc.storage.core import unit_ids
from points_grpc.storage.core.database import Connection, Database
from points_grpc.storage.core.db_errors import Fault, fault_of
from points_grpc.storage.core.ids import BLOCK, IdSource
from points_grpc.storage.ledger import accounts, bulk_lapse, former_identifiers, requests
from points_grpc.storage.ledger.accounts import AccountKey
from points_grpc.storage.ledger.bulk_lapse import DueLapse

CHUNK = 500
"""Accounts in one unit of work."""

LOTS_MAX = 5_000
"""Lots that one unit of work ends by statement, but for a single account that has more."""

PURGE_ROWS = 5_000
"""Rows deleted in one unit of work."""


@dataclass(frozen=True, slots=True)
class AccountLapse:
    """What was recorded of one account: lots ended, points expired and promises closed.

    All zero where its bound was too low, or another had recorded it.
    """

    tenant_id: int
    program_id: int
    currency: Currency
    lots: int
    expired: int
    closed: int


@dataclass(frozen=True, slots=True)
class Swept:
    """What one chunk recorded, by account.

    `skipped` accounts were locked elsewhere, or last written in the future; `failures` are those
    of accounts that could not be recorded for another reason. Both are left to the next sweep.
    """

    lapses: tuple[AccountLapse, ...]
    skipped: int
    failures: tuple[Exception, ...] = ()


@dataclass(slots=True)
class _Plain:
    """What a unit of work did by statement.

    `later` are accounts that it had no room for, `needs_engine` those that are not plain.
    """

    lapses: list[AccountLapse] = field(default_factory=list)
    later: list[AccountKey] = field(default_factory=list)
    needs_engine: list[AccountKey] = field(default_factory=list)
    locked_out: int = 0

    @property
    def looked(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self.lapses or self.locked_out)


class Sweeper:
    """Sweeps on a connection of its own; several may run at once, in any processes."""

    def __init__(
        self, database: Database, program_cache: ProgramCache, ids: IdSource, clock: Clock
    ) -> None:
        self._link = database.link(brief=True)
        self._clock = clock
        self._programs = program_cache
        self._ids = ids
        self._ledger = Ledger(
            self._link,
            program_cache,
            ids,
            clock,
            LedgerTerms(Locking.SKIP, lots_max=None, slow_max=CHUNK),
        )

    def sweep(self, chunk: int = CHUNK) -> Iterator[Swept]:
        """Record everything that was due at its start, chunk by chunk.

        Accounts that cannot be recorded are left to the next sweep. Raises StorageUnavailable.
        """
        for page in due_accounts.find_due_accounts(self._link, self._clock.now()):
            for start in range(0, len(page), chunk):
                yield from self._record(page[start : start + chunk])

    def estimate(self) -> int:
        """About how many accounts a sweep would look at now. Raises StorageUnavailable."""
        return due_accounts.estimate(self._link, self._clock.now())

    def purge(self) -> int:
        """Forget request ids and units of work older than promised; how many rows they were.

        Rounds of bounded deletes, each a unit of work of its own that reads the promise anew.
        Nothing is forgotten where none was made: servers of a release before this one promise
        without writing it down.
        """
        kinds = (requests, unit_ids, former_identifiers)
        return sum(self._purge_rows(kind.delete_older_than) for kind in kinds)

    def close(self) -> None:
        """Close the connection."""
        self._link.close()

    def _record(self, keys: list[AccountKey]) -> Iterator[Swept]:
        """Plain accounts by statement, the rest by the core."""
        size = len(keys)
        while keys:
            done = self._by_statement(keys[:size])
            if done.looked:
                yield Swept(tuple(done.lapses), done.locked_out)
            if done.needs_engine:
                yield self._by_core(done.needs_engine)
            keys = done.later + keys[size:]
            if done.later:  # so many lots as that have no room
                size = max(1, len(done.lapses))

    def _by_statement(self, keys: list[AccountKey]) -> _Plain:
        """Record those that are plain, as many of them as one unit of work may.

        Where that is refused or takes too long, all are the core's, which finds out whose.
        """
        try:
            return run_with_retries(
                self._link, self._clock, lambda connection: self._work(connection, keys)
            )
        except Exception as error:
            if fault_of(error) is Fault.LOST:
                raise StorageUnavailable from error
            if isinstance(error, TimeInDoubt):
                raise
            return _Plain(needs_engine=keys)

    def _work(self, connection: Connection, keys: list[AccountKey]) -> _Plain:
        locked = accounts.lock(connection, keys, wait=False)
        now = self._clock.now()
        done = _Plain(locked_out=len(keys) - len(locked))
        ahead = [a for a in locked if is_ahead(self._clock, a.last_at, now)]
        if ahead:
            done.locked_out += len(ahead)
            locked = [account for account in locked if account not in ahead]
        known = self._programs.current(connection, {(a.tenant_id, a.program_id) for a in locked})
        asked = [
            (account, at)
            for account in locked
            if may_be_due(account.next_due_at, at := max(now, account.last_at))
        ]
        found = bulk_lapse.summarise(connection, asked)
        plain: list[tuple[Account, datetime, int]] = []
        lots = 0
        for account, at in asked:
            due = found[account.account_id]
            key = (account.tenant_id, account.account_id)
            if due.needs_engine or due.instants > BLOCK:
                done.needs_engine.append(key)
            elif plain and lots + due.lots > LOTS_MAX:
                done.later.append(key)
            else:
                lots += due.lots
                plain.append((account, at, self._ids.numbers(due.instants)))
                program = known[account.tenant_id, account.program_id]
                done.lapses.append(_lapse_of(account, program, due))
        bulk_lapse.record(connection, plain)
        for account, at, _ in plain:
            _move(account, found[account.account_id], at)
        accounts.update(connection, [account for account, _, _ in plain])
        return done

    def _by_core(self, keys: Sequence[AccountKey]) -> Swept:
        calls = [
            LedgerCall(Caller(tenant_id, "", bulk_lapse.PRINCIPAL), [Group((Lapse(account_id),))])
            for tenant_id, account_id in keys
        ]
        leftover = self._ledger.execute(calls)
        lapses: list[AccountLapse] = []
        failures: list[Exception] = []
        for call in calls:
            (group,) = call.groups
            if isinstance(group.failure, StorageUnavailable):
                raise group.failure
            if group.failure is not None:
                failures.append(group.failure)
            lapses += [_lapse_told(a) for a in group.results if isinstance(a, Lapsed)]
        return Swept(tuple(lapses), len(leftover.locked_out), tuple(failures))

    def _purge_rows(self, delete: Callable[[Connection, datetime, int], int]) -> int:
        total, deleted = 0, PURGE_ROWS
        while deleted == PURGE_ROWS:
            with self._link.unit() as connection:
                if (kept_for := retention.promised(connection)) is None:
                    return total
                deleted = delete(connection, self._clock.now() - kept_for, PURGE_ROWS)
            total += deleted
        return total


def _lapse_of(account: Account, program: Program, due: DueLapse) -> AccountLapse:
    currency = program.currencies[account.currency_id]
    return AccountLapse(
        account.tenant_id, account.program_id, currency, due.lots, due.amount, closed=0
    )


def _lapse_told(told: Lapsed) -> AccountLapse:
    owner = told.owner
    return AccountLapse(
        told.tenant_id, owner.program_id, owner.currency, told.lots, told.expired, told.closed
    )


def _move(account: Account, due: DueLapse, now: datetime) -> None:
    """Give a plain account the figures that it has after what was due is recorded."""
    account.available -= due.amount
    account.total_expired += due.amount
    account.version += due.instants
    account.next_due_at = due.next_at
    if due.lots:
        account.last_at = now

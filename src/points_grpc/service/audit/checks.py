"""Whether everything that is stored agrees with itself: looked at page by page, never changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

from points_grpc.domain.model import Policy, Program, TransactionType
from points_grpc.domain.policy import inactivity_lapse
from points_grpc.service.audit import names
from points_grpc.storage.admin import programs
from points_grpc.storage.audit import accounts, debits, lots, orphans
from points_grpc.storage.audit.debits import EarnExpiry, SuspectDebit
from points_grpc.storage.audit.findings import (
    BEFORE_ALL,
    AuditCursor,
    Finding,
    join_as_written,
    of_accounts,
)
from points_grpc.storage.core.database import Connection, Database
from points_grpc.storage.core.ids import BUCKETS

ACCOUNTS_AT_ONCE = 500
ROWS_AT_ONCE = 5_000

T = TypeVar("T")

Page = tuple[int, int, Sequence[Finding]]
"""So many more accounts, and rows of other tables, were looked at; and what was found there."""

_OF_ACCOUNTS = (*accounts.CHECKS, *lots.CHECKS, *debits.CHECKS)
_NOT_LIVE = debits.CHECKS[0].rule
_LATE = "its bound is later than the expiry of a lot that follows its activity"

RULES = {q.rule for q in _OF_ACCOUNTS} | {_LATE} | orphans.RULES | names.RULES
"""Everything that is looked for, in words."""


class Auditor:
    """Checks everything that is stored, on its own read-only connection.

    Each page is a snapshot of its own, so that servers can go on writing meanwhile.
    """

    def __init__(self, database: Database) -> None:
        self._link = database.link(snapshot=True)
        self._programs: dict[tuple[int, int], Program] = {}

    def close(self) -> None:
        """Close the connection."""
        self._link.close()

    def estimate(self) -> int:
        """Estimate the number of accounts: identifiers are spread over the buckets evenly."""
        return self._ask(accounts.count_of_bucket) * BUCKETS

    def audit(self) -> Iterator[Page]:
        """Yield every page with its findings."""
        yield from self._every_account()
        for table in orphans.TABLES:
            yield from self._orphans(orphans.Pager(table, ROWS_AT_ONCE))
        for check in (names.check_names, names.check_requests):
            yield from ((0, rows, found) for rows, found in check(self._ask, ROWS_AT_ONCE))

    def _ask(self, work: Callable[[Connection], T]) -> T:
        with self._link.unit() as connection:
            join_as_written(connection)
            return work(connection)

    def _every_account(self) -> Iterator[Page]:
        after = BEFORE_ALL
        while True:
            page, found = self._ask(partial(self._accounts, after=after))
            if not page:
                return
            yield len(page), 0, found
            after = page[-1]

    def _accounts(
        self, connection: Connection, after: AuditCursor
    ) -> tuple[list[AuditCursor], list[Finding]]:
        page = accounts.page(connection, after, ACCOUNTS_AT_ONCE)
        if not page:
            return page, []
        params = of_accounts(page)
        found = [f for question in _OF_ACCOUNTS for f in question.ask(connection, params)]
        found += self._late_bounds(connection, page)
        found += self._dead_debits(connection, page)
        return page, found

    def _orphans(self, pager: orphans.Pager) -> Iterator[Page]:
        while not pager.at_end:
            found = self._ask(pager.next)
            yield 0, ROWS_AT_ONCE, found

    def _late_bounds(
        self, connection: Connection, page: Sequence[AuditCursor]
    ) -> Iterable[Finding]:
        for lot in accounts.following(connection, page):
            program = self._program(connection, lot.tenant_id, lot.program_id)
            policy = program.versions[lot.rule]
            since = _since(lot.activity, policy.qualifying, lot.earned_at)
            ends_at = _lapse(policy, program, since)
            if lot.next_due_at is None or lot.next_due_at > ends_at:
                yield Finding(_LATE, "account", lot.tenant_id, lot.account_id)

    def _dead_debits(
        self, connection: Connection, page: Sequence[AuditCursor]
    ) -> Iterable[Finding]:
        wrong = []
        for debit in debits.suspect_debits(connection, page):
            program = self._program(connection, debit.tenant_id, debit.program_id)
            if not _is_right(debit, program):
                wrong.append((debit, program))
        earns = (
            debits.earn_expiries(connection, page, {d.lot_id for d, _ in wrong}) if wrong else {}
        )
        for debit, program in wrong:
            if not _is_right_of_fixed(debit, earns[debit.lot_id], program):
                yield Finding(_NOT_LIVE, "transaction", debit.tenant_id, debit.transaction_id)

    def _program(self, connection: Connection, tenant_id: int, program_id: int) -> Program:
        """Return a program; policy versions never change, so one read serves until the end."""
        key = (tenant_id, program_id)
        if key not in self._programs:
            self._programs.update(programs.load(connection, [key]))
        return self._programs[key]


def _is_right(debit: SuspectDebit, program: Program) -> bool:
    """Return whether the lot was live, or lapsed at the instant that the debit states."""
    return any(_fits(debit, at) for at in _ends(debit, debit.activity, program))


def _is_right_of_fixed(debit: SuspectDebit, earn: EarnExpiry, program: Program) -> bool:
    """Return the same for a lot with an explicit expiry, which no activity moves."""
    ends_at = earn.expires_at
    if ends_at is None:
        return True
    return ends_at not in _ends(debit, earn.activity, program) and _fits(debit, ends_at)


def _ends(
    debit: SuspectDebit, activity: dict[TransactionType, datetime], program: Program
) -> Iterator[datetime]:
    """Return when a lot with this activity lapses."""
    policy = program.versions[debit.policy_version_id]
    # A CLOSE is activity where a caller asked for it, and none where a lapse did.
    for counted in (policy.qualifying, policy.qualifying - {TransactionType.CLOSE}):
        yield _lapse(policy, program, _since(activity, counted, debit.earned_at))


def _fits(debit: SuspectDebit, ends_at: datetime) -> bool:
    lapsed = debit.type == TransactionType.EXPIRE and debit.effective_at == ends_at
    return debit.effective_at < ends_at or (lapsed and debit.created_at >= ends_at)


def _since(
    activity: dict[TransactionType, datetime],
    qualifying: frozenset[TransactionType],
    earned_at: datetime,
) -> datetime:
    return max([earned_at, *(at for kind, at in activity.items() if kind in qualifying)])


def _lapse(policy: Policy, program: Program, since: datetime) -> datetime:
    return inactivity_lapse(policy, program.zone, since)

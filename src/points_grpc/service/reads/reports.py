"""The figures of a batch of reads: each kind is asked of the database once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from points_grpc.domain.as_of import FixedLots, account_now
from points_grpc.domain.calendar import Month, OutOfCalendar, month_window
from points_grpc.domain.model import LotState
from points_grpc.domain.queries import Expiring, GetAccount, GetExpiring, GetSchedule, Schedule
from points_grpc.domain.results import AccountView
from points_grpc.domain.schedule import (
    MonthSums,
    ProjectedLots,
    expiring_within,
    future_part,
    inactivity_rules,
    make_schedule,
    project,
)
from points_grpc.domain.state import AccountState
from points_grpc.errors import InvalidField, Refusal
from points_grpc.storage.core.database import Connection
from points_grpc.storage.core.pipeline import run_all
from points_grpc.storage.reads import schedules

AccountRead = tuple[AccountState, GetAccount | GetExpiring | GetSchedule]
"""An account, which may be one that does not exist, and what is asked of it."""

AccountReport = AccountView | Expiring | Schedule

_NOTHING = FixedLots()
_NO_LOTS = (0, 0)
_APPROVED = (LotState.APPROVED,)
_UNFINISHED = (LotState.OPEN, LotState.PENDING, LotState.APPROVED)


def report(connection: Connection, reads: Sequence[AccountRead]) -> list[AccountReport | Refusal]:
    """The answer to each question, in order."""
    sums = _gather(connection, reads)
    answers: list[AccountReport | Refusal] = []
    for place, (account_state, read) in enumerate(reads):
        try:
            answers.append(sums.answer(place, account_state, read))
        except Refusal as refusal:
            answers.append(refusal)
    return answers


@dataclass(frozen=True, slots=True)
class _AccountSums:
    """What was read for a batch: by account, or by the place of a question."""

    fixed: Mapping[int, FixedLots]
    projected: Mapping[int, Sequence[ProjectedLots]]
    expiring: Mapping[int, tuple[int, int]]
    windows: Mapping[int, Sequence[Month]]
    sums: Mapping[int, Mapping[int, MonthSums]]

    def answer(
        self, place: int, account_state: AccountState, read: GetAccount | GetExpiring | GetSchedule
    ) -> AccountReport:
        account_id = account_state.account.account_id
        fixed = self.fixed.get(account_id, _NOTHING)
        projected = self.projected.get(account_id, ())
        if isinstance(read, GetAccount):
            return account_now(account_state, fixed, projected)
        if isinstance(read, GetExpiring):
            period = future_part(account_state.now, read.start_at, read.end_at)
            return expiring_within(
                account_state, period, self.expiring.get(place, _NO_LOTS), projected
            )
        if place not in self.windows:
            raise InvalidField("forward_months", "reaches beyond the calendar")
        return make_schedule(
            account_state,
            self.windows[place],
            self.sums.get(place, {}),
            projected,
            has_dated_lots=fixed.next_expires_at is not None,
        )


def _gather(connection: Connection, reads: Sequence[AccountRead]) -> _AccountSums:
    windows = {
        place: window
        for place, (account_state, read) in enumerate(reads)
        if isinstance(read, GetSchedule) and (window := _window(account_state, read))
    }
    account_states = {h.account.account_id: h for h, _ in reads if h.account.account_id}
    fixed, inactive, expiring = run_all(
        connection,
        schedules.fixed_lots(_to_stand(reads)),
        schedules.inactivity_lots(_rules(account_states.values())),
        schedules.expiring(_periods(reads)),
    )
    return _AccountSums(
        fixed=fixed,
        projected={
            account_id: project(account_states[account_id].program, lots)
            for account_id, lots in inactive.items()
        },
        expiring=expiring,
        windows=windows,
        sums=schedules.months(connection, list(_spans(reads, windows))),
    )


def _to_stand(reads: Sequence[AccountRead]) -> set[tuple[int, int, int, datetime]]:
    return {
        (
            account_state.account.tenant_id,
            account_state.account.account_id,
            state,
            account_state.now,
        )
        for account_state, read in reads
        if account_state.account.account_id and not isinstance(read, GetExpiring)
        for state in _states(account_state)
    }


def _states(account_state: AccountState) -> Sequence[LotState]:
    """The states that unfinished lots of an account can have: most have no unapproved ones."""
    return _UNFINISHED if account_state.account.pending else _APPROVED


def _rules(
    account_states: Iterable[AccountState],
) -> Iterable[tuple[int, int, int, int, datetime | None]]:
    rules_of: dict[int, list[int]] = {}
    for account_state in account_states:
        account, program = account_state.account, account_state.program
        rules = rules_of.get(id(program))
        if rules is None:
            rules = rules_of[id(program)] = inactivity_rules(program)
        for rule in rules:
            since = account_state.last_qualified_at(rule)
            for state in _states(account_state):
                yield (account.tenant_id, account.account_id, state, rule, since)


def _periods(
    reads: Sequence[AccountRead],
) -> Iterable[tuple[int, int, int, datetime, datetime]]:
    for place, (account_state, read) in enumerate(reads):
        account = account_state.account
        if isinstance(read, GetExpiring) and account.account_id:
            start_at, end_at = future_part(account_state.now, read.start_at, read.end_at)
            if start_at < end_at:
                yield (place, account.tenant_id, account.account_id, start_at, end_at)


def _window(account_state: AccountState, read: GetSchedule) -> Sequence[Month]:
    """The schedule's months; none where they reach beyond the calendar."""
    zone = account_state.program.zone
    try:
        return month_window(zone, account_state.now, read.trailing_months, read.forward_months)
    except OutOfCalendar:
        return ()


def _spans(
    reads: Sequence[AccountRead], windows: Mapping[int, Sequence[Month]]
) -> Iterable[schedules.Span]:
    for place, window in windows.items():
        account_state, _ = reads[place]
        account = account_state.account
        if account.account_id:
            for month, span in enumerate(window):
                yield (
                    place,
                    month,
                    account.tenant_id,
                    account.account_id,
                    account_state.now,
                    span.starts_at,
                    span.ends_at,
                )

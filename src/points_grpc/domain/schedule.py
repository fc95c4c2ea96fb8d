"""When an account's points expire: by calendar month, by inactivity, and within a period."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from points_grpc.domain.calendar import Month, days_between
from points_grpc.domain.model import Policy, PolicyKind, Program
from points_grpc.domain.policy import inactivity_lapse
from points_grpc.domain.queries import (
    Expiring,
    InactivityEntry,
    Schedule,
    ScheduleMonth,
)
from points_grpc.domain.state import AccountState
from points_grpc.errors import ExpirationNotConfigured

_INSTANT = timedelta(microseconds=1)
_EARLIEST = datetime(2, 1, 1, tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)
_DATED = (PolicyKind.PERIOD, PolicyKind.FIXED_DATES)


@dataclass(frozen=True, slots=True)
class InactivityLots:
    """Unfinished lots of an account under one policy version that count from one instant.

    `since` is the account's last activity that the policy counts, or the lots' own earn where
    that is later. `remaining` is in the currency's smallest unit.
    """

    rule: int
    approved: bool
    since: datetime
    remaining: int
    lot_count: int


@dataclass(frozen=True, slots=True)
class ProjectedLots:
    """Inactivity lots, and the instant at which they lapse if nothing happens before."""

    policy: Policy
    expires_at: datetime
    lots: InactivityLots


@dataclass(frozen=True, slots=True)
class MonthSums:
    """A month's figures without what inactivity adds, in the currency's smallest unit.

    `expired` includes lapses that are not recorded yet. `expires_at` is the latest expiry of
    the approved fixed lots that expire in the month, None where there is none.
    """

    expired: int = 0
    expiring: int = 0
    redeemed: int = 0
    redeemed_from_lots: int = 0
    expires_at: datetime | None = None


EMPTY_SUMS = MonthSums()


def inactivity_rules(program: Program) -> list[int]:
    """The ids of the program's inactivity policy versions."""
    return [
        version_id
        for version_id, policy in program.versions.items()
        if policy.kind is PolicyKind.INACTIVITY
    ]


def project(program: Program, groups: Iterable[InactivityLots]) -> list[ProjectedLots]:
    """The instant at which each group of inactivity lots lapses, the soonest first."""
    projected = []
    for lots in groups:
        policy = program.versions[lots.rule]
        expires_at = inactivity_lapse(policy, program.zone, lots.since)
        projected.append(ProjectedLots(policy, expires_at, lots))
    return sorted(projected, key=_soonest)


def last_earn_lapsing(
    account_state: AccountState, rule: int, before: datetime, *, including: bool = False
) -> datetime | None:
    """Up to which earn the lots under an inactivity policy version lapse before an instant.

    With `including` also at it. None where none does. The later a lot was earned, the later it
    lapses, so that this cuts the lots of the version in two.
    """
    last: datetime | None = None
    low, high = 0, (account_state.now - _EARLIEST) // _INSTANT
    while low <= high:
        middle = (low + high) // 2
        earned_at = _EARLIEST + middle * _INSTANT
        expires_at = account_state.projected_expiry(rule, earned_at)
        if expires_at < before or (including and expires_at == before):
            last, low = earned_at, middle + 1
        else:
            high = middle - 1
    return last


def future_part(now: datetime, start_at: datetime, end_at: datetime) -> tuple[datetime, datetime]:
    """The part of a period, half open, in which lots live at `now` can expire.

    Empty (its end not after its start) where the period is over.
    """
    if now >= _LATEST:
        return end_at, end_at
    return max(start_at, now + _INSTANT), end_at


def expiring_within(
    account_state: AccountState,
    period: tuple[datetime, datetime],
    fixed: tuple[int, int],
    projected: Iterable[ProjectedLots],
) -> Expiring:
    """Return what expires in the part of a period that is still to come.

    `fixed` are the points and the number of the fixed lots that do.
    """
    start_at, end_at = period
    points, lot_count = fixed
    for group in projected:
        if group.lots.approved and start_at <= group.expires_at < end_at:
            points += group.lots.remaining
            lot_count += group.lots.lot_count
    return Expiring(account_state.currency, points, lot_count, account_state.now)


def make_schedule(
    account_state: AccountState,
    months: Sequence[Month],
    sums: Mapping[int, MonthSums],
    projected: Sequence[ProjectedLots],
    has_dated_lots: bool,
) -> Schedule:
    """An account's schedule; `sums` has the figures of a month by its place in `months`.

    `has_dated_lots` tells whether any live approved lot, in the months or beyond, has a fixed
    expiry. Raises ExpirationNotConfigured where nothing can ever expire.
    """
    now = account_state.now
    kinds = {policy.kind for policy in account_state.currency.policies.values()}
    in_window = any(month.expires_at is not None for month in sums.values())
    approved = [group for group in projected if group.lots.approved]
    inactivity = _inactivity_entries(account_state, approved)
    if kinds <= {PolicyKind.NEVER} and not (in_window or has_dated_lots or inactivity):
        raise ExpirationNotConfigured("currency")
    shown: tuple[ScheduleMonth, ...] = ()
    if in_window or not kinds.isdisjoint(_DATED):
        lapsed = [group for group in approved if group.expires_at <= now]
        shown = tuple(
            _month(month, now, _with_lapsed(month, sums.get(place, EMPTY_SUMS), lapsed))
            for place, month in enumerate(months)
        )
    return Schedule(account_state.currency, shown, inactivity, now)


def _with_lapsed(month: Month, sums: MonthSums, lapsed: Collection[ProjectedLots]) -> MonthSums:
    """The figures with the inactivity lots that lapsed in the month, recorded by nobody yet."""
    points = sum(
        group.lots.remaining
        for group in lapsed
        if month.starts_at <= group.expires_at < month.ends_at
    )
    return replace(sums, expired=sums.expired + points) if points else sums


def _month(month: Month, now: datetime, sums: MonthSums) -> ScheduleMonth:
    return ScheduleMonth(
        first=month.first,
        last=month.last,
        expires_at=sums.expires_at,
        expired=sums.expired if month.starts_at <= now else 0,
        expiring=sums.expiring if month.ends_at > now else 0,
        redeemed=sums.redeemed,
        redeemed_from_lots=sums.redeemed_from_lots,
    )


def _inactivity_entries(
    account_state: AccountState, approved: Iterable[ProjectedLots]
) -> tuple[InactivityEntry, ...]:
    """One entry for each policy version and instant to come, the soonest first."""
    entries: dict[tuple[int, datetime], InactivityEntry] = {}
    for group in approved:
        if group.expires_at <= account_state.now:
            continue
        key = (group.policy.policy_version_id, group.expires_at)
        known = entries.get(key)
        since = group.lots.since
        entries[key] = InactivityEntry(
            policy=group.policy.code,
            policy_version=group.policy.version,
            last_qualified_at=max(known.last_qualified_at, since) if known else since,
            expires_at=group.expires_at,
            days_until_expiry=days_between(
                account_state.program.zone, account_state.now, group.expires_at
            ),
            expiring=group.lots.remaining + (known.expiring if known else 0),
        )
    return tuple(entries.values())


def _soonest(group: ProjectedLots) -> tuple[datetime, str, int, datetime]:
    return (group.expires_at, group.policy.code, group.policy.version, group.lots.since)

"""Which policy definitions are accepted, and what path a refusal names."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from points_grpc.domain.model import Period, Policy, PolicyKind, Rounding, TransactionType
from points_grpc.domain.policy import check_policy
from points_grpc.errors import InvalidField

NEVER, PERIOD, FIXED_DATES, INACTIVITY = PolicyKind
YEAR_DAYS = [date(2024, 1, 1) + timedelta(days=n) for n in range(366)]
ALL_DATES = tuple((day.month, day.day) for day in YEAR_DAYS)
MINIMAL: dict[PolicyKind, dict[str, object]] = {
    NEVER: {},
    PERIOD: {"period": Period(days=1)},
    FIXED_DATES: {"dates": ((12, 31),)},
    INACTIVITY: {"period": Period(months=1)},
}


def policy(kind: PolicyKind, **settings: object) -> Policy:
    return Policy(1, "standard", 1, kind, **{**MINIMAL[kind], **settings})  # type: ignore[arg-type]


def refused_path(defined: Policy) -> str | None:
    """The path of the field that a policy is refused for; None where it is well defined."""
    try:
        check_policy(defined)
    except InvalidField as refusal:
        assert refusal.problem
        return refusal.field
    return None


@pytest.mark.parametrize("kind", PolicyKind)
def test_minimal(kind: PolicyKind) -> None:
    """Each kind of policy is well defined with no more than its own rule."""
    assert refused_path(policy(kind)) is None


@pytest.mark.parametrize("kind", PolicyKind)
def test_priority(kind: PolicyKind) -> None:
    """A priority is from -1000 to 1000."""
    for priority in (-1000, 0, 1000):
        assert refused_path(policy(kind, priority=priority)) is None
    for priority in (-1001, 1001, 2**70):
        assert refused_path(policy(kind, priority=priority)) == "policy.priority"


LENGTHS = [Period(days=1), Period(days=36_500), Period(months=1), Period(months=1_200)]
NO_LENGTHS = [
    *(Period(), Period(days=-1), Period(days=36_501), Period(days=2**70)),
    *(Period(months=-1), Period(months=1_201), Period(days=1, months=1)),
    *(Period(days=-1, months=1), Period(days=1, months=-1)),
]


@pytest.mark.parametrize(
    ("kind", "name", "path"),
    [
        (PERIOD, "period", "policy.period"),
        (INACTIVITY, "period", "policy.inactivity.period"),
        (FIXED_DATES, "minimum_life", "policy.fixed_dates.minimum_life"),
    ],
)
def test_lengths(kind: PolicyKind, name: str, path: str) -> None:
    """A length is either 1 to 36500 days or 1 to 1200 months, never both."""
    for length in LENGTHS:
        assert refused_path(policy(kind, **{name: length})) is None
    for length in NO_LENGTHS:
        assert refused_path(policy(kind, **{name: length})) == path


def test_missing_rule() -> None:
    """A policy without the period or the dates of its kind is refused."""
    assert refused_path(policy(PERIOD, period=None)) == "policy.period"
    assert refused_path(policy(INACTIVITY, period=None)) == "policy.inactivity.period"
    assert refused_path(policy(FIXED_DATES, dates=())) == "policy.fixed_dates.dates"


def test_rule_of_another_kind() -> None:
    """A policy with a part that belongs to another kind is refused, as it would be ignored."""
    for kind in (NEVER, FIXED_DATES):
        assert refused_path(policy(kind, period=Period(days=1))) == "policy.period"
    for kind in (NEVER, PERIOD, INACTIVITY):
        life = policy(kind, minimum_life=Period(days=1))
        assert refused_path(policy(kind, dates=((1, 1),))) == "policy.fixed_dates.dates"
        assert refused_path(life) == "policy.fixed_dates.minimum_life"


@pytest.mark.parametrize("rounding", Rounding)
def test_rounding(rounding: Rounding) -> None:
    """Periods and inactivity take any rounding, never and fixed dates none."""
    for kind in (PERIOD, INACTIVITY):
        assert refused_path(policy(kind, rounding=rounding)) is None
    for kind in (NEVER, FIXED_DATES):
        if rounding is Rounding.NONE:
            assert refused_path(policy(kind, rounding=rounding)) is None
        else:
            assert refused_path(policy(kind, rounding=rounding)) == "policy.rounding"


def test_number_of_dates() -> None:
    """One date suffices, and every day of a leap year can be listed, in any order."""
    assert refused_path(policy(FIXED_DATES, dates=ALL_DATES)) is None
    assert refused_path(policy(FIXED_DATES, dates=ALL_DATES[::-1])) is None
    too_many = policy(FIXED_DATES, dates=(*ALL_DATES, (1, 1)))
    assert refused_path(too_many) == "policy.fixed_dates.dates"


@pytest.mark.parametrize(
    "month_day",
    [(0, 1), (13, 1), (1, 0), (1, 32), (2, 30), (4, 31), (-1, 1), (1, -1), (2**70, 1), (1, 2**70)],
)
def test_no_such_date(month_day: tuple[int, int]) -> None:
    """A listed date must be a day of a leap year; the refusal names its place in the list."""
    dates = ((1, 31), (2, 29), (4, 30), month_day)
    assert refused_path(policy(FIXED_DATES, dates=dates[:3])) is None
    assert refused_path(policy(FIXED_DATES, dates=dates)) == "policy.fixed_dates.dates[3]"


def test_date_listed_twice() -> None:
    """The second of two equal dates is refused, while 28 and 29 February are different."""
    assert refused_path(policy(FIXED_DATES, dates=((2, 28), (2, 29)))) is None
    twice = policy(FIXED_DATES, dates=((6, 30), (12, 31), (6, 30)))
    assert refused_path(twice) == "policy.fixed_dates.dates[2]"


@pytest.mark.parametrize("type_", TransactionType)
def test_qualifying_types(type_: TransactionType) -> None:
    """Any transaction but an EXPIRE can count as activity."""
    alone = policy(INACTIVITY, qualifying=frozenset([type_]))
    among = policy(INACTIVITY, qualifying=frozenset([type_, TransactionType.EARN]))
    for with_it in (alone, among):
        if type_ is TransactionType.EXPIRE:
            assert refused_path(with_it) == "policy.inactivity.qualifying_types"
        else:
            assert refused_path(with_it) is None


def test_no_qualifying_types() -> None:
    """An inactivity policy names at least one type of activity."""
    nothing = policy(INACTIVITY, qualifying=frozenset())
    assert refused_path(nothing) == "policy.inactivity.qualifying_types"
    assert refused_path(policy(PERIOD, qualifying=frozenset())) is None

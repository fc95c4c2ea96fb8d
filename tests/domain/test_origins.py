"""Where a lot's expiry comes from."""

from __future__ import annotations

import pytest
from tests.support.domain.account_scenario import AccountScenario, instant

from points_grpc.domain.model import ExpirationSource, Period, Policy, PolicyKind
from points_grpc.domain.results import Earned
from points_grpc.domain.views import expiration_source

POLICY, EARN, UPDATE = ExpirationSource
YEAR = Policy(91, "year", 1, PolicyKind.PERIOD, period=Period(months=12))
AGES = Policy(92, "ages", 1, PolicyKind.PERIOD, period=Period(months=1200 * 10))


def source(scenario: AccountScenario, has_expiry_change: bool = False) -> ExpirationSource:
    """Where the expiry of the story's lot comes from."""
    return expiration_source(scenario.program, scenario.lot("a"), has_expiry_change)


@pytest.mark.parametrize("policy", ["year", "idle", "never"])
def test_without_an_expiry_of_its_own(policy: str) -> None:
    """An earn without an expiration has the policy's, of whatever kind."""
    scenario = AccountScenario(policies=(YEAR,)).earn(10, "a", policy=policy)
    assert isinstance(scenario.answer, Earned)
    assert source(scenario) is scenario.answer.lot.expiration_source is POLICY


@pytest.mark.parametrize("policy", ["year", "idle", "never"])
def test_given_with_the_earn(policy: str) -> None:
    """An expiration that the earn names is the earn's, under whatever policy."""
    scenario = AccountScenario(policies=(YEAR,)).earn(10, "a", policy=policy, expires="2025-03-01")
    assert isinstance(scenario.answer, Earned)
    assert source(scenario) is scenario.answer.lot.expiration_source is EARN


def test_given_and_the_policys_own() -> None:
    """An expiration that is just the policy's counts as that, a microsecond beside it does not."""
    for expires, expected in (("2026-01-01", POLICY), ("2026-01-01 00:00:00.000001", EARN)):
        scenario = AccountScenario(policies=(YEAR,)).earn(10, "a", policy="year", expires=expires)
        assert isinstance(scenario.answer, Earned)
        assert source(scenario) is scenario.answer.lot.expiration_source is expected


def test_beyond_the_calendar() -> None:
    """Where the policy gives no instant of the calendar, the expiry is the earn's."""
    scenario = AccountScenario(policies=(AGES,)).earn(10, "a", policy="ages", expires="2025-03-01")
    assert source(scenario) is EARN


def test_moved() -> None:
    """A lot with an expiry change has the update's, whatever it was before."""
    scenario = (
        AccountScenario(policies=(YEAR,)).earn(10, "a", policy="year").move("a", "2025-03-01")
    )
    assert source(scenario, has_expiry_change=True) is UPDATE


def test_a_lapsed_inactivity_lot_keeps_its_source() -> None:
    """A lapse fixes the expiry of an inactivity lot, and it is still the policy's."""
    scenario = AccountScenario().earn(10, "a", policy="idle").at("2025-06-01").lapse()
    assert scenario.lot("a").expires_at == instant("2025-01-31")
    assert source(scenario) is POLICY

"""Earns of the past, and what they do to lots that have lapsed since."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from tests.support.domain.account_scenario import (
    TICK,
    AccountScenario,
    instant,
)

from points_grpc.domain.model import (
    LotState,
    TransactionType,
)
from points_grpc.domain.policy import ExpireAt, ExpireOn, InDays
from points_grpc.domain.results import Earned
from points_grpc.errors import (
    ExpiryInPast,
    InvalidField,
)


def test_an_earn_slightly_ahead_is_now() -> None:
    """An earn time up to five seconds ahead counts as now, in every instant that is kept."""
    now = instant("2025-01-01")
    for ahead in (timedelta(0), TICK, timedelta(seconds=5)):
        scenario = AccountScenario().earn(10, "a", earned=now + ahead, expires=InDays(1))
        answer = scenario.answer
        assert isinstance(answer, Earned)
        assert (answer.lot.earned_at, answer.transaction.effective_at) == (now, now)
        assert scenario.lot("a").earned_at == now
        assert scenario.account.activity[TransactionType.EARN] == now
        assert scenario.expiry("a") == "2025-01-02 23:59:59"


def test_an_earn_further_ahead_is_refused() -> None:
    """An earn time a microsecond more than five seconds ahead is refused."""
    scenario = AccountScenario()
    with scenario.refused(InvalidField) as refusal:
        scenario.earn(10, earned=instant("2025-01-01") + timedelta(seconds=5) + TICK)
    assert (refusal.value.field, bool(refusal.value.problem)) == ("earn_time", True)


@pytest.mark.parametrize("past", [timedelta(0), TICK, timedelta(seconds=2)])
def test_nothing_expires_before_the_earn_time_that_was_sent(past: timedelta) -> None:
    """An earn that counts as now must expire after the time that was sent, not only after now."""
    now = instant("2025-01-01")
    sent = now + timedelta(seconds=5)
    scenario = AccountScenario()
    with scenario.refused(ExpiryInPast) as refusal:
        scenario.earn(10, earned=sent, expires=ExpireAt(sent - past))
    assert refusal.value.field == "expire_time"
    scenario.earn(10, "a", earned=sent, expires=ExpireAt(sent + TICK))
    assert (scenario.lot("a").earned_at, scenario.lot("a").expires_at) == (now, sent + TICK)


@pytest.mark.parametrize("past", [timedelta(0), TICK])
def test_the_last_second_of_a_day_counts(past: timedelta) -> None:
    """A date whose end lies at or before the time that was sent is refused as well."""
    end = instant("2025-01-01 23:59:59")
    scenario = AccountScenario().at(end - timedelta(seconds=3))
    with scenario.refused(ExpiryInPast) as refusal:
        scenario.earn(10, earned=end + past, expires=ExpireOn(date(2025, 1, 1)))
    assert refusal.value.field == "expire_date"
    scenario.earn(10, "a", earned=end - TICK, expires=ExpireOn(date(2025, 1, 1)))
    assert scenario.expiry("a") == "2025-01-01 23:59:59"


def test_backdated() -> None:
    """An earn of the past takes effect then, and days count from its date."""
    scenario = (
        AccountScenario()
        .at("2025-01-20")
        .earn(10, "a", earned="2025-01-10 12:00", expires=InDays(20))
    )
    assert scenario.ledger == ["2025-01-10 12:00:00 EARN 10"]
    assert scenario.expiry("a") == "2025-01-30 23:59:59"
    assert scenario.entries.transactions[0].created_at == instant("2025-01-20")


@pytest.mark.parametrize("expiry", ["2025-01-15", "2025-01-20"])
def test_backdated_lapses_at_once(expiry: str) -> None:
    """An earn of the past that has expired by now is recorded and lapses in the same unit."""
    scenario = AccountScenario().at("2025-01-20").earn(10, "a", earned="2025-01-10", expires=expiry)
    assert scenario.ledger == ["2025-01-10 EARN 10", f"{expiry} EXPIRE 10 a:10"]
    assert (scenario.available, scenario.account.total_expired, scenario.due) == (0, 10, None)
    answer = scenario.answer
    assert isinstance(answer, Earned)
    assert (answer.lot.remaining, answer.account.available) == (0, 0)
    assert (answer.lot.state, answer.transaction.state) == (LotState.APPROVED,) * 2
    assert (answer.transaction.balance_after, answer.account.version) == (10, 2)


def test_backdated_is_live_before_its_expiry() -> None:
    """An earn of the past that expires a microsecond from now can be spent."""
    soon = instant("2025-01-20") + TICK
    scenario = AccountScenario().at("2025-01-20").earn(10, earned="2025-01-10", expires=soon)
    assert scenario.redeem(10).available == 0


@pytest.mark.parametrize("state", [LotState.OPEN, LotState.PENDING])
def test_backdated_unapproved_closes_at_once(state: LotState) -> None:
    """An unapproved earn of the past that has expired by now closes in the same unit."""
    scenario = AccountScenario().at("2025-03-20")
    scenario.earn(10, "a", earned="2025-01-10", policy="monthly", initial_state=state)
    assert scenario.ledger == ["2025-01-10 EARN 10", "2025-02-10 CLOSE 10"]
    assert (scenario.pending, scenario.account.total_expired, scenario.due) == (0, 0, None)
    assert scenario.answer.lot.state is LotState.CLOSED  # type: ignore[union-attr]


@pytest.mark.parametrize("state", [LotState.OPEN, LotState.PENDING, LotState.APPROVED])
def test_backdated_inactivity(state: LotState) -> None:
    """A backdated inactivity earn lapses at once if nothing kept it alive since."""
    kind = "EXPIRE 10 a:10" if state is LotState.APPROVED else "CLOSE 10"
    scenario = AccountScenario().at("2025-03-20")
    scenario.earn(10, "a", earned="2025-01-10", policy="idle", initial_state=state)
    assert scenario.ledger == ["2025-01-10 EARN 10", f"2025-02-09 {kind}"]
    assert scenario.lot("a").expires_at == instant("2025-02-09")
    scenario.earn(1)
    assert scenario.left("a") == [0]


def test_backdated_inactivity_kept_alive() -> None:
    """Activity after a backdated inactivity earn keeps it alive."""
    scenario = AccountScenario().earn(10).at("2025-03-01").redeem(1).at("2025-03-20")
    scenario.earn(10, "a", earned="2025-01-10", policy="idle")
    assert (scenario.left("a"), scenario.expiry("a"), scenario.due) == ([10], *("2025-03-31",) * 2)


def test_backdated_earn_is_activity_then() -> None:
    """A backdated earn counts as activity at its own time, and never sets the clock back."""
    scenario = AccountScenario().earn(10, "idle", policy="idle").at("2025-01-20")
    assert scenario.earn(1, earned="2025-01-05").expiry("idle") == "2025-02-04"
    assert scenario.earn(1, earned="2025-01-02").expiry("idle") == "2025-02-04"
    assert scenario.earn(1).expiry("idle") == "2025-02-19"


def test_backdated_earn_revives_nothing() -> None:
    """A lot that has lapsed stays so, although an earn of before its lapse comes in later."""
    scenario = AccountScenario().earn(10, "idle", policy="idle").at("2025-02-10")
    scenario.earn(1, earned="2025-01-25")
    assert scenario.left("idle") == [0]

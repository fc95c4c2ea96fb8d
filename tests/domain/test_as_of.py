"""An account, its lots and its transactions as they are now, recorded or not."""

from __future__ import annotations

from datetime import datetime

import pytest
from tests.support.domain.account_scenario import IDLE, NEVER, TICK, AccountScenario, instant

from points_grpc.domain.as_of import (
    FixedLots,
    account_now,
    lot_now,
    view_lot_now,
    view_transaction_now,
)
from points_grpc.domain.model import LotState
from points_grpc.domain.schedule import InactivityLots, ProjectedLots
from points_grpc.domain.state import Allocation

OPEN, PENDING, APPROVED, CLOSED = LotState
END = "2025-02-01"
NOW = instant(END)


def idle(expires_at: datetime, points: int, approved: bool = True) -> ProjectedLots:
    """Inactivity lots that lapse at an instant."""
    return ProjectedLots(IDLE, expires_at, InactivityLots(3, approved, NOW, points, 1))


def account() -> AccountScenario:
    """A story with 100 available and 50 pending, of which 10 expired before; it is 1 February."""
    scenario = AccountScenario().earn(110).expire(10).earn(50, initial_state=OPEN)
    return scenario.at(END)


def test_what_has_lapsed_is_gone_whether_or_not_it_is_recorded() -> None:
    """Lapsed approved lots have expired, lapsed promises are no longer pending."""
    view = account_now(account().account_state, FixedLots(lapsed=7, lapsed_pending=3), [])
    assert (view.available, view.pending, view.total_expired) == (93, 47, 17)
    assert (view.total_earned, view.total_redeemed, view.held) == (110, 0, 0)


def test_inactivity_lots_lapse_at_their_instant() -> None:
    """Inactivity lots whose instant has come count as lapsed, with the fixed ones."""
    groups = [
        idle(NOW - TICK, 1),
        idle(NOW, 2),
        idle(NOW + TICK, 4),
        idle(NOW, 8, approved=False),
        idle(NOW - TICK, 16, approved=False),
        idle(NOW + TICK, 32, approved=False),
    ]
    view = account_now(account().account_state, FixedLots(lapsed=20, lapsed_pending=5), groups)
    assert (view.available, view.total_expired, view.pending) == (77, 33, 21)


def test_the_next_expiry_is_the_soonest_of_what_can_be_spent() -> None:
    """The next expiry is that of the soonest live approved lot, fixed or by inactivity."""
    account_state = account().account_state
    later, soon = NOW + 9 * TICK, NOW + 5 * TICK

    def next_expiry(fixed: datetime | None, *groups: ProjectedLots) -> datetime | None:
        return account_now(account_state, FixedLots(next_expires_at=fixed), groups).next_expires_at

    assert next_expiry(None) is None
    assert next_expiry(soon, idle(later, 1)) == soon
    assert next_expiry(later, idle(soon, 1)) == soon
    assert next_expiry(None, idle(later, 1), idle(soon, 1)) == soon
    assert next_expiry(None, idle(soon, 1, approved=False), idle(NOW, 1)) is None


def test_an_account_says_when_it_was_made_and_changed() -> None:
    """An account shows when it was made and last changed; one that is not there, neither."""
    scenario = account()
    view = account_now(scenario.account_state, FixedLots(), [])
    assert (view.created_at, view.updated_at) == (instant("2025-01-01"),) * 2
    assert (view.version, view.owner) == (3, scenario.account_state.owner)
    scenario.account.account_id = 0
    view = account_now(scenario.account_state, FixedLots(), [])
    assert (view.created_at, view.updated_at) == (None, None)


@pytest.mark.parametrize("state", [OPEN, PENDING, APPROVED])
def test_a_lot_is_live_until_its_expiry(state: LotState) -> None:
    """A microsecond before its expiry a lot is shown as it is."""
    scenario = AccountScenario().earn(10, "a", expires=END, initial_state=state).at(NOW - TICK)
    assert lot_now(scenario.account_state, scenario.lot("a")) == scenario.lot("a")


@pytest.mark.parametrize("policy", ["idle", "never"])
def test_nothing_is_left_of_a_lapsed_lot(policy: str) -> None:
    """From its expiry on an approved lot is shown used up, though still approved."""
    expiry = {"expires": END} if policy == "never" else {}
    scenario = AccountScenario().earn(10, "a", policy=policy, **expiry).at(END)
    lot = lot_now(scenario.account_state, scenario.lot("a"))
    assert (lot.remaining, lot.state, lot.state_at) == (0, APPROVED, instant("2025-01-01"))
    assert scenario.left("a") == [10]


@pytest.mark.parametrize("state", [OPEN, PENDING])
def test_a_promise_closes_at_its_expiry(state: LotState) -> None:
    """From its expiry on an unapproved lot is shown closed, since that instant."""
    scenario = AccountScenario().earn(10, "a", expires=END, initial_state=state).at("2025-03-01")
    lot = lot_now(scenario.account_state, scenario.lot("a"))
    assert (lot.remaining, lot.state, lot.state_at) == (0, CLOSED, instant(END))


def test_what_never_expires_or_is_finished_is_shown_as_it_is() -> None:
    """A lot without expiry stays what it is, and so does one that ended before its own."""
    scenario = (
        AccountScenario().earn(10, "never").earn(10, "closed", expires=END, initial_state=OPEN)
    )
    scenario.update("closed", CLOSED).at("2025-03-01")
    for name in ("never", "closed"):
        assert lot_now(scenario.account_state, scenario.lot(name)) == scenario.lot(name)


def test_an_ended_inactivity_lot_keeps_the_instant_of_its_end() -> None:
    """A lot's expiry is where activity puts it, until it has lapsed; later activity is no more."""
    scenario = AccountScenario().earn(10, "a", policy="idle").at("2025-01-11").redeem(1)
    assert scenario.account_state.expiry_of(scenario.lot("a")) == instant("2025-02-10")
    scenario.at("2025-03-01").earn(1)
    assert scenario.account_state.expiry_of(scenario.lot("a")) == instant("2025-02-10")
    assert scenario.account_state.expiry_of(scenario.earn(1, "n").lot("n")) is None


def test_a_lot_is_shown_with_its_texts_policy_and_expiry() -> None:
    """A lot is shown as of now, with its policy's code and version and its earn's texts."""
    texts = {"reference": "order", "description": "text", "source": "till"}
    scenario = AccountScenario().earn(
        10, "a", policy="idle", vendor_id=7, initial_state=OPEN, **texts
    )
    view = view_lot_now(
        scenario.at(END).account_state, scenario.lot("a"), scenario.entries.transactions[0], False
    )
    assert (view.lot_id, view.vendor_id, view.owner) == (
        scenario.names["a"],
        7,
        scenario.account_state.owner,
    )
    assert (view.state, view.amount, view.remaining) == (CLOSED, 10, 0)
    assert (view.policy, view.policy_version) == (IDLE.code, IDLE.version)
    assert (view.earned_at, view.expires_at) == (instant("2025-01-01"), instant("2025-01-31"))
    assert {name: getattr(view, name) for name in texts} == texts


def test_an_earn_shows_the_state_of_its_lot() -> None:
    """An EARN shows its lot's state and since when, also of a lapse that nobody recorded."""
    scenario = AccountScenario().earn(10, "a", expires=END, initial_state=PENDING).at("2025-03-01")
    row = scenario.entries.transactions[0]
    view = view_transaction_now(scenario.account_state, row, scenario.lot("a"), [])
    assert (view.state, view.updated_at) == (CLOSED, instant(END))
    assert (view.transaction_id, view.owner) == (scenario.names["a"], scenario.account_state.owner)
    scenario.at("2025-01-02")
    assert view_transaction_now(scenario.account_state, row, scenario.lot("a"), []).state is PENDING


def test_other_transactions_show_their_allocations() -> None:
    """Whatever is no EARN is approved once it is there, and shows the lots that it took from."""
    scenario = (
        AccountScenario().earn(10, "a", initial_state=OPEN).earn(9, "b").redeem(4).at("2025-03-01")
    )
    row, lot = scenario.entries.transactions[-1], scenario.lot("a")
    parts = [Allocation(row.transaction_id, scenario.names["b"], 4)]
    view = view_transaction_now(scenario.account_state, row, lot, parts)
    assert (view.state, view.allocations) == (APPROVED, ((scenario.names["b"], 4),))
    assert (view.updated_at, view.owner) == (instant("2025-01-01"), scenario.account_state.owner)


def test_an_earn_whose_lot_is_not_at_hand_is_shown_as_it_was_posted() -> None:
    """Without its lot an EARN is shown like any other transaction."""
    scenario = AccountScenario().earn(10, "a")
    view = view_transaction_now(scenario.account_state, scenario.entries.transactions[0], None, [])
    assert (view.state, view.amount, view.owner) == (APPROVED, 10, scenario.account_state.owner)
    assert scenario.account_state.policy_of(scenario.lot("a")) == NEVER

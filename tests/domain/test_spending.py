"""In which order lots are spent, and when more of them have to be loaded to know."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.support.domain.account_scenario import IDLE, AccountScenario, instant

from points_grpc.domain.model import LotState
from points_grpc.domain.spending import allocate, is_within_reach, spending_key
from points_grpc.domain.state import NeedMoreLots


def test_priority_first() -> None:
    """The lowest policy priority is spent first, whatever the expiries."""
    scenario = (
        AccountScenario().earn(10, "plain", expires="2025-01-02").earn(10, "last", policy="last")
    )
    scenario.earn(10, "first", policy="first").redeem(25)
    assert scenario.ledger[-1] == "2025-01-01 REDEEM 25 first:10 plain:10 last:5"


def test_explicit_expiry_keeps_priority() -> None:
    """An explicit expiry replaces the policy's date, not its priority."""
    scenario = AccountScenario().earn(10, "soon", policy="last", expires="2025-01-02")
    scenario.earn(10, "never").redeem(15)
    assert scenario.left("soon", "never") == [5, 0]


def test_soonest_expiry_next() -> None:
    """Within a priority the soonest expiry is spent first, by the microsecond."""
    scenario = AccountScenario().earn(10, "later", expires="2025-02-01 00:00:00.000001")
    scenario.earn(10, "sooner", expires="2025-02-01").redeem(5)
    assert scenario.left("later", "sooner") == [10, 5]


def test_never_last() -> None:
    """A lot that never expires is spent after one that does, however late."""
    scenario = (
        AccountScenario().earn(10, "never").earn(10, "late", expires="9999-12-31 23:59:59.999999")
    )
    scenario.redeem(5)
    assert scenario.left("never", "late") == [10, 5]


def test_oldest_next() -> None:
    """Of equal expiries the lot that was earned first is spent first."""
    scenario = AccountScenario().earn(10, "newer", expires="2025-02-01")
    scenario.earn(10, "older", expires="2025-02-01", earned="2024-12-31 23:59:59.999999").redeem(5)
    assert scenario.left("newer", "older") == [10, 5]


def test_lowest_id_last() -> None:
    """Of lots that are equal in all else the lowest id is spent first."""
    scenario = AccountScenario().earn(10, "one").earn(10, "two").redeem(15)
    assert scenario.left("one", "two") == [0, 5]


def test_inactivity_by_projection() -> None:
    """An inactivity lot takes its place by the expiry that activity gives it."""
    scenario = (
        AccountScenario().earn(10, "idle", policy="idle").earn(10, "fixed", expires="2025-02-05")
    )
    scenario.at("2025-01-02").redeem(1)
    assert scenario.left("idle", "fixed") == [9, 10]
    scenario.at("2025-01-20").redeem(1).redeem(1)
    assert scenario.left("idle", "fixed") == [8, 9]


def test_unapproved_are_not_spent() -> None:
    """Open, pending and closed lots are not spent."""
    scenario = AccountScenario()
    with scenario.together():
        scenario.earn(10, "open", initial_state=LotState.OPEN, policy="first")
        scenario.earn(10, "pending", initial_state=LotState.PENDING, policy="first")
        scenario.earn(10, "closed", initial_state=LotState.OPEN, policy="first")
        scenario.update("closed", LotState.CLOSED).earn(10, "approved").redeem(10)
    assert scenario.left("open", "pending", "closed", "approved") == [10, 10, 0, 0]


def test_moved_lot_changes_place() -> None:
    """A lot whose expiry was moved is spent by its new one."""
    scenario = (
        AccountScenario().earn(10, "a", expires="2025-02-01").earn(10, "b", expires="2025-03-01")
    )
    scenario.move("b", "2025-01-15").redeem(5)
    assert scenario.left("a", "b") == [10, 5]


def test_key() -> None:
    """The spending key sorts by priority, expiry (never last), earn and id, in this order."""
    day, next_day = instant("2025-01-01"), instant("2025-01-02")
    keys = [
        spending_key(-1, None, next_day, 9),
        spending_key(0, day, next_day, 9),
        spending_key(0, next_day, day, 8),
        spending_key(0, next_day, day, 9),
        spending_key(0, next_day, next_day, 1),
        spending_key(0, None, day, 1),
        spending_key(1, day, day, 1),
    ]
    assert keys == sorted(keys)


def three() -> AccountScenario:
    """Lots of 10 that expire in order, of which a batch loads two."""
    scenario = AccountScenario(loads=2)
    for name, day in (("a", "2025-02-01"), ("b", "2025-03-01"), ("c", "2025-04-01")):
        scenario.earn(10, name, expires=day)
    return scenario


@pytest.mark.parametrize("amount", [1, 10, 19, 20])
def test_enough_loaded(amount: int) -> None:
    """What the loaded lots give up to the horizon needs no more of them."""
    assert three().redeem(amount).available == 30 - amount


@pytest.mark.parametrize("amount", [21, 30])
def test_more_needed(amount: int) -> None:
    """One unit beyond the loaded lots needs the others, and with them the order is right."""
    scenario = three()
    with pytest.raises(NeedMoreLots) as more:
        scenario.redeem(amount)
    assert more.value.account_id == scenario.account.account_id
    with scenario.together():
        scenario.load_everything()
        scenario.redeem(amount)
    assert scenario.left("a", "b", "c") == [0, 0, 30 - amount]


def test_new_lot_before_the_horizon() -> None:
    """A lot earned in the batch that comes before the horizon is spent in its place."""
    scenario = three()
    with scenario.together():
        scenario.earn(10, "new", expires="2025-02-15").redeem(25)
    assert scenario.left("a", "new", "b", "c") == [0, 0, 5, 10]


def test_new_lot_beyond_the_horizon() -> None:
    """A lot that is known beyond the horizon is not spent before those that are not loaded."""
    scenario = three()
    with pytest.raises(NeedMoreLots) as more, scenario.together():
        scenario.earn(10, "new", expires="2025-05-01").redeem(21)
    assert more.value.account_id == scenario.account.account_id
    assert scenario.left("a", "b", "c") == [10, 10, 10]


def test_moved_beyond_the_horizon() -> None:
    """A loaded lot that was moved beyond the horizon waits for those that are not loaded."""
    scenario = three()
    with pytest.raises(NeedMoreLots), scenario.together():
        scenario.redeem(1).move("a", "2025-06-01").redeem(11)


def test_horizon_by_priority() -> None:
    """Loading that stopped at a low priority keeps lots of a higher one from being spent."""
    scenario = (
        AccountScenario(loads=1).earn(10, "f1", policy="first").earn(10, "f2", policy="first")
    )
    with pytest.raises(NeedMoreLots), scenario.together():
        scenario.earn(10, expires="2025-01-02").redeem(11)


def test_inactivity_stream_cut() -> None:
    """Inactivity lots that are not loaded come no sooner than the last loaded one's projection."""
    scenario = (
        AccountScenario(loads=1)
        .earn(10, "i1", policy="idle")
        .at("2025-01-02")
        .earn(10, policy="idle")
    )
    scenario.earn(10, "before", expires="2025-01-31 12:00").earn(10, "after", expires="2025-02-03")
    account_state = scenario.account_state
    last = scenario.lot("i1")
    account_state.lots = {
        i: lot for i, lot in scenario.shelf.items() if lot.expires_at or lot is last
    }
    account_state.loaded_until = {IDLE.policy_version_id: (0, None, last.earned_at, last.lot_id)}
    assert [part for _, part in allocate(account_state, 20)] == [10, 10]
    with pytest.raises(NeedMoreLots):
        allocate(account_state, 21)


def test_reach_ends_where_taking_needs_more() -> None:
    """What is within reach is what can be taken of the loaded lots, without those that lapse."""
    scenario = (
        AccountScenario().earn(10, "due", expires="2025-01-02").earn(10, "a", expires="2025-02-01")
    )
    scenario.earn(10, "b", expires="2025-03-01").earn(10, "c", expires="2025-04-01").at(
        "2025-01-03"
    )
    account_state = scenario.account_state
    account_state.lots = dict(scenario.shelf)
    b = scenario.lot("b")
    account_state.loaded_until = {0: (0, b.expires_at, b.earned_at, b.lot_id)}
    assert is_within_reach(account_state, Decimal(20))
    assert not is_within_reach(account_state, Decimal("20.5"))
    account_state.loaded_until.clear()
    assert is_within_reach(account_state, Decimal(30))
    assert not is_within_reach(account_state, Decimal(31))


def test_only_live_approved_lots_are_within_reach() -> None:
    """Neither a promised lot nor one that expires at this very instant is within reach."""
    scenario = (
        AccountScenario()
        .earn(10, "due", expires="2025-01-02")
        .earn(10, initial_state=LotState.OPEN)
    )
    account_state = scenario.earn(10, "live").at("2025-01-02").account_state
    assert is_within_reach(account_state, Decimal(10))
    assert not is_within_reach(account_state, Decimal(11))


def test_nearest_horizon_counts() -> None:
    """With several streams cut, the nearest horizon counts."""
    scenario = AccountScenario(loads=1).earn(10, "idle", policy="idle").earn(10, policy="idle")
    scenario.earn(10, "one", expires="2025-01-15").earn(10, "two", expires="2025-01-20").redeem(10)
    assert scenario.left("one", "two", "idle") == [0, 10, 10]
    scenario = AccountScenario(loads=1).earn(10, "idle", policy="idle").earn(10, policy="idle")
    scenario.earn(10, "one", expires="2025-01-15").earn(10, "two", expires="2025-01-20")
    with pytest.raises(NeedMoreLots), scenario.together():
        scenario.redeem(11)


def test_nothing_missing_without_a_horizon() -> None:
    """An account that has more available than its lots is a broken one, never a refusal."""
    scenario = AccountScenario().earn(10)
    with pytest.raises(RuntimeError):
        allocate(scenario.account_state, 11)

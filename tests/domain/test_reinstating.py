"""Reinstating: a lapse is reversed where it happened, and the lot lives on."""

from __future__ import annotations

import pytest
from tests.support.domain.account_scenario import AccountScenario, instant

from points_grpc.domain.model import Period, Policy, PolicyKind, ReasonType, TransactionType
from points_grpc.domain.policy import Immediate, Never
from points_grpc.errors import ExpiryInPast, ExpiryNotEarlier, LotNotLive

EARLY, EXTEND = ReasonType
END, NOW, LATER = "2025-02-01", "2025-02-10", "2025-03-01"


def lapsed(recorded: bool = True) -> AccountScenario:
    """Lots `a` and `b` lapsed together, 4 of `a` spent before; it is nine days later."""
    scenario = (
        AccountScenario().earn(10, "a", expires=END).earn(5, "b", expires=END).redeem(4).at(NOW)
    )
    return scenario.lapse() if recorded else scenario


@pytest.mark.parametrize("recorded", [True, False])
def test_reversed(recorded: bool) -> None:
    """The lot's part of its EXPIRE is given back, effective when it lapsed, and can be spent."""
    scenario = lapsed(recorded).move("a", LATER, reinstate=True, request_id="r1")
    assert scenario.ledger[3:] == ["2025-02-01 EXPIRE 11 a:6 b:5", "2025-02-01 REVERSE 6 a:6"]
    expire, reverse = scenario.entries.transactions[3:]
    assert (reverse.related_id, reverse.request_id) == (expire.transaction_id, "r1")
    assert reverse.created_at == instant(NOW)
    assert (scenario.available, scenario.account.total_expired, scenario.due) == (6, 5, LATER)
    assert (scenario.lot("a").lapse_id, scenario.lot("b").lapse_id) == (0, expire.transaction_id)
    change = scenario.entries.changes[0]
    assert (change.old_expires_at, change.new_expires_at) == (instant(END), instant(LATER))
    scenario.redeem(6)


def test_second_lapse() -> None:
    """A reinstated lot lapses anew, by an EXPIRE of its own, and can be reinstated again."""
    scenario = lapsed().move("a", LATER, reinstate=True).at(LATER).lapse()
    second = scenario.entries.transactions[-1]
    assert scenario.lot("a").lapse_id == second.transaction_id
    scenario.move("a", "2025-04-01", reinstate=True)
    assert scenario.ledger[4:] == [
        "2025-02-01 REVERSE 6 a:6",
        "2025-03-01 EXPIRE 6 a:6",
        "2025-03-01 REVERSE 6 a:6",
    ]
    assert scenario.entries.transactions[-1].related_id == second.transaction_id


def test_second_lapse_of_what_is_left() -> None:
    """A second lapse takes, and its reversal gives back, only what was left by then."""
    scenario = lapsed().move("a", LATER, reinstate=True).redeem(1).expire(2).at(LATER).lapse()
    assert scenario.ledger[-1] == "2025-03-01 EXPIRE 3 a:3"
    assert scenario.move("a", Never(), reinstate=True).left("a") == [3]


def test_immediate() -> None:
    """Reinstated to immediate, a lot's lapse moves from its old expiry to now."""
    scenario = lapsed().move("a", Immediate(), reinstate=True)
    assert scenario.ledger[4:] == ["2025-02-01 REVERSE 6 a:6", "2025-02-10 EXPIRE 6 a:6"]
    assert (scenario.expiry("a"), scenario.available, scenario.account.total_expired) == (
        NOW,
        0,
        11,
    )
    assert scenario.lot("a").lapse_id == scenario.entries.transactions[-1].transaction_id


def test_after_immediate() -> None:
    """What was expired immediately can be reinstated, at once as well as later."""
    scenario = AccountScenario().earn(10, "a").move("a", Immediate())
    assert scenario.move("a", Never(), reinstate=True).left("a") == [10]
    scenario.move("a", Immediate()).at(NOW).move("a", LATER, reinstate=True)
    assert (
        scenario.ledger[1:]
        == [
            "2025-01-01 EXPIRE 10 a:10",
            "2025-01-01 REVERSE 10 a:10",
        ]
        * 2
    )


def test_direction() -> None:
    """The old expiry of a lapsed lot lies in the past, so every new one is later."""
    scenario = lapsed()
    for to in (LATER, Immediate(), Never()):
        with scenario.refused(ExpiryNotEarlier):
            scenario.move("a", to, reinstate=True, reason_type=EARLY)
        assert scenario.expiry("a") == END
    assert scenario.move("a", LATER, reinstate=True, reason_type=EXTEND).expiry("a") == LATER
    assert scenario.move("b", Immediate(), reinstate=True, reason_type=EXTEND).expiry("b") == NOW


def test_not_into_the_past() -> None:
    """A lapsed lot is reinstated only to a future expiry, and its lapse stays if it is refused."""
    scenario = lapsed()
    for to in (END, NOW):
        with scenario.refused(ExpiryInPast) as refusal:
            scenario.move("a", to, reinstate=True)
        assert refusal.value.field == "expire_time"
    assert scenario.left("a", "b") == [0, 0]


def test_in_one_batch() -> None:
    """Lapse, reinstatement, spending and a second lapse agree within one batch."""
    scenario = lapsed(recorded=False)
    with scenario.together():
        scenario.move("a", LATER, reinstate=True).redeem(1).move("a", Immediate())
        scenario.move("a", LATER, reinstate=True).move("b", LATER, reinstate=True)
    assert scenario.left("a", "b") == [5, 5]


def test_refused_in_the_unit_that_lapses() -> None:
    """Without reinstatement a lot that lapsed in this very unit of work is not live."""
    scenario = lapsed(recorded=False)
    with scenario.refused(LotNotLive) as refusal:
        scenario.move("a", LATER)
    assert refusal.value.field == "lot_id"


def test_dropped() -> None:
    """A dropped reinstatement leaves the lot lapsed."""
    scenario = lapsed()
    with scenario.together(), scenario.grouped(keep=False):
        scenario.move("a", LATER, reinstate=True).redeem(3)
    assert (scenario.left("a"), scenario.lot("a").lapsed, scenario.available) == ([0], 6, 0)


def test_inactivity() -> None:
    """A reinstated inactivity lot is fixed; its lapse is reversed at the projected instant."""
    scenario = (
        AccountScenario().earn(10, "a", policy="idle").at(NOW).move("a", LATER, reinstate=True)
    )
    assert scenario.ledger[1:] == ["2025-01-31 EXPIRE 10 a:10", "2025-01-31 REVERSE 10 a:10"]
    assert (scenario.lot("a").rule, scenario.expiry("a"), scenario.due) == (0, LATER, LATER)
    scenario.at("2025-02-20").earn(1)
    assert scenario.expiry("a") == LATER


def test_inactivity_after_later_activity() -> None:
    """A lapsed inactivity lot's old expiry is when it lapsed, whatever happened since."""
    scenario = AccountScenario().earn(10, "a", policy="idle").at(NOW).earn(5)
    assert scenario.expiry("a") == "2025-01-31"
    scenario.move("a", "2025-02-20", reinstate=True, reason_type=EXTEND)
    assert scenario.entries.changes[0].old_expires_at == instant("2025-01-31")
    assert scenario.ledger[-1] == "2025-01-31 REVERSE 10 a:10"


def test_backdated_earn() -> None:
    """An earn of the past that lapsed at once can be reinstated like any other."""
    scenario = AccountScenario().at(NOW).earn(10, "a", earned="2025-01-01", expires=END)
    scenario.move("a", LATER, reinstate=True)
    assert (scenario.left("a"), scenario.due) == ([10], LATER)


def test_is_activity_where_it_qualifies() -> None:
    """A reversal is activity for policies that count it, and for no other."""
    counts = frozenset((TransactionType.REVERSE,))
    period = Period(days=30)
    policy = Policy(9, "reverse", 1, PolicyKind.INACTIVITY, period=period, qualifying=counts)
    scenario = (
        AccountScenario(policies=(policy,))
        .earn(10, "a", expires="2025-01-05")
        .earn(1, "r", policy="reverse")
    )
    scenario.earn(1, "idle", policy="idle").at("2025-01-20").move("a", LATER, reinstate=True)
    assert [scenario.expiry(name) for name in ("r", "idle")] == ["2025-02-19", "2025-01-31"]

"""Redeeming: all or nothing, from the lots in spending order."""

from __future__ import annotations

import pytest
from tests.support.domain.account_scenario import TICK, AccountScenario, instant

from points_grpc.domain.amounts import AMOUNT_MAX
from points_grpc.domain.model import LotState, TransactionType
from points_grpc.domain.posting import redeem_from
from points_grpc.domain.results import Redeemed
from points_grpc.domain.state import BatchState, ChangeSet
from points_grpc.errors import AccountNotFound, InsufficientPoints, InvalidField, MemberNotFound

END = "2025-02-01"


def test_all_of_it() -> None:
    """All that is available can be spent, and not one unit more."""
    scenario = AccountScenario().earn(10).earn(5)
    with scenario.refused(InsufficientPoints) as refusal:
        scenario.redeem(16)
    assert refusal.value.field == "amount"
    assert scenario.redeem(15).available == 0
    with scenario.refused(InsufficientPoints):
        scenario.redeem(1)


def test_one_unit() -> None:
    """The smallest unit can be spent, nothing and less than that cannot."""
    scenario = AccountScenario(scale=2).earn(1).redeem("0.01")
    assert scenario.available == 99
    for amount in ("0", "-1", "0.001"):
        with scenario.refused(InvalidField) as refusal:
            scenario.redeem(amount)
        assert refusal.value.field == "amount"


def test_largest_amount() -> None:
    """At most 10^15 units are spent at once, however many there are."""
    scenario = AccountScenario().earn(AMOUNT_MAX).earn(1)
    with scenario.refused(InvalidField) as refusal:
        scenario.redeem(AMOUNT_MAX + 1)
    assert refusal.value.field == "amount"
    assert scenario.redeem(AMOUNT_MAX).available == 1


def test_answer() -> None:
    """The answer has the transaction with its allocations and the account after it."""
    scenario = AccountScenario().earn(10, "a", expires=END).earn(10, "b")
    scenario.redeem(15, request_id="r1", reference="order", description="text")
    answer = scenario.answer
    assert isinstance(answer, Redeemed)
    row = answer.transaction
    assert row.allocations == ((scenario.names["a"], 10), (scenario.names["b"], 5))
    assert (row.balance_before, row.amount, row.balance_after) == (20, 15, 5)
    assert (row.request_id, row.reference, row.description) == ("r1", "order", "text")
    assert (answer.account.available, answer.account.total_redeemed) == (5, 15)


def test_allocations_of_this_one_only() -> None:
    """In a group of several the answer lists the allocations of its own transaction."""
    scenario = AccountScenario().earn(10, "a")
    with scenario.together(), scenario.grouped():
        scenario.redeem(1).redeem(2)
        assert scenario.answer.transaction.allocations == ((scenario.names["a"], 2),)  # type: ignore


def test_pending_points_are_not_spent() -> None:
    """Pending points do not help a spend that falls short."""
    scenario = (
        AccountScenario().earn(10, "kept").earn(10, "promised", initial_state=LotState.PENDING)
    )
    with scenario.refused(InsufficientPoints) as refusal:
        scenario.redeem(11)
    assert refusal.value.field == "amount"
    assert scenario.redeem(10).left("kept", "promised") == [0, 10]


def test_lapsed_points_are_not_spent() -> None:
    """Points that have expired are not spendable, recorded or not."""
    scenario = AccountScenario().earn(10, "soon", expires=END).earn(10, "later").at(END)
    with scenario.refused(InsufficientPoints):
        scenario.redeem(11)
    scenario.redeem(10)
    assert scenario.ledger[2:] == ["2025-02-01 EXPIRE 10 soon:10", "2025-02-01 REDEEM 10 later:10"]


def test_last_second_of_a_date() -> None:
    """Points that expire on a date are not spendable in its last second."""
    scenario = AccountScenario("Europe/Berlin").earn(10, expires="2025-06-30 21:59:59")
    scenario.at(instant("2025-06-30 21:59:59") - TICK).redeem(1)
    assert scenario.available == 9
    with scenario.at("2025-06-30 21:59:59").refused(InsufficientPoints) as refusal:
        scenario.redeem(1)
    assert refusal.value.field == "amount"


def test_is_activity() -> None:
    """Redeeming keeps inactivity lots alive whose policy counts it."""
    scenario = (
        AccountScenario().earn(10, "any", policy="idle").earn(10, "redeem", policy="idle_redeem")
    )
    scenario.at("2025-01-05").earn(10)
    assert [scenario.expiry(name) for name in ("any", "redeem")] == ["2025-02-04", "2025-01-11"]
    scenario.at("2025-01-06").redeem(1)
    assert [scenario.expiry(name) for name in ("any", "redeem")] == ["2025-02-05", "2025-01-16"]


def test_a_redemption_of_the_past_took_effect_then() -> None:
    """History that is told later is dated, and counts as activity, when it was."""
    scenario = AccountScenario().earn(10, "a").at("2025-03-01")
    change_set, at = ChangeSet(BatchState(), lambda _: 1, "tester"), instant("2025-02-01")
    row = redeem_from(change_set, scenario.account_state, [(scenario.lot("a"), 4)], effective_at=at)
    assert (row.effective_at, row.created_at) == (at, instant("2025-03-01"))
    assert scenario.account.activity[TransactionType.REDEEM] == at
    assert (scenario.available, scenario.left("a")) == (6, [6])


def test_no_account() -> None:
    """A member without an account has nothing to spend, and gets none by asking."""
    scenario = AccountScenario()
    for ask in (scenario.redeem, scenario.expire):
        with scenario.refused(AccountNotFound) as refusal:
            ask(1)
        assert refusal.value.field == "member"
    assert scenario.account.version == 0


@pytest.mark.parametrize("step", ["redeem", "expire"])
def test_no_member(step: str) -> None:
    """A member that is not there is told apart from one without an account."""
    scenario = AccountScenario(enrolled=False)
    with scenario.refused(MemberNotFound) as refusal:
        getattr(scenario, step)(1)
    assert refusal.value.field == "member"


def test_time_never_runs_backwards() -> None:
    """A clock behind the account's last write decides as of that write."""
    scenario = (
        AccountScenario().earn(10, expires=END).at("2025-03-01").earn(10, "new").at("2025-01-15")
    )
    assert scenario.redeem(5).ledger[-1] == "2025-03-01 REDEEM 5 new:5"

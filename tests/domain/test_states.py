"""States of lots: which method moves which state where, and what that does."""

from __future__ import annotations

from itertools import product

import pytest
from tests.support.domain.account_scenario import AccountScenario, instant

from points_grpc.domain.model import LotState, Period, Policy, PolicyKind, TransactionType
from points_grpc.domain.policy import Immediate
from points_grpc.domain.results import LotStateChanged
from points_grpc.errors import TransactionNotFound, TransactionNotOpen

OPEN, PENDING, APPROVED, CLOSED = LotState
END, MIDWAY = "2025-02-01", "2025-01-20"
ALLOWED = {
    ("update", OPEN, PENDING): "SUBMIT",
    ("update", OPEN, CLOSED): "CLOSE",
    ("approve", OPEN, APPROVED): "APPROVE",
    ("approve", PENDING, APPROVED): "APPROVE",
    ("approve", PENDING, CLOSED): "CLOSE",
}
ASKED = list(product(("update", "approve"), LotState))


def in_state(state: LotState) -> AccountScenario:
    """A story with a lot in that state, expiring on 2025-02-01."""
    scenario = AccountScenario()
    if state is CLOSED:
        return scenario.earn(10, "a", expires=END, initial_state=OPEN).update("a", CLOSED)
    return scenario.earn(10, "a", expires=END, initial_state=state)


@pytest.mark.parametrize(("asked", "state"), list(product(ASKED, LotState)))
def test_transition(asked: tuple[str, LotState], state: LotState) -> None:
    """UpdateTransactionStatus moves only OPEN, ApproveTransactions approves and closes PENDING."""
    method, target = asked
    scenario = in_state(state).at(MIDWAY)
    kind = ALLOWED.get((method, state, target))
    if kind is None:
        with scenario.refused(TransactionNotOpen) as refusal:
            getattr(scenario, method)("a", target)
        assert refusal.value.field == "transaction_id"
    else:
        getattr(scenario, method)("a", target)
        assert scenario.ledger[-1] == f"2025-01-20 {kind} 10"
        assert scenario.entries.transactions[-1].related_id == scenario.names["a"]
        assert (scenario.lot("a").state, scenario.lot("a").state_at) == (target, instant(MIDWAY))


def test_refusal_names_the_state() -> None:
    """A refused transition says which state the lot is in."""
    with pytest.raises(TransactionNotOpen) as refusal:
        in_state(APPROVED).approve("a")
    assert refusal.value.facts == {"state": "APPROVED"}


def test_approval() -> None:
    """Points enter total_earned and can be spent with their approval."""
    scenario = in_state(PENDING).approve("a")
    assert (scenario.available, scenario.pending, scenario.account.total_earned) == (10, 0, 10)
    assert scenario.redeem(10).available == 0


def test_submission() -> None:
    """A submitted lot stays pending points until it is approved."""
    scenario = in_state(OPEN).update("a", PENDING)
    assert (scenario.available, scenario.pending) == (0, 10)
    assert scenario.approve("a").available == 10


@pytest.mark.parametrize("method", ["update", "approve"])
def test_cancellation(method: str) -> None:
    """A cancelled lot's points are gone from pending and were never earned."""
    scenario = in_state(OPEN if method == "update" else PENDING)
    getattr(scenario, method)("a", CLOSED)
    assert (scenario.pending, scenario.account.total_earned, scenario.left("a")) == (0, 0, [0])
    assert scenario.at(END).lapse().ledger[2:] == []


def test_answer() -> None:
    """The answer is the lot's EARN in its new state, with the lot and the account."""
    scenario = in_state(OPEN).earn(5).at(MIDWAY).approve("a")
    answer = scenario.answer
    assert isinstance(answer, LotStateChanged)
    assert (answer.transaction.type, answer.transaction.state) == (TransactionType.EARN, APPROVED)
    assert answer.transaction.transaction_id == scenario.names["a"]
    assert answer.transaction.balance_before == answer.transaction.balance_after == 0
    assert answer.transaction.created_at == instant("2025-01-01")
    assert answer.transaction.updated_at == instant(MIDWAY)
    assert (answer.lot.state, answer.lot.expires_at) == (APPROVED, instant(END))
    assert (answer.account.available, answer.account.pending) == (15, 0)


def test_approve_in_balances() -> None:
    """An APPROVE raises the balance, an unapproved EARN, SUBMIT or CLOSE leaves it."""
    scenario = in_state(OPEN).update("a", PENDING).approve("a").earn(5, initial_state=OPEN)
    assert [row.available_after for row in scenario.entries.transactions] == [0, 0, 10, 10]
    assert [row.pending_after for row in scenario.entries.transactions] == [10, 10, 0, 5]


@pytest.mark.parametrize(
    ("method", "target", "first"),
    [
        ("update", PENDING, OPEN),
        ("update", CLOSED, OPEN),
        ("approve", APPROVED, PENDING),
        ("approve", CLOSED, PENDING),
    ],
)
def test_a_move_is_found_by_its_request(method: str, target: LotState, first: LotState) -> None:
    """The transaction of a move has the id of the request that asked for it, and the lot's."""
    scenario = in_state(first)
    getattr(scenario, method)("a", target, request_id="r1")
    row = scenario.entries.transactions[-1]
    assert (row.request_id, row.related_id) == ("r1", scenario.names["a"])


@pytest.mark.parametrize("method", ["update", "approve"])
def test_unknown(method: str) -> None:
    """A transaction that is not there is not found."""
    scenario = in_state(OPEN)
    with scenario.refused(TransactionNotFound) as refusal:
        getattr(scenario, method)("other", CLOSED)
    assert refusal.value.field == "transaction_id"


@pytest.mark.parametrize(("asked", "state"), list(product(ASKED, (OPEN, PENDING))))
def test_due_lot(asked: tuple[str, LotState], state: LotState) -> None:
    """At its expiry an unapproved lot is closed, recorded or not; nothing moves it any more."""
    method, target = asked
    scenario = in_state(state).at(END)
    with scenario.refused(TransactionNotOpen) as refusal:
        getattr(scenario, method)("a", target)
    assert refusal.value.field == "transaction_id"


def test_just_before_its_expiry() -> None:
    """A microsecond before its expiry a lot can be approved, and then expires."""
    scenario = in_state(OPEN).at("2025-01-31 23:59:59.999999").approve("a").at(END).lapse()
    assert scenario.ledger[1:] == [
        "2025-01-31 23:59:59.999999 APPROVE 10",
        "2025-02-01 EXPIRE 10 a:10",
    ]


def test_used_up_and_lapsed_stay_approved() -> None:
    """Used-up and lapsed lots stay APPROVED."""
    used, lapsed = in_state(APPROVED).redeem(10), in_state(APPROVED).at(END).lapse()
    ended = in_state(APPROVED).move("a", Immediate())
    assert {scenario.lot("a").state for scenario in (used, lapsed, ended)} == {APPROVED}


def test_approval_is_activity() -> None:
    """An approval counts as the lot's earn, from now, for every inactivity lot."""
    scenario = (
        AccountScenario()
        .earn(10, "old", policy="idle")
        .earn(5, "a", policy="idle", initial_state=OPEN)
    )
    scenario.at(MIDWAY).approve("a")
    assert [scenario.expiry(name) for name in ("old", "a")] == ["2025-02-19"] * 2


def test_approval_of_a_backdated_earn() -> None:
    """A backdated earn that is approved later counts from its approval."""
    scenario = (
        AccountScenario()
        .at("2025-01-10")
        .earn(5, "a", policy="idle", earned=instant("2025-01-02"), initial_state=OPEN)
    )
    assert scenario.expiry("a") == "2025-02-01"
    assert scenario.at(MIDWAY).approve("a").expiry("a") == "2025-02-19"
    assert scenario.entries.transactions[0].effective_at == instant("2025-01-02")


@pytest.mark.parametrize(
    ("method", "target", "kind"),
    [
        ("update", PENDING, TransactionType.SUBMIT),
        ("update", CLOSED, TransactionType.CLOSE),
        ("approve", APPROVED, TransactionType.APPROVE),
    ],
)
def test_activity_that_qualifies(method: str, target: LotState, kind: TransactionType) -> None:
    """Each move is activity for a policy that counts it; only approval is an earn, too."""
    period, counted = Period(days=30), frozenset((kind,))
    counting = Policy(9, "c", 1, PolicyKind.INACTIVITY, period=period, qualifying=counted)
    scenario = (
        AccountScenario(policies=(counting,))
        .earn(1, "counts", policy="c")
        .earn(1, "idle", policy="idle")
    )
    scenario.earn(5, "a", initial_state=OPEN).at(MIDWAY)
    getattr(scenario, method)("a", target)
    assert scenario.expiry("counts") == "2025-02-19"
    assert scenario.expiry("idle") == ("2025-02-19" if target is APPROVED else "2025-01-31")


@pytest.mark.parametrize("state", [OPEN, PENDING])
def test_unapproved_inactivity(state: LotState) -> None:
    """An unapproved inactivity lot lives on by activity, and is closed without."""
    scenario = AccountScenario().earn(10).earn(5, "a", policy="idle", initial_state=state)
    scenario.at(MIDWAY).redeem(1).at("2025-02-18 23:59:59.999999").lapse()
    assert scenario.pending == 5
    scenario.at("2025-02-19").lapse()
    assert scenario.ledger[-1] == "2025-02-19 CLOSE 5"
    assert scenario.lot("a").expires_at == instant("2025-02-19")

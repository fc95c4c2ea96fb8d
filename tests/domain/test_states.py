"""States of lots: which method moves which state where, and what that does."""

from __future__ import annotations

from itertools import product

import pytest
from stories import Story, instant

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


def in_state(state: LotState) -> Story:
    """A story with a lot in that state, expiring on 2025-02-01."""
    story = Story()
    if state is CLOSED:
        return story.earn(10, "a", expires=END, initial_state=OPEN).update("a", CLOSED)
    return story.earn(10, "a", expires=END, initial_state=state)


@pytest.mark.parametrize(("asked", "state"), list(product(ASKED, LotState)))
def test_transition(asked: tuple[str, LotState], state: LotState) -> None:
    """UpdateTransactionStatus moves only OPEN, ApproveTransactions approves and closes PENDING."""
    method, target = asked
    story = in_state(state).at(MIDWAY)
    kind = ALLOWED.get((method, state, target))
    if kind is None:
        with story.refused(TransactionNotOpen) as refusal:
            getattr(story, method)("a", target)
        assert refusal.value.field == "transaction_id"
    else:
        getattr(story, method)("a", target)
        assert story.ledger[-1] == f"2025-01-20 {kind} 10"
        assert story.entries.transactions[-1].related_id == story.names["a"]
        assert (story.lot("a").state, story.lot("a").state_at) == (target, instant(MIDWAY))


def test_refusal_names_the_state() -> None:
    """A refused transition says which state the lot is in."""
    with pytest.raises(TransactionNotOpen) as refusal:
        in_state(APPROVED).approve("a")
    assert refusal.value.facts == {"state": "APPROVED"}


def test_approval() -> None:
    """Points enter total_earned and can be spent with their approval."""
    story = in_state(PENDING).approve("a")
    assert (story.available, story.pending, story.account.total_earned) == (10, 0, 10)
    assert story.redeem(10).available == 0


def test_submission() -> None:
    """A submitted lot stays pending points until it is approved."""
    story = in_state(OPEN).update("a", PENDING)
    assert (story.available, story.pending) == (0, 10)
    assert story.approve("a").available == 10


@pytest.mark.parametrize("method", ["update", "approve"])
def test_cancellation(method: str) -> None:
    """A cancelled lot's points are gone from pending and were never earned."""
    story = in_state(OPEN if method == "update" else PENDING)
    getattr(story, method)("a", CLOSED)
    assert (story.pending, story.account.total_earned, story.left("a")) == (0, 0, [0])
    assert story.at(END).lapse().ledger[2:] == []


def test_answer() -> None:
    """The answer is the lot's EARN in its new state, with the lot and the account."""
    story = in_state(OPEN).earn(5).at(MIDWAY).approve("a")
    answer = story.answer
    assert isinstance(answer, LotStateChanged)
    assert (answer.transaction.type, answer.transaction.state) == (TransactionType.EARN, APPROVED)
    assert answer.transaction.transaction_id == story.names["a"]
    assert answer.transaction.balance_before == answer.transaction.balance_after == 0
    assert answer.transaction.created_at == instant("2025-01-01")
    assert answer.transaction.updated_at == instant(MIDWAY)
    assert (answer.lot.state, answer.lot.expires_at) == (APPROVED, instant(END))
    assert (answer.account.available, answer.account.pending) == (15, 0)


def test_approve_in_balances() -> None:
    """An APPROVE raises the balance, an unapproved EARN, SUBMIT or CLOSE leaves it."""
    story = in_state(OPEN).update("a", PENDING).approve("a").earn(5, initial_state=OPEN)
    assert [row.available_after for row in story.entries.transactions] == [0, 0, 10, 10]
    assert [row.pending_after for row in story.entries.transactions] == [10, 10, 0, 5]


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
    story = in_state(first)
    getattr(story, method)("a", target, request_id="r1")
    row = story.entries.transactions[-1]
    assert (row.request_id, row.related_id) == ("r1", story.names["a"])


@pytest.mark.parametrize("method", ["update", "approve"])
def test_unknown(method: str) -> None:
    """A transaction that is not there is not found."""
    story = in_state(OPEN)
    with story.refused(TransactionNotFound) as refusal:
        getattr(story, method)("other", CLOSED)
    assert refusal.value.field == "transaction_id"


@pytest.mark.parametrize(("asked", "state"), list(product(ASKED, (OPEN, PENDING))))
def test_due_lot(asked: tuple[str, LotState], state: LotState) -> None:
    """At its expiry an unapproved lot is closed, recorded or not; nothing moves it any more."""
    method, target = asked
    story = in_state(state).at(END)
    with story.refused(TransactionNotOpen) as refusal:
        getattr(story, method)("a", target)
    assert refusal.value.field == "transaction_id"


def test_just_before_its_expiry() -> None:
    """A microsecond before its expiry a lot can be approved, and then expires."""
    story = in_state(OPEN).at("2025-01-31 23:59:59.999999").approve("a").at(END).lapse()
    assert story.ledger[1:] == [
        "2025-01-31 23:59:59.999999 APPROVE 10",
        "2025-02-01 EXPIRE 10 a:10",
    ]


def test_used_up_and_lapsed_stay_approved() -> None:
    """Used-up and lapsed lots stay APPROVED."""
    used, lapsed = in_state(APPROVED).redeem(10), in_state(APPROVED).at(END).lapse()
    ended = in_state(APPROVED).move("a", Immediate())
    assert {story.lot("a").state for story in (used, lapsed, ended)} == {APPROVED}


def test_approval_is_activity() -> None:
    """An approval counts as the lot's earn, from now, for every inactivity lot."""
    story = Story().earn(10, "old", policy="idle").earn(5, "a", policy="idle", initial_state=OPEN)
    story.at(MIDWAY).approve("a")
    assert [story.expiry(name) for name in ("old", "a")] == ["2025-02-19"] * 2


def test_approval_of_a_backdated_earn() -> None:
    """A backdated earn that is approved later counts from its approval."""
    story = (
        Story()
        .at("2025-01-10")
        .earn(5, "a", policy="idle", earned=instant("2025-01-02"), initial_state=OPEN)
    )
    assert story.expiry("a") == "2025-02-01"
    assert story.at(MIDWAY).approve("a").expiry("a") == "2025-02-19"
    assert story.entries.transactions[0].effective_at == instant("2025-01-02")


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
    story = Story(policies=(counting,)).earn(1, "counts", policy="c").earn(1, "idle", policy="idle")
    story.earn(5, "a", initial_state=OPEN).at(MIDWAY)
    getattr(story, method)("a", target)
    assert story.expiry("counts") == "2025-02-19"
    assert story.expiry("idle") == ("2025-02-19" if target is APPROVED else "2025-01-31")


@pytest.mark.parametrize("state", [OPEN, PENDING])
def test_unapproved_inactivity(state: LotState) -> None:
    """An unapproved inactivity lot lives on by activity, and is closed without."""
    story = Story().earn(10).earn(5, "a", policy="idle", initial_state=state)
    story.at(MIDWAY).redeem(1).at("2025-02-18 23:59:59.999999").lapse()
    assert story.pending == 5
    story.at("2025-02-19").lapse()
    assert story.ledger[-1] == "2025-02-19 CLOSE 5"
    assert story.lot("a").expires_at == instant("2025-02-19")

"""What is shown of a ledger row."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.domain.account_scenario import CURRENCY_ID, AccountScenario, instant

from points_grpc.domain.model import TransactionType
from points_grpc.domain.state import Transaction
from points_grpc.domain.views import view_transaction

RECORDED, EFFECTIVE = instant("2025-01-03"), instant("2025-01-02")
ROW = Transaction(
    transaction_id=70, account_id=3, currency_id=CURRENCY_ID, version=4,
    type=TransactionType.EXPIRE, amount=30, available_after=100, pending_after=9, held_after=5,
    principal="till", effective_at=EFFECTIVE, created_at=RECORDED, related_id=60,
)  # fmt: skip


def test_balance() -> None:
    """A balance is what is available and what is held, not what is pending."""
    shown = view_transaction(AccountScenario().account_state.owner, ROW)
    assert (shown.balance_before, shown.balance_after) == (135, 105)


def test_instants_and_relations() -> None:
    """A row shows when it took effect, when it was recorded, by whom, and what it is related to."""
    shown = view_transaction(AccountScenario().account_state.owner, ROW)
    assert (shown.effective_at, shown.created_at) == (EFFECTIVE, RECORDED)
    assert shown.updated_at == RECORDED
    assert (shown.principal, shown.related_transaction_id) == ("till", 60)


@pytest.mark.parametrize(
    ("kind", "lot_id"),
    [
        (TransactionType.EARN, 70),
        (TransactionType.SUBMIT, 60),
        (TransactionType.APPROVE, 60),
        (TransactionType.CLOSE, 60),
        (TransactionType.REDEEM, 0),
        (TransactionType.EXPIRE, 0),
        (TransactionType.REVERSE, 0),
    ],
)
def test_lot_of_a_row(kind: TransactionType, lot_id: int) -> None:
    """A row is of one lot where it is an EARN or moves a lot's state, else of none."""
    assert (
        view_transaction(AccountScenario().account_state.owner, replace(ROW, type=kind)).lot_id
        == lot_id
    )

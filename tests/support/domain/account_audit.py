"""Whether an account, its lots and its transactions agree; tried after every step of a story."""

from __future__ import annotations

from collections import defaultdict
from operator import attrgetter
from typing import TYPE_CHECKING

from points_grpc.domain.model import LotState, TransactionType
from points_grpc.domain.results import Answer
from points_grpc.domain.state import AccountState, Lot, Transaction
from points_grpc.domain.views import view_transaction

if TYPE_CHECKING:
    from tests.support.domain.account_scenario import AccountScenario

FIGURES = ("available", "pending", "held", "version")
FIGURES += ("total_earned", "total_redeemed", "total_expired")
EARN, SUBMIT, APPROVE, CLOSE, REDEEM, EXPIRE, REVERSE = list(TransactionType)[:7]


def audit(scenario: AccountScenario) -> None:
    """Nothing was created or lost, and no due lot can be overlooked."""
    _audit_account(scenario)
    _audit_lots(scenario)
    _audit_transactions(scenario)
    _audit_reversals(scenario)
    _audit_owners(scenario)
    _audit_chain(scenario)
    _audit_due(scenario)


def audit_answer(answer: Answer, account_state: AccountState) -> None:
    """All that is answered is the account's, whose figures are those of its account state."""
    shown = [getattr(answer, name, None) for name in ("transaction", "lot", "account", "change")]
    owners = [view.owner for view in (*shown, answer) if hasattr(view, "owner")]
    assert owners
    assert all(owner == account_state.owner for owner in owners)
    row, lot = getattr(answer, "transaction", None), getattr(answer, "lot", None)
    if lot is not None:
        assert (row.lot_id, row.state) == (lot.lot_id, lot.state)
    view, account = getattr(answer, "account", None), account_state.account
    if view is not None:
        for name in FIGURES:
            assert getattr(view, name) == getattr(account, name)
        assert view.next_expires_at == account.next_due_at
        assert (view.created_at, view.updated_at) == (account.created_at, account.last_at)


def _audit_account(scenario: AccountScenario) -> None:
    account = scenario.account
    assert account.available >= 0
    assert account.pending >= 0
    spent = account.total_redeemed + account.total_expired
    assert account.total_earned == account.available + account.held + spent


def _audit_lots(scenario: AccountScenario) -> None:
    account = scenario.account
    by_state: dict[LotState, list[Lot]] = defaultdict(list)
    for lot in scenario.shelf.values():
        by_state[lot.state].append(lot)
        assert lot.remaining >= 0
    approved = by_state[LotState.APPROVED]
    for lot in approved:
        assert lot.amount == lot.remaining + lot.held + lot.redeemed + lot.expired
    promised = by_state[LotState.OPEN] + by_state[LotState.PENDING]
    for lot in promised:
        assert (lot.remaining, lot.redeemed, lot.expired) == (lot.amount, 0, 0)
    for lot in by_state[LotState.CLOSED]:
        assert (lot.remaining, lot.redeemed, lot.expired, lot.lapse_id) == (0, 0, 0, 0)
    assert account.total_earned == sum(lot.amount for lot in approved)
    assert account.available == sum(lot.remaining for lot in approved)
    assert account.total_redeemed == sum(lot.redeemed for lot in approved)
    assert account.total_expired == sum(lot.expired for lot in approved)
    assert account.pending == sum(lot.remaining for lot in promised)


def _audit_transactions(scenario: AccountScenario) -> None:
    sums: dict[TransactionType, int] = defaultdict(int)
    unapproved = 0
    for row in scenario.entries.transactions:
        sums[row.type] += row.amount
        if row.type is EARN and row.first_state is not LotState.APPROVED:
            unapproved += row.amount
    account = scenario.account
    assert account.total_earned == sums[EARN] - unapproved + sums[APPROVE]
    assert account.total_redeemed == sums[REDEEM]
    assert account.total_expired == sums[EXPIRE] - sums[REVERSE]
    assert account.pending == unapproved - sums[APPROVE] - sums[CLOSE]
    _audit_allocations(scenario)


def _audit_allocations(scenario: AccountScenario) -> None:
    rows = {row.transaction_id: row for row in scenario.entries.transactions}
    of_row: dict[int, int] = defaultdict(int)
    redeemed: dict[int, int] = defaultdict(int)
    expired: dict[int, int] = defaultdict(int)
    for part in scenario.entries.allocations:
        kind = rows[part.transaction_id].type
        of_row[part.transaction_id] += part.amount
        if kind is REDEEM:
            redeemed[part.lot_id] += part.amount
        else:
            expired[part.lot_id] += part.amount if kind is EXPIRE else -part.amount
    pairs = {(part.transaction_id, part.lot_id) for part in scenario.entries.allocations}
    assert len(pairs) == len(scenario.entries.allocations)
    for row in rows.values():
        allocates = row.type in (REDEEM, EXPIRE, REVERSE)
        assert of_row[row.transaction_id] == (row.amount if allocates else 0)
    for lot in scenario.shelf.values():
        assert (lot.redeemed, lot.expired) == (redeemed[lot.lot_id], expired[lot.lot_id])


def _audit_reversals(scenario: AccountScenario) -> None:
    """A REVERSE gives one lot back, once, exactly what its EXPIRE took, as of that time."""
    rows = {row.transaction_id: row for row in scenario.entries.transactions}
    parts = {
        (part.transaction_id, part.lot_id): part.amount for part in scenario.entries.allocations
    }
    reversed_parts = []
    for (transaction_id, lot_id), amount in parts.items():
        row = rows[transaction_id]
        if row.type is REVERSE:
            expire = rows[row.related_id]
            assert (expire.type, expire.effective_at) == (EXPIRE, row.effective_at)
            assert parts[expire.transaction_id, lot_id] == amount
            reversed_parts.append((expire.transaction_id, lot_id))
    assert len(reversed_parts) == len(set(reversed_parts))


def _audit_owners(scenario: AccountScenario) -> None:
    """Every row says whose it is, who asked and when it was written, under an id of its own."""
    account = scenario.account
    rows, changes = scenario.entries.transactions, scenario.entries.changes
    written = account.created_at
    expires = {row.transaction_id for row in rows if row.type is EXPIRE}
    for row in sorted([*rows, *changes], key=attrgetter("version")):
        assert (row.account_id, row.currency_id) == (account.account_id, account.currency_id)
        assert row.principal == "tester"
        assert written <= row.created_at <= account.last_at
        written = row.created_at
    for row in rows:
        relates = row.type not in (EARN, REDEEM, EXPIRE)
        assert row.related_id in scenario.shelf.keys() | expires if relates else not row.related_id
    ids = [row.transaction_id for row in rows] + [change.event_id for change in changes]
    assert len(set(ids)) == len(ids)
    assert all(row_id >= 2**46 for row_id in ids)
    for lot in scenario.shelf.values():
        assert lot.account_id == account.account_id
        assert (lot.member_id, lot.currency_id) == (account.member_id, account.currency_id)
        assert account.created_at <= lot.state_at <= account.last_at


def _audit_chain(scenario: AccountScenario) -> None:
    rows, changes = scenario.entries.transactions, scenario.entries.changes
    versions = sorted([row.version for row in rows] + [change.version for change in changes])
    assert versions == list(range(1, scenario.account.version + 1))
    assert [row.version for row in rows] == sorted(row.version for row in rows)
    balance = 0
    for row in rows:
        assert row.amount > 0
        view = view_transaction(scenario.account_state.owner, row)
        assert view.balance_before == balance
        balance = view.balance_after
        _audit_effect(row)
    assert balance == scenario.account.balance


def _audit_effect(row: Transaction) -> None:
    """Only what is recorded late takes effect before it is recorded."""
    if row.type in (REDEEM, SUBMIT, APPROVE):
        assert row.effective_at == row.created_at
    assert row.effective_at <= row.created_at


def _audit_due(scenario: AccountScenario) -> None:
    bound = scenario.account.next_due_at
    account_state = scenario.account_state
    for lot in scenario.shelf.values():
        at = account_state.expiry_of(lot)
        if lot.unfinished and at is not None:
            assert bound is not None
            assert bound <= at

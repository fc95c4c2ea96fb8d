"""What becomes of each command: one function per command, given the state, in order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Unpack

from points_grpc.domain.amounts import to_units
from points_grpc.domain.calendar import OutOfCalendar
from points_grpc.domain.commands import Earn, Expire, Lapse, MoveExpiry, MoveState, Redeem
from points_grpc.domain.expiry_update import expiration_field, move_expiry
from points_grpc.domain.lapse import lapse_due
from points_grpc.domain.model import (
    ExpirationCause,
    ExpirationSource,
    LotState,
    Policy,
    PolicyKind,
    TransactionType,
)
from points_grpc.domain.policy import (
    Immediate,
    fixed_expiry,
    inactivity_expiry,
    resolve_expiration,
)
from points_grpc.domain.posting import (
    Texts,
    approve_lot,
    close_lot,
    count_earn,
    due_no_later_than,
    end_lots,
    expire_from,
    note_activity,
    post,
    redeem_from,
    submit_lot,
)
from points_grpc.domain.results import Answer, Earned, Expired, Lapsed, Redeemed, StateMoved
from points_grpc.domain.spending import take
from points_grpc.domain.state import Allocation, Case, Draft, Holding, Lot, Transaction
from points_grpc.domain.views import expiration_source, view_account, view_lot, view_transaction
from points_grpc.errors import (
    AccountNotFound,
    ExpiryInPast,
    IdentifierTaken,
    InsufficientPoints,
    InvalidField,
    MemberNotFound,
    PolicyNotFound,
    TransactionNotFound,
    TransactionNotOpen,
)

BALANCE_MAX = 2**62
"""What an account may ever earn, in the smallest unit."""

EARN_AHEAD_MAX = timedelta(seconds=5)
"""The most that an earn time may lie ahead of the decision, whose time then counts instead."""


def decide(case: Case, draft: Draft) -> Answer:
    """Decide one command; raises the Refusal that the caller is to read, or NeedMoreLots."""
    if case.refusal is not None:
        raise case.refusal
    return _DECISIONS[type(case.command)](case.command, case, draft)


def _earn(command: Earn, case: Case, draft: Draft) -> Earned:
    holding = _holding_for_earn(case, draft)
    policy = _policy_for(command, holding)
    amount = to_units(command.amount, holding.currency.scale)
    lapse_due(draft, holding)
    account = holding.account
    if account.total_earned + account.pending + amount > BALANCE_MAX:
        raise InvalidField("amount", "would take the account beyond what it can hold")
    if command.vendor_id and (account.member_id, command.vendor_id) in draft.books.vendor_lots:
        raise IdentifierTaken("vendor_id")
    earned_at = _earned_at(command, holding.now)
    rule, expires_at = _expiry_for(command, draft, holding, policy, earned_at)
    lot_id = draft.new_id(account.account_id)
    lot = Lot(
        lot_id=lot_id,
        account_id=account.account_id,
        member_id=account.member_id,
        currency_id=account.currency_id,
        vendor_id=command.vendor_id,
        kind=command.kind,
        state=command.initial_state,
        policy_version_id=policy.policy_version_id,
        rule=rule,
        priority=policy.priority,
        amount=amount,
        remaining=amount,
        earned_at=earned_at,
        expires_at=expires_at,
        state_at=holding.now,
        stored=False,
    )
    row = _post_earn(command, draft, holding, lot)
    draft.add_lot(holding, lot)
    # Only an explicit expiry has to be compared with the policy's.
    source = ExpirationSource.POLICY
    if command.expiration is not None:
        source = expiration_source(holding.program, lot, is_moved=False)
    return _earned(draft, holding, lot, row, source)


def _earned_at(command: Earn, now: datetime) -> datetime:
    """Return when the lot was earned; up to EARN_AHEAD_MAX ahead of `now` is `now`."""
    at = command.earn_at
    if at is None or at <= now:
        return at or now
    # Callers' clocks differ from ours by a little; an earn of theirs must not fail for that.
    if at - now > EARN_AHEAD_MAX:
        raise InvalidField("earn_time", "must not lie more than 5 seconds in the future")
    return now


def _holding_for_earn(case: Case, draft: Draft) -> Holding:
    holding = _known(case)
    if not holding.member.exists:
        draft.touch(holding.member)
        holding.member.enrolled = True
    return holding


def _policy_for(command: Earn, holding: Holding) -> Policy:
    code = command.policy or holding.currency.default_policy
    policy = holding.currency.policies.get(code)
    if policy is None:
        raise PolicyNotFound("policy")
    return policy


def _expiry_for(
    command: Earn, draft: Draft, holding: Holding, policy: Policy, earned_at: datetime
) -> tuple[int, datetime | None]:
    """The rule (0: fixed) and the fixed expiry that a new lot gets."""
    zone = holding.program.zone
    expiration = command.expiration
    try:
        if expiration is None:
            if policy.kind is PolicyKind.INACTIVITY:
                inactivity_expiry(policy, zone, earned_at)  # has to lie within the calendar
                return policy.policy_version_id, None
            known, key = draft.books.expiries, (id(policy), earned_at)
            if key not in known:
                known[key] = fixed_expiry(policy, zone, earned_at)
            return 0, known[key]
        field = expiration_field(expiration)
        if isinstance(expiration, Immediate):
            raise InvalidField(field, "is not an expiry that points can be earned with")
        expires_at = resolve_expiration(expiration, zone, earned_at)
    except OutOfCalendar as error:
        raise InvalidField("expiration", "gives an expiry beyond the calendar") from error
    # A time slightly ahead counts as now, but nothing may expire before the time that was sent.
    if expires_at is not None and expires_at <= max(earned_at, command.earn_at or earned_at):
        raise ExpiryInPast(field)
    return 0, expires_at


def _post_earn(command: Earn, draft: Draft, holding: Holding, lot: Lot) -> Transaction:
    account = holding.account
    draft.touch(account)
    if lot.state is LotState.APPROVED:
        count_earn(account, lot.amount, lot.earned_at)
    else:
        account.pending += lot.amount
    expires_at = holding.expiry_of(lot)
    if expires_at is not None and expires_at > holding.now:
        due_no_later_than(holding.account, expires_at)
    return post(
        draft,
        holding,
        TransactionType.EARN,
        lot.amount,
        effective_at=lot.earned_at,
        transaction_id=lot.lot_id,
        first_state=lot.state,
        expires_at=expires_at,
        request_id=command.request_id,
        reference=command.reference,
        source=command.source,
        reason=command.reason,
        description=command.description,
    )


def _earned(
    draft: Draft, holding: Holding, lot: Lot, row: Transaction, source: ExpirationSource
) -> Earned:
    if row.expires_at is not None and row.expires_at <= holding.now:
        end_lots(draft, holding, [lot], row.expires_at)
    owner = holding.owner
    return Earned(
        transaction=view_transaction(owner, row, state=lot.state),
        lot=view_lot(owner, lot, row.expires_at, holding.program, row, source=source),
        account=view_account(owner, holding.account, holding.account.next_due_at),
    )


def _redeem(command: Redeem, case: Case, draft: Draft) -> Redeemed:
    holding = _existing(case)
    amount = to_units(command.amount, holding.currency.scale)
    lapse_due(draft, holding)
    if amount > holding.account.available:
        raise InsufficientPoints("amount")
    row = redeem_from(
        draft,
        holding,
        take(holding, amount),
        request_id=command.request_id,
        reference=command.reference,
        description=command.description,
    )
    owner = holding.owner
    return Redeemed(
        transaction=view_transaction(owner, row, _allocations_of(draft, row)),
        account=view_account(owner, holding.account, holding.account.next_due_at),
    )


def _expire(command: Expire, case: Case, draft: Draft) -> Expired:
    holding = _existing(case)
    amount = to_units(command.amount, holding.currency.scale)
    lapse_due(draft, holding)
    settled = min(amount, holding.account.available)
    if settled < amount and command.require_full:
        raise InsufficientPoints("amount")
    owner = holding.owner
    transaction = None
    if settled:
        row = expire_from(
            draft,
            holding,
            take(holding, settled),
            request_id=command.request_id,
            reason=command.reason,
            description=command.description,
        )
        parts = _allocations_of(draft, row)
        transaction = view_transaction(owner, row, parts, cause=ExpirationCause.ON_DEMAND)
    return Expired(
        transaction=transaction,
        requested=amount,
        settled=settled,
        account=view_account(owner, holding.account, holding.account.next_due_at),
    )


def _move_state(command: MoveState, case: Case, draft: Draft) -> StateMoved:
    holding = _existing(case)
    lot = holding.lots.get(case.lot_id)
    if lot is None:
        raise TransactionNotFound("transaction_id")
    lapse_due(draft, holding)
    if lot.state not in _ALLOWED_FROM.get((command.approving, command.state), ()):
        raise TransactionNotOpen("transaction_id", state=lot.state.name)
    step = _STEPS[command.state]
    step(draft, holding, lot, request_id=command.request_id)
    owner = holding.owner
    earn = draft.books.earns[lot.lot_id]
    source = expiration_source(holding.program, lot, lot.lot_id in draft.books.moved)
    return StateMoved(
        transaction=view_transaction(owner, earn, state=lot.state, updated_at=lot.state_at),
        lot=view_lot(owner, lot, holding.expiry_of(lot), holding.program, earn, source=source),
        account=view_account(owner, holding.account, holding.account.next_due_at),
    )


def _lapse(_: Lapse, case: Case, draft: Draft) -> Lapsed:
    holding = _existing(case)
    expired, pending = holding.account.total_expired, holding.account.pending
    lots = lapse_due(draft, holding)
    return Lapsed(
        tenant_id=holding.account.tenant_id,
        owner=holding.owner,
        lots=lots,
        expired=holding.account.total_expired - expired,
        closed=pending - holding.account.pending,
    )


_ALLOWED_FROM: dict[tuple[bool, LotState], tuple[LotState, ...]] = {
    (False, LotState.PENDING): (LotState.OPEN,),
    (False, LotState.CLOSED): (LotState.OPEN,),
    (True, LotState.APPROVED): (LotState.OPEN, LotState.PENDING),
    (True, LotState.CLOSED): (LotState.PENDING,),
}


def _cancel(draft: Draft, holding: Holding, lot: Lot, **texts: Unpack[Texts]) -> None:
    close_lot(draft, holding, lot, **texts)
    note_activity(holding.account, TransactionType.CLOSE, holding.now)


_STEPS: dict[LotState, Callable[..., None]] = {
    LotState.PENDING: submit_lot,
    LotState.APPROVED: approve_lot,
    LotState.CLOSED: _cancel,
}


def _known(case: Case) -> Holding:
    if case.holding is None:
        raise MemberNotFound("member")
    return case.holding


def _existing(case: Case) -> Holding:
    holding = _known(case)
    if not holding.member.exists:
        raise MemberNotFound("member")
    if not holding.account.version:
        raise AccountNotFound("member")
    return holding


def _allocations_of(draft: Draft, row: Transaction) -> list[Allocation]:
    return [a for a in draft.facts.allocations if a.transaction_id == row.transaction_id]


_DECISIONS: dict[type, Callable[..., Answer]] = {
    Earn: _earn,
    Redeem: _redeem,
    Expire: _expire,
    MoveExpiry: move_expiry,
    MoveState: _move_state,
    Lapse: _lapse,
}

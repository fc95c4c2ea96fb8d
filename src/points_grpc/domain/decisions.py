"""What becomes of each command: one function per command, given the state, in order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Unpack

from points_grpc.domain.amounts import to_units
from points_grpc.domain.calendar import OutOfCalendar
from points_grpc.domain.commands import ChangeLotState, Earn, Expire, Lapse, Redeem, UpdateExpiry
from points_grpc.domain.expiry_update import expiration_field, update_expiry
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
    TransactionTexts,
    approve_lot,
    close_lot,
    count_earn,
    expire_from,
    lapse_lots,
    lower_due_bound,
    post,
    record_activity,
    redeem_from,
    submit_lot,
)
from points_grpc.domain.results import Answer, Earned, Expired, Lapsed, LotStateChanged, Redeemed
from points_grpc.domain.spending import allocate
from points_grpc.domain.state import (
    AccountState,
    Allocation,
    ChangeSet,
    Lot,
    ResolvedCommand,
    Transaction,
)
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


def decide(resolved: ResolvedCommand, change_set: ChangeSet) -> Answer:
    """Decide one command; raises the Refusal that the caller is to read, or NeedMoreLots."""
    if resolved.refusal is not None:
        raise resolved.refusal
    return _DECISIONS[type(resolved.command)](resolved.command, resolved, change_set)


def _earn(command: Earn, resolved: ResolvedCommand, change_set: ChangeSet) -> Earned:
    account_state = _account_state_for_earn(resolved, change_set)
    policy = _policy_for(command, account_state)
    amount = to_units(command.amount, account_state.currency.scale)
    lapse_due(change_set, account_state)
    account = account_state.account
    if account.total_earned + account.pending + amount > BALANCE_MAX:
        raise InvalidField("amount", "would take the account beyond what it can hold")
    if (
        command.vendor_id
        and (account.member_id, command.vendor_id) in change_set.batch_state.vendor_lots
    ):
        raise IdentifierTaken("vendor_id")
    earned_at = _earned_at(command, account_state.now)
    rule, expires_at = _expiry_for(command, change_set, account_state, policy, earned_at)
    lot_id = change_set.new_id(account.account_id)
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
        state_at=account_state.now,
        persisted=False,
    )
    row = _post_earn(command, change_set, account_state, lot)
    change_set.add_lot(account_state, lot)
    # Only an explicit expiry has to be compared with the policy's.
    source = ExpirationSource.POLICY
    if command.expiration is not None:
        source = expiration_source(account_state.program, lot, has_expiry_change=False)
    return _earned(change_set, account_state, lot, row, source)


def _earned_at(command: Earn, now: datetime) -> datetime:
    """Return when the lot was earned; up to EARN_AHEAD_MAX ahead of `now` is `now`."""
    at = command.earn_at
    if at is None or at <= now:
        return at or now
    # Callers' clocks differ from ours by a little; an earn of theirs must not fail for that.
    if at - now > EARN_AHEAD_MAX:
        raise InvalidField("earn_time", "must not lie more than 5 seconds in the future")
    return now


def _account_state_for_earn(resolved: ResolvedCommand, change_set: ChangeSet) -> AccountState:
    account_state = _known(resolved)
    if not account_state.member.exists:
        change_set.track(account_state.member)
        account_state.member.enrolled = True
    return account_state


def _policy_for(command: Earn, account_state: AccountState) -> Policy:
    code = command.policy or account_state.currency.default_policy
    policy = account_state.currency.policies.get(code)
    if policy is None:
        raise PolicyNotFound("policy")
    return policy


def _expiry_for(
    command: Earn,
    change_set: ChangeSet,
    account_state: AccountState,
    policy: Policy,
    earned_at: datetime,
) -> tuple[int, datetime | None]:
    """The rule (0: fixed) and the fixed expiry that a new lot gets."""
    zone = account_state.program.zone
    expiration = command.expiration
    try:
        if expiration is None:
            if policy.kind is PolicyKind.INACTIVITY:
                inactivity_expiry(policy, zone, earned_at)  # has to lie within the calendar
                return policy.policy_version_id, None
            known, key = change_set.batch_state.expiries, (id(policy), earned_at)
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


def _post_earn(
    command: Earn, change_set: ChangeSet, account_state: AccountState, lot: Lot
) -> Transaction:
    account = account_state.account
    change_set.track(account)
    if lot.state is LotState.APPROVED:
        count_earn(account, lot.amount, lot.earned_at)
    else:
        account.pending += lot.amount
    expires_at = account_state.expiry_of(lot)
    if expires_at is not None and expires_at > account_state.now:
        lower_due_bound(account_state.account, expires_at)
    return post(
        change_set,
        account_state,
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
    change_set: ChangeSet,
    account_state: AccountState,
    lot: Lot,
    row: Transaction,
    source: ExpirationSource,
) -> Earned:
    if row.expires_at is not None and row.expires_at <= account_state.now:
        lapse_lots(change_set, account_state, [lot], row.expires_at)
    owner = account_state.owner
    return Earned(
        transaction=view_transaction(owner, row, state=lot.state),
        lot=view_lot(owner, lot, row.expires_at, account_state.program, row, source=source),
        account=view_account(owner, account_state.account, account_state.account.next_due_at),
    )


def _redeem(command: Redeem, resolved: ResolvedCommand, change_set: ChangeSet) -> Redeemed:
    account_state = _existing(resolved)
    amount = to_units(command.amount, account_state.currency.scale)
    lapse_due(change_set, account_state)
    if amount > account_state.account.available:
        raise InsufficientPoints("amount")
    row = redeem_from(
        change_set,
        account_state,
        allocate(account_state, amount),
        request_id=command.request_id,
        reference=command.reference,
        description=command.description,
    )
    owner = account_state.owner
    return Redeemed(
        transaction=view_transaction(owner, row, _allocations_of(change_set, row)),
        account=view_account(owner, account_state.account, account_state.account.next_due_at),
    )


def _expire(command: Expire, resolved: ResolvedCommand, change_set: ChangeSet) -> Expired:
    account_state = _existing(resolved)
    amount = to_units(command.amount, account_state.currency.scale)
    lapse_due(change_set, account_state)
    settled = min(amount, account_state.account.available)
    if settled < amount and command.require_full:
        raise InsufficientPoints("amount")
    owner = account_state.owner
    transaction = None
    if settled:
        row = expire_from(
            change_set,
            account_state,
            allocate(account_state, settled),
            request_id=command.request_id,
            reason=command.reason,
            description=command.description,
        )
        parts = _allocations_of(change_set, row)
        transaction = view_transaction(owner, row, parts, cause=ExpirationCause.ON_DEMAND)
    return Expired(
        transaction=transaction,
        requested=amount,
        settled=settled,
        account=view_account(owner, account_state.account, account_state.account.next_due_at),
    )


def _change_lot_state(
    command: ChangeLotState, resolved: ResolvedCommand, change_set: ChangeSet
) -> LotStateChanged:
    account_state = _existing(resolved)
    lot = account_state.lots.get(resolved.lot_id)
    if lot is None:
        raise TransactionNotFound("transaction_id")
    lapse_due(change_set, account_state)
    if lot.state not in _ALLOWED_FROM.get((command.approving, command.state), ()):
        raise TransactionNotOpen("transaction_id", state=lot.state.name)
    step = _STEPS[command.state]
    step(change_set, account_state, lot, request_id=command.request_id)
    owner = account_state.owner
    earn = change_set.batch_state.earns[lot.lot_id]
    source = expiration_source(
        account_state.program, lot, lot.lot_id in change_set.batch_state.with_expiry_change
    )
    return LotStateChanged(
        transaction=view_transaction(owner, earn, state=lot.state, updated_at=lot.state_at),
        lot=view_lot(
            owner, lot, account_state.expiry_of(lot), account_state.program, earn, source=source
        ),
        account=view_account(owner, account_state.account, account_state.account.next_due_at),
    )


def _lapse(_: Lapse, resolved: ResolvedCommand, change_set: ChangeSet) -> Lapsed:
    account_state = _existing(resolved)
    expired, pending = account_state.account.total_expired, account_state.account.pending
    lots = lapse_due(change_set, account_state)
    return Lapsed(
        tenant_id=account_state.account.tenant_id,
        owner=account_state.owner,
        lots=lots,
        expired=account_state.account.total_expired - expired,
        closed=pending - account_state.account.pending,
    )


_ALLOWED_FROM: dict[tuple[bool, LotState], tuple[LotState, ...]] = {
    (False, LotState.PENDING): (LotState.OPEN,),
    (False, LotState.CLOSED): (LotState.OPEN,),
    (True, LotState.APPROVED): (LotState.OPEN, LotState.PENDING),
    (True, LotState.CLOSED): (LotState.PENDING,),
}


def _cancel(
    change_set: ChangeSet, account_state: AccountState, lot: Lot, **texts: Unpack[TransactionTexts]
) -> None:
    close_lot(change_set, account_state, lot, **texts)
    record_activity(account_state.account, TransactionType.CLOSE, account_state.now)


_STEPS: dict[LotState, Callable[..., None]] = {
    LotState.PENDING: submit_lot,
    LotState.APPROVED: approve_lot,
    LotState.CLOSED: _cancel,
}


def _known(resolved: ResolvedCommand) -> AccountState:
    if resolved.account_state is None:
        raise MemberNotFound("member")
    return resolved.account_state


def _existing(resolved: ResolvedCommand) -> AccountState:
    account_state = _known(resolved)
    if not account_state.member.exists:
        raise MemberNotFound("member")
    if not account_state.account.version:
        raise AccountNotFound("member")
    return account_state


def _allocations_of(change_set: ChangeSet, row: Transaction) -> list[Allocation]:
    return [a for a in change_set.entries.allocations if a.transaction_id == row.transaction_id]


_DECISIONS: dict[type, Callable[..., Answer]] = {
    Earn: _earn,
    Redeem: _redeem,
    Expire: _expire,
    UpdateExpiry: update_expiry,
    ChangeLotState: _change_lot_state,
    Lapse: _lapse,
}

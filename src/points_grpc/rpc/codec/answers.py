"""Resources and outcomes as messages. Ids of what `validate_only` did not make stay 0."""

from __future__ import annotations

from points.v1 import (
    account_pb2,
    earn_pb2,
    expire_pb2,
    expiry_change_pb2,
    lot_pb2,
    member_pb2,
    redeem_pb2,
    transaction_pb2,
    transaction_status_pb2,
    update_expiry_pb2,
)
from points_grpc.domain.amounts import print_units
from points_grpc.domain.model import LotCategory, LotState
from points_grpc.domain.results import (
    ALLOCATIONS_MAX,
    AccountView,
    AllocationView,
    Earned,
    Expired,
    ExpiryChangeView,
    ExpiryUpdated,
    LotStateChanged,
    LotView,
    MemberLabel,
    Owner,
    Redeemed,
    TransactionView,
)
from points_grpc.rpc.codec.custom_meta import put_custom_meta
from points_grpc.rpc.codec.instants import put_instant

_NO_META = ("", "", "")
_ACTIVE = account_pb2.AccountState.ACCOUNT_STATE_ACTIVE

_CATEGORY_OF = {
    LotState.OPEN: LotCategory.PROMISED,
    LotState.PENDING: LotCategory.PROMISED,
    LotState.APPROVED: LotCategory.REGULAR,
}


def put_member_info(message: member_pb2.MemberInfo, label: MemberLabel) -> None:
    """Show a member inside another resource."""
    if label.member_id > 0:
        message.member_id = label.member_id
    if label.vendor_id:
        message.vendor_id = label.vendor_id
    if label.external_id:
        message.external_id = label.external_id


def put_account(message: account_pb2.Account, view: AccountView, tenant: str) -> None:
    """Show an account of the tenant of that name."""
    currency = view.owner.currency
    scale = currency.scale
    _put_owner(message, view.owner)
    message.tenant = tenant
    message.state = _ACTIVE
    message.available.value = print_units(view.available, scale)
    message.pending.value = print_units(view.pending, scale)
    message.held.value = print_units(view.held, scale)
    message.total_earned.value = print_units(view.total_earned, scale)
    message.total_redeemed.value = print_units(view.total_redeemed, scale)
    message.total_expired.value = print_units(view.total_expired, scale)
    message.version = view.version
    message.points_type = currency.points_type
    message.exchange_rate = currency.exchange_rate
    if view.next_expires_at is not None:
        put_instant(message.next_expire_time, view.next_expires_at)
    if view.created_at is not None:
        put_instant(message.create_time, view.created_at)
    if view.updated_at is not None:
        put_instant(message.update_time, view.updated_at)


def put_lot(message: lot_pb2.Lot, view: LotView) -> None:
    """Show a lot."""
    scale = view.owner.currency.scale
    _put_owner(message, view.owner)
    if view.lot_id > 0:
        message.lot_id = view.lot_id
    message.vendor_id = view.vendor_id
    message.kind = view.kind  # type: ignore[assignment]  # the same numbers
    message.state = view.state  # type: ignore[assignment]  # the same numbers
    if (category := _CATEGORY_OF.get(view.state)) is not None:
        message.category = category  # type: ignore[assignment]  # the same numbers
    message.amount.value = print_units(view.amount, scale)
    message.remaining.value = print_units(view.remaining, scale)
    message.policy = view.policy
    message.policy_version = view.policy_version
    message.expiration_source = view.expiration_source  # type: ignore[assignment]  # the same numbers
    put_instant(message.earn_time, view.earned_at)
    if view.expires_at is not None:
        put_instant(message.expire_time, view.expires_at)
    if view.reference:
        message.reference = view.reference
    if view.description:
        message.description = view.description
    if view.source:
        message.source = view.source


def put_transaction(message: transaction_pb2.Transaction, view: TransactionView) -> None:
    """Show a ledger row."""
    scale = view.owner.currency.scale
    _put_owner(message, view.owner)
    if view.transaction_id > 0:
        message.transaction_id = view.transaction_id
    message.type = view.type  # type: ignore[assignment]  # the same numbers
    message.state = view.state  # type: ignore[assignment]  # the same numbers
    message.amount.value = print_units(view.amount, scale)
    message.balance_before.value = print_units(view.balance_before, scale)
    message.balance_after.value = print_units(view.balance_after, scale)
    if view.lot_id > 0:
        message.lot_id = view.lot_id
    for lot_id, units in view.allocations[:ALLOCATIONS_MAX]:
        allocation = message.allocations.add()
        if lot_id > 0:
            allocation.lot_id = lot_id
        allocation.amount.value = print_units(units, scale)
    message.allocation_count = view.allocation_count
    if view.source:
        message.source = view.source
    if view.reason:
        message.reason = view.reason
    if view.description:
        message.description = view.description
    if view.reference:
        message.reference = view.reference
    if view.request_id:
        message.request_id = view.request_id
    if view.related_transaction_id > 0:
        message.related_transaction_id = view.related_transaction_id
    if view.expires_at is not None:
        put_instant(message.expire_time, view.expires_at)
    put_instant(message.create_time, view.created_at)
    put_instant(message.update_time, view.updated_at)
    put_instant(message.effective_time, view.effective_at)
    message.principal = view.principal
    if view.expiration_cause is not None:
        message.expiration_cause = view.expiration_cause  # type: ignore[assignment]  # the same numbers


def put_allocation(message: transaction_pb2.Allocation, view: AllocationView) -> None:
    """Show a lot's part of a transaction."""
    message.lot_id = view.lot_id
    message.amount.value = print_units(view.amount, view.currency.scale)


def put_expiry_change(message: expiry_change_pb2.ExpiryChange, view: ExpiryChangeView) -> None:
    """Show a change of a lot's expiry."""
    _put_owner(message, view.owner)
    if view.event_id > 0:
        message.event_id = view.event_id
    if view.lot_id > 0:
        message.lot_id = view.lot_id
    message.lot_vendor_id = view.lot_vendor_id
    message.kind = view.kind  # type: ignore[assignment]  # the same numbers
    if view.old_expires_at is not None:
        put_instant(message.old_expire_time, view.old_expires_at)
    if view.new_expires_at is not None:
        put_instant(message.new_expire_time, view.new_expires_at)
    if view.reason_type is not None:
        message.reason_type = view.reason_type  # type: ignore[assignment]  # the same numbers
    if view.reason_note:
        message.reason_note = view.reason_note
    if view.standard_meta != _NO_META:
        meta = message.standard_meta
        meta.who_raised, meta.who_approved, meta.reason_for_trigger = view.standard_meta
    if view.custom_meta:
        put_custom_meta(message.custom_meta, view.custom_meta)
    message.principal = view.principal
    put_instant(message.event_time, view.event_at)
    if view.request_id:
        message.request_id = view.request_id


def put_earned(message: earn_pb2.EarnResponse, answer: Earned, tenant: str) -> None:
    """Answer an Earn."""
    put_transaction(message.transaction, answer.transaction)
    put_lot(message.lot, answer.lot)
    put_account(message.account, answer.account, tenant)
    if answer.replayed:
        message.replayed = True


def put_redeemed(message: redeem_pb2.RedeemResponse, answer: Redeemed, tenant: str) -> None:
    """Answer a Redeem."""
    put_transaction(message.transaction, answer.transaction)
    put_account(message.account, answer.account, tenant)
    if answer.replayed:
        message.replayed = True


def put_expired(message: expire_pb2.ExpireResponse, answer: Expired, tenant: str) -> None:
    """Answer an Expire."""
    scale = answer.account.owner.currency.scale
    if answer.transaction is not None:
        put_transaction(message.transaction, answer.transaction)
    message.requested.value = print_units(answer.requested, scale)
    message.settled.value = print_units(answer.settled, scale)
    put_account(message.account, answer.account, tenant)
    if answer.replayed:
        message.replayed = True


def put_expiry_updated(message: update_expiry_pb2.ExpiryMoved, answer: ExpiryUpdated) -> None:
    """Answer one item of an UpdateExpiry."""
    put_expiry_change(message.change, answer.change)
    if answer.replayed:
        message.replayed = True


def put_state_changed(
    message: (
        transaction_status_pb2.UpdateTransactionStatusResponse | transaction_status_pb2.StateMoved
    ),
    answer: LotStateChanged,
    tenant: str,
) -> None:
    """Answer an UpdateTransactionStatus, or one item of an ApproveTransactions."""
    put_transaction(message.transaction, answer.transaction)
    put_lot(message.lot, answer.lot)
    put_account(message.account, answer.account, tenant)
    if answer.replayed:
        message.replayed = True


def _put_owner(
    message: (
        account_pb2.Account
        | lot_pb2.Lot
        | transaction_pb2.Transaction
        | expiry_change_pb2.ExpiryChange
    ),
    owner: Owner,
) -> None:
    if owner.account_id > 0:
        message.account_id = owner.account_id
    message.program_id = owner.program_id
    message.currency_code = owner.currency.code
    message.currency_id = owner.currency.currency_id
    put_member_info(message.member, owner.member)

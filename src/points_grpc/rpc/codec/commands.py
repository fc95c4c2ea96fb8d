"""Requests that change one account each, as commands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from points.v1 import earn_pb2, expire_pb2, redeem_pb2, transaction_status_pb2
from points_grpc.domain.commands import ChangeLotState, Earn, Expire, Redeem
from points_grpc.domain.limits import (
    CODE_MAX,
    PROSE_MAX,
    REFERENCE_MAX,
    SOURCE_MAX,
    read_request_id,
    read_text,
)
from points_grpc.domain.model import AwardKind, LotState
from points_grpc.errors import InvalidField
from points_grpc.rpc.codec.amounts import read_amount
from points_grpc.rpc.codec.enums import KINDS, STATES, read_enum
from points_grpc.rpc.codec.expirations import read_expiration
from points_grpc.rpc.codec.identifiers import (
    read_currency,
    read_id,
    read_member,
    read_optional_id,
    read_vendor_id,
)
from points_grpc.rpc.codec.instants import read_instant


def read_earn(message: earn_pb2.EarnRequest) -> Earn:
    """The command. Raises InvalidField."""
    kind, state = message.kind, message.initial_state
    return Earn(
        program_id=read_optional_id(message.program_id, "program_id"),
        member=read_member(message),
        currency=read_currency(message),
        amount=read_amount(message),
        request_id=read_request_id(message.request_id),
        reference=read_text(message.reference, "reference", REFERENCE_MAX),
        description=read_text(message.description, "description", PROSE_MAX),
        source=read_text(message.source, "source", SOURCE_MAX),
        reason=read_text(message.reason, "reason", PROSE_MAX),
        kind=read_enum(kind, KINDS, "kind") if kind else AwardKind.POINT_AWARDED,
        initial_state=_initial_state(state) if state else LotState.APPROVED,
        policy=read_text(message.policy, "policy", CODE_MAX),
        earn_at=(
            read_instant(message.earn_time, "earn_time") if message.HasField("earn_time") else None
        ),
        expiration=read_expiration(message),
        vendor_id=read_vendor_id(message.vendor_id, "vendor_id"),
    )


def read_earn_item(message: earn_pb2.EarnRequest) -> Earn:
    """The command of a BatchEarn's item. Raises InvalidField."""
    if message.validate_only:
        raise InvalidField("validate_only", "belongs to the call, not to its items")
    return read_earn(message)


def read_redeem(message: redeem_pb2.RedeemRequest) -> Redeem:
    """The command. Raises InvalidField."""
    return Redeem(
        program_id=read_optional_id(message.program_id, "program_id"),
        member=read_member(message),
        currency=read_currency(message),
        amount=read_amount(message),
        request_id=read_request_id(message.request_id),
        reference=read_text(message.reference, "reference", REFERENCE_MAX),
        description=read_text(message.description, "description", PROSE_MAX),
    )


def read_expire(message: expire_pb2.ExpireRequest) -> Expire:
    """The command. Raises InvalidField."""
    return Expire(
        program_id=read_optional_id(message.program_id, "program_id"),
        member=read_member(message),
        currency=read_currency(message),
        amount=read_amount(message),
        request_id=read_request_id(message.request_id),
        description=read_text(message.description, "description", PROSE_MAX),
        reason=read_text(message.reason, "reason", PROSE_MAX),
        require_full=message.require_full,
    )


def read_status_update(
    message: transaction_status_pb2.UpdateTransactionStatusRequest,
) -> ChangeLotState:
    """The command. Raises InvalidField."""
    return ChangeLotState(
        transaction_id=read_id(message.transaction_id, "transaction_id"),
        state=_target(message.state, (LotState.PENDING, LotState.CLOSED)),
        approving=False,
        request_id=read_request_id(message.request_id),
    )


def read_approvals(
    message: transaction_status_pb2.ApproveTransactionsRequest,
) -> Iterator[ChangeLotState | InvalidField]:
    """One command per transaction, or what is wrong with that item alone.

    Raises InvalidField for what is wrong with the call.
    """
    request_id = read_request_id(message.request_id)
    state = LotState.APPROVED
    if message.state:
        state = _target(message.state, (LotState.APPROVED, LotState.CLOSED))
    return _approvals(message.transaction_ids, state, request_id)


def _approvals(
    transaction_ids: Iterable[int], state: LotState, request_id: str
) -> Iterator[ChangeLotState | InvalidField]:
    seen: set[int] = set()
    for transaction_id in transaction_ids:
        if transaction_id <= 0:
            yield InvalidField("", "must be a positive id")
        elif transaction_id in seen:
            yield InvalidField("", "must not occur twice")
        else:
            seen.add(transaction_id)
            yield ChangeLotState(transaction_id, state, approving=True, request_id=request_id)


def _initial_state(number: int) -> LotState:
    state = read_enum(number, STATES, "initial_state")
    if state is LotState.CLOSED:
        raise InvalidField("initial_state", "must be OPEN, PENDING or APPROVED")
    return state


def _target(number: int, allowed: tuple[LotState, ...]) -> LotState:
    state = STATES.get(number)
    if state is None or state not in allowed:
        raise InvalidField("state", f"must be {' or '.join(one.name for one in allowed)}")
    return state

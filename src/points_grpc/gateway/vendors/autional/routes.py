"""Autional's points service: expiring some of a member's points by hand.

POST /admin/points/{user_id}/expire. Amounts are whole numbers there, so a currency with decimals
is refused; which one it is only the service knows, so it is asked first without any effect.
"""

from __future__ import annotations

import math
from datetime import UTC

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp
from starlette.responses import Response

from points.v1 import account_pb2, expire_pb2, transaction_pb2
from points_grpc.gateway.credentials import Form
from points_grpc.gateway.dialect import Dialect
from points_grpc.gateway.errors import Failure, Problem, UpstreamRefusal
from points_grpc.gateway.request import HttpCall, Route, one_query
from points_grpc.gateway.strict_json import answer, read_json, shaped

KEY_HEADER = "X-Idempotency-Key"

_EXPIRE = "points.v1.PointsService/Expire"

# The page's own; 429 tells a client to slow down, which none of them does, and 405 belongs to
# methods that the page does not have.
_STATUSES = frozenset((400, 401, 403, 404, 405, 429, 500))
_FIELDS = {"member.external_id": "user_id", "request_id": KEY_HEADER}
_STATUS_OF = {
    state.number: state.name.removeprefix("ACCOUNT_STATE_").lower()
    for state in account_pb2.AccountState.DESCRIPTOR.values
}


class ExpirePointsRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body."""

    amount: int
    description: str | None = None


class PointAccount(msgspec.Struct, omit_defaults=True):
    """`dto.PointAccountResponse`. What does not apply is absent."""

    balance: int
    exchange_rate: int
    expired_points: int
    frozen_balance: int
    id: str
    points_type: str
    status: str
    tenant_id: str
    total_earned: int
    total_spent: int
    user_id: str
    version: int
    created_at: str = ""
    updated_at: str = ""


class PointTransaction(msgspec.Struct, omit_defaults=True):
    """`dto.PointTransactionResponse`. What does not apply is absent."""

    account_id: str
    amount: int
    balance_after: int
    balance_before: int
    created_at: str
    id: str
    status: str
    type: str
    updated_at: str
    user_id: str
    description: str = ""
    expires_at: str = ""
    idempotency_key: str = ""
    reason: str = ""
    related_id: str = ""
    source: str = ""


class PointOperationData(msgspec.Struct):
    """`dto.PointOperationData`."""

    account: PointAccount
    points_earned: int
    transaction: PointTransaction | None


class PointOperation(msgspec.Struct):
    """`dto.PointOperationResponse`."""

    code: int
    data: PointOperationData
    message: str
    timestamp: str


class Simple(msgspec.Struct, omit_defaults=True):
    """`SimpleResponse`."""

    code: int
    message: str
    timestamp: str = ""


async def expire(call: HttpCall) -> Response:
    """Settle what there is of the amount, and show the account and the transaction."""
    user_id, request = read_expire(call)
    await _check_whole_points(call, request)
    expired = await call.ask(_EXPIRE, request)
    return answer(show_expired(expired, user_id))


def read_expire(call: HttpCall) -> tuple[str, expire_pb2.ExpireRequest]:
    """Return the member's id and the request for the service. Raises Problem."""
    one_query(call.query)
    body = shaped(read_json(call.body), ExpirePointsRequest)
    key = call.idempotency_key(KEY_HEADER)
    user_id = call.path["user_id"]
    request = expire_pb2.ExpireRequest(
        member={"external_id": user_id},
        amount={"value": str(body.amount)},
        request_id=key,
        description=body.description or "",
    )
    return user_id, request


async def _check_whole_points(call: HttpCall, request: expire_pb2.ExpireRequest) -> None:
    trial = expire_pb2.ExpireRequest()
    trial.CopyFrom(request)
    trial.validate_only = True
    try:
        answered = await call.ask(_EXPIRE, trial)
    except UpstreamRefusal as refusal:
        # A request made before may be repeated by whom it no longer finds.
        if refusal.code == "NOT_FOUND" and request.request_id:
            return
        raise
    if "." in answered.requested.value:
        text = "cannot be given: the points have decimals, and here amounts are whole numbers"
        raise Problem("amount", text)


def show_expired(expired: expire_pb2.ExpireResponse, user_id: str) -> PointOperation:
    """The answer in the vendor's form."""
    account, shown = show_account(expired.account, user_id), None
    if expired.HasField("transaction"):
        shown = show_transaction(expired.transaction, user_id)
    at = account.updated_at if shown is None else shown.created_at
    return PointOperation(0, PointOperationData(account, 0, shown), "success", at)


def show_account(account: account_pb2.Account, user_id: str) -> PointAccount:
    """An account in the vendor's form."""
    held, expired = int(account.held.value), int(account.total_expired.value)
    return PointAccount(
        balance=int(account.available.value) + held,
        exchange_rate=account.exchange_rate,
        expired_points=expired,
        frozen_balance=held,
        id=str(account.account_id),
        points_type=account.points_type,
        status=_STATUS_OF.get(account.state, "unknown"),
        tenant_id=account.tenant,
        total_earned=int(account.total_earned.value),
        total_spent=int(account.total_redeemed.value) + expired,
        user_id=user_id,
        version=account.version,
        created_at=_rfc3339(account.create_time),
        updated_at=_rfc3339(account.update_time),
    )


def show_transaction(transaction: transaction_pb2.Transaction, user_id: str) -> PointTransaction:
    """An EXPIRE in the vendor's form."""
    related = transaction.related_transaction_id
    return PointTransaction(
        account_id=str(transaction.account_id),
        amount=int(transaction.amount.value),
        balance_after=int(transaction.balance_after.value),
        balance_before=int(transaction.balance_before.value),
        created_at=_rfc3339(transaction.create_time),
        id=str(transaction.transaction_id),
        status="completed",
        type="expire",
        updated_at=_rfc3339(transaction.update_time),
        user_id=user_id,
        description=transaction.description,
        idempotency_key=transaction.request_id,
        reason=transaction.reason,
        related_id=str(related) if related else "",
        source=transaction.source,
    )


def error(failure: Failure, call: HttpCall) -> Response:
    """`SimpleResponse` with one of the page's statuses."""
    status = failure.http_status
    if status not in _STATUSES:
        status = 500 if status >= 500 or failure.code == "CANCELLED" else 400
    at = "" if call.now is None else call.now().astimezone(UTC).isoformat()[:-6] + "Z"
    response = answer(Simple(status, _said(failure), at), status)
    if failure.retry_s is not None:
        response.headers["retry-after"] = str(math.ceil(failure.retry_s))
    return response


def _said(failure: Failure) -> str:
    if failure.reason == "REQUEST_ID_REUSED":
        return f"{KEY_HEADER} was used before with other content."
    if failure.reason == "INVALID_FIELD" and failure.field and failure.text:
        return f"{_FIELDS.get(failure.field, failure.field)} {failure.text}."
    return failure.message


def _rfc3339(at: Timestamp) -> str:
    return at.ToJsonString() if at.seconds else ""


DIALECT = Dialect(
    name="autional",
    credentials=(Form.BEARER,),
    routes=(Route("POST", "/admin/points/{user_id}/expire", expire, asks=_EXPIRE),),
    error=error,
)

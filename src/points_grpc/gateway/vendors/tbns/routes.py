"""TBNS's points management API: points that wait, open, until somebody decides on them."""

from __future__ import annotations

import re
from decimal import Decimal
from time import monotonic
from typing import Annotated

import msgspec
from starlette.responses import Response

from points.v1 import (
    earn_pb2,
    listing_pb2,
    lot_pb2,
    member_pb2,
    transaction_pb2,
    transaction_status_pb2,
)
from points_grpc.gateway.credentials import Form
from points_grpc.gateway.dialect import Dialect
from points_grpc.gateway.errors import Failure, Problem
from points_grpc.gateway.request import JSON, HttpCall, Query, Route, one_query, read_pairs
from points_grpc.gateway.strict_json import answer, read_json, shaped
from points_grpc.gateway.vendors.instants import with_milliseconds

BASE = "/functions/v1"
"""What the page's examples have the paths under."""

LISTED_MAX = 1000

STATES = {
    "Open": lot_pb2.LOT_STATE_OPEN,
    "Pending": lot_pb2.LOT_STATE_PENDING,
    "Approved": lot_pb2.LOT_STATE_APPROVED,
    "Closed": lot_pb2.LOT_STATE_CLOSED,
}
_STATUSES = {state: word for word, state in STATES.items()}
UPDATES = ("Pending", "Closed")

_EARN = "points.v1.PointsService/Earn"
_UPDATE = "points.v1.PointsService/UpdateTransactionStatus"
_LIST = "points.v1.PointsService/ListTransactions"

_ID = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)

NO_POINT = 2**53 - 1
"""The last of all ids, asked for where the caller's cannot be one: the service is to look at the
credential before the answer says that there is no such transaction."""

# Its Decimals are numbers, not strings, with the digits that they have.
_encode = msgspec.json.Encoder(decimal_format="number").encode


class Creation(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a create; `amount` must be a number."""

    subid: str
    amount: Annotated[object, msgspec.Meta(extra_json_schema={"type": "number"})]
    user_view_text: str
    user_id: str


class Update(msgspec.Struct, forbid_unknown_fields=True):
    """The body of an update."""

    point_id: str
    status: str


class Point(msgspec.Struct):
    """A point transaction."""

    point_id: str
    subid: str
    amount: int | Decimal
    user_view_text: str
    user_id: str
    status: str
    created_at: str
    updated_at: str


class Points(msgspec.Struct):
    """A list of them."""

    points: list[Point]
    next_page_token: str


class TbnsError(msgspec.Struct):
    """An error."""

    error: str


async def create(call: HttpCall) -> Response:
    """A new transaction, which is open."""
    creation = shaped(read_json(call.body), Creation)
    for field in ("subid", "user_view_text", "user_id"):
        _check_given(field, getattr(creation, field))
    if type(creation.amount) not in (int, Decimal):
        raise Problem("amount", "must be a number")
    request = earn_pb2.EarnRequest(
        member=member_pb2.MemberRef(external_id=creation.user_id),
        amount={"value": str(creation.amount)},
        reference=creation.subid,
        description=creation.user_view_text,
        initial_state=lot_pb2.LOT_STATE_OPEN,
    )
    earned = await call.ask(_EARN, request)
    return _written(_point(earned.transaction))


async def update(call: HttpCall) -> Response:
    """Another status for an open transaction."""
    change = shaped(read_json(call.body), Update)
    _check_given("point_id", change.point_id)
    if change.status not in UPDATES:
        raise Problem("status", f"must be {' or '.join(UPDATES)}")
    is_id = _ID.fullmatch(change.point_id) and int(change.point_id) < NO_POINT
    request = transaction_status_pb2.UpdateTransactionStatusRequest(
        transaction_id=int(change.point_id) if is_id else NO_POINT,
        state=STATES[change.status],
    )
    moved = await call.ask(_UPDATE, request)
    return _written(_point(moved.transaction))


async def points(call: HttpCall) -> Response:
    """The transactions that the query asks for, the largest first."""
    return await _listed(call, call.query)


async def points_without_question_mark(call: HttpCall) -> Response:
    """The same for `/api/user/points&status=Closed`, as the page has it once."""
    filters = read_pairs(call.raw_path["filters"], "path")
    return await _listed(call, (*filters, *call.query))


async def _listed(call: HttpCall, query: Query) -> Response:
    request = _listing(one_query(query, "user_id", "status", "next_page_token"))
    # A page may be short for the work it took; these clients take the first for the whole.
    enough = monotonic() + call.inbound.timeout_s / 2
    found: list[Point] = []
    try:
        while True:
            request.page_size = LISTED_MAX - len(found)
            page = await call.ask(_LIST, request)
            found += map(_point, page.transactions)
            request.page_token = page.next_page_token
            if not page.next_page_token or len(found) >= LISTED_MAX or monotonic() > enough:
                break
    except Failure as failure:
        if failure.reason != "MEMBER_NOT_FOUND":
            raise
    return _written(Points(found, request.page_token))


def _listing(asked: dict[str, str]) -> listing_pb2.ListTransactionsRequest:
    for field, value in asked.items():
        _check_given(field, value)
    request = listing_pb2.ListTransactionsRequest(
        types=[transaction_pb2.TRANSACTION_TYPE_EARN],
        order_by="amount desc",
        page_token=asked.get("next_page_token", ""),
    )
    if user_id := asked.get("user_id"):
        request.member.external_id = user_id
    if status := asked.get("status"):
        if status not in STATES:
            raise Problem("status", f"must be one of {', '.join(STATES)}")
        request.states.append(STATES[status])
    return request


def _check_given(field: str, value: str) -> None:
    if not value:
        raise Problem(field, "must not be empty")


def _point(transaction: transaction_pb2.Transaction) -> Point:
    amount = transaction.amount.value
    return Point(
        point_id=str(transaction.transaction_id),
        subid=transaction.reference,
        amount=Decimal(amount) if "." in amount else int(amount),
        user_view_text=transaction.description,
        user_id=transaction.member.external_id,
        status=_STATUSES[transaction.state],
        created_at=with_milliseconds(transaction.create_time),
        updated_at=with_milliseconds(transaction.update_time),
    )


def _written(body: Point | Points) -> Response:
    return Response(_encode(body), media_type=JSON)


# Errors

_FIELDS = {
    "reference": "subid",
    "description": "user_view_text",
    "member.external_id": "user_id",
    "transaction_id": "point_id",
    "state": "status",
    "page_token": "next_page_token",
}
_KNOWN = {
    "UNAUTHENTICATED": (401, "The X-Token is missing or not valid."),
    "PERMISSION_DENIED": (403, "The X-Token does not allow this."),
    "MEMBER_NOT_FOUND": (404, "There is no user with this user_id."),
    "TRANSACTION_NOT_FOUND": (404, "There is no point transaction with this point_id."),
    "INVALID_PAGE_TOKEN": (400, "next_page_token was not issued for this query."),
}


def error(failure: Failure, _: HttpCall) -> Response:
    """A failure as a status and a sentence."""
    known = _KNOWN.get(failure.reason) or _KNOWN.get(failure.code)
    status, text = known or (failure.http_status, _sentence(failure))
    return answer(TbnsError(text), 503 if status == 499 else status)


def _sentence(failure: Failure) -> str:
    if failure.reason == "TRANSACTION_NOT_OPEN":
        status = failure.facts.get("state", "").capitalize()
        return (
            'Only transactions with the status "Open" can be updated; this one has the status'
            f' "{status}".'
        )
    if failure.reason == "INVALID_FIELD" and failure.field:
        return f"{_FIELDS.get(failure.field, failure.field)} {failure.text}."
    return failure.message


def _routes(base: str) -> tuple[Route, ...]:
    listing = f"{base}/api/user/points"
    return (
        Route("POST", f"{base}/api/points/create", create, asks=_EARN),
        Route("PATCH", f"{base}/api/points/update", update, asks=_UPDATE),
        Route("GET", listing, points, asks=_LIST),
        Route("GET", f"{listing}&{{filters}}", points_without_question_mark, asks=_LIST),
    )


# The page names the paths without the base that its examples have them under.
DIALECT = Dialect(
    name="tbns",
    credentials=(Form.X_TOKEN,),
    routes=(*_routes(BASE), *_routes("")),
    error=error,
)

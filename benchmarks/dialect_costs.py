"""What a dialect itself costs: its handler, before a service that answers at once.

No network and no service: a call that has been taken in, to the response that goes out.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from points.v1 import (
    account_pb2,
    earn_pb2,
    expire_pb2,
    expiring_pb2,
    listing_pb2,
    transaction_pb2,
    update_expiry_pb2,
)
from points_grpc.gateway.openapi.vendor_pages import PAGES
from points_grpc.gateway.request import HttpCall
from points_grpc.gateway.router import Router
from points_grpc.gateway.transcoding import canonical
from points_grpc.gateway.upstream import Inbound
from points_grpc.gateway.vendors import DIALECTS

AT = {"seconds": 1_640_995_200}
MEMBER = {"member_id": 70368744177665, "external_id": "erin"}
ACCOUNT = account_pb2.Account(
    account_id=70368744177729,
    tenant="demo",
    program_id=469,
    member=MEMBER,
    currency_code="POINTS",
    state="ACCOUNT_STATE_ACTIVE",
    create_time=AT,
    update_time=AT,
    **{
        name: {"value": "100"}
        for name in (
            *("available", "pending", "held"),
            *("total_earned", "total_redeemed", "total_expired"),
        )
    },
)
TRANSACTION = transaction_pb2.Transaction(
    transaction_id=70368744177793,
    type="TRANSACTION_TYPE_EARN",
    state="LOT_STATE_OPEN",
    amount={"value": "100"},
    balance_before={"value": "0"},
    balance_after={"value": "100"},
    lot_id=70368744177793,
    description="Points for completing survey",
    reference="order-12345",
    account_id=ACCOUNT.account_id,
    program_id=469,
    currency_code="POINTS",
    member=MEMBER,
    create_time=AT,
    update_time=AT,
    effective_time=AT,
)
MONTH = {
    "last_day": {"year": 2022, "month": 1, "day": 31},
    "expire_time": AT,
    **{name: {"value": "100"} for name in ("expired", "expiring", "redeemed_from_lots")},
}
CHANGE = {
    "event_id": 70368744177857,
    "lot_id": 70368744177793,
    "kind": 1,
    "program_id": 469,
    "currency_code": "POINTS",
    "member": MEMBER,
    "old_expire_time": AT,
    "new_expire_time": AT,
    "event_time": AT,
    "reason_type": "REASON_TYPE_EXTEND_EXPIRY",
    "reason_note": "Customer made a purchase above $100",
    "standard_meta": {"who_raised": "Naman", "who_approved": "Admin"},
}


class Ready:
    """A service that has its answers ready."""

    def __init__(self) -> None:
        self._answers: dict[str, Message] = {
            "Earn": earn_pb2.EarnResponse(transaction=TRANSACTION, account=ACCOUNT),
            "Expire": expire_pb2.ExpireResponse(
                transaction=TRANSACTION,
                account=ACCOUNT,
                requested={"value": "100"},
                settled={"value": "100"},
            ),
            "GetExpiringPoints": expiring_pb2.GetExpiringPointsResponse(
                expiring_points={"value": "150.24"}
            ),
            "GetExpirationSchedule": expiring_pb2.GetExpirationScheduleResponse(
                months=[MONTH] * 10
            ),
            "UpdateExpiry": update_expiry_pb2.UpdateExpiryResponse(
                results=[{"moved": {"change": CHANGE}}], time_zones={469: "UTC"}
            ),
            "ListTransactions": listing_pb2.ListTransactionsResponse(transactions=[TRANSACTION]),
        }

    async def call(self, method: str, _: Message, __: Inbound) -> Any:
        """The answer to `method`."""
        return self._answers[method.rpartition("/")[2]]

    async def admit(self, _: str, __: Inbound) -> None:
        """Lets everybody in."""


@dataclass(frozen=True)
class Asked:
    """A call of a dialect's."""

    method: str
    target: str
    body: bytes = b""
    query: tuple[tuple[str, str], ...] = ()


def _example(name: str, method: str, path: str) -> bytes:
    """The page's own request."""
    page = next(page for page in PAGES if page.dialect.name == name)
    operation = page.operations[method, path]
    assert operation is not None
    return json.dumps(next(iter(operation.examples.values()))).encode()


_EXPIRING = "/api/v1.1/loyalty/account/expiring_points"
_EXPIRE = "/admin/points/{user_id}/expire"
_EARN = b'{"programId":"469","member":{"externalId":"erin"},"amount":{"value":"100"}}'
ASKED = {
    "v1": Asked("POST", "/v1/points:earn", _EARN),
    "altcraft": Asked("POST", _EXPIRING, _example("altcraft", "POST", _EXPIRING)),
    "autional": Asked("POST", "/admin/points/erin/expire", _example("autional", "POST", _EXPIRE)),
    "capillary": Asked(
        "POST",
        "/v2/points/updateExpiry",
        _example("capillary", "POST", "/v2/points/updateExpiry"),
    ),
    "crowdtwist": Asked(
        "GET", "/v2/users/erin/points_expiration", query=(("id_type", "third_party_id"),)
    ),
    "tbns": Asked("POST", "/api/points/create", _example("tbns", "POST", "/api/points/create")),
}
NAMES = tuple(ASKED)


def latencies(name: str, seconds: float) -> list[int]:
    """Nanoseconds of each call within so many seconds."""
    asked, ready = ASKED[name], Ready()
    found = Router([canonical(), *DIALECTS]).find(asked.target.encode())
    assert found is not None
    place, values = found
    route = place.route(asked.method)
    assert route is not None
    path = {key: value.decode() for key, value in values.items()}
    headers: Mapping[str, list[str]] = {"content-type": ["application/json"]}
    took: list[int] = []
    end = time.perf_counter_ns() + int(seconds * 1e9)
    began = time.perf_counter_ns()
    while began < end:
        call = HttpCall(
            method=asked.method,
            template=place.template,
            headers=headers,
            upstream=ready,
            media_type="application/json",
            path=path,
            query=asked.query,
            inbound=Inbound("demo"),
            body=asked.body,
        )
        try:
            # Nothing in it waits, so that no event loop is needed.
            route.handler(call).__await__().send(None)
        except StopIteration as done:
            assert done.value.status_code == 200
        now = time.perf_counter_ns()
        took.append(now - began)
        began = now
    return took

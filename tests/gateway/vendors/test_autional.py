"""Autional's dialect before a service that answers as told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from google.rpc import code_pb2, status_pb2

from points.v1 import expire_pb2
from points_grpc.gateway.app import make_app
from points_grpc.gateway.errors import UpstreamRefusal
from points_grpc.gateway.transcoding import canonical
from points_grpc.gateway.vendors.autional import routes

NOW = datetime(2026, 4, 15, 10, 30, tzinfo=UTC)
PATH = "/admin/points/usr_1/expire"

ACCOUNT = {
    "account_id": 2**53 - 1,
    "tenant": "tnt",
    "program_id": 469,
    "member": {"member_id": 2**46, "external_id": "another"},
    "state": "ACCOUNT_STATE_ACTIVE",
    "available": {"value": "1300"},
    "pending": {"value": "7"},
    "held": {"value": "200"},
    "total_earned": {"value": "5000"},
    "total_redeemed": {"value": "3400"},
    "total_expired": {"value": "100"},
    "version": 3,
    "points_type": "cash_equivalent",
    "exchange_rate": 100,
    "create_time": "2026-01-15T10:30:00Z",
    "update_time": "2026-04-10T14:20:00Z",
}
TRANSACTION = {
    "transaction_id": 2**53 - 2,
    "account_id": 2**53 - 1,
    "type": "TRANSACTION_TYPE_EXPIRE",
    "state": "LOT_STATE_APPROVED",
    "amount": {"value": "100"},
    "balance_before": {"value": "1600"},
    "balance_after": {"value": "1500"},
    "create_time": "2026-04-15T10:29:59.123456Z",
    "update_time": "2026-04-15T10:29:59.123456Z",
}
SHOWN_ACCOUNT = {
    "balance": 1500,
    "exchange_rate": 100,
    "expired_points": 100,
    "frozen_balance": 200,
    "id": "9007199254740991",
    "points_type": "cash_equivalent",
    "status": "active",
    "tenant_id": "tnt",
    "total_earned": 5000,
    "total_spent": 3500,
    "user_id": "usr_1",
    "version": 3,
    "created_at": "2026-01-15T10:30:00Z",
    "updated_at": "2026-04-10T14:20:00Z",
}
SHOWN_TRANSACTION = {
    "account_id": "9007199254740991",
    "amount": 100,
    "balance_after": 1500,
    "balance_before": 1600,
    "created_at": "2026-04-15T10:29:59.123456Z",
    "id": "9007199254740990",
    "status": "completed",
    "type": "expire",
    "updated_at": "2026-04-15T10:29:59.123456Z",
    "user_id": "usr_1",
}


def expired(transaction: dict[str, Any] | None = None, amount: str = "100") -> Any:
    """What the service answers."""
    answer = {"requested": {"value": amount}, "settled": {"value": "100"}, "account": ACCOUNT}
    if transaction is not None:
        answer["transaction"] = transaction
    return ParseDict(answer, expire_pb2.ExpireResponse())


@pytest.fixture
def gateway(caller: Callable[..., Any], upstream: Any) -> Any:
    """A caller of the dialect; the service has expired 100 points."""
    upstream.answers["Expire"] = expired(TRANSACTION)
    gateway = caller()
    gateway.app = make_app(upstream, canonical(), [routes.DIALECT], now=lambda: NOW)
    return gateway


@pytest.fixture
def call(gateway: Any) -> Callable[..., Any]:
    """Calls the dialect's one path."""

    def post(body: Any = b"", method: str = "POST", target: str = PATH, **headers: str) -> Any:
        return gateway(method, target, body, **headers)

    return post


def error_of(reply: Any) -> tuple[int, str]:
    """The error of an answer, which must be a SimpleResponse at the clock's time."""
    assert reply.json.keys() == {"code", "message", "timestamp"}
    assert reply.json["timestamp"] == "2026-04-15T10:30:00Z"
    assert reply.json["code"] == reply.status
    return reply.status, reply.json["message"]


def test_the_answer(call: Callable[..., Any]) -> None:
    """All figures are the page's: whole numbers, ids as texts, what does not apply absent."""
    reply = call({"amount": 100})
    assert (reply.status, reply.json) == (
        200,
        {
            "code": 0,
            "data": {
                "account": SHOWN_ACCOUNT,
                "points_earned": 0,
                "transaction": SHOWN_TRANSACTION,
            },
            "message": "success",
            "timestamp": "2026-04-15T10:29:59.123456Z",
        },
    )


def test_every_field_of_a_transaction(call: Callable[..., Any], upstream: Any) -> None:
    """What a transaction can have of the page's further fields is shown where it is there."""
    more = {
        "description": "d",
        "request_id": "k",
        "reason": "r",
        "source": "s",
        "related_transaction_id": 2**46,
    }
    upstream.answers["Expire"] = expired(TRANSACTION | more)
    assert call({"amount": 100}).json["data"]["transaction"] == SHOWN_TRANSACTION | {
        "description": "d",
        "idempotency_key": "k",
        "reason": "r",
        "source": "s",
        "related_id": "70368744177664",
    }


def test_nothing_was_left(call: Callable[..., Any], upstream: Any) -> None:
    """Without a transaction there is null, and the account's own time."""
    upstream.answers["Expire"] = expired()
    answer = call({"amount": 100}).json
    assert answer["data"]["transaction"] is None
    assert answer["timestamp"] == "2026-04-10T14:20:00Z"


@pytest.mark.parametrize(
    ("body", "headers", "asked"),
    [
        ({"amount": 5}, {}, {}),
        ({"amount": 5, "description": None}, {}, {}),
        (
            {"amount": 5, "description": "d"},
            {"x_idempotency_key": "k"},
            {"description": "d", "request_id": "k"},
        ),
        ({"amount": 5}, {"x_idempotency_key": "schlüssel"}, {"request_id": "schlüssel"}),
    ],
)
def test_what_the_service_is_asked(
    call: Callable[..., Any], upstream: Any, body: Any, headers: dict[str, str], asked: Any
) -> None:
    """The same request goes out twice: as a trial, which tells the decimals, and in earnest."""
    assert call(body, **headers).status == 200
    meant = {"member": {"external_id": "usr_1"}, "amount": {"value": "5"}, **asked}
    requests = [request for _, request, _ in upstream.asked]
    sent = [MessageToDict(request, preserving_proto_field_name=True) for request in requests]
    assert sent == [meant | {"validate_only": True}, meant]
    assert {method for method, _, _ in upstream.asked} == {"points.v1.PointsService/Expire"}
    assert {inbound.token for _, _, inbound in upstream.asked} == {"demo"}


def test_a_user_id_is_any_text(call: Callable[..., Any], upstream: Any) -> None:
    """A user_id may hold whatever a path can escape, and is shown as it was sent."""
    reply = call({"amount": 5}, target="/admin/points/a%2Fb%20%C3%A9/expire")
    assert upstream.asked[0][1].member.external_id == "a/b é"
    assert reply.json["data"]["account"]["user_id"] == "a/b é"


def test_decimals_are_refused_before_anything_happens(
    call: Callable[..., Any], upstream: Any
) -> None:
    """Where the trial shows decimals nothing is asked in earnest."""
    upstream.answers["Expire"] = expired(amount="5.00")
    text = "amount cannot be given: the points have decimals, and here amounts are whole numbers."
    assert error_of(call({"amount": 5})) == (400, text)
    assert [request.validate_only for _, request, _ in upstream.asked] == [True]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "amount is required."),
        ({"amount": None}, "amount must be int, got null."),
        ({"amount": "5"}, "amount must be int, got str."),
        ({"amount": 5.0}, "amount must be int, got decimal."),
        ({"amount": True}, "amount must be int, got bool."),
        ({"amount": 5, "description": 1}, "description must be str | null, got int."),
        ({"amount": 5, "reason": "r"}, "reason is not a field of this call."),
        ([], "The body must be object, got array."),
        (b"", "The body is not valid JSON."),
        (b"{", "The body is not valid JSON."),
        (b'{"amount": 5, "amount": 6}', "amount must not be given more than once."),
        (b'{"amount": NaN}', "The body must not contain NaN."),
        (b'{"amount": 5, "description": "\xff"}', "The body is not UTF-8."),
        (b'{"amount": 5, "description": "\\ud800"}', "The body is not valid JSON."),
        (b'{"amount": ' + b"9" * 41 + b"}", "The body has a number out of range."),
    ],
)
def test_bad_bodies(call: Callable[..., Any], upstream: Any, body: Any, text: str) -> None:
    """A body that is not the page's is a bad request that names what is wrong."""
    assert error_of(call(body)) == (400, text)
    assert upstream.asked == []


def test_an_empty_key_is_refused(gateway: Any, upstream: Any) -> None:
    """Who sends an empty key would believe in a protection that there is not."""
    sent = [("Authorization", "Bearer demo"), ("X-Idempotency-Key", "")]
    reply = gateway.send("POST", PATH.encode(), [b'{"amount": 5}'], sent)
    assert error_of(reply) == (400, "X-Idempotency-Key must not be empty.")
    assert upstream.asked == []


def test_a_key_is_sent_once(gateway: Any) -> None:
    """Of two keys neither would be the right one."""
    sent = [("Authorization", "Bearer demo")]
    sent += [("X-Idempotency-Key", "a"), ("X-Idempotency-Key", "b")]
    reply = gateway.send("POST", PATH.encode(), [b'{"amount": 5}'], sent)
    assert reply.status == 400
    assert "must not be sent more than once" in reply.json["message"]


def test_what_the_frame_refuses(call: Callable[..., Any]) -> None:
    """Media type, size, query and path are bad requests, another method is not the page's."""
    assert error_of(call({"amount": 5}, content_type="text/plain"))[0] == 400
    assert error_of(call({"amount": 5, "description": "x" * 2**20}))[0] == 400
    query = call({"amount": 5}, target=f"{PATH}?dry_run=1")
    assert error_of(query) == (400, "dry_run is not a parameter of this call.")
    assert error_of(call({"amount": 5}, target="/admin/points/%FF/expire"))[0] == 400
    reply = call(method="GET")
    assert (error_of(reply)[0], reply.headers["allow"]) == (405, "OPTIONS, POST")


def refusal(code: str, text: str = "No.") -> UpstreamRefusal:
    return UpstreamRefusal(status_pb2.Status(code=code_pb2.Code.Value(code), message=text))


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("INVALID_ARGUMENT", 400),
        ("FAILED_PRECONDITION", 400),
        ("ALREADY_EXISTS", 400),
        ("UNAUTHENTICATED", 401),
        ("PERMISSION_DENIED", 403),
        ("NOT_FOUND", 404),
        ("RESOURCE_EXHAUSTED", 429),
        ("CANCELLED", 500),
        ("UNKNOWN", 500),
        ("DEADLINE_EXCEEDED", 500),
        ("UNIMPLEMENTED", 500),
        ("INTERNAL", 500),
        ("UNAVAILABLE", 500),
    ],
)
def test_failures_of_the_service(
    call: Callable[..., Any], upstream: Any, code: str, status: int
) -> None:
    """Whatever the service says is told with a status of the page's, or 429."""
    upstream.answers["Expire"] = refusal(code)
    reply = call({"amount": 5})
    assert error_of(reply) == (status, "No.")
    assert ("retry-after" in reply.headers) is (code in ("RESOURCE_EXHAUSTED", "UNAVAILABLE"))


@pytest.mark.parametrize(
    ("code", "key", "asked"),
    [
        ("NOT_FOUND", "k", [True, False]),
        ("NOT_FOUND", "", [True]),
        ("UNAVAILABLE", "k", [True]),
    ],
)
def test_a_trial_that_fails(
    call: Callable[..., Any], upstream: Any, code: str, key: str, asked: list[bool]
) -> None:
    """A repeated request may find its answer where a trial finds nobody; else a trial is heard."""
    upstream.answers["Expire"] = refusal(code)
    call({"amount": 5}, x_idempotency_key=key)
    assert [request.validate_only for _, request, _ in upstream.asked] == asked


def test_an_account_in_a_state_unknown_here(call: Callable[..., Any], upstream: Any) -> None:
    """A state that was added to the contract later is not shown as active."""
    answer = expired(TRANSACTION)
    answer.account.state = 99
    upstream.answers["Expire"] = answer
    assert call({"amount": 5}).json["data"]["account"]["status"] == "unknown"


def test_without_a_clock(caller: Callable[..., Any]) -> None:
    """A gateway without a clock tells no time of its own."""
    reply = caller(routes.DIALECT)("POST", PATH, {})
    assert reply.json == {"code": 400, "message": "amount is required."}


def test_a_mistake_of_ours(call: Callable[..., Any], upstream: Any) -> None:
    """What nobody foresaw tells an id and nothing else."""
    upstream.answers["Expire"] = RuntimeError("secret")
    status, text = error_of(call({"amount": 5}))
    assert status == 500
    assert text.startswith("internal error ")

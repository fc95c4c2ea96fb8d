"""TBNS's dialect without a service: what it asks for, and how it words every failure."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from points.v1 import earn_pb2, listing_pb2, transaction_status_pb2
from points_grpc import errors
from points_grpc.gateway.errors import UpstreamRefusal
from points_grpc.gateway.vendors.tbns.routes import DIALECT, NO_POINT
from points_grpc.rpc.status import status_of

CREATE, LIST, UPDATE = "/api/points/create", "/api/user/points", "/api/points/update"
ORDER = {"subid": "order-1", "amount": 100, "user_view_text": "Thanks", "user_id": "u1"}
CHANGE = {"point_id": "70368744177729", "status": "Closed"}
EARN: dict[str, Any] = {
    "transaction_id": 2**46 + 1,
    "type": "TRANSACTION_TYPE_EARN",
    "state": "LOT_STATE_OPEN",
    "amount": {"value": "100"},
    "create_time": {"seconds": 1},
    "update_time": {"seconds": 2, "nanos": 999_999_999},
}
POINT = {
    "point_id": "70368744177665",
    "subid": "",
    "amount": 100,
    "user_view_text": "",
    "user_id": "",
    "status": "Open",
    "created_at": "1970-01-01T00:00:01.000Z",
    "updated_at": "1970-01-01T00:00:02.999Z",
}

Send = Callable[..., Any]


@pytest.fixture
def send(upstream: Any, caller: Callable[..., Any]) -> Send:
    """Sends a call with the page's headers; the service has one open transaction."""
    upstream.answers["Earn"] = earn_pb2.EarnResponse(transaction=EARN)
    upstream.answers["UpdateTransactionStatus"] = (
        transaction_status_pb2.UpdateTransactionStatusResponse(transaction=EARN)
    )
    upstream.answers["ListTransactions"] = listing_pb2.ListTransactionsResponse(transactions=[EARN])
    call = caller(DIALECT)
    headers = {"authorization": "Bearer <JWT>", "x_token": "demo"}
    return lambda method, target, body=b"", **more: call(method, target, body, **(headers | more))


def refused(answered: Any) -> tuple[int, str]:
    assert list(answered.json) == ["error"]
    return answered.status, answered.json["error"]


@pytest.mark.parametrize("base", ["", "/functions/v1"])
def test_both_bases(send: Send, base: str) -> None:
    """The paths are there as the page names them, and as its examples have them."""
    assert send("POST", base + CREATE, ORDER).json == POINT
    assert send("PATCH", base + UPDATE, CHANGE).json == POINT
    assert send("GET", base + LIST).json == {"points": [POINT], "next_page_token": ""}
    assert send("GET", f"{base}{LIST}&status=Open").json["points"] == [POINT]


def test_the_bearer_is_not_looked_at(send: Send, upstream: Any) -> None:
    """X-Token is the credential; the bearer, a public key, may be anything or missing."""
    for bearer in ("Bearer demo", "Basic x", ""):
        send("POST", CREATE, ORDER, authorization=bearer)
        answered = send("POST", CREATE, ORDER, authorization=bearer, x_token="")
        assert refused(answered) == (401, "The X-Token is missing or not valid.")
    assert [inbound.token for _, _, inbound in upstream.asked] == ["demo"] * 3


@pytest.mark.parametrize("amount", ["100", "0.10", "1e2", "100.000000000000000001"])
def test_what_a_create_asks(send: Send, upstream: Any, amount: str) -> None:
    """An open earn with a reference and a description, no request id, and the very amount sent."""
    sent = json.dumps(ORDER).replace("100", amount).encode()
    assert send("POST", CREATE, sent).status == 200
    (_, request, _) = upstream.asked[0]
    assert request == earn_pb2.EarnRequest(
        member={"external_id": "u1"},
        amount={"value": request.amount.value},
        reference="order-1",
        description="Thanks",
        initial_state="LOT_STATE_OPEN",
    )
    assert request.amount.value in (amount, "1E+2")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        *(
            ({field: ORDER[field] for field in ORDER if field != name}, f"{name} is required.")
            for name in ORDER
        ),
        *(
            (ORDER | {name: ""}, f"{name} must not be empty.")
            for name in ("subid", "user_view_text", "user_id")
        ),
        *((ORDER | {"amount": amount}, "amount must be a number.") for amount in ("1", True, None)),
        (ORDER | {"subid": 12345}, "subid must be str, got int."),
        (ORDER | {"status": "Approved"}, "status is not a field of this call."),
        ([ORDER], "The body must be object, got array."),
        (b'{"subid": "a", "subid": "b"}', "subid must not be given more than once."),
        (b'{"amount": NaN}', "The body must not contain NaN."),
        (b"{", "The body is not valid JSON."),
        (b"", "The body is not valid JSON."),
        (b'{"subid": "\xff"}', "The body is not UTF-8."),
    ],
)  # fmt: skip
def test_bad_creates(send: Send, upstream: Any, body: Any, text: str) -> None:
    """What is missing, unknown or of a wrong type is refused by its name."""
    assert refused(send("POST", CREATE, body)) == (400, text)
    assert upstream.asked == []


@pytest.mark.parametrize(
    ("point_id", "asked"),
    [
        ("70368744177729", 70368744177729),
        *((sent, NO_POINT) for sent in ("1749807859784x71", "0", "01", "-1", "9" * 16, "٣")),
    ],
)
def test_what_an_update_asks(send: Send, upstream: Any, point_id: str, asked: int) -> None:
    """An id that cannot be a transaction's is nobody's, and the service says so."""
    send("PATCH", UPDATE, CHANGE | {"point_id": point_id})
    assert upstream.asked[0][1] == transaction_status_pb2.UpdateTransactionStatusRequest(
        transaction_id=asked, state="LOT_STATE_CLOSED"
    )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"status": "Approved"}, "status must be Pending or Closed."),
        ({"status": "Open"}, "status must be Pending or Closed."),
        ({"status": None}, "status must be str, got null."),
        ({"point_id": 70368744177729}, "point_id must be str, got int."),
        ({"point_id": ""}, "point_id must not be empty."),
        ({"amount": 1}, "amount is not a field of this call."),
    ],
)
def test_bad_updates(send: Send, upstream: Any, change: dict[str, Any], text: str) -> None:
    """Only the page's two statuses, and only its two fields."""
    assert refused(send("PATCH", UPDATE, CHANGE | change)) == (400, text)
    assert upstream.asked == []


@pytest.mark.parametrize(
    ("target", "user_id", "states"),
    [
        (LIST, "", []),
        (f"{LIST}?user_id=a%26b+c", "a&b c", []),
        (f"{LIST}?status=Approved", "", ["LOT_STATE_APPROVED"]),
        (f"{LIST}&status=Closed", "", ["LOT_STATE_CLOSED"]),
        (f"{LIST}&user_id=a%20b&status=Pending", "a b", ["LOT_STATE_PENDING"]),
        (f"{LIST}&status=Open?user_id=u1", "u1", ["LOT_STATE_OPEN"]),
        (f"{LIST}&user_id=a%26status%3DOpen", "a&status=Open", []),
        (f"{LIST}&user_id=a%3Db=c", "a=b=c", []),
        (f"{LIST}&user_id=a+b%2Fc", "a+b/c", []),
        (f"{LIST}&user%5Fid=a%2526b", "a%26b", []),
    ],
)
def test_what_a_list_asks(
    send: Send, upstream: Any, target: str, user_id: str, states: list[str]
) -> None:
    """The largest earns of one user or of all, in one state or in all."""
    assert send("GET", target).status == 200
    request = listing_pb2.ListTransactionsRequest(
        types=["TRANSACTION_TYPE_EARN"], order_by="amount desc", states=states, page_size=1000
    )
    if user_id:
        request.member.external_id = user_id
    assert upstream.asked[0][1] == request


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("?status=closed", "status must be one of Open, Pending, Approved, Closed."),
        ("&status=", "status must not be empty."),
        ("?user_id=", "user_id must not be empty."),
        ("?status=Open&status=Closed", "status must not be given more than once."),
        ("&status=Open?status=Closed", "status must not be given more than once."),
        ("?page=2", "page is not a parameter of this call."),
        ("&status", "status must not be empty."),
        ("?user_id=%ff", "The query is not UTF-8."),
        ("&user_id=%ff", "The path is not UTF-8."),
        ("&user_id=a&x%3Dstatus=Open", "x=status is not a parameter of this call."),
    ],
)
def test_bad_filters(send: Send, upstream: Any, query: str, text: str) -> None:
    """A filter that is empty, unknown or given twice is refused, never left out."""
    assert refused(send("GET", LIST + query)) == (400, text)
    assert upstream.asked == []


def pages(*counts: int) -> tuple[list[tuple[str, int]], Callable[..., Any]]:
    """A service whose pages have so many transactions, and what it was asked."""
    asked: list[tuple[str, int]] = []

    async def call(method: str, request: Any, inbound: Any) -> Any:
        asked.append((request.page_token, request.page_size))
        page = listing_pb2.ListTransactionsResponse(transactions=[EARN] * counts[len(asked) - 1])
        page.next_page_token = f"t{len(asked)}" if len(asked) < len(counts) else ""
        return page

    return asked, call


@pytest.mark.parametrize(
    ("counts", "asked", "listed", "token"),
    [
        ((3,), [("", 1000)], 3, ""),
        ((0, 3, 0), [("", 1000), ("t1", 1000), ("t2", 997)], 3, ""),
        ((999, 1, 5), [("", 1000), ("t1", 1)], 1000, "t2"),
        ((1000,), [("", 1000)], 1000, ""),
    ],
)
def test_short_pages_are_followed(
    send: Send, upstream: Any, counts: Any, asked: Any, listed: int, token: str
) -> None:
    """The list has a thousand transactions, or all that there are."""
    seen, upstream.call = pages(*counts)
    body = send("GET", LIST).json
    assert (len(body["points"]), body["next_page_token"]) == (listed, token)
    assert seen == asked


def test_a_token_is_taken_back(send: Send, upstream: Any) -> None:
    """The next list begins where the last one ended."""
    seen, upstream.call = pages(1)
    send("GET", f"{LIST}?status=Open&next_page_token=t1")
    assert seen == [("t1", 1000)]


def test_a_list_has_its_time(send: Send, upstream: Any) -> None:
    """When half of the time is over what there is comes with a token for the rest."""
    _, upstream.call = pages(2, 1)
    body = send("GET", LIST, x_request_timeout="0.000001").json
    assert (len(body["points"]), body["next_page_token"]) == (2, "t1")


def test_a_filter_that_fits_nobody(send: Send, upstream: Any) -> None:
    """A user whom nobody knows has no points."""
    upstream.answers["ListTransactions"] = UpstreamRefusal(
        status_of(errors.MemberNotFound("member"))
    )
    answered = send("GET", f"{LIST}?user_id=nobody")
    assert (answered.status, answered.json) == (200, {"points": [], "next_page_token": ""})


@pytest.mark.parametrize(
    ("refusal", "status", "text"),
    [
        (errors.TokenInvalid(), 401, "The X-Token is missing or not valid."),
        (errors.ScopeMissing(), 403, "The X-Token does not allow this."),
        (errors.MemberNotFound("member"), 404, "There is no user with this user_id."),
        (errors.ProgramNotFound("program_id"), 404, "There is no such program."),
        (
            errors.InvalidField("member.external_id", "must not be longer than 256 characters"),
            400,
            "user_id must not be longer than 256 characters.",
        ),
        (
            errors.InvalidField("amount", "must be greater than zero"),
            400,
            "amount must be greater than zero.",
        ),
        (errors.Overloaded(), 429, "The server has more work than it can take; try again."),
        (errors.StorageUnavailable(), 503, "The database cannot be reached; try again."),
    ],
)
def test_refusals(
    send: Send, upstream: Any, refusal: errors.Refusal, status: int, text: str
) -> None:
    """Each refusal of the service is a status and one sentence in the page's words."""
    upstream.answers["Earn"] = UpstreamRefusal(status_of(refusal))
    answered = send("POST", CREATE, ORDER)
    assert refused(answered) == (status, text)
    assert ("retry-after" in answered.headers) is (status in (429, 503))


def test_mistakes_of_ours(send: Send, upstream: Any) -> None:
    """What nobody foresaw is a 500 with an id, without a word about it."""
    upstream.answers["Earn"] = RuntimeError("secret")
    status, text = refused(send("POST", CREATE, ORDER))
    assert status == 500
    assert text.lower().startswith("internal error ")


@pytest.mark.parametrize(
    ("method", "target", "headers", "status"),
    [
        ("PUT", CREATE, {}, 405),
        ("POST", LIST, {}, 405),
        ("POST", f"{LIST}&status=Open", {}, 405),
        ("GET", UPDATE, {}, 405),
        ("POST", CREATE, {"content_type": "text/plain"}, 415),
        ("PATCH", UPDATE, {"content_type": "application/json; charset=latin-1"}, 415),
        ("POST", CREATE, {"content_length": "1048577"}, 413),
    ],
)
def test_what_the_frame_refuses(
    send: Send, method: str, target: str, headers: dict[str, str], status: int
) -> None:
    """Wrong methods, media types and sizes have the shape of every other error."""
    body = ORDER if method in ("POST", "PATCH") else b""
    assert refused(send(method, target, body, **headers))[0] == status

"""The frame around every dialect: limits, methods, errors in shape, access lines."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Callable
from typing import Any

import pytest
from google.rpc import status_pb2
from starlette.responses import Response
from structlog.testing import capture_logs

from points.v1 import expire_pb2, lookup_pb2
from points_grpc.gateway import dialect, read_request
from points_grpc.gateway.app import make_app
from points_grpc.gateway.credentials import Form
from points_grpc.gateway.dialect import Dialect
from points_grpc.gateway.errors import Failure, UpstreamRefusal
from points_grpc.gateway.request import HttpCall, Route, one_query
from points_grpc.gateway.strict_json import answer
from points_grpc.gateway.transcoding import canonical

MakeCaller = Callable[..., Any]
BEARER = (("Authorization", "Bearer demo"),)
JSON = ("Content-Type", "application/json")


async def echo(call: HttpCall) -> Response:
    """Shows how a call was read."""
    return answer(
        {
            "path": call.path,
            "query": call.query,
            "token": call.inbound.token,
            "timeout": call.inbound.timeout_s,
            "request_id": call.inbound.request_id,
            "body": call.body.decode(),
            "type": call.media_type,
            "key": call.header("x-key"),
        }
    )


async def ask(call: HttpCall) -> Response:
    """Asks the service for a lot."""
    await call.ask("points.v1.PointsService/GetLot", lookup_pb2.GetLotRequest(lot_id=1))
    return answer({})


async def stumble(call: HttpCall) -> Response:
    """A handler with a mistake."""
    raise ZeroDivisionError(call.template)


async def choose(call: HttpCall) -> Response:
    """Takes two parameters."""
    return answer(one_query(call.query, "a", "b"))


def shape(failure: Failure, call: HttpCall) -> Response:
    """The errors of the dialect of these tests."""
    if failure.field == "break":
        raise ZeroDivisionError
    kind = call.media_type or "none"
    return answer({"odd": failure.message, "kind": kind}, failure.http_status)


ODD = Dialect(
    name="odd",
    credentials=(Form.BEARER, Form.API_KEY),
    routes=(
        Route("POST", "/odd/{user_id}/echo", echo),
        Route("GET", "/odd/{user_id}/echo", echo),
        Route("PUT", "/odd/small", echo, {"application/json": 8, "application/xml": 4}),
        Route("GET", "/odd/list", echo),
        Route("GET", "/odd/list&{filters}", echo),
        Route("GET", "/odd/ask", ask),
        Route("GET", "/odd/stumble", stumble),
        Route("GET", "/odd/choose", choose),
    ),
    error=shape,
)


@pytest.fixture
def call(caller: MakeCaller) -> Any:
    """A caller of /v1 and the odd dialect."""
    return caller(ODD)


def odd(answered: Any, status: int) -> str:
    """What the odd dialect's error says."""
    assert answered.status == status, answered
    return str(answered.json["odd"])


# Reading


def test_values_are_decoded_once(call: Any) -> None:
    """Escapes in paths and queries are decoded, an escaped slash stays in its value."""
    shown = call("GET", "/odd/a%2Fb%C3%BC+%2541/echo?q=a+b%26&q=%C3%BC&empty").json
    assert shown["path"] == {"user_id": "a/bü+%41"}
    assert shown["query"] == [["q", "a b&"], ["q", "ü"], ["empty", ""]]


def test_a_path_may_go_on_within_a_segment(call: Any) -> None:
    """A template may have a name in the middle of a segment, as one vendor's page does."""
    assert call("GET", "/odd/list&status=Closed").json["path"] == {"filters": "status=Closed"}
    assert call("GET", "/odd/list").json["path"] == {}


@pytest.mark.parametrize("spoilt", ["%ff", "%ed%a0%80", "%00", "%", "%2", "%zz"])
def test_malformed_paths_and_queries_are_refused(call: Any, spoilt: str) -> None:
    """What is no text in a path or query is a 400 in the dialect's shape."""
    assert odd(call("GET", f"/odd/{spoilt}/echo"), 400).startswith("The path ")
    assert odd(call("GET", f"/odd/list?a={spoilt}"), 400).startswith("The query ")
    assert odd(call("GET", f"/odd/list?{spoilt}=a"), 400).startswith("The query ")


def test_raw_bytes_in_a_path_or_query_are_refused(call: Any) -> None:
    """Bytes that are no UTF-8 are refused also where they are not escaped."""
    path = call.send("GET", b"/odd/\xff/echo", headers=BEARER)
    assert odd(path, 400) == "The path is not UTF-8."
    query = call.send("GET", b"/odd/list?a=\xff", headers=BEARER)
    assert odd(query, 400) == "The query is not UTF-8."


def test_credentials_are_found(call: Any) -> None:
    """The token is looked for in the forms of the dialect."""
    assert call("GET", "/odd/list").json["token"] == "demo"
    assert call("GET", "/odd/list?api_key=k", authorization="").json["token"] == "k"


@pytest.mark.parametrize("form", [{}, {"authorization": "Bearer"}, {"authorization": "Odd demo"}])
def test_without_a_credential_nothing_else_counts(call: Any, form: dict[str, str]) -> None:
    """Who has none is told so, however wrong path, timeout, media type and body may be."""
    said = "The credential is missing or not valid."
    wrong = {"content_type": "text/odd", "x_request_timeout": "0"}
    answered = call("PUT", "/odd/small", b"{", **{"authorization": ""} | form | wrong)
    assert odd(answered, 401) == said
    assert odd(call("GET", "/odd/%ff/echo", **{"authorization": ""} | form), 401) == said
    assert call.chunks_read == 0


def test_the_credential_of_v1_is_judged_first(call: Any) -> None:
    """A call of /v1 without a token is a 401 with the service's reason, whatever its body is."""
    answered = call("POST", "/v1/points:earn", b"{", authorization="")
    assert (answered.status, answered.headers["www-authenticate"]) == (401, "Bearer")
    assert answered.json["error"]["details"][0]["reason"] == "TOKEN_INVALID"


@pytest.mark.parametrize(
    ("given", "seconds"), [("2.5", 2.5), ("", 10.0), ("61", 60.0), ("999999", 60.0)]
)
def test_a_timeout_is_taken_within_bounds(call: Any, given: str, seconds: float) -> None:
    """X-Request-Timeout is a number of seconds, of which at most sixty count."""
    assert call("GET", "/odd/list", x_request_timeout=given).json["timeout"] == seconds


@pytest.mark.parametrize("given", ["0", "-1", "1e3", "NaN", "inf", "1s", "0.0", "1" * 7])
def test_a_timeout_that_is_none_is_refused(call: Any, given: str) -> None:
    """X-Request-Timeout must be a positive number."""
    answered = call("GET", "/odd/list", x_request_timeout=given)
    assert odd(answered, 400).startswith("X-Request-Timeout must be a positive number")


def test_ids_that_cannot_be_passed_on_are_left_out(call: Any) -> None:
    """A request id goes along only if metadata can carry it."""
    assert call("GET", "/odd/list", x_request_id="r-1").json["request_id"] == "r-1"
    assert call("GET", "/odd/list", x_request_id="ü").json["request_id"] == ""


def test_headers_are_text_and_sent_once(call: Any) -> None:
    """A header that a handler reads is UTF-8 and not repeated, or the call is refused."""
    assert call("GET", "/odd/list", x_key="ü").json["key"] == "ü"
    twice = [*BEARER, ("X-Key", "a"), ("X-Key", "b")]
    assert odd(call.send("GET", b"/odd/list", [b""], twice), 400).startswith("x-key must not")
    control = [*BEARER, ("X-Key", "a\x01")]
    assert odd(call.send("GET", b"/odd/list", [b""], control), 400).startswith("x-key must be")


def test_parameters_are_known_and_given_once(call: Any) -> None:
    """A handler that names its parameters refuses all others, and repetitions."""
    assert call("GET", "/odd/choose?a=1").json == {"a": "1"}
    assert odd(call("GET", "/odd/choose?c=1"), 400) == "c is not a parameter of this call."
    assert odd(call("GET", "/odd/choose?a=1&a=1"), 400) == "a must not be given more than once."


# Bodies


def test_the_media_type_must_be_one_of_the_route(call: Any) -> None:
    """Another media type, or another character set, is 415 in the dialect's shape."""
    said = "Content-Type must be application/json or application/xml, in UTF-8."
    for given in ("text/plain", "application/json; charset=latin-1", "multipart/form-data; a=b"):
        assert odd(call("PUT", "/odd/small", {}, content_type=given), 415) == said
    for given in ("application/json", 'Application/JSON; charset="UTF-8"', "application/json;"):
        assert call("PUT", "/odd/small", {}, content_type=given).json["type"] == "application/json"


def test_a_body_without_a_media_type_is_the_first_of_the_route(call: Any) -> None:
    """Who names no media type is taken at the route's usual one."""
    assert call("PUT", "/odd/small", b"12345678", content_type="").status == 200
    assert call("PUT", "/odd/small", b"123456789", content_type="").status == 413


@pytest.mark.parametrize(("kind", "limit"), [("application/json", 8), ("application/xml", 4)])
def test_each_media_type_has_its_limit(call: Any, kind: str, limit: int) -> None:
    """A body may be as large as its media type allows and not one byte larger."""
    assert call("PUT", "/odd/small", b"x" * limit, content_type=kind).status == 200
    answered = call("PUT", "/odd/small", b"x" * (limit + 1), content_type=kind)
    assert answered.status == 413 and answered.json["kind"] == kind


def test_a_body_is_no_longer_read_than_its_limit(call: Any) -> None:
    """Reading ends with the first chunk beyond the limit."""
    chunks = [b"xxxx", b"xxxx", b"x", b"never read"]
    assert call.send("PUT", b"/odd/small", chunks, [*BEARER, JSON]).status == 413
    assert call.chunks_read == 3


@pytest.mark.parametrize("length", ["9", "-1", "+1", "1_0", "\u0661", "\u00b2"])
def test_an_announced_body_is_not_read_at_all(call: Any, length: str) -> None:
    """A Content-Length beyond the limit, or not in ASCII digits, is refused before reading."""
    announced = [*BEARER, JSON, ("Content-Length", length)]
    assert call.send("PUT", b"/odd/small", [b"x"], announced).status == 413
    assert call.chunks_read == 0


def test_a_body_that_never_ends_is_given_up(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that does not arrive in time is 408 in the dialect's shape."""
    monkeypatch.setattr(read_request, "BODY_S_MAX", 0.01)
    answered = call.send("PUT", b"/odd/small", [b"x", None], [*BEARER, JSON])
    assert odd(answered, 408) == "The body did not arrive in time."


def test_the_body_of_a_get_is_left_alone(call: Any) -> None:
    """A route without a body neither reads nor judges one."""
    answered = call("GET", "/odd/list", b"<", content_type="text/odd")
    assert (answered.status, call.chunks_read) == (200, 0)


# Paths and methods


def test_unknown_paths_are_those_of_v1(call: Any) -> None:
    """A path that is nobody's is a 404 as AIP-193 has it, also below a dialect's own."""
    for path in ("/", "/odd", "/odd/list/", "/odd//echo", "/v1/odd", "/%00"):
        answered = call("GET", path)
        assert answered.status == 404
        assert answered.json["error"]["details"][0]["reason"] == "PATH_NOT_FOUND"


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "TRACE", "PURGE"])
def test_another_method_is_refused_in_shape(call: Any, method: str) -> None:
    """A path of the dialect's answers other methods with 405 and those that it takes."""
    answered = call(method, "/odd/x/echo")
    assert odd(answered, 405) == "The path does not take this method."
    assert answered.headers["allow"] == "GET, HEAD, OPTIONS, POST"


def test_options_tell_the_methods(call: Any) -> None:
    """OPTIONS is answered with the methods and without a body."""
    answered = call("OPTIONS", "/odd/small")
    assert (answered.status, answered.body) == (204, b"")
    assert answered.headers["allow"] == "OPTIONS, PUT"


def test_head_is_answered_like_get(call: Any) -> None:
    """Where there is GET there is HEAD."""
    assert call("HEAD", "/odd/list").status == 200
    assert call("HEAD", "/odd/small").status == 405


def test_two_dialects_cannot_claim_one_path(upstream: Any) -> None:
    """A path that is claimed twice is an error when the gateway is made."""
    other = Dialect("other", (), (Route("DELETE", "/odd/list", echo),), shape)
    with pytest.raises(ValueError, match="/odd/list is there twice"):
        make_app(upstream, canonical(), (ODD, other))


# Failures


@pytest.mark.parametrize(("code", "status"), [(8, 429), (14, 503)])
def test_who_should_try_again_is_told_when(
    call: Any, upstream: Any, code: int, status: int
) -> None:
    """429 and 503 carry Retry-After, others do not."""
    upstream.answers["GetLot"] = UpstreamRefusal(status_pb2.Status(code=code, message="Busy."))
    answered = call("GET", "/odd/ask")
    assert (odd(answered, status), answered.headers["retry-after"]) == ("Busy.", "1")
    upstream.answers["GetLot"] = UpstreamRefusal(status_pb2.Status(code=5, message="Gone."))
    assert "retry-after" not in call("GET", "/odd/ask").headers


def test_a_mistake_shows_an_id_and_nothing_else(call: Any) -> None:
    """What nobody foresaw is logged with its traceback; the caller gets its id, in shape."""
    with capture_logs() as lines:
        said = odd(call("GET", "/odd/stumble"), 500)
    (logged,) = (line for line in lines if line["event"] == "unexpected error")
    assert said == f"internal error {logged['error_id']}"
    assert isinstance(logged["exc_info"], ZeroDivisionError)


def test_a_mistake_in_the_shape_itself_is_answered(upstream: Any, caller: MakeCaller) -> None:
    """A dialect whose error fails is answered for by /v1."""
    answered = caller(ODD)("GET", "/odd/choose?break=1")
    assert answered.status == 500
    assert answered.json["error"]["status"] == "INTERNAL"


def test_a_caller_who_hangs_up_is_no_error(caller: MakeCaller) -> None:
    """A body that breaks off because the caller is gone leaves one line, with status 499."""

    async def main() -> None:
        async def receive() -> Any:
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            raise AssertionError(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/points:earn",
            "raw_path": b"/v1/points:earn",
            "root_path": "",
            "query_string": b"",
            "headers": [(b"authorization", b"Bearer demo")],
        }
        await caller().app(scope, receive, send)

    with capture_logs() as lines:
        asyncio.run(main())
    assert [(line["event"], line["status"]) for line in lines] == [("http", 499)]


# Access lines


def test_lines_tell_no_ids(call: Any) -> None:
    """A line has method, route, status, duration and dialect: no query, no value of the path."""
    with capture_logs() as lines:
        call("GET", "/odd/alice@example.com/echo?api_key=secret")
        call("BREW", "/odd/alice@example.com/secret")
    told = [{k: v for k, v in line.items() if k != "duration_ms"} for line in lines]
    assert told == [
        {
            "event": "http",
            "log_level": "info",
            "method": "GET",
            "route": "/odd/{user_id}/echo",
            "status": 200,
            "dialect": "odd",
        },
        {
            "event": "http",
            "log_level": "info",
            "method": "other",
            "route": "",
            "status": 404,
            "dialect": "v1",
        },
    ]
    assert all(line["duration_ms"] >= 0 for line in lines)


def test_the_example_in_the_protocol_works(caller: MakeCaller, upstream: Any) -> None:
    """The dialect in the docstring that explains dialects is one."""
    text = str(dialect.__doc__).partition("complete:\n")[2].partition("A token in the body")[0]
    made: dict[str, Any] = {}
    exec(textwrap.dedent(text), made)
    upstream.answers["Expire"] = expire_pb2.ExpireResponse(settled={"value": "5"})
    call = caller(made["DIALECT"])
    target = "/admin/points/usr%2F1/expire"
    answered = call("POST", target, {"amount": 5}, x_idempotency_key="ik")
    assert answered.json == {"code": 0, "settled": "5"}
    ((_, asked, inbound),) = upstream.asked
    assert (asked.member.external_id, asked.request_id, inbound.token) == ("usr/1", "ik", "demo")
    assert call("POST", target, {}).json == {"code": 400, "message": "amount is required."}

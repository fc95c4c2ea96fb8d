"""Reads a call: what its path, query, headers and body say, within their limits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from points_grpc.errors import TokenInvalid
from points_grpc.gateway.credentials import Form, find_token, uses_any
from points_grpc.gateway.errors import Failure, Problem
from points_grpc.gateway.request import HttpCall, Query, decode_escapes, read_inbound, read_query
from points_grpc.gateway.upstream import Inbound

BODY_S_MAX = 20.0
"""How long a body may take to arrive."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What of a call is still to be read: the parts of the path that its template names, the
    query, and the body as it arrives."""

    values: Mapping[str, bytes]
    query: bytes
    receive: Receive


async def receive_request(
    call: HttpCall, sent: Sent, forms: Sequence[Form], bodies: Mapping[str, int]
) -> None:
    """Fill `call`. Raises Failure.

    `forms` are those of the credential, `bodies` the media types that a body may have, each with
    its limit in bytes; without any the body is left where it is. Whoever has no credential is told
    so before anything else.
    """
    in_query: Query = ()
    with contextlib.suppress(Problem):  # reported once the caller is known
        in_query = read_query(sent.query) if Form.API_KEY in forms else ()
    token = find_token(forms, call.headers, in_query)
    in_body = Form.BODY in forms
    by_certificate = bool(call.certificate) and not in_body
    if by_certificate and uses_any(forms, call.headers, in_query):
        by_certificate = False
    if forms and not token and not by_certificate and not in_body:
        raise _no_token()
    known = Inbound(token, certificate=call.certificate if by_certificate else "")
    call.inbound, call.has_credential = known, not in_body
    call.path = {name: decode_escapes(value, "path") for name, value in sent.values.items()}
    call.raw_path = sent.values
    call.query = in_query or read_query(sent.query)
    call.inbound = read_inbound(call.headers, known)
    if bodies:
        limit = _limit(call, bodies)
        try:
            async with asyncio.timeout(BODY_S_MAX):
                call.body = await _read_body(call, limit, sent.receive)
        except TimeoutError:
            raise _too_slow() from None


def media_type_of(headers: Mapping[str, list[str]]) -> str:
    """The media type of the body, lower case, "" where there is none."""
    return headers.get("content-type", [""])[0].partition(";")[0].strip().lower()


def _limit(call: HttpCall, bodies: Mapping[str, int]) -> int:
    given = call.headers.get("content-type", [])
    if not given:
        return next(iter(bodies.values()))
    charset = given[0].lower().partition("charset=")[2].partition(";")[0].strip(" \"'")
    if len(given) > 1 or call.media_type not in bodies or charset not in ("", "utf-8", "utf8"):
        wanted = " or ".join(bodies)
        raise Problem(
            "Content-Type",
            f"must be {wanted}, in UTF-8",
            http_status=415,
            reason="MEDIA_TYPE_NOT_SUPPORTED",
        )
    return bodies[call.media_type]


async def _read_body(call: HttpCall, limit: int, receive: Receive) -> bytes:
    announced = call.headers.get("content-length", ["0"])[0]
    is_number = announced.isascii() and announced.isdecimal()
    if not is_number or int(announced[:20]) > limit:
        raise _too_large(limit)
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        if not message.get("more_body", False):
            return bytes(body)


def _no_token() -> Failure:
    refusal = TokenInvalid()
    return Failure(refusal.code, refusal.reason, refusal.message)


def _too_large(limit: int) -> Problem:
    return Problem(
        "",
        f"the body is larger than {limit // 1024} KiB",
        http_status=413,
        reason="BODY_TOO_LARGE",
    )


def _too_slow() -> Problem:
    return Problem(
        "",
        "the body did not arrive in time",
        http_status=408,
        code="DEADLINE_EXCEEDED",
        reason="BODY_TOO_SLOW",
    )

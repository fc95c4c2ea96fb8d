"""One HTTP call, as the handlers of a dialect see it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeAlias
from urllib.parse import unquote_to_bytes

from google.protobuf.message import Message
from starlette.responses import Response

from points_grpc.gateway.errors import Problem
from points_grpc.gateway.upstream import TIMEOUT_MAX_S, TIMEOUT_S, Inbound, Upstream

JSON = "application/json"
BODY_BYTES_MAX = 2**20
"""How large a body may be, unless its route says otherwise."""

_NOTHING = Inbound()
_JSON_BODY: Mapping[str, int] = {JSON: BODY_BYTES_MAX}
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_TIMEOUT = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?", re.ASCII)
_PASSABLE = re.compile(r"[\x20-\x7e]{1,512}", re.ASCII)

Query: TypeAlias = "tuple[tuple[str, str], ...]"
Now: TypeAlias = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path of a dialect, and who answers it.

    `{name}` in the path stands for one segment of it, or for a part of one (`/points&{filters}`);
    decoded, it is `call.path["name"]`, never empty. Where several templates fit, the one with
    more text of its own goes first; where only methods differ, the paths must be identical. `asks`
    is the service's method that the call is for (`points.v1.PointsService/Earn`): whoever may not
    call that is told so, and not what is wrong with the request.
    `accepts` maps the media types of the body to how many bytes it may have; by default JSON for
    POST, PUT and PATCH, and no body for other methods. GET answers HEAD too.
    """

    method: str
    path: str
    handler: Handler
    accepts: Mapping[str, int] | None = None
    asks: str = ""

    @property
    def bodies(self) -> Mapping[str, int]:
        """The media types of the body and their limits."""
        if self.accepts is not None:
            return self.accepts
        return _JSON_BODY if self.method in ("POST", "PUT", "PATCH") else {}


@dataclass(slots=True)
class HttpCall:
    """One HTTP call. What comes later stays empty where something earlier failed.

    `template` is the path of the route as it was declared, empty where no route has the path.
    `path` has the parts that it names, decoded, and `raw_path` the same as they were sent: a part
    that is to be divided must be divided there, and its pieces decoded afterwards.
    `media_type` is that of the body as the caller sent it (lower case, without parameters; empty
    where there is none). Header names are lower case. `now` is the gateway's clock, if it was given
    one: for answers that show a time where the service gave none. `certificate` is the client's,
    where the service would believe us: DER, in base64. `has_credential` once one is in `inbound`.
    """

    method: str
    template: str
    headers: Mapping[str, list[str]]
    upstream: Upstream
    media_type: str = ""
    path: Mapping[str, str] = field(default_factory=dict)
    raw_path: Mapping[str, bytes] = field(default_factory=dict)
    query: Query = ()
    inbound: Inbound = _NOTHING
    body: bytes = b""
    now: Now | None = None
    certificate: str = ""
    has_credential: bool = False

    def header(self, name: str) -> str:
        """A header's value, "" where it is missing. Raises Problem if sent twice or not UTF-8."""
        values = self.headers.get(name, ())
        if not values:
            return ""
        if len(values) > 1:
            raise Problem(name, "must not be sent more than once")
        if not _is_text(values[0]):
            raise Problem(name, "must be UTF-8 without control characters")
        return values[0]

    def idempotency_key(self, name: str) -> str:
        """The key in the header of that name, "" where it is missing.

        Raises Problem as `header` does, and if it is empty: whoever sends one expects protection.
        X-Request-Id is never a key: it follows a call through logs, and several calls may share it.
        """
        key = self.header(name.lower())
        if not key and name.lower() in self.headers:
            raise Problem(name, "must not be empty")
        return key

    async def ask(self, method: str, request: Message) -> Any:
        """The service's answer to `points.v1.PointsService/Earn` or the like.

        Raises UpstreamRefusal, which is best left to the dialect's `error`.
        """
        return await self.upstream.call(method, request, self.inbound)

    def use_token(self, token: str) -> None:
        """Ask with a token that stood in the body from now on."""
        self.inbound = replace(self.inbound, token=token)
        self.has_credential = True


Handler: TypeAlias = Callable[[HttpCall], Awaitable[Response]]


def one_query(query: Query, *known: str) -> dict[str, str]:
    """The parameters by name. Raises Problem for one that is unknown or given twice."""
    found: dict[str, str] = {}
    for name, value in query:
        if name not in known:
            raise Problem(name, "is not a parameter of this call")
        if name in found:
            raise Problem(name, "must not be given more than once")
        found[name] = value
    return found


def read_headers(raw: list[tuple[bytes, bytes]]) -> dict[str, list[str]]:
    """Headers by lower-case name; bytes that are not UTF-8 become unpaired surrogates."""
    found: dict[str, list[str]] = {}
    for name, value in raw:
        found.setdefault(name.decode("latin-1").lower(), []).append(
            value.decode("utf-8", "surrogateescape")
        )
    return found


def read_query(raw: bytes) -> Query:
    """The pairs of a query string. Raises Problem where it is malformed."""
    return read_pairs(raw.replace(b"+", b" "), "query")


def read_pairs(raw: bytes, where: str) -> Query:
    """The pairs of `a=b&c=d`. Raises Problem where they are malformed.

    Escapes are decoded last, so that an escaped `&` or `=` stays in its name or value.
    """
    pairs = []
    for part in raw.split(b"&"):
        if part:
            name, _, value = part.partition(b"=")
            pairs.append((decode_escapes(name, where), decode_escapes(value, where)))
    return tuple(pairs)


def decode_escapes(raw: bytes, where: str) -> str:
    """Percent-encoded UTF-8 without control characters. Raises Problem."""
    if _BAD_ESCAPE.search(raw):
        raise Problem("", f"the {where} has a % that begins no escape")
    try:
        text = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise Problem("", f"the {where} is not UTF-8") from None
    if "\0" in text:
        raise Problem("", f"the {where} must not contain NUL")
    return text


def read_inbound(headers: Mapping[str, list[str]], known: Inbound) -> Inbound:
    """`known` with what else is passed on. Raises Problem for a malformed X-Request-Timeout.

    Ids and traces that metadata cannot carry are left out: nothing but correlation is lost.
    """
    return replace(
        known,
        timeout_s=_timeout(headers.get("x-request-timeout", ())),
        request_id=_passable(headers, "x-request-id"),
        traceparent=_passable(headers, "traceparent"),
        tracestate=_passable(headers, "tracestate"),
    )


def _timeout(values: list[str] | tuple[()]) -> float:
    if not values:
        return TIMEOUT_S
    if len(values) > 1 or not _TIMEOUT.fullmatch(values[0]) or not float(values[0]):
        raise Problem("X-Request-Timeout", "must be a positive number of seconds, such as 2.5")
    return min(float(values[0]), TIMEOUT_MAX_S)


def _passable(headers: Mapping[str, list[str]], name: str) -> str:
    values = headers.get(name, ())
    return values[0].strip() if len(values) == 1 and _PASSABLE.fullmatch(values[0]) else ""


def _is_text(value: str) -> bool:
    return not any(char < " " or char == "\x7f" or "\ud800" <= char <= "\udfff" for char in value)

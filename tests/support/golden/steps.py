"""Steps of a story, and the server that they are played against.

A step is a call over gRPC, a call over HTTP or a move of the clock. What it was answered becomes
text: for gRPC the status, its details, and the message as JSON with the number of its bytes (their
order is not fixed within maps); for HTTP the status, the headers and the body as they were sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import grpc
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2
from tests.support.gateway.live import Live

from points_grpc.cli.runtime import wiring
from points_grpc.config import Settings
from points_grpc.domain.auth import READ, SCOPES, Grant
from points_grpc.domain.commands import Caller
from points_grpc.errors import TokenInvalid
from points_grpc.gateway.upstream import METHODS
from points_grpc.rpc.interceptors import Context
from points_grpc.storage.admin import programs
from points_grpc.storage.core.database import Database

DEADLINE_S = 30.0
SHOWN_MAX = 1_000
"""How many characters of a request or of a long body stand in a recording."""

_DETAILS = "grpc-status-details-bin"
_VARYING = {"date", "content-length"}
_MAPS = {"metadata", "customMeta"}
_COMPACT: Any = {"separators": (",", ":"), "ensure_ascii": False}
_NAME = re.compile(r"\$(\w+)")


@dataclass(frozen=True)
class Rpc:
    """A call of `PointsService/Earn` or the like; `save` keeps fields of the answer by name."""

    method: str
    request: Mapping[str, Any]
    token: str = "demo"
    save: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Http:
    """A call of a route; a body that is not bytes is sent as JSON."""

    method: str
    target: str
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Clock:
    """A move of the test clock."""

    to: str


Step = Rpc | Http | Clock


def rpc(method: str, token: str = "demo", save: Mapping[str, str] | None = None, **of: Any) -> Rpc:
    """A call with the request's fields as keywords."""
    return Rpc(method, of, token, save or {})


class Doors:
    """Lets in `demo` with every scope, `reader` to read, and `acme`, another tenant."""

    def __init__(self, database: Database, live: Live) -> None:
        now = live._parts.clock.now()
        acme = database.run(lambda at: programs.create_tenant(at, "acme", now))
        self.caller = live._door.caller
        self._acme = Caller(acme.tenant_id, "acme", "acme")

    async def authenticate(self, context: Context) -> Grant:
        """The grant of the bearer's name. Raises TokenInvalid."""
        sent = str(dict(context.invocation_metadata() or ()).get("authorization", ""))
        every = frozenset(SCOPES)
        grants = {
            "demo": Grant(self.caller, every),
            "reader": Grant(self.caller, frozenset({READ})),
            "acme": Grant(self._acme, every),
        }
        if (grant := grants.get(sent.removeprefix("Bearer "))) is None:
            raise TokenInvalid
        return grant


class Stage:
    """A server with the demo's programs, and what has been saved of its answers."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.saved: dict[str, str] = {}
        self._channel = grpc.insecure_channel(f"127.0.0.1:{live.grpc_port}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def play(self, step: Step) -> str:
        """Carry out one step and return it and its answer as text."""
        if isinstance(step, Clock):
            self.live.set_clock(step.to)
            return f"clock {step.to}\n"
        if isinstance(step, Rpc):
            request = self._filled(dict(step.request))
            message = ParseDict(request, GetMessageClass(METHODS[_full(step.method)].input_type)())
            asked = f"{step.method} as {step.token or 'nobody'} {_shown(json.dumps(request))}"
            answer, answered = self.call(step.method, message.SerializeToString(), step.token)
            for name, path in step.save.items():
                assert answer is not None, answered
                self.saved[name] = _at(answer, path)
            return f"{asked}\n{answered}"
        body = step.body if isinstance(step.body, bytes) else self._filled(step.body)
        target = self._filled(step.target)
        shown = body.decode("utf-8", "replace") if isinstance(body, bytes) else json.dumps(body)
        asked = f"{step.method} {target} {json.dumps(dict(step.headers))} {_shown(shown)}".rstrip()
        return f"{asked}\n{self.fetch(step.method, target, body, step.headers)}"

    def call(self, method: str, request: bytes, token: str) -> tuple[Message | None, str]:
        """The answer to a call of these bytes, and as text."""
        credential = (("authorization", f"Bearer {token}"),) if token else ()
        full = _full(method)
        ask = self._channel.unary_unary(f"/{full}")
        try:
            raw = ask(request, timeout=DEADLINE_S, metadata=credential)
        except grpc.RpcError as error:
            return None, _refusal(error)
        answer = GetMessageClass(METHODS[full].output_type).FromString(raw)
        content = MessageToDict(answer, preserving_proto_field_name=True)
        return answer, f"OK {len(raw)} bytes\n{_pretty(content)}\n"

    def fetch(self, method: str, target: str, body: Any, headers: Mapping[str, str]) -> str:
        """The answer to an HTTP call as text."""
        sent = {name.lower().replace("-", "_"): value for name, value in headers.items()}
        reply = self.live.call(method, target, body, **sent)
        told = [f"{k}: {v}" for k, v in sorted(reply.headers.items()) if k not in _VARYING]
        text = _in_order(reply.body.decode("utf-8", "backslashreplace"))
        return "\n".join([str(reply.status), *told, text]) + "\n"

    def _filled(self, value: Any) -> Any:
        text = json.dumps(value)
        return json.loads(_NAME.sub(lambda m: self.saved.get(m[1], m[0]), text))


def _full(method: str) -> str:
    return f"points.{'dev.' if method.startswith('TestClock') else ''}v1.{method}"


def _at(answer: Any, path: str) -> str:
    for name in path.split("."):
        answer = answer[int(name)] if name.isdigit() else getattr(answer, name)
    return str(answer)


def _pretty(content: Any) -> str:
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)


def _shown(text: str) -> str:
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}… ({len(text)} characters)"


def _in_order(text: str) -> str:
    """Return the JSON text with the entries of maps sorted; a map's own order is not fixed."""

    def paired(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {k: _sorted(v) if k in _MAPS else v for k, v in pairs}

    try:
        if json.dumps(json.loads(text), **_COMPACT) != text:
            return text
        return json.dumps(json.loads(text, object_pairs_hook=paired), **_COMPACT)
    except ValueError:
        return text


def _sorted(value: Any) -> Any:
    return dict(sorted(value.items())) if isinstance(value, dict) else value


def _refusal(error: grpc.RpcError) -> str:
    trailers = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailers.pop(_DETAILS, b""))
    lines = [f"{error.code().name} {error.details()}"]
    lines += [f"{key}: {value!r}" for key, value in sorted(trailers.items())]
    lines += [
        json.dumps(MessageToDict(detail), sort_keys=True, ensure_ascii=False)
        for detail in status.details
    ]
    return "\n".join(lines) + "\n"


@contextmanager
def staged(database_url: str, start: str) -> Iterator[Stage]:
    """A server over an empty database, its clock standing at `start`, with the demo's programs."""
    settings = Settings(dev=True, start_time=start, sweep=False)  # type: ignore[arg-type]
    database = Database(database_url)
    try:
        with wiring.open_service(settings, database) as parts:
            live = Live(database, parts)
            live._door = Doors(database, live)  # type: ignore[assignment]
            with live:
                live.load_demo()
                with Stage(live) as stage:
                    yield stage
    finally:
        database.close()

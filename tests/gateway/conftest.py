"""HTTP calls without a network, a service that answers as told, and a real one in-process.

Tests of this folder and below may import `asgi`, `live` and `browser`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from google.protobuf.message import Message
from starlette.types import ASGIApp
from tests.support.gateway.asgi import respond
from tests.support.gateway.live import Live, living

from points_grpc.gateway.app import make_app
from points_grpc.gateway.dialect import Dialect
from points_grpc.gateway.transcoding import canonical
from points_grpc.gateway.upstream import Inbound, Upstream

BEARER = (("Authorization", "Bearer demo"),)


class FakeUpstream:
    """Remembers what it was asked, and answers each method with what `answers` has for its name.

    An answer that is an exception is raised. Without a request it is asked in `admitted`, and lets
    everybody in unless it is to raise `refusal`.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any, Inbound]] = []
        self.answers: dict[str, Message | Exception] = {}
        self.admitted: list[tuple[str, Inbound]] = []
        self.refusal: Exception | None = None

    async def call(self, method: str, request: Message, inbound: Inbound) -> Any:
        """Answers as told."""
        self.asked.append((method, request, inbound))
        answer = self.answers[method.rpartition("/")[2]]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def admit(self, method: str, inbound: Inbound) -> None:
        """Raises what it was told to."""
        self.admitted.append((method, inbound))
        if self.refusal is not None:
            raise self.refusal


@dataclass
class Answered:
    """A response; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        assert self.headers["content-type"].startswith("application/json"), self
        return json.loads(self.body)


@dataclass
class Caller:
    """Sends HTTP calls to an application, exactly as given."""

    app: ASGIApp
    headers: Sequence[tuple[str, str]] = BEARER
    chunks_read: int = field(default=0, init=False)

    def __call__(self, method: str, target: str, body: Any = b"", **headers: str) -> Answered:
        """One call and its answer. A body that is not bytes is sent as JSON.

        Headers are named like `x_token`; one that is "" is not sent.
        """
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {"content-type": "application/json"} if raw else {}
        named |= {name.lower(): value for name, value in self.headers}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        sent = [(name, value) for name, value in named.items() if value]
        return self.send(method, target.encode(), [raw], sent)

    def send(
        self,
        method: str,
        target: bytes,
        chunks: Sequence[bytes | None] = (b"",),
        headers: Sequence[tuple[str, str]] = (),
    ) -> Answered:
        """The same with everything as it is on the wire. A chunk None means that no more comes."""
        return asyncio.run(self.sent(method, target, list(chunks), headers))

    async def sent(
        self,
        method: str,
        target: bytes,
        chunks: list[bytes | None],
        headers: Sequence[tuple[str, str]] = (),
    ) -> Answered:
        """The same within an event loop."""

        async def receive() -> Any:
            self.chunks_read += 1
            chunk = chunks.pop(0)
            if chunk is None:
                await asyncio.Event().wait()
            return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

        raw = [(name.lower().encode(), value.encode()) for name, value in headers]
        response = await respond(self.app, method, target, raw, receive)
        named = {name.decode(): value.decode() for name, value in response.headers}
        return Answered(response.status, named, response.body)


@pytest.fixture
def upstream() -> FakeUpstream:
    """The service."""
    return FakeUpstream()


@pytest.fixture
def caller(upstream: FakeUpstream) -> Callable[..., Caller]:
    """Makes a caller of the gateway with these dialects beside /v1, normally before `upstream`."""

    def make(*dialects: Dialect, before: Upstream | None = None) -> Caller:
        return Caller(make_app(before or upstream, canonical(), dialects))

    return make


@pytest.fixture(scope="module")
def shared_live(module_database_url: str) -> Iterator[Live]:
    """A server with the demo programs, its clock at the beginning of 2022.

    It is shared by the tests of a module, which give their members names of their own.
    """
    with living(module_database_url) as server:
        server.load_demo()
        yield server

"""What is fuzzed: bytes to a method's handler, and bytes to a call of the gateway.

The first byte says which method or route. An input that breaks something raises.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from tests.support.corpus.requests import base, variants
from tests.support.corpus.routes import CREDENTIALS, Example, example, names
from tests.support.corpus.scanner import leaks
from tests.support.corpus.texts import JSON_TEXTS, NO_JSON, placed
from tests.support.corpus.wire import varint
from tests.support.fuzzing.handlers_only import Service
from tests.support.gateway.asgi import respond

from points_grpc.gateway.app import make_app
from points_grpc.gateway.transcoding import canonical
from points_grpc.gateway.upstream import METHODS
from points_grpc.gateway.vendors import DIALECTS

IDS = dict.fromkeys(("lot_id", "account_id", "transaction_id", "open_id"), "70368744177665")
SEPARATOR = b"\xff\x00"
"""Between the parts of a call: in none of them by itself."""

Mutate = Callable[[bytes, int], bytes]


class Methods:
    """A method's number, then the bytes of its request."""

    def __init__(self) -> None:
        self._service = Service()
        self._names = list(METHODS)
        self._variants: dict[int, list[bytes]] = {}

    def __call__(self, data: bytes) -> None:
        """One call."""
        if data:
            name = self._names[data[0] % len(self._names)]
            said = self._service.answer(name, data[1:])
            assert not leaks(said), (name, leaks(said), said[:300])

    def seeds(self) -> Iterator[bytes]:
        """A request of each method that is answered, and one with more than it may have."""
        for number, name in enumerate(self._names):
            begin = bytes([number]) + base(name, IDS).SerializeToString()
            yield begin
            for field in METHODS[name].input_type.fields:
                if field.is_repeated:
                    yield begin + (varint(field.number << 3 | 2) + b"\0") * 1001

    def mutated(self, data: bytes, size: int, mutate: Mutate, random: Random) -> bytes:
        """Another input: the bytes changed, or another nasty value in a message."""
        number = (data[0] if data else 0) % len(self._names)
        if random.random() < 0.5:
            return bytes([number]) + mutate(data[1:], max(size - 1, 1))
        known = self._known(number) or [b""]
        message = GetMessageClass(METHODS[self._names[number]].input_type)()
        try:
            message.MergeFromString(data[1:])
            message.MergeFromString(random.choice(known))
        except DecodeError:
            return (bytes([number]) + random.choice(known))[:size]
        return (bytes([number]) + message.SerializeToString())[:size]

    def _known(self, number: int) -> list[bytes]:
        if number not in self._variants:
            name = self._names[number]
            empty = GetMessageClass(METHODS[name].input_type)()
            self._variants[number] = [raw for _, raw in variants(METHODS[name], empty)]
        return self._variants[number]


class Routes:
    """A route's number, then what stands in its path, query, a header and the body."""

    def __init__(self, dialects: bool) -> None:
        self._service = Service()
        self._app = make_app(self._service, canonical(), DIALECTS)
        self._examples = [
            example(*name, IDS) for name in names() if not dialects or name[0] != "v1"
        ]

    def __call__(self, data: bytes) -> None:
        """One call."""
        if data:
            made = self._examples[data[0] % len(self._examples)]
            status, said = self._service.run(self._asked(made, data[1:]))
            assert status < 500, (made.name, status, said[-300:])
            assert not leaks(said), (made.name, leaks(said), said[-300:])

    def seeds(self) -> Iterator[bytes]:
        """A call of each route that is answered, and one with each nasty body."""
        for number, made in enumerate(self._examples):
            target = made.target().encode().removeprefix(b"/")
            body = b"" if made.body is None else json.dumps(made.body).encode()
            yield bytes([number]) + SEPARATOR.join((target, b"", body))
        for body in NO_JSON:
            if len(body) < 1000:
                yield bytes([0]) + SEPARATOR.join((b"", b"", body))

    def mutated(self, data: bytes, size: int, mutate: Mutate, random: Random) -> bytes:
        """Another input: one part changed, or another nasty value in the body."""
        number = (data[0] if data else 0) % len(self._examples)
        made = self._examples[number]
        parts = _parts(data[1:])
        if made.fields and random.random() < 0.5:
            path, text = random.choice(made.fields), random.choice(JSON_TEXTS)
            parts[2] = placed(made.body, path, text)
        else:
            place = random.randrange(3)
            parts[place] = mutate(parts[place], max(size // 3, 1))
        return (bytes([number]) + SEPARATOR.join(parts))[:size]

    async def _asked(self, made: Example, data: bytes) -> tuple[int, bytes]:
        target, header, body = _parts(data)
        called = (b"/" + target).replace(b" ", b"%20") if target else made.target().encode()
        kinds = (b"idempotency-key", b"x-request-timeout", b"content-type", b"x-user-timezone")
        headers = [(b"content-type", b"application/json")] if body else []
        headers += [(n.lower().encode(), v.encode()) for n, v in CREDENTIALS[made.dialect].items()]
        if header:
            headers.append((kinds[header[0] % len(kinds)], header[1:]))

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        response = await respond(self._app, made.method, called, headers, receive)
        heads = b"".join(b"%s: %s\n" % pair for pair in response.headers)
        return response.status, heads + response.body


def _parts(data: bytes) -> list[bytes]:
    """Target, header and body; what is missing is empty."""
    return [*data.split(SEPARATOR, 2), b"", b""][:3]


TARGETS: dict[str, Callable[[], Methods | Routes]] = {
    "methods": Methods,
    "dialects": lambda: Routes(dialects=True),
    "routes": lambda: Routes(dialects=False),
}

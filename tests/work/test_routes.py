"""Twice the call is at most twice the work, for every route of the gateway."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from tests.support.corpus.texts import placed
from tests.support.work.linear import Read, faults_of, is_linear

from points_grpc.gateway.transcoding import canonical
from points_grpc.gateway.vendors import DIALECTS

IDS = dict.fromkeys(("lot_id", "account_id", "transaction_id", "open_id"), "70368744177665")
ROUTES = [
    (dialect.name, route.method, route.path)
    for dialect in (canonical(), *DIALECTS)
    for route in dialect.routes
]


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_routes_read_in_linear_time(world: Any, route: tuple[str, str, str]) -> None:
    """A route's work grows with its call: path, query, headers, and whatever the body is."""
    made = world.example(*route, IDS)

    def reads() -> Iterator[tuple[str, Read]]:
        for label, make in calls(made):
            yield label, _calling(world, made, make)

    assert faults_of(reads()) == {}


Made = tuple[bytes, list[tuple[bytes, bytes]], list[bytes]]
"""Target, headers, and the body in the pieces in which it comes."""


def _calling(world: Any, made: Any, make: Callable[[int], Made]) -> Read:
    def read(size: int) -> Callable[[], object]:
        target, headers, pieces = make(size)
        given = [
            (n.lower().encode(), v.encode()) for n, v in world.credentials[made.dialect].items()
        ]

        async def respond() -> object:
            left = iter([*pieces, b""])

            async def receive() -> Any:
                piece = next(left)
                return {"type": "http.request", "body": piece, "more_body": piece != b""}

            return await world.respond(world.app, made.method, target, given + headers, receive)

        return lambda: world.service.run(respond())

    return read


def calls(made: Any) -> Iterator[tuple[str, Callable[[int], Made]]]:
    """The call with one of its parts as large as wanted."""
    target = made.target().encode()
    whole = b"" if made.body is None else json.dumps(made.body).encode()
    kind = [(b"content-type", b"application/json")]
    if made.dialect == "altcraft":
        xml = [(b"content-type", b"application/xml")]
        for label, document in DOCUMENTS.items():
            yield label, lambda n, document=document: (target, xml, [document(n)])
    yield "headers", lambda n: (target, kind + [(b"x-%d" % i, b"1") for i in range(n)], [whole])
    yield "a header often", lambda n: (target, kind + [(b"x-request-id", b"1")] * n, [whole])
    yield "a long header", lambda n: (target, [*kind, (b"x-request-id", b"a, " * n)], [whole])
    join = b"&" if b"?" in target else b"?"
    for label, query in QUERIES.items():
        yield label, lambda n, query=query: (target + join + query(n), kind, [whole])
    for name in made.values:
        for label, text in PATHS.items():
            yield (
                f"{name}: {label}",
                lambda n, name=name, text=text: (
                    made.target({name: text(n)}).encode(), kind, [whole],
                ),
            )  # fmt: skip
    if made.body is not None:
        yield "a byte at a time", lambda n: (target, kind, [b" "] * n + [whole])
        for label, body in BODIES.items():
            yield label, lambda n, body=body: (target, kind, [body(n)])
        for place, path in enumerate(made.fields):
            yield from _bodies(made, target, kind, place, path)


def _bodies(
    made: Any, target: bytes, kind: list[tuple[bytes, bytes]], place: int, path: Any
) -> Iterator[tuple[str, Callable[[int], Made]]]:
    """A field with two of the values; its neighbours have the others."""
    for label in [*VALUES][place % 4 :: 4]:
        yield (
            f"{path}: {label}",
            lambda n, value=VALUES[label]: (target, kind, [placed(made.body, path, value(n))]),
        )


QUERIES: dict[str, Callable[[int], bytes]] = {
    "parameters": lambda n: b"&".join(b"p%d=1" % i for i in range(n)),
    "a parameter often": lambda n: b"&".join([b"types=EARN"] * n),
    "a long parameter": lambda n: b"user_id=" + b"%41+" * n,
    "a deep parameter": lambda n: b"member" + b".identifier" * n + b"=1",
}
PATHS: dict[str, Callable[[int], str]] = {
    "long": lambda n: quote("é:" * n, safe=""),
    "colons": lambda n: ":close" * n + "%2F",
    "ands": lambda n: "&status=Open" * n,
}
BODIES: dict[str, Callable[[int], bytes]] = {
    "a key that comes again": lambda n: (
        b"{" + b",".join(b'"k%d":1' % i for i in range(n)) + b',"k%d":1}' % (n - 1)
    ),
    "objects with a key that comes again": lambda n: b"[" + b'{"a":1,"a":1},' * n + b"{}]",
    "nested": lambda n: b"[" * n + b"]" * n,
    "nested and wide": lambda n: b"[" * 60 + b"[[],{}]," * n + b"1" + b"]" * 60,
    "digits": lambda n: b"1" * n,
    "decimals": lambda n: b"[0." + b"1" * n + b"]",
    "an open text": lambda n: b'"' + b'\\"' * n,
    "open texts": lambda n: b'{"a": ' + b'"\\' * n,
    "escapes": lambda n: b'{"a": "' + b"\\u00e9" * n + b'"}',
    "blanks": lambda n: b"{" + b" \n" * n,
}
VALUES: dict[str, Callable[[int], str]] = {
    "a text": lambda n: json.dumps("x" * n),
    "digits": lambda n: f'"{"1" * n}"',
    "e-mail": lambda n: json.dumps("ß@" * n),
    "an array": lambda n: json.dumps([1] * n),
    "an array of objects": lambda n: json.dumps([{}] * n),
    "an object": lambda n: json.dumps({f"k{i}": [i, {"a": None}] for i in range(n)}),
    "an array of other objects": lambda n: json.dumps([{f"k{i}": i} for i in range(n)]),
    "a list of names": lambda n: json.dumps("name," * n),
}
DOCUMENTS: dict[str, Callable[[int], bytes]] = {
    "elements": lambda n: (
        b"<xml>" + b"".join(b"<a%d>1</a%d>" % (i, i) for i in range(n)) + b"</xml>"
    ),
    "entities": lambda n: b"<xml><token>" + b"&amp;" * n + b"</token></xml>",
    "sections": lambda n: b"<xml><token>" + b"<![CDATA[a]]>b<!-- -->" * n + b"</token></xml>",
    "text": lambda n: b"<xml><token>" + b"\n" * n + b"</token></xml>",
    "attributes": lambda n: b"<xml " + b" ".join(b'a%d="1"' % i for i in range(n)) + b"/>",
    "elements in elements": lambda n: b"<xml>" * n,
}


def test_long_texts_in_pieces_are_put_together_once(world: Any) -> None:
    """A text of XML that comes in many pieces is linear, too."""

    def read(size: int) -> Callable[[], object]:
        body = (
            b"<xml><token>" + b"<!-- -->".join([b"a" * 20_000] * (size // 100)) + b"</token></xml>"
        )
        return lambda: world.flat_xml.read_flat_xml(body, "xml")

    assert is_linear(read) == []

"""The HTTP server on a real socket, and the gateway as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.responses import Response

from points_grpc.gateway import http_server, read_request
from points_grpc.gateway.app import make_app
from points_grpc.gateway.dialect import Dialect
from points_grpc.gateway.http_server import listen, serving
from points_grpc.gateway.request import HttpCall, Route
from points_grpc.gateway.strict_json import answer
from points_grpc.gateway.transcoding import canonical, error

GET = b"GET /v1/nothing HTTP/1.1\r\nHost: a\r\n"


def serve(scenario: Callable[[int], Awaitable[Any]], *routes: Route) -> Any:
    """What a scenario returns, which is given the port of a server with these routes."""

    async def main() -> Any:
        app = make_app(None, canonical(), [Dialect("odd", (), routes, error)])  # type: ignore[arg-type]
        listener = listen("127.0.0.1", 0)
        port = listener.getsockname()[1]
        async with asyncio.timeout(20), serving(app, listener, 5.0):
            return await scenario(port)

    return asyncio.run(main())


async def exchange(port: int, *sent: bytes) -> bytes:
    """What comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in sent:
        writer.write(part)
        await writer.drain()
    got = await reader.read()
    writer.close()
    return got


def split(response: bytes) -> tuple[int, Any]:
    """The status and the body as JSON."""
    head, _, body = response.partition(b"\r\n\r\n")
    assert b"application/json" in head
    return int(head.split()[1]), json.loads(body)


def test_it_serves() -> None:
    """A call over a socket is answered, without the name of the software."""
    response = serve(lambda port: exchange(port, GET, b"Connection: close\r\n\r\n"))
    status, body = split(response)
    assert (status, body["error"]["status"]) == (404, "NOT_FOUND")
    assert b"server:" not in response.lower()


@pytest.mark.parametrize(
    "sent", [b"nonsense\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n", b"GET /?\xff HTTP/1.1\r\n\r\n"]
)
def test_what_is_no_http_is_refused_in_json(sent: bytes) -> None:
    """Bytes that are no HTTP are a 400 as AIP-193 has it, and end the connection."""
    status, body = split(serve(lambda port: exchange(port, sent)))
    assert (status, body["error"]["code"]) == (400, 400)


def test_the_head_of_a_request_is_bounded() -> None:
    """A head of more than 64 KiB is refused before its end."""
    whole = GET + b"X-A: " + b"a" * 60_000 + b"\r\nConnection: close\r\n\r\n"
    assert split(serve(lambda port: exchange(port, whole)))[0] == 404
    status, body = split(serve(lambda port: exchange(port, GET + b"X-A: " + b"a" * 66_000)))
    assert (status, body["error"]["message"]) == (400, "The head of the request is too long.")


@pytest.mark.parametrize("begun", [b"", GET])
def test_a_head_that_does_not_come_is_given_up(
    begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection on which no head arrives in time is closed."""
    monkeypatch.setattr(http_server, "HEAD_S_MAX", 0.05)
    assert serve(lambda port: exchange(port, begun)) == b""


CHUNKED = b"POST /read HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"


async def told(call: HttpCall) -> Response:
    """Answers with the headers that it was given."""
    return answer(sorted(call.headers))


def test_trailers_are_no_headers() -> None:
    """What comes after the body is not taken for a header, not even for a credential."""
    sent = CHUNKED + b"0\r\nAuthorization: Bearer x\r\n\r\n" + GET + b"Connection: close\r\n\r\n"
    got = serve(lambda port: exchange(port, sent), Route("POST", "/read", told))
    assert got.count(b"HTTP/1.1 ") == 2
    assert b'["host","transfer-encoding"]' in got


@pytest.mark.parametrize("path", [b"/read", b"/nobody-reads"])
@pytest.mark.parametrize("beside", [b"0\r\n" + b"X-A: a\r\n" * 100_000, b"2;" + b"a" * 800_000])
def test_what_comes_beside_a_body_is_bounded(
    path: bytes, beside: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trailers, or what else is no body, without an end are the end of the connection."""
    for module, patience in ((http_server, "HEAD_S_MAX"), (read_request, "BODY_S_MAX")):
        monkeypatch.setattr(module, patience, 1000.0)

    async def scenario(port: int) -> str:
        with contextlib.suppress(ConnectionError):  # where it came to an end while we sent
            await exchange(port, CHUNKED.replace(b"/read", path), beside)
        return "ended"

    assert serve(scenario, Route("POST", "/read", told)) == "ended"


@pytest.mark.parametrize("left", [CHUNKED.replace(b"/read", b"/no"), GET + b"\r\n\r\n"])
def test_an_answered_connection_is_not_kept_open(
    left: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an answer neither a body that does not end nor an empty line holds the connection."""
    monkeypatch.setattr(http_server, "HEAD_S_MAX", 0.05)

    async def scenario(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(left)
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\r\n")
        rest = await reader.read()
        writer.close()
        return head + rest

    assert split(serve(scenario))[0] == 404


def test_calls_that_wait_on_a_connection_are_bounded() -> None:
    """Who sends many calls without awaiting their answers is cut off, and told nothing wrong."""
    got = serve(lambda port: exchange(port, (GET + b"\r\n") * 40))
    assert got.count(b"HTTP/1.1 404") == got.count(b"HTTP/1.1 ") <= 33
    got = serve(
        lambda port: exchange(port, (GET + b"\r\n") * 20 + GET + b"Connection: close\r\n\r\n")
    )
    assert got.count(b"HTTP/1.1 404") == 21


def test_a_bad_call_is_not_answered_before_the_one_ahead() -> None:
    """Nobody takes the refusal of what is no HTTP for the answer to the call before it."""
    going, refused = asyncio.Event(), asyncio.Event()

    async def slow(_: HttpCall) -> Response:
        going.set()
        await refused.wait()
        return answer({})

    async def scenario(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        await going.wait()
        writer.write(b"nonsense\r\n\r\n")
        got = await reader.read()
        refused.set()
        writer.close()
        return got

    assert serve(scenario, Route("GET", "/slow", slow)) == b""


def test_what_runs_is_finished_at_a_stop() -> None:
    """A stopping server answers the calls that it has taken, and takes no more."""
    taken = asyncio.Event()
    stopping = asyncio.Event()

    async def slow(_: HttpCall) -> Response:
        taken.set()
        await stopping.wait()
        return answer({"late": True})

    async def main() -> tuple[bytes, int]:
        app = make_app(
            None,  # type: ignore[arg-type]
            canonical(),
            [Dialect("odd", (), (Route("GET", "/slow", slow),), error)],
        )
        listener = listen("127.0.0.1", 0)
        port: int = listener.getsockname()[1]
        async with asyncio.timeout(20):
            async with serving(app, listener, 5.0):
                head = b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"
                running = asyncio.create_task(exchange(port, head))
                await taken.wait()
                asyncio.get_running_loop().call_later(0.05, stopping.set)
            return await running, port

    response, port = asyncio.run(main())
    assert split(response) == (200, {"late": True})
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=20)


def test_a_port_that_is_taken_is_told() -> None:
    """A server does not share a port: who comes second is told."""
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(RuntimeError, match=f"cannot listen on 127.0.0.1 port {port}"):
            listen("127.0.0.1", port)

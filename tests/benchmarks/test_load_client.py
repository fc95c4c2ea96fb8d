"""The client that makes load: what it says of calls is what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from benchmarks.http2 import Http2

WAIT_SECONDS = 20.0
LARGE = 3_000_000


class Echo(grpc.GenericRpcHandler):
    """Answers with the message; refuses one that says so."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        def answer(message: bytes, context: grpc.ServicerContext) -> bytes:
            if message == b"refuse":
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today")
            if handler_call_details.method != "/test/Echo":
                context.abort(grpc.StatusCode.UNIMPLEMENTED, "no such method")
            self.lengths.append(len(message))
            return message

        return grpc.unary_unary_rpc_method_handler(answer)

    def __init__(self) -> None:
        self.lengths: list[int] = []


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def address(echo: Echo) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.max_receive_message_length", -1)])
    server.add_generic_rpc_handlers((echo,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def outcomes(address: str, *messages: bytes, connections: int = 2) -> dict[float, str]:
    """What became of each message, by its place."""

    async def run() -> dict[float, str]:
        found: dict[float, str] = {}
        over = asyncio.Event()

        def done(mark: float, code: str) -> None:
            found[mark] = code
            if len(found) == len(messages):
                over.set()

        client = Http2(address, connections, done)
        await client.open()
        for mark, message in enumerate(messages):
            client.send(b"/test/Echo", message, mark)
        await asyncio.wait_for(over.wait(), WAIT_SECONDS)
        client.close()
        return found

    return asyncio.run(run())


def test_answered_calls_are_ok(address: str, echo: Echo) -> None:
    """Every call that the server answered is OK, and its message arrived whole."""
    found = outcomes(address, *[b"x" * n for n in range(200)])
    assert found == dict.fromkeys(range(200), "OK")
    assert sorted(echo.lengths) == list(range(200))


def test_refusals_say_why(address: str) -> None:
    """A refused call has the name of its status and its message; others are not held up."""
    found = outcomes(address, b"one", b"refuse", b"two")
    assert found == {0: "OK", 1: "FAILED_PRECONDITION: not today", 2: "OK"}


def test_messages_may_be_larger_than_windows(address: str, echo: Echo) -> None:
    """A message that is larger than what the server takes at once arrives in parts, and small ones
    beside it."""
    messages = [b"y" * LARGE, b"z", b"y" * (LARGE + 1), b"zz"]
    found = outcomes(address, *messages, connections=1)
    assert found == dict.fromkeys(range(4), "OK")
    assert sorted(echo.lengths) == [1, 2, LARGE, LARGE + 1]


def test_calls_of_a_server_that_ends_fail() -> None:
    """A call on a connection that the server closes has failed, and is not waited for."""

    async def run() -> str:
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[str] = loop.create_future()

        async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        client = Http2(f"{host}:{port}", 1, lambda _, code: outcome.set_result(code))
        await client.open()
        client.send(b"/test/Echo", b"", 0.0)
        code = await asyncio.wait_for(outcome, WAIT_SECONDS)
        client.close()
        server.close()
        return code

    assert asyncio.run(run()).startswith("connection lost")

"""One HTTP request before an application, without a server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

Headers = Sequence[tuple[bytes, bytes]]


@dataclass
class Response:
    """What the application answered, as on the wire."""

    status: int
    headers: Headers
    body: bytes


async def respond(
    app: Any, method: str, target: bytes, headers: Headers, receive: Callable[[], Awaitable[Any]]
) -> Response:
    """The response to a request whose body `receive` gives; header names are lower case."""
    path, _, query = target.partition(b"?")
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path.decode("latin-1"),
        "raw_path": path,
        "root_path": "",
        "query_string": query,
        "headers": list(headers),
    }
    await app(scope, receive, send)
    start, *bodies = sent
    body = b"".join(message["body"] for message in bodies)
    return Response(start["status"], start["headers"], body)

"""HTTP/1.1 for a load: as little of it as the gateway needs, so that the client costs little."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

TOKEN = "demo"

Send = Callable[..., Awaitable[bytes]]


class RestError(Exception):
    """An answer other than 200."""


class Rest:
    """Connections that stay open, as many as there are calls in flight."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname, parts.port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    def ways(self, *routes: str) -> dict[str, Send]:
        """What sends a body, by `POST /path`."""
        return {route: self._way(route) for route in routes}

    def close(self) -> None:
        """Close every connection."""
        for _, writer in self._idle:
            writer.close()

    def _way(self, route: str) -> Send:
        head = (
            f"{route} HTTP/1.1\r\nHost: {self._host}\r\nAuthorization: Bearer {TOKEN}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode()

        async def send(body: bytes, timeout: float) -> bytes:
            async with asyncio.timeout(timeout):
                return await self._exchange(b"%b%d\r\n\r\n%b" % (head, len(body), body))

        return send

    async def _exchange(self, request: bytes) -> bytes:
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection(self._host, self._port, limit=2**22)
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        _, _, length = head.lower().partition(b"content-length: ")
        body = await reader.readexactly(int(length.partition(b"\r\n")[0]))
        self._idle.append((reader, writer))
        if not head.startswith(b"HTTP/1.1 200 "):
            raise RestError(f"{head[9:12].decode()}: {body[:80].decode(errors='replace')}")
        return body

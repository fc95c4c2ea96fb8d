"""HTTP/1.1 for a load: as little of it as the gateway needs, so that the client costs little."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

from benchmarks.http2 import Done

TOKEN = "demo"


class Connection(asyncio.Protocol):
    """One connection, with one call under way at most."""

    def __init__(self, done: Done, free: Callable[[Connection], None]) -> None:
        self._done = done
        self._free = free
        self._mark: float | None = None
        self._got = bytearray()
        self.is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It may be used."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by name
        self.is_open = True

    def connection_lost(self, exc: Exception | None) -> None:
        """The call under way, if there is one, has failed."""
        self.is_open = False
        mark, self._mark = self._mark, None
        if mark is not None:
            self._done(mark, f"connection lost: {exc or 'closed by the server'}")

    def send(self, request: bytes, mark: float) -> None:
        """Make a call."""
        self._mark = mark
        self._transport.write(request)

    def close(self) -> None:
        """Close it."""
        if self.is_open:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Take in an answer, which ends where its content-length says."""
        self._got += data
        end = self._got.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._got[:end]).lower()
        size = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(self._got) < end + 4 + size:
            return
        said = bytes(self._got[end + 4 : end + 84]).decode(errors="replace")
        self._got.clear()
        mark, self._mark = self._mark, None
        self._free(self)
        if mark is not None:
            self._done(
                mark, "OK" if head.startswith(b"http/1.1 200 ") else f"{head[9:12]!r} {said}"
            )


class Http1:
    """Connections that stay open, as many as there are calls in flight.

    A server closes those that nobody uses for a while; these are not used again.
    """

    def __init__(self, url: str, done: Done) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname, parts.port
        self._done = done
        self._idle: list[Connection] = []
        self._opening: set[asyncio.Task[None]] = set()

    def send(self, route: bytes, body: bytes, mark: float) -> None:
        """Make a call of `POST /path`."""
        request = (
            b"%b HTTP/1.1\r\nHost: %b\r\nAuthorization: Bearer %b\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (route, str(self._host).encode(), TOKEN.encode(), len(body), body)
        )
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                connection.send(request, mark)
                return
        task = asyncio.ensure_future(self._open(request, mark))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    def close(self) -> None:
        """Close every connection that is not in use."""
        for connection in self._idle:
            connection.close()

    async def _open(self, request: bytes, mark: float) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                lambda: Connection(self._done, self._idle.append), self._host, self._port
            )
        except OSError as error:
            self._done(mark, f"no connection: {error.strerror}")
            return
        connection.send(request, mark)

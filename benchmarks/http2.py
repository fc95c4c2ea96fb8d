"""gRPC over HTTP/2 for a load: as little of it as a load needs, so that it costs little.

Only unary calls of prepared bytes. Answers are not parsed beyond their status. The client says
that it keeps no table of headers, so that the status stands in the trailers as it is written.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Callable
from typing import cast

import grpc

Done = Callable[[float, str], None]
"""Told the mark of a call and its outcome: `OK` or what failed."""

DEADLINE = b"20S"
WINDOW_MAX = 2**31 - 1
WINDOW_FIRST = 65_535
FRAME_MAX = 16_384

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1
HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE = 1, 4

_HEAD = struct.Struct(">IBI")
_SETTING = struct.Struct(">HI")
_CODES = {code.value[0]: code.name for code in grpc.StatusCode}


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return _HEAD.pack(len(payload) << 8 | kind, flags, stream) + payload


def _text(value: bytes) -> bytes:
    assert len(value) < 127
    return bytes([len(value)]) + value


class Connection(asyncio.Protocol):
    """One connection, with any number of calls under way."""

    def __init__(self, authority: str, done: Done, lost: Callable[[Connection], None]) -> None:
        self._authority = authority.encode()
        self._done = done
        self._lost = lost
        self._marks: dict[int, float] = {}
        self._next = 1
        self._rest = b""
        self._out: list[bytes] = []
        self._received = 0
        self._window = WINDOW_FIRST
        self._stream_window = WINDOW_FIRST
        self._waiting: deque[int] = deque()
        self._bodies: dict[int, tuple[bytes, int]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello: no table of headers, and windows that never close."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by name
        settings = _SETTING.pack(HEADER_TABLE_SIZE, 0) + _SETTING.pack(
            INITIAL_WINDOW_SIZE, WINDOW_MAX
        )
        transport.write(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + _frame(SETTINGS, 0, 0, settings)
            + _frame(WINDOW_UPDATE, 0, 0, (WINDOW_MAX - WINDOW_FIRST).to_bytes(4, "big"))
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Every call under way has failed."""
        self._lost(self)
        marks, self._marks = self._marks, {}
        for mark in marks.values():
            self._done(mark, f"connection lost: {exc or 'closed by the server'}")

    def send(self, method: bytes, message: bytes, mark: float) -> None:
        """Make a call; `mark` comes back with its outcome."""
        stream = self._next
        self._next += 2
        self._marks[stream] = mark
        head = self._headers(method, first=stream == 1)
        if not self._out:
            asyncio.get_running_loop().call_soon(self._flush)
        body = b"\0" + len(message).to_bytes(4, "big") + message
        size = len(body)
        self._out.append(_HEAD.pack(len(head) << 8 | HEADERS, END_HEADERS, stream) + head)
        if not self._waiting and size <= min(self._window, self._stream_window, FRAME_MAX):
            self._window -= size
            self._out.append(_HEAD.pack(size << 8, END_STREAM, stream) + body)
            return
        self._bodies[stream] = (body, self._stream_window)
        self._waiting.append(stream)
        self._pump()

    def close(self) -> None:
        """Close it."""
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Take in frames, of which the last may be incomplete."""
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        while at + 9 <= end:
            size_kind, flags, stream = _HEAD.unpack_from(data, at)
            size = size_kind >> 8
            if at + 9 + size > end:
                break
            kind = size_kind & 0xFF
            if kind == DATA:
                self._received += size
            else:
                self._take(kind, flags, stream, data[at + 9 : at + 9 + size])
            if flags & END_STREAM and kind <= HEADERS:
                self._end(stream, data[at + 9 : at + 9 + size])
            at += 9 + size
        self._rest = data[at:]
        if self._received > WINDOW_MAX // 2:
            self._out.append(_frame(WINDOW_UPDATE, 0, 0, self._received.to_bytes(4, "big")))
            self._received = 0
        self._flush()

    def _flush(self) -> None:
        if self._out:
            self._transport.write(b"".join(self._out))
            self._out.clear()

    def _headers(self, method: bytes, first: bool) -> bytes:
        """POST, http, the method; the others in full once, and from then on by their places."""
        start = b"\x83\x86\x04" + _text(method)
        if not first:
            return start + b"\xc1\xc0\xbf\xbe"
        return (
            start
            + (b"\x41" + _text(self._authority))
            + (b"\x5f" + _text(b"application/grpc"))
            + (b"\x40" + _text(b"te") + _text(b"trailers"))
            + (b"\x40" + _text(b"grpc-timeout") + _text(DEADLINE))
        )

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == WINDOW_UPDATE:
            self._widen(stream, int.from_bytes(payload, "big"))
        elif kind == PING and not flags & ACK:
            self._out.append(_frame(PING, ACK, 0, payload))
        elif kind == SETTINGS and not flags & ACK:
            for name, value in _SETTING.iter_unpack(payload):
                if name == INITIAL_WINDOW_SIZE:
                    self._resize(value)
            self._out.append(_frame(SETTINGS, ACK, 0))
            self._pump()
        elif kind == RST_STREAM and stream in self._marks:
            self._drop(stream)
            code = int.from_bytes(payload, "big")
            self._done(self._marks.pop(stream), f"stream reset with {code}")
        elif kind == GOAWAY:
            self._lost(self)  # it finishes what it has begun

    def _end(self, stream: int, block: bytes) -> None:
        mark = self._marks.pop(stream, None)
        if mark is not None:
            self._drop(stream)
            self._done(mark, "OK" if b"grpc-status\x010" in block else _refusal(block))

    def _drop(self, stream: int) -> None:
        if self._bodies.pop(stream, None) is not None:
            self._waiting.remove(stream)

    # What is larger than the server's windows

    def _widen(self, stream: int, more: int) -> None:
        if stream == 0:
            self._window += more
        elif stream in self._bodies:
            body, window = self._bodies[stream]
            self._bodies[stream] = (body, window + more)
        self._pump()

    def _resize(self, window: int) -> None:
        more, self._stream_window = window - self._stream_window, window
        for stream, (body, own) in self._bodies.items():
            self._bodies[stream] = (body, own + more)

    def _pump(self) -> None:
        for _ in range(len(self._waiting)):
            stream = self._waiting.popleft()
            body, window = self._bodies.pop(stream)
            while body and (size := min(len(body), window, self._window, FRAME_MAX)) > 0:
                last = END_STREAM if size == len(body) else 0
                self._out.append(_HEAD.pack(size << 8, last, stream) + body[:size])
                body, window, self._window = body[size:], window - size, self._window - size
            if body:
                self._bodies[stream] = (body, window)
                self._waiting.append(stream)


def _refusal(block: bytes) -> str:
    """The status and the message of trailers, as far as they are plain text."""
    code = _value(block, b"grpc-status")
    name = _CODES.get(int(code), code) if code.isdigit() else "no status"
    return f"{name}: {_value(block, b'grpc-message')[:80]}"


def _value(block: bytes, name: bytes) -> str:
    _, _, after = block.partition(name)
    return after[1 : 1 + after[0]].decode(errors="replace") if after and after[0] < 127 else ""


class Http2:
    """So many connections to one address, which take turns."""

    def __init__(self, address: str, count: int, done: Done) -> None:
        self._address = address
        self._count = count
        self._done = done
        self._ready: list[Connection] = []
        self._opening: set[asyncio.Task[None]] = set()
        self._turn = 0

    async def open(self) -> None:
        """Open all connections."""
        await asyncio.gather(*(self._open() for _ in range(self._count)))

    def send(self, method: bytes, message: bytes, mark: float) -> None:
        """Make a call on the connection whose turn it is."""
        ready = self._ready
        if not ready:
            asyncio.get_running_loop().call_soon(self._done, mark, "no connection")
            return
        self._turn = (self._turn + 1) % len(ready)
        ready[self._turn].send(method, message, mark)

    def close(self) -> None:
        """Close every connection."""
        ready, self._ready = self._ready, []
        for connection in ready:
            connection.close()

    async def _open(self) -> None:
        host, _, port = self._address.rpartition(":")
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(self._address, self._done, self._lost), host, int(port)
        )
        self._ready.append(connection)

    def _lost(self, connection: Connection) -> None:
        if connection in self._ready:
            self._ready.remove(connection)
            task = asyncio.ensure_future(self._reopen())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _reopen(self) -> None:
        while True:
            try:
                return await self._open()
            except OSError:
                await asyncio.sleep(0.1)

"""How a supervisor and its workers speak: lines of JSON over a pair of sockets.

The supervisor begins with an order; the worker answers with where it serves, and from then on to
questions about its figures. When either end is gone, the other one notices by the end of the
stream.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

LINE_BYTES_MAX = 4 * 2**20
"""How long a line may be."""


@dataclass(frozen=True, slots=True)
class WorkerOrder:
    """The order for a worker: settings, database, and the memory of the test clock.

    `shared_time` is a descriptor that the worker inherits, or None for the machine's clock.
    """

    number: int
    settings: dict[str, Any]
    url: str
    shown: str
    shared_time: int | None


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """Where a worker serves: gRPC's port, and the line that says where HTTP is, if anywhere."""

    port: int
    http: str


@dataclass(frozen=True, slots=True)
class StatusQuery:
    """The supervisor asks for the worker's status; the answer has the same number."""

    number: int


@dataclass(frozen=True, slots=True)
class StatusAnswer:
    """The answer to a StatusQuery: the worker's counters."""

    number: int
    counters: dict[str, Any] | None


def lines(stream: socket.socket) -> Iterator[bytes]:
    """Yield every line until the other end is gone."""
    rest = b""
    with contextlib.suppress(OSError):
        while came := stream.recv(65_536):
            *whole, rest = (rest + came).split(b"\n")
            yield from whole


def encoded(message: WorkerOrder | WorkerReady | StatusQuery | StatusAnswer) -> bytes:
    """Return a message as a line."""
    return json.dumps(asdict(message)).encode() + b"\n"


def order_of(line: bytes) -> WorkerOrder:
    """Return the WorkerOrder in a line."""
    return WorkerOrder(**json.loads(line))


def ready_of(line: bytes) -> WorkerReady:
    """Return the WorkerReady in a line."""
    return WorkerReady(**json.loads(line))


def asked_of(line: bytes) -> StatusQuery:
    """Return the StatusQuery in a line."""
    return StatusQuery(**json.loads(line))


def told_of(line: bytes) -> StatusAnswer:
    """Return the StatusAnswer in a line."""
    return StatusAnswer(**json.loads(line))

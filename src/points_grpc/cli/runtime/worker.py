"""One of several processes that serve side by side; a supervisor starts it.

It ends on SIGTERM, and by itself when its supervisor is gone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import typer
import uvloop

from points_grpc.cli import database_location
from points_grpc.cli.commands import serve
from points_grpc.cli.runtime import lifetime, logs, wiring, worker_protocol
from points_grpc.clock import SharedTime
from points_grpc.config import Settings
from points_grpc.metrics.counters import Counters

_MARGIN_SECONDS = 5.0
"""How much longer than running calls may take a worker without a supervisor may live."""

_TURN_SECONDS_MAX = 1.0
"""How long an event loop that is well may take to come to what is asked of it."""


class Line:
    """The worker's end of the socket pair with its supervisor, read by a thread."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._said = worker_protocol.lines(stream)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._figures: Counters | None = None

    def order(self) -> worker_protocol.WorkerOrder | None:
        """Return the order, which is the first line; None if the supervisor is already gone."""
        first = next(self._said, None)
        return None if first is None else worker_protocol.order_of(first)

    def attend(self, grace_s: float) -> None:
        """Answer status queries; stop as on SIGTERM when the supervisor is gone."""

        def run() -> None:
            self._answer(self._said)
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(grace_s + _MARGIN_SECONDS)
            os._exit(1)  # it has not stopped, and nobody is left to kill it

        threading.Thread(target=run, name="supervisor", daemon=True).start()

    def ready(self, port: int, http: str, counters: Counters | None) -> None:
        """Report where the worker serves. Call it where the event loop runs."""
        self._loop, self._figures = asyncio.get_running_loop(), counters
        self._send(worker_protocol.WorkerReady(port, http))

    def _answer(self, questions: Iterator[bytes]) -> None:
        for line in questions:
            counters = None
            if self._figures is not None and self._loop is not None and _turns(self._loop):
                counters = self._figures.snapshot()
            try:
                self._send(
                    worker_protocol.StatusAnswer(worker_protocol.asked_of(line).number, counters)
                )
            except OSError:
                return

    def _send(self, message: Any) -> None:
        self._stream.sendall(worker_protocol.encoded(message))


def _turns(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether the event loop comes to do what is asked of it."""
    turned = threading.Event()
    try:
        loop.call_soon_threadsafe(turned.set)
    except RuntimeError:  # it is closed
        return False
    return turned.wait(_TURN_SECONDS_MAX)


def main(descriptor: int) -> None:
    """Serve as the order on the socket `descriptor` says."""
    signal.signal(signal.SIGTERM, serve.leave)
    line = Line(socket.socket(fileno=descriptor))
    if (order := line.order()) is None:
        return
    settings = Settings(**order.settings)
    logs.configure(settings, order.number)
    line.attend(settings.grace_seconds)
    there = database_location.DatabaseLocation(order.url, order.shown)
    shared_time = None if order.shared_time is None else SharedTime(order.shared_time)
    with (
        serve.failures_told(),
        database_location.open_database(there, settings) as database,
        wiring.open_service(settings, database, shared_time) as parts,
    ):

        def announce(port: int, http: str) -> None:
            line.ready(port, http, parts.counters)

        uvloop.run(lifetime.live(settings, parts, there, announce))


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]))
    except typer.Exit as left:
        sys.exit(left.exit_code)

"""One of several processes that serve side by side; a supervisor starts it.

It ends when it is told to by SIGTERM, and by itself when its supervisor is gone.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator

import typer
import uvloop

from points_grpc.cli import control, lifetime, logs, place, serve, wiring
from points_grpc.clock import SharedHand
from points_grpc.config import Settings

_MARGIN_SECONDS = 5.0
"""How much longer than running calls may take a worker without a supervisor may live."""


def main(descriptor: int) -> None:
    """Serve as the order says that comes through the socket `descriptor`."""
    signal.signal(signal.SIGTERM, serve.leave)
    line = socket.socket(fileno=descriptor)  # open until the end: a thread reads from it
    said = control.lines(line)
    if (first := next(said, None)) is None:
        return
    order = control.order_of(first)
    settings = Settings(**order.settings)
    logs.configure(settings, order.number)
    _end_with_supervisor(said, settings.grace_seconds)
    with serve.failures_told():
        _serve(order, settings, line)


def _serve(order: control.Order, settings: Settings, line: socket.socket) -> None:
    def announce(port: int, http: str) -> None:
        line.sendall(control.encoded(control.Ready(port, http)))

    there = place.Place(order.url, order.shown)
    hand = None if order.hand is None else SharedHand(order.hand)
    with (
        place.opened(there, settings) as database,
        wiring.parts(settings, database, hand) as parts,
    ):
        uvloop.run(lifetime.live(settings, parts, there, announce))


def _end_with_supervisor(said: Iterator[bytes], grace_s: float) -> None:
    """Stop as SIGTERM does it when the supervisor's end of the stream is gone."""

    def wait() -> None:
        for _ in said:
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(grace_s + _MARGIN_SECONDS)
        os._exit(1)  # it has not stopped, and nobody is left to kill it

    threading.Thread(target=wait, name="supervisor", daemon=True).start()


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]))
    except typer.Exit as left:
        sys.exit(left.exit_code)

"""The HTTP endpoint of figures and health, on threads of its own.

/metrics for Prometheus; /healthz, whether any worker answers; /readyz, whether any can do its work.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import ThreadingWSGIServer, make_wsgi_app

from points_grpc import tzdata_version
from points_grpc.metrics.counters import WorkerStatus
from points_grpc.metrics.exposition import Statuses, Workers

REQUEST_SECONDS_MAX = 5.0
"""How long a client may take to send its request, or to take the answer."""

_POLL_SECONDS = 0.1  # how long a stop may take to be noticed

_App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class _Handler(WSGIRequestHandler):
    """Waits for nobody for long, and leaves the log to the calls that matter."""

    timeout = REQUEST_SECONDS_MAX

    def log_message(self, format: str, *args: Any) -> None:  # the library's name
        """Nothing."""


class _ServerV6(ThreadingWSGIServer):
    address_family = socket.AF_INET6


@contextmanager
def serving(host: str, port: int, statuses: Statuses) -> Iterator[int]:
    """Serve at this address while the block runs; gives the port.

    Raises RuntimeError where the address is taken.
    """
    kind = _ServerV6 if ":" in host else ThreadingWSGIServer
    try:
        server = make_server(host, port, _app(statuses), kind, _Handler)
    except OSError as error:
        said = error.strerror or "cannot be used"
        raise RuntimeError(f"cannot listen on {host} port {port}: {said}") from None
    thread = threading.Thread(
        target=server.serve_forever, args=(_POLL_SECONDS,), name="metrics", daemon=True
    )
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _app(statuses: Statuses) -> _App:
    registry = CollectorRegistry()
    registry.register(Workers(statuses))
    metrics: _App = make_wsgi_app(registry)

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return metrics(environ, start_response)
        if path not in ("/healthz", "/readyz") or environ["REQUEST_METHOD"] != "GET":
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"there are /metrics, /healthz and /readyz\n"]
        workers = statuses()
        well = any(map(_is_ready if path == "/readyz" else _is_up, workers))
        state = "200 OK" if well else "503 Service Unavailable"
        start_response(state, [("Content-Type", "application/json")])
        told = {"workers": _health(workers), "tzdata": tzdata_version.ours()}
        return [json.dumps(told).encode() + b"\n"]

    return app


def _is_up(status: WorkerStatus) -> bool:
    return status.counters is not None


def _is_ready(status: WorkerStatus) -> bool:
    return status.serving


def _health(workers: Sequence[WorkerStatus]) -> list[dict[str, Any]]:
    return [
        {
            "worker": status.number,
            "pid": status.pid,
            "up": _is_up(status),
            "serving": status.serving,
            "restarts": status.restarts,
        }
        for status in workers
    ]

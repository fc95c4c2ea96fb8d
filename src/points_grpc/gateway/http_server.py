"""The HTTP server, run within an event loop that belongs to somebody else."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from points_grpc.gateway.failures import Problem
from points_grpc.gateway.transcoding import error_body
from points_grpc.tls import BadCertificates, Renewed, context, put_into

HEAD_BYTES_MAX = 64 * 1024
"""How long a request line and its headers may be."""

HEAD_S_MAX = 20.0
"""How long they may take to arrive."""

CLIENT_CERTIFICATE = "client_certificate"

_BACKLOG = 2048
_RENEW_S = 2.0


class _Protocol(HttpToolsProtocol):
    """Bounds what comes before the application gets to see a call, which uvicorn does not."""

    _head_bytes = 0
    _in_head = True
    _patience: asyncio.TimerHandle | None = None
    _tells_clients = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self.send_400_response("the head of the request is too long")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._tells_clients:
            self.scope["state"][CLIENT_CERTIFICATE] = self._client_certificate()
        self._await_head()

    def _client_certificate(self) -> str:
        found = self.transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return base64.b64encode(found or b"").decode()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head, self._head_bytes = True, 0

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP has no dialect."""
        body = error_body(Problem("", msg.rstrip(".")))
        head = (
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _await_head(self) -> None:
        if self._patience is None:
            self._patience = self.loop.call_later(HEAD_S_MAX, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


class _TellingProtocol(_Protocol):
    """Tells the application of the client's certificate, in the state of the call's scope."""

    _tells_clients = True


class _Server(uvicorn.Server):
    """Leaves the process's signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A socket that accepts connections from now on. Raises RuntimeError if the port is taken.

    A `shared` port is also that of the other processes that share it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        said = error.strerror or "cannot be used"
        raise RuntimeError(f"cannot listen on {host} port {port}: {said}") from None
    listener.setblocking(False)
    return listener


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp,
    listener: socket.socket,
    grace_s: float,
    tls: Renewed | None = None,
    *,
    tells_clients: bool = False,
) -> AsyncIterator[None]:
    """Serve `app` while the block runs; then take no more calls, and finish what runs.

    Calls that run for longer than `grace_s` seconds are cancelled. With `tells_clients` the state
    of a call's scope has the client's certificate (CLIENT_CERTIFICATE: DER, in base64).
    """
    config = uvicorn.Config(
        app,
        http=_TellingProtocol if tells_clients and tls is not None else _Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=max(1, round(grace_s)),
    )
    config.load()
    if tls is not None:
        config.ssl = context(tls.files)
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    renewing = asyncio.create_task(_renew(config.ssl, tls))
    try:
        yield
    finally:
        renewing.cancel()
        server.should_exit = True
        await running
        listener.close()


async def _renew(present: ssl.SSLContext | None, tls: Renewed | None) -> None:
    """Have new connections use renewed certificates."""
    log = structlog.get_logger("points_grpc.gateway")
    while present is not None and tls is not None:
        await asyncio.sleep(_RENEW_S)
        try:
            if tls.renew() is not None:
                put_into(present, tls.files)
        except BadCertificates:
            log.error("the renewed certificates cannot be used; the last ones are")

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

from points_grpc.gateway.errors import Problem
from points_grpc.gateway.transcoding import error_body
from points_grpc.tls import BadCertificates, ReloadingCertificates, context, put_into

HEAD_BYTES_MAX = 64 * 1024
"""How long a request line and its headers may be."""

HEAD_S_MAX = 20.0
"""How long they may take to arrive, and what is left of a body after its call was answered."""

PIPELINED_MAX = 32
"""How many further calls may wait on a connection until the one before them is answered."""

CLIENT_CERTIFICATE = "client_certificate"

_BACKLOG = 2048
_RENEW_S = 2.0


class _Protocol(HttpToolsProtocol):
    """Bounds what comes beside the bodies of calls, which uvicorn does not.

    Trailers are no headers: they come when whoever looks at headers has done so (RFC 9110, 6.5.1).
    """

    _bare_bytes = 0  # since a call began, or since there was some of its body
    _in_head = True
    _patience: asyncio.TimerHandle | None = None
    _tells_clients = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._bare_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._bare_bytes > HEAD_BYTES_MAX:
            what = "head" if self._in_head else "body"
            self.send_400_response(f"the {what} of the request is too long")
        elif len(self.pipeline) > PIPELINED_MAX:
            self.transport.close()
        elif self._in_head and self._has_answered():
            # Empty lines, for which uvicorn stops its own clock.
            self._await()

    def on_body(self, body: bytes) -> None:
        self._bare_bytes = 0
        super().on_body(body)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            super().on_header(name, value)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._in_head and self._has_answered():
            self._await()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._tells_clients:
            self.scope["state"][CLIENT_CERTIFICATE] = self._client_certificate()
        self._await()

    def _client_certificate(self) -> str:
        found = self.transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return base64.b64encode(found or b"").decode()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._stop_waiting()
        self._in_head, self._bare_bytes = True, 0

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, unless another call's answer would be mistaken for it."""
        if not self._is_next_answer():
            self.transport.close()
            return
        body = error_body(Problem("", msg.rstrip(".")))
        head = (
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _is_next_answer(self) -> bool:
        """Whether what is written now is taken for the answer to what is being read."""
        if self._in_head:
            return self.cycle is None or self.cycle.response_complete
        return not self.pipeline and not self.cycle.response_started

    def _has_answered(self) -> bool:
        return self.cycle is not None and self.cycle.response_complete

    def _await(self) -> None:
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
    tls: ReloadingCertificates | None = None,
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


async def _renew(present: ssl.SSLContext | None, tls: ReloadingCertificates | None) -> None:
    """Have new connections use renewed certificates."""
    log = structlog.get_logger("points_grpc.gateway")
    while present is not None and tls is not None:
        await asyncio.sleep(_RENEW_S)
        try:
            if tls.renew() is not None:
                put_into(present, tls.files)
        except BadCertificates:
            log.error("certificate reload failed; keeping the previous certificates")

"""A network between the service and the database that fails when told to."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass
from enum import Enum

from sqlalchemy import make_url

_PATIENCE_SECONDS = 10.0


class Failure(Enum):
    """What happens to the next COMMIT."""

    NONE = "it is delivered, and so is its answer"
    NOT_SENT = "it does not arrive, and both sides lose the connection"
    CUT = "it is carried out, and the connection is lost before the answer arrives"
    SWALLOWED = "it is carried out, and nothing is ever heard of it"
    HELD = "the client loses the connection; the server gets it on `release`"


@dataclass
class Line:
    """A client's connection to the server, and what became of its last COMMIT."""

    client: socket.socket
    server: socket.socket
    failure: Failure = Failure.NONE

    def cut(self) -> None:
        """Both sides lose it."""
        _shut(self.client)
        _shut(self.server)


class Proxy:
    """Listens on `url`; `fail_next_commit` and `stop` make it fail.

    `failed` is set when a COMMIT has met its fate: as soon as it is cut off or held, otherwise when
    its answer has come from the server. `slow_down` makes it slow.
    """

    def __init__(self, url: str) -> None:
        self._target = make_url(url)
        self._lock = threading.Lock()
        self._next = Failure.NONE
        self._marker = b""
        self._held: list[tuple[socket.socket, bytes]] = []
        self._sockets: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self._port = 0
        self._delay = 0.0
        self._fast = threading.Event()
        self.failed = threading.Event()
        self.start()

    @property
    def url(self) -> str:
        """The database's URL, by way of the proxy."""
        query = {"sslmode": "disable", "gssencmode": "disable"}
        there = self._target.set(host="127.0.0.1", port=self._port, query=query)
        return there.render_as_string(hide_password=False)

    def start(self) -> None:
        """Accept connections, always at the same place."""
        if self._listener is not None:
            return
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._port))
        listener.listen(64)
        self._port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def stop(self) -> None:
        """Break every connection and refuse new ones."""
        self.refuse()
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        for one in sockets:
            _shut(one)

    def refuse(self) -> None:
        """Refuse new connections until `start`; those that there are stay."""
        listener, self._listener = self._listener, None
        if listener is not None:
            _shut(listener)

    def fail_next_commit(self, failure: Failure, marker: bytes = b"") -> None:
        """Once; with a marker it is the next of a connection that has sent that."""
        self.failed.clear()
        with self._lock:
            self._next, self._marker = failure, marker

    def slow_down(self, seconds: float) -> None:
        """Hold back whatever the server answers for so long; with 0 no more, nor what is held."""
        if seconds:
            self._fast.clear()
        self._delay = seconds
        if not seconds:
            self._fast.set()

    def release(self) -> None:
        """Deliver to the server the COMMITs that were held, unless it has given up on them."""
        held, self._held = self._held, []
        for server, data in held:
            with contextlib.suppress(OSError):
                server.sendall(data)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                server = self._connect()
            except OSError:
                return
            with self._lock:
                self._sockets |= {client, server}
            line = Line(client, server)
            for pump in (self._to_server, self._to_client):
                threading.Thread(target=pump, args=(line,), daemon=True).start()

    def _connect(self) -> socket.socket:
        host = str(self._target.query.get("host", self._target.host or "127.0.0.1"))
        port = int(str(self._target.query.get("port", self._target.port or 5432)))
        if host.startswith("/"):
            server = socket.socket(socket.AF_UNIX)
            server.connect(f"{host}/.s.PGSQL.{port}")
            return server
        return socket.create_connection((host, port))

    def _to_server(self, line: Line) -> None:
        seen: bytes | None = None
        with contextlib.suppress(OSError):
            while data := line.client.recv(65536):
                if self._marker in data:
                    seen = self._marker
                line.failure = self._failure_of(data, seen)
                if line.failure is Failure.NOT_SENT:
                    line.cut()
                    self.failed.set()
                    return
                if line.failure is Failure.HELD:
                    self._held.append((line.server, data))
                    self.failed.set()
                    _shut(line.client)
                    return
                line.server.sendall(data)
        if line.failure is Failure.NONE:
            line.cut()
        else:
            _shut(line.client)  # the client has given up waiting

    def _failure_of(self, data: bytes, seen: bytes | None) -> Failure:
        if b"COMMIT" not in data:
            return Failure.NONE
        with self._lock:
            if seen != self._marker:
                return Failure.NONE
            failure, self._next = self._next, Failure.NONE
        return failure

    def _to_client(self, line: Line) -> None:
        with contextlib.suppress(OSError):
            while data := line.server.recv(65536):
                if line.failure is not Failure.NONE:
                    self._lose(line)
                    return
                if self._delay:
                    self._fast.wait(self._delay)
                line.client.sendall(data)
        if line.failure is Failure.NONE:
            line.cut()

    def _lose(self, line: Line) -> None:
        """The answer to a COMMIT has come; it goes nowhere."""
        self.failed.set()
        if line.failure is Failure.CUT:
            _shut(line.client)
        _shut(line.server)


def _shut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()

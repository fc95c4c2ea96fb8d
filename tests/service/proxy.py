"""A network between the service and the database that fails when told to."""

from __future__ import annotations

import contextlib
import socket
import threading
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


class Proxy:
    """Listens on `url`; `fail_next_commit` and `stop` make it fail."""

    def __init__(self, url: str) -> None:
        self._target = make_url(url)
        self._lock = threading.Lock()
        self._next = Failure.NONE
        self._held: list[tuple[socket.socket, bytes]] = []
        self._sockets: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self._port = 0
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
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._port))
        listener.listen(64)
        self._port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def stop(self) -> None:
        """Break every connection and refuse new ones."""
        listener, self._listener = self._listener, None
        if listener is not None:
            _shut(listener)
        with self._lock:
            sockets = list(self._sockets)
        for one in sockets:
            _shut(one)

    def fail_next_commit(self, failure: Failure) -> None:
        """Once."""
        self.failed.clear()
        with self._lock:
            self._next = failure

    def release(self) -> None:
        """Deliver to the server the COMMITs that were held."""
        held, self._held = self._held, []
        for server, data in held:
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
            silent = threading.Event()
            for pump in (self._to_server, self._to_client):
                threading.Thread(target=pump, args=(client, server, silent), daemon=True).start()

    def _connect(self) -> socket.socket:
        host = str(self._target.query.get("host", self._target.host or "127.0.0.1"))
        port = int(str(self._target.query.get("port", self._target.port or 5432)))
        if host.startswith("/"):
            server = socket.socket(socket.AF_UNIX)
            server.connect(f"{host}/.s.PGSQL.{port}")
            return server
        return socket.create_connection((host, port))

    def _to_server(
        self, client: socket.socket, server: socket.socket, silent: threading.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                failure = self._failure_of(data)
                if failure in (Failure.CUT, Failure.SWALLOWED):
                    silent.set()
                if failure is Failure.NOT_SENT:
                    break
                if failure is Failure.HELD:
                    self._held.append((server, data))
                    self.failed.set()
                    _shut(client)
                    return
                server.sendall(data)
                if failure is Failure.SWALLOWED:
                    self.failed.set()
        if not silent.is_set():
            _shut(client)
            _shut(server)

    def _failure_of(self, data: bytes) -> Failure:
        if b"COMMIT" not in data:
            return Failure.NONE
        with self._lock:
            failure, self._next = self._next, Failure.NONE
        return failure

    def _to_client(
        self, client: socket.socket, server: socket.socket, silent: threading.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if silent.is_set():
                    self._lose(client, server)
                    return
                client.sendall(data)
        if not silent.is_set():
            _shut(client)
            _shut(server)

    def _lose(self, client: socket.socket, server: socket.socket) -> None:
        """The answer to a COMMIT has come; it goes nowhere."""
        if not self.failed.is_set():
            self.failed.set()
            _shut(client)
        _shut(server)


def _shut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()

"""The supervisor: one process owns the server of a folder, others only connect to it."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping
from sqlalchemy import URL, func, select

from points_grpc.storage.core.connecting import connect, make_engine
from points_grpc.storage.embedded import keeper
from points_grpc.storage.embedded.durability import assert_durable
from points_grpc.storage.embedded.memory import shared_buffers
from points_grpc.storage.embedded.place import (
    EmbeddedPostgresError,
    ServerPlace,
    is_folder_of,
    own_folder,
    settle,
)

CONNECTIONS_MIN = 100
"""How many connections every embedded server allows."""

_NAME = "points"  # of the only role and of its database
_PORT = "5432"  # part of the socket's name; nothing listens on TCP
_POLL_SECONDS = 0.02
_SETTINGS = {
    "listen_addresses": "",
    "port": _PORT,
    "unix_socket_permissions": "0700",
    "shared_buffers": shared_buffers(),
    "jit": "off",
    "TimeZone": "UTC",
    # A ring of seven files. Failed statements are the client's to log, and details of errors
    # hold identifiers of people.
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "server-%a.log",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_truncate_on_rotation": "on",
    "log_timezone": "UTC",
    "log_min_messages": "log",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
}


class EmbeddedPostgres:
    """The PostgreSQL server whose data belongs to `data_dir`.

    The first process to `start` it owns it and stops it on every way out; any other process
    only connects. If a SIGKILL leaves a server behind, the next owner adopts it. Access is
    guarded as with a file: whoever may enter the folder of the socket (the user that the server
    runs as, and root) is the superuser `points`.

    A server that this process starts allows `connections`, or 100 if that is more.

    For root, data does not always lie in `data_dir`: see `points_grpc.storage.embedded.place`.
    `folder` tells where it does.
    """

    def __init__(
        self, data_dir: Path, *, timeout: float = 300.0, connections: int = CONNECTIONS_MIN
    ) -> None:
        self._data_dir = data_dir
        self._connections = max(connections, CONNECTIONS_MIN)
        self._timeout = timeout
        self._settled: ServerPlace | None = None
        self._owner: int | None = None  # the process that holds the locks, when it is us
        self._locks: list[int] = []
        self._server_lock = -1
        self._keeper: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def folder(self) -> Path:
        """The folder that holds the data."""
        return self._place.folder

    @property
    def is_owner(self) -> bool:
        """Whether this process owns the server, and so stops it."""
        return self._owner == os.getpid()

    @property
    def conninfo(self) -> str:
        """The connection string for psycopg."""
        return make_conninfo(host=str(self._place.sockets), port=_PORT, user=_NAME, dbname=_NAME)

    @property
    def url(self) -> str:
        """The URL for SQLAlchemy."""
        query = {"host": str(self._place.sockets), "port": _PORT}
        return URL.create(
            "postgresql+psycopg", username=_NAME, database=_NAME, query=query
        ).render_as_string(hide_password=False)

    def start(self) -> None:
        """Return as soon as the server takes connections, be it ours or another process's.

        Waits `timeout` seconds at most, crash recovery included. Called again, it brings back
        a server that has died. Raises `EmbeddedPostgresError` or `NotDurable`.
        """
        self._settled = settle(self._data_dir)
        deadline = time.monotonic() + self._timeout
        try:
            if self._own_or_join(deadline):
                self._keep()
                if not self._place.cluster.exists():
                    self._create_cluster()
                self._bring_up(deadline)
            self._check()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server, if this process owns it."""
        if not self.is_owner:  # also the case in a child that was forked from the owner
            return
        atexit.unregister(self.stop)
        try:
            if not (self._dismiss_keeper() or self._stop_server()):
                raise EmbeddedPostgresError(f"the server of {self.folder} could not be stopped")
            if self._server is not None:
                if self._server.poll() is None:  # perhaps too young to have a pid file
                    self._server.send_signal(signal.SIGINT)  # what pg_ctl's fast mode sends
                self._server.wait()
            with suppress(OSError):
                self._place.sockets.rmdir()
        finally:
            self._server, self._owner = None, None
            while self._locks:
                os.close(self._locks.pop())

    @property
    def _place(self) -> ServerPlace:
        if self._settled is None:
            raise EmbeddedPostgresError("the embedded server has not been started")
        return self._settled

    def _attempts(self, deadline: float, awaited: str) -> Iterator[None]:
        while time.monotonic() < deadline:
            yield
            time.sleep(_POLL_SECONDS)
        raise EmbeddedPostgresError(f"{awaited} took longer than {self._timeout:g} seconds")

    def _ping(self) -> Ping:
        # Anybody can make a folder of this name while there is none, and a server in it.
        if not is_folder_of(self._place.sockets, self._place.uid):
            return Ping.NO_RESPONSE
        conninfo = make_conninfo(self.conninfo, dbname="postgres", connect_timeout=5)
        return Ping(PGconn.ping(conninfo.encode()))

    def _own_or_join(self, deadline: float) -> bool:
        """Become the owner (true), or find the owner's server ready (false)."""
        if self.is_owner:
            return True
        for _ in self._attempts(deadline, f"the owner of {self.folder}, another process,"):
            # Two locks: the keeper of an owner that was killed holds the second one until the
            # server has stopped, so nobody joins a server that is about to go.
            if self._lock("owner.lock") is not None:
                self._owner = os.getpid()
                atexit.register(self.stop)
                break
            if self._ping() is Ping.OK:
                return False
        for _ in self._attempts(deadline, f"the previous server of {self.folder}"):
            if (lock := self._lock("server.lock")) is not None:
                self._server_lock = lock
                break
        return True

    def _lock(self, name: str) -> int | None:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        descriptor = os.open(self.folder / name, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        self._locks.append(descriptor)
        return descriptor

    def _keep(self) -> None:
        """Start the keeper: before the server, so that no server is ever without one."""
        if self._keeper is not None and self._keeper.poll() is None:
            return
        place = self._place
        arguments = map(str, (place.cluster, place.binaries, place.uid, place.gid))
        self._keeper = subprocess.Popen(  # noqa: S603 - our own file
            [sys.executable, "-I", "-S", keeper.__file__, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(self._server_lock,),
            cwd="/",
            start_new_session=True,  # Ctrl-C in a terminal is meant for the owner
        )

    def _dismiss_keeper(self) -> bool:
        """Have the keeper stop the server; return whether it has done so."""
        if self._keeper is None:
            return False
        if self._keeper.stdin is not None:
            with suppress(BrokenPipeError):
                # A byte, because a forked child may hold the pipe open.
                os.write(self._keeper.stdin.fileno(), b"\n")
            self._keeper.stdin.close()
        stopped = self._keeper.wait() == 0
        self._keeper = None
        return stopped

    def _stop_server(self) -> bool:
        place = self._place
        return keeper.stop_server(place.cluster, place.binaries, place.uid, place.gid)

    def _create_cluster(self) -> None:
        place = self._place
        for abandoned in place.folder.glob("cluster.new-*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        # A name of its own: the initdb of an owner that was killed may still be writing.
        draft = Path(tempfile.mkdtemp(prefix="cluster.new-", dir=place.folder))
        own_folder(draft, place.uid, place.gid, 0o700)
        locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        access = (f"--username={_NAME}", "--auth-local=trust", "--auth-host=reject")
        self._run(
            ["initdb", "-D", str(draft), "--data-checksums", "--encoding=UTF8", *locale, *access]
        )
        self._run(
            ["postgres", "--single", "-D", str(draft), "postgres"], f"CREATE DATABASE {_NAME}\n"
        )
        draft.rename(place.cluster)
        descriptor = os.open(place.folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _run(self, command: list[str], text: str = "") -> None:
        place = self._place
        done = subprocess.run(  # noqa: S603 - the package's own programs
            [place.binaries / command[0], *command[1:]],
            check=False,
            input=text,
            capture_output=True,
            text=True,
            **keeper.run_as(place.uid, place.gid),
        )
        if done.returncode != 0:
            raise EmbeddedPostgresError(f"{command[0]} failed: {done.stderr[-2000:].strip()}")

    def _bring_up(self, deadline: float) -> None:
        launched = False
        for _ in self._attempts(deadline, f"the start of the server of {self.folder}"):
            answer = self._ping()
            if answer is Ping.OK:
                return
            if answer is Ping.REJECT:  # in recovery, or about to stop
                continue
            if self._server is not None and self._server.poll() is None:
                continue
            if launched:
                self._examine_failure()
            if not keeper.is_running(self._place.cluster):
                self._launch()
                launched = True

    def _examine_failure(self) -> None:
        """Raise unless another attempt may succeed where the last one has failed."""
        report = self._start_log.read_text(errors="replace")[-2000:].strip()
        # The sessions of a server that was killed keep its memory for a moment.
        if "is still in use" not in report:
            raise EmbeddedPostgresError(
                f"the server of {self.folder} did not start; its log is in"
                f" {self._place.cluster / 'log'}: {report}"
            )

    @property
    def _start_log(self) -> Path:
        return self.folder / "start.log"

    def _launch(self) -> None:
        place = self._place
        own_folder(place.sockets, place.uid, place.gid, 0o700)
        self._disown_pid_files()
        settings = _SETTINGS | {
            "unix_socket_directories": str(place.sockets),
            "max_connections": str(self._connections),
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        with self._open_start_log() as output:
            self._server = subprocess.Popen(  # noqa: S603 - the package's own program
                [place.binaries / "postgres", "-D", place.cluster, *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **keeper.run_as(place.uid, place.gid),
            )

    def _open_start_log(self) -> IO[bytes]:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        return os.fdopen(os.open(self._start_log, flags, 0o600), "wb")

    def _disown_pid_files(self) -> None:
        """Make the new server see through pid files that name an unrelated process.

        Only called when no server runs. Removing `postmaster.pid` would remove PostgreSQL's
        guard against sessions that outlived their server. It takes a file that names its own
        parent process for stale, and still checks the memory that the file names.
        """
        (self._place.sockets / f".s.PGSQL.{_PORT}.lock").unlink(missing_ok=True)
        path = self._place.cluster / "postmaster.pid"
        if keeper.recorded_pid(self._place.cluster) is None:  # absent, or cut short by a crash
            path.unlink(missing_ok=True)
            return
        with os.fdopen(os.open(path, os.O_RDWR | os.O_NOFOLLOW), "r+") as file:
            rest = file.read().partition("\n")[2]
            file.seek(0)
            file.write(f"{os.getpid()}\n{rest}")
            file.truncate()

    def _check(self) -> None:
        with connect(make_engine(self.url)) as connection:
            found = connection.scalar(select(func.current_setting("data_directory")))
            if found != str(self._place.cluster):
                raise EmbeddedPostgresError(f"the socket of {self.folder} belongs to {found}")
            assert_durable(connection)

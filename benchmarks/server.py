"""The processes that are measured: a fresh PostgreSQL, and servers on databases of it."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy import make_url

from points_grpc.storage.embedded import EmbeddedPostgres

START_SECONDS = 60.0
STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL of our own, with durable settings and nothing in it."""

    embedded: EmbeddedPostgres
    folder: Path

    def conninfo(self, name: str) -> str:
        """How psycopg connects to the database `name`."""
        return make_conninfo(self.embedded.conninfo, dbname=name)

    def create(self, name: str) -> None:
        """Make an empty database."""
        with psycopg.connect(self.embedded.conninfo, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')

    def url(self, name: str, driver: str = "postgresql") -> str:
        """How a server is told to use the database `name`."""
        url = make_url(self.embedded.url).set(drivername=driver, database=name)
        return url.render_as_string(hide_password=False)

    def version(self) -> str:
        """The version of PostgreSQL."""
        with psycopg.connect(self.embedded.conninfo) as connection:
            row = connection.execute("SHOW server_version").fetchone()
        return row[0] if row else ""

    def cpu_seconds(self) -> float:
        """The processor time that PostgreSQL has used so far, closed connections included."""
        own = psutil.Process().children(recursive=True)
        total = 0.0
        for process in own:
            with suppress(psutil.NoSuchProcess):
                if process.name().startswith("postgres"):
                    total += sum(process.cpu_times()[:4])
        return total

    def commit_us(self, count: int = 100) -> float:
        """How long a commit of one row takes here, in microseconds: mostly the disk's fsync."""
        with psycopg.connect(self.embedded.conninfo, autocommit=True) as connection:
            connection.execute("CREATE TEMP TABLE IF NOT EXISTS nothing (n int)")
            connection.execute("CREATE TABLE IF NOT EXISTS durable (n int)")
            began = time.perf_counter()
            for n in range(count):
                connection.execute("INSERT INTO durable VALUES (%s)", (n,))
            return (time.perf_counter() - began) / count * 1e6


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A cluster in a folder of its own, stopped and removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="points-bench-"))
    folder.chmod(0o711)  # root's PostgreSQL runs as another user
    embedded = EmbeddedPostgres(folder)
    data = folder
    try:
        embedded.start()
        data = embedded.folder
        yield Cluster(embedded, folder)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)  # one was enough; now everything is put away
        embedded.stop()
        shutil.rmtree(data, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Server:
    """A running server, and what it has said about itself: `gRPC` and `HTTP` addresses."""

    said: dict[str, str]
    process: psutil.Process

    def processes(self) -> list[psutil.Process]:
        """It, and the processes that it has started."""
        try:
            return [self.process, *self.process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def memory_mb(self) -> float:
        """The resident memory of them all, in megabytes of 10^6 bytes."""
        return memory_mb(self.processes())


@contextmanager
def serving(cluster: Cluster, database: str, *options: str) -> Iterator[Server]:
    """A server of the database `database`, which it migrates, with the demo's programs in it."""
    command = [sys.executable, "-m", "points_grpc.cli.main", "serve", "--dev", "--demo"]
    command += ["--migrate", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    command += ["--database-url", cluster.url(database), *options]
    with running(command, cluster.folder / f"{database}.log") as server:
        yield server


@contextmanager
def running(command: list[str], log: Path) -> Iterator[Server]:
    """A server that is started with `command` and says where it listens."""
    with log.open("ab") as output:
        started = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            env=plain_environment(),
            start_new_session=True,  # Ctrl-C is meant for us, who then stop it
        )
    try:
        yield Server(_said(started, log), psutil.Process(started.pid))
    finally:
        stop(started)


def plain_environment() -> dict[str, str]:
    """Ours without settings of the service."""
    return {k: v for k, v in os.environ.items() if not k.startswith("POINTS_")}


def stop(process: subprocess.Popen[bytes]) -> None:
    """End one of our processes, in peace if it can be."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """How much processor time they have used so far."""
    total = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:2])
    return total


def memory_mb(processes: list[psutil.Process]) -> float:
    """Their resident memory, in megabytes of 10^6 bytes."""
    total = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss / 1e6
    return total


def machine_seconds() -> float:
    """How much processor time everything on the machine has used so far."""
    times = psutil.cpu_times()
    return times.user + times.nice + times.system + times.irq + times.softirq


def _said(process: subprocess.Popen[bytes], log: Path) -> dict[str, str]:
    """Where it listens, as it says when it is ready."""
    assert process.stdout is not None
    said = b""
    deadline = time.monotonic() + START_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([process.stdout], [], [], left)[0]:
            break
        chunk = os.read(process.stdout.fileno(), 4096)
        if not chunk:
            break
        said += chunk
        lines = [line.split(maxsplit=2)[:2] for line in said.decode().splitlines()[:2]]
        if said.count(b"\n") >= 2:
            return {line[0]: line[1] for line in lines}
    raise RuntimeError(f"the server did not start:\n{log.read_text()[-2000:]}")

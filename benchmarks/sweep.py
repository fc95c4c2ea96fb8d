"""The sweep against one UPDATE of the same lots: rates, memory, and what clients notice.

`measure` is a case's entry; run as a script it fills databases of its own and prints figures.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from statistics import median, quantiles

import grpc
import psutil
import psycopg
from benchmarks.calls import member_name
from benchmarks.seed import Filling, fill
from benchmarks.server import Cluster, Server, cluster, cpu_seconds, serving

from points.v1 import points_service_pb2_grpc
from points.v1.earn_pb2 import EarnRequest

PER_MEMBER = Filling(members=0, live=12, closed=2, overdue=10)
"""What each member has: ten lots that lapsed at ten instants, two that live, two that are spent."""

PROBES_PER_SECOND = 50
LIMIT_SECONDS = 600.0

_RAW = (
    "UPDATE lots SET remaining = 0, expired = expired + remaining, unfinished = false"
    " WHERE unfinished AND rule = 0 AND state = 3 AND expires_at <= now()"
)


@dataclass(frozen=True)
class SweepFigures:
    """What a sweep of `lots` due lots took, and the raw UPDATE of the same rows.

    Times in seconds, processor time in microseconds per lot, memory in megabytes of 10^6 bytes.
    """

    lots: int
    seconds: float
    raw_seconds: float
    sweep_us: float
    memory_mb: float

    @property
    def rate(self) -> float:
        """Lots a second."""
        return self.lots / self.seconds

    @property
    def ratio(self) -> float:
        """The rate against that of the raw UPDATE."""
        return self.raw_seconds / self.seconds


@dataclass(frozen=True)
class Latency:
    """Of Earns one after the other at a fixed rate, from their intended start, in ms."""

    calls: int
    p50_ms: float
    p99_ms: float
    worst_ms: float


def measure(database: Cluster, members: int, name: str = "sweep") -> SweepFigures:
    """Fill two databases alike; sweep one, and UPDATE the same lots in the other."""
    prepare(database, name, members)
    raw_seconds = raw(database, f"{name}_raw")
    return swept(database, name, raw_seconds)


def prepare(database: Cluster, name: str, members: int) -> None:
    """The databases `name` and `name`_raw, with PER_MEMBER of each of so many members."""
    database.create(name)
    with serving(database, name):
        pass  # it migrates, and makes the demo's programs
    filling = Filling(members, PER_MEMBER.live, PER_MEMBER.closed, PER_MEMBER.overdue)
    fill(database.conninfo(name), filling, database.folder / f"{name}.lots")
    with psycopg.connect(database.embedded.conninfo, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}_raw" TEMPLATE "{name}"')
        connection.execute("CHECKPOINT")


def raw(database: Cluster, name: str) -> float:
    """How long one UPDATE of the due lots takes, its commit included."""
    with psycopg.connect(database.conninfo(name), autocommit=True) as connection:
        began = time.perf_counter()
        connection.execute(_RAW)
        return time.perf_counter() - began


def swept(database: Cluster, name: str, raw_seconds: float) -> SweepFigures:
    """Sweep the database `name`, as an operator would."""
    with psycopg.connect(database.conninfo(name)) as connection:
        row = connection.execute("SELECT count(*) FROM lots WHERE unfinished").fetchone()
        before = row[0] if row else 0
        began = time.perf_counter()
        with sweeping(database, name) as process:
            memory, used = _watched(process)
        seconds = time.perf_counter() - began
        connection.commit()
        row = connection.execute("SELECT count(*) FROM lots WHERE unfinished").fetchone()
        lots = before - (row[0] if row else 0)
    return SweepFigures(lots, seconds, raw_seconds, used / lots * 1e6, memory)


@contextmanager
def sweeping(database: Cluster, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """`points-grpc sweep` of the database `name`, ended with the block."""
    command = [sys.executable, "-m", "points_grpc.cli.main", "sweep"]
    command += ["--database-url", database.url(name)]
    plain = {k: v for k, v in os.environ.items() if not k.startswith("POINTS_")}
    process = subprocess.Popen(command, env=plain, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(LIMIT_SECONDS)


def _watched(process: subprocess.Popen[bytes]) -> tuple[float, float]:
    """Until it ends: its greatest memory, and its processor time."""
    seen = psutil.Process(process.pid)
    memory = used = 0.0
    while process.poll() is None:
        try:
            memory = max(memory, seen.memory_info().rss / 1e6)
            used = cpu_seconds([seen])
        except psutil.NoSuchProcess:
            break
        time.sleep(0.02)
    if process.wait(LIMIT_SECONDS):
        raise RuntimeError("the sweep failed")
    return memory, used


def latency(server: Server, seconds: float, first: int, members: int) -> Latency:
    """Earns at a fixed rate for so long, for `members` members from the number `first` on."""
    return asyncio.run(_probe(server, seconds, first, members))


async def _probe(server: Server, seconds: float, first: int, members: int) -> Latency:
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub = points_service_pb2_grpc.PointsServiceStub(channel)
        began = time.perf_counter()

        async def call(number: int) -> float:
            due = began + number / PROBES_PER_SECOND
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            member = member_name(first + number * 7919 % members)
            request = EarnRequest(member={"external_id": member}, amount={"value": "1"})
            await stub.Earn(request, timeout=30)
            return (time.perf_counter() - due) * 1e3

        count = int(seconds * PROBES_PER_SECOND)
        took = sorted(await asyncio.gather(*map(call, range(count))))
    return Latency(count, median(took), quantiles(took, n=100)[98], took[-1])


def noticed(database: Cluster, name: str, members: int, seconds: float) -> tuple[Latency, Latency]:
    """What Earns take without a sweep, then while the database `name` is swept."""
    with serving(database, name) as server:
        latency(server, 1.0, 0, members)
        alone = latency(server, seconds, 0, members)
        with sweeping(database, name):
            beside = latency(server, seconds, 0, members)
    return alone, beside


def main() -> None:
    """Print the figures of databases of these sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("members", type=int, nargs="*", default=[10_000, 100_000])
    members_of = parser.parse_args().members
    print(f"{PER_MEMBER.overdue} due lots each")
    with cluster() as database:
        for members in members_of:
            figures = measure(database, members, f"sweep{members}")
            print(f"{members:,} members: {figures.rate:,.0f} lots/s, {figures.ratio:.2f} of raw")
            print(f"  {asdict(figures)}")


if __name__ == "__main__":
    main()

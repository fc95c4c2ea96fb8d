"""A server with its database and the processes that make load on it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import psutil
from benchmarks.baselines import earn
from benchmarks.baselines.update_expiry import Mover
from benchmarks.calls import BATCH, Load
from benchmarks.measure import Counted, Meter, Sample
from benchmarks.server import Cluster, Server, stop

from benchmarks import commands, dialect_costs, ghz

REPLY_SECONDS = 40.0
POLL_SECONDS = 0.1


class Generator:
    """One process that makes load, and what it has said."""

    def __init__(self, server: Server) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load", server.said["gRPC"], server.said["HTTP"]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is meant for us, who then stop it
        )
        self._heard = b""

    def order(self, load: Load, ramp: float, seconds: float) -> None:
        """Have it make the load."""
        assert self.process.stdin is not None
        line = json.dumps({"load": load.plan(), "ramp": ramp, "seconds": seconds})
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def hear(self, event: str, within: float = REPLY_SECONDS) -> dict[str, Any]:
        """What it says next, which has to be `event`."""
        deadline = time.monotonic() + within
        while b"\n" not in self._heard:
            if not self._is_readable(max(0.0, deadline - time.monotonic())):
                raise RuntimeError(f"a load process did not say {event!r} in {within:g} seconds")
            assert self.process.stdout is not None
            chunk = os.read(self.process.stdout.fileno(), 1 << 20)
            if not chunk:
                raise RuntimeError(f"a load process ended instead of saying {event!r}")
            self._heard += chunk
        line, _, self._heard = self._heard.partition(b"\n")
        said: dict[str, Any] = json.loads(line)
        if said["event"] != event:
            raise RuntimeError(f"a load process said {said['event']!r} instead of {event!r}")
        return said

    def has_said(self) -> bool:
        """Whether there is something to hear."""
        return b"\n" in self._heard or self._is_readable(POLL_SECONDS)

    def _is_readable(self, within: float) -> bool:
        return bool(select.select([self.process.stdout], [], [], within)[0])

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            if self.process.stdin is not None:
                self.process.stdin.close()
        stop(self.process)


class Stand:
    """One server, on a database that is filled, until it is closed."""

    def __init__(self, cluster: Cluster, database: str, server: Server, generators: int) -> None:
        self.cluster = cluster
        self.database = database
        self.server = server
        self._left = ExitStack()
        self._movers: dict[str, Mover] = {}
        with ExitStack() as started:  # put away again if one of them does not start
            self._generators = [Generator(server) for _ in range(generators)]
            for generator in self._generators:
                started.callback(generator.close)
            for generator in self._generators:
                generator.hear("ready")
            self._left = started.pop_all()

    def close(self) -> None:
        """End what makes load; the server stays."""
        self._left.close()

    def run(self, load: Load, ramp: float, seconds: float) -> Sample:
        """Make the load, and measure it."""
        if load.kind == "by_hand":
            return self._by_hand(load, ramp, seconds)
        if load.kind == "pgbench":
            return self._own(lambda: earn.pgbench(self._conninfo(), load, seconds))
        if load.kind == "ghz":
            return self._own(lambda: ghz.run(self.server.said["gRPC"], load, seconds))
        if load.kind.startswith("dialect_"):
            return self._own(lambda: _dialect(load, seconds))
        if load.kind == "sweep":
            return self._sweep(load, seconds)
        if load.kind == "import":
            return commands.import_lots(self.cluster, self.database, load.members)
        if load.kind == "raw_update":
            return commands.raw_update(self.cluster, self.database)
        return self._generated(load, ramp, seconds)

    def meter(self, load: list[psutil.Process] | None = None) -> Meter:
        """What measures the server and the database."""
        return Meter(self.cluster, self.server.processes(), load or [])

    def _conninfo(self) -> str:
        return self.cluster.conninfo(self.database)

    def _generated(self, load: Load, ramp: float, seconds: float) -> Sample:
        parts = _split(load, len(self._generators))
        busy = self._generators[: len(parts)]
        for generator, part in zip(busy, parts, strict=True):
            generator.order(part, ramp, seconds)
        for generator in busy:
            generator.hear("begun")
        meter = self.meter([psutil.Process(g.process.pid) for g in busy])
        while not busy[0].has_said():
            meter.look()
        for generator in busy:
            generator.hear("ended")
        meter.stop()
        counts = [generator.hear("done") for generator in busy]
        errors: Counter[str] = Counter()
        for count in counts:
            errors.update(count["errors"])
        latencies = [us for count in counts for us in count["latencies_us"]]
        counted = Counted(
            rate=sum(count["rate"] for count in counts) * load.items,
            items=len(latencies) * load.items,
            latencies_us=latencies,
            cpu=[count["cpu"] for count in counts],
            errors=dict(errors),
        )
        return meter.sample(counted)

    def _own(self, work: Callable[[], Counted]) -> Sample:
        """Measure what this process does, or what it starts, as the load."""
        meter, cpu = self.meter(), _cpu_seconds()
        counted = work()
        meter.stop()
        counted.cpu = counted.cpu or [(_cpu_seconds() - cpu) / meter.seconds]
        return replace(meter.sample(counted), others=0.0)

    def _sweep(self, load: Load, seconds: float) -> Sample:
        """A sweep, while clients write."""
        writing = replace(load, kind="earn", rate=load.rate / len(self._generators))
        for generator in self._generators:
            generator.order(writing, 0.0, seconds)

        def beside() -> list[int]:
            counts = []
            for generator in self._generators:
                for event in ("begun", "ended"):
                    generator.hear(event)
                counts.append(generator.hear("done"))
            if errors := [count["errors"] for count in counts if count["errors"]]:
                raise RuntimeError(f"calls beside the sweep failed: {errors}")
            return [us for count in counts for us in count["latencies_us"]]

        return commands.sweep(self.cluster, self.database, beside)

    def _by_hand(self, load: Load, ramp: float, seconds: float) -> Sample:
        mover = self._movers.get(load.name)
        if mover is None:
            mover = self._movers[load.name] = Mover(self._conninfo(), load)
            self._left.callback(mover.close)
        mover.run(ramp)

        def work() -> Counted:
            began = time.perf_counter()
            latencies = mover.run(seconds)
            rate = len(latencies) * BATCH / (time.perf_counter() - began)
            return Counted(rate, len(latencies) * BATCH, latencies)

        return self._own(work)


def _dialect(load: Load, seconds: float) -> Counted:
    took = sorted(dialect_costs.latencies(load.kind.removeprefix("dialect_"), seconds))
    # Of the middle call: what disturbs a few of them is not the dialect's.
    return Counted(1e9 / took[len(took) // 2], len(took), [ns // 1000 for ns in took])


def _cpu_seconds() -> float:
    """Of this process and of those that it has started and that have ended."""
    times = psutil.Process().cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def _split(load: Load, count: int) -> list[Load]:
    """The load's calls in flight, or its rate, dealt out to so many processes."""
    if load.rate:
        return [replace(load, rate=load.rate / count)] * count
    shares = [load.in_flight // count + (n < load.in_flight % count) for n in range(count)]
    return [replace(load, in_flight=share) for share in shares if share]

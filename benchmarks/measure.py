"""Running a load against a server, and what it cost the processes involved."""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import dialects
import psutil
from by_hand import Mover
from calls import BATCH, Load
from server import Cluster, Server, cpu_seconds, machine_seconds, stop

REPLY_SECONDS = 60.0
POLL_SECONDS = 0.1
LOAD_PROGRAM = Path(__file__).with_name("load.py")


@dataclass(frozen=True)
class Sample:
    """One load for some seconds. Processor times are in microseconds per item.

    `load_share` is how much of one processor the busiest load process used, `others` how many
    processors were used by processes that are none of ours.
    """

    rate: float
    items: int
    p50_ms: float
    p99_ms: float
    server_cpu_us: float
    database_cpu_us: float
    load_cpu_us: float
    load_share: float
    others: float
    memory_mb: float
    errors: dict[str, int] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """As JSON has it."""
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


class Generator:
    """One process that makes load, and what it has said."""

    def __init__(self, server: Server) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(LOAD_PROGRAM), server.address, server.http],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is meant for us, who then stop it
        )

    def order(self, load: Load, ramp: float, seconds: float) -> None:
        """Have it make the load."""
        assert self.process.stdin is not None
        line = json.dumps({"load": load.plan(), "ramp": ramp, "seconds": seconds})
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def hear(self, event: str, within: float = REPLY_SECONDS) -> dict[str, Any]:
        """What it says next, which has to be `event`."""
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], within)[0]:
            raise RuntimeError(f"a load process did not say {event!r} in {within:g} seconds")
        said: dict[str, Any] = json.loads(self.process.stdout.readline() or "{}")
        if said.get("event") != event:
            raise RuntimeError(f"a load process said {said} instead of {event!r}")
        return said

    def has_said(self) -> bool:
        """Whether there is something to hear."""
        return bool(select.select([self.process.stdout], [], [], POLL_SECONDS)[0])

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            if self.process.stdin is not None:
                self.process.stdin.close()
        stop(self.process)


@contextmanager
def generators(server: Server, count: int) -> Iterator[list[Generator]]:
    """So many load processes for the server."""
    with ExitStack() as started:
        made = []
        for _ in range(count):
            made.append(Generator(server))
            started.callback(made[-1].close)
        for generator in made:
            generator.hear("ready")
        yield made


@dataclass
class Stand:
    """One database with its server and the processes that make load on it."""

    cluster: Cluster
    database: str
    server: Server
    generators: list[Generator]
    movers: dict[str, Mover] = field(default_factory=dict)

    def run(self, load: Load, ramp: float, seconds: float) -> Sample:
        """Make the load, and measure it."""
        if load.kind == "by_hand":
            return self._by_hand(load, ramp, seconds)
        if load.kind.startswith("dialect_"):
            return self._dialect(load, seconds)
        parts = _split(load, len(self.generators))
        busy = self.generators[: len(parts)]
        for generator, part in zip(busy, parts, strict=True):
            generator.order(part, ramp, seconds)
        for generator in busy:
            generator.hear("begun")
        meter = Meter(self)
        while not busy[0].has_said():
            meter.look()
        for generator in busy:
            generator.hear("ended")
        meter.stop()
        counts = [generator.hear("done") for generator in busy]
        latencies = sorted(us for c in counts for us in c["latencies_us"])
        errors: Counter[str] = Counter()
        for c in counts:
            errors.update(c["errors"])
        rate = sum(c["rate"] for c in counts) * load.items
        cpu = [c["cpu"] for c in counts]
        return meter.sample(load, rate, latencies, cpu, dict(errors))

    def close(self) -> None:
        """Close what was opened for the work by hand."""
        for mover in self.movers.values():
            mover.close()

    def _by_hand(self, load: Load, ramp: float, seconds: float) -> Sample:
        mover = self.movers.get(load.name)
        if mover is None:
            mover = self.movers[load.name] = Mover(self.cluster.conninfo(self.database), load)
        mover.run(ramp)
        meter, cpu = Meter(self), time.process_time()
        latencies = mover.run(seconds)
        cpu = time.process_time() - cpu
        meter.stop()
        rate = len(latencies) * BATCH / meter.seconds
        return meter.sample(load, rate, sorted(latencies), [cpu / meter.seconds], {})

    def _dialect(self, load: Load, seconds: float) -> Sample:
        name = load.kind.removeprefix("dialect_")
        meter, cpu = Meter(self), time.process_time()
        took = sorted(dialects.latencies(name, seconds))
        cpu = time.process_time() - cpu
        meter.stop()
        # Of the middle call: what disturbs a few of them is not the dialect's.
        rate = 1e9 / took[len(took) // 2]
        return meter.sample(load, rate, [ns // 1000 for ns in took], [cpu / meter.seconds], {})


class Meter:
    """Looks at processor time and memory from its making until it is stopped."""

    def __init__(self, stand: Stand) -> None:
        self._server = stand.server
        self._database = stand.cluster.processes()
        self._own = psutil.Process()
        self._ours = [g.process.pid for g in stand.generators]
        self.seconds = 0.0
        self._memory = 0.0
        self._began = time.perf_counter()
        self._marks = self._marked()

    def look(self) -> None:
        """Look at the server's memory."""
        self._memory = max(self._memory, self._server.memory_mb())

    def stop(self) -> None:
        """Look for the last time."""
        self.look()
        self.seconds = time.perf_counter() - self._began
        self._marks = tuple(b - a for a, b in zip(self._marks, self._marked(), strict=True))

    def sample(
        self,
        load: Load,
        rate: float,
        latencies: list[int],
        cpu: list[float],
        errors: dict[str, int],
    ) -> Sample:
        """What has been measured, given what the load processes have counted."""
        server, database, own, machine = (mark / self.seconds for mark in self._marks)
        others = machine - server - database - own - (sum(cpu) if not load.is_own else 0)
        items = max(rate, 1e-9)
        return Sample(
            rate=rate,
            items=len(latencies) * (BATCH if load.kind == "by_hand" else load.items),
            p50_ms=_quantile(latencies, 0.5) / 1000,
            p99_ms=_quantile(latencies, 0.99) / 1000,
            server_cpu_us=server / items * 1e6,
            database_cpu_us=database / items * 1e6,
            load_cpu_us=sum(cpu) / items * 1e6,
            load_share=max(cpu),
            others=max(others, 0.0),
            memory_mb=self._memory,
            errors=errors,
        )

    def _marked(self) -> tuple[float, ...]:
        return (
            cpu_seconds([self._server.process]),
            cpu_seconds(self._database),
            cpu_seconds([self._own]),
            machine_seconds(),
        )


def _split(load: Load, count: int) -> list[Load]:
    """The load's calls in flight, dealt out to so many processes."""
    shares = [load.in_flight // count + (n < load.in_flight % count) for n in range(count)]
    return [replace(load, in_flight=share) for share in shares if share]


def _quantile(ordered: list[int], part: float) -> float:
    return float(ordered[min(int(len(ordered) * part), len(ordered) - 1)]) if ordered else 0.0

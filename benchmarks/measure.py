"""What a load has cost the processes involved."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

import psutil
from benchmarks.server import Cluster, cpu_seconds, machine_seconds, memory_mb


@dataclass(frozen=True)
class Sample:
    """One load for some seconds. Processor times are in microseconds per item.

    `load_share` is how much of one processor the busiest load process used, `others` how many
    processors were used by processes that are none of ours. `memory_grown` is, of a job that goes
    from beginning to end, the most memory in its second half over that in its first.
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
    memory_grown: float = 1.0
    errors: dict[str, int] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """As JSON has it."""
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


@dataclass
class Counted:
    """What a load process, or whatever made the load, has counted.

    `rate` is items a second, `cpu` how much of one processor each load process used.
    """

    rate: float
    items: int
    latencies_us: list[int] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)


class Meter:
    """Looks at processor time and memory from its making until it is stopped.

    `server` are the processes whose memory counts, `load` those that make the load; this process
    counts for neither.
    """

    def __init__(
        self, cluster: Cluster, server: list[psutil.Process], load: list[psutil.Process]
    ) -> None:
        self._cluster = cluster
        self._groups = (server, load, [psutil.Process()])
        self._looks: list[tuple[float, float]] = []
        self._used = 0.0
        self.seconds = 0.0
        self._began = time.perf_counter()
        self._marks = self._marked()

    def look(self) -> None:
        """Look at the server's memory."""
        self._looks.append((time.perf_counter(), memory_mb(self._groups[0])))
        self._used = max(self._used, cpu_seconds(self._groups[0]))

    def stop(self) -> None:
        """Look for the last time."""
        self.look()
        self.seconds = time.perf_counter() - self._began
        self._marks = [b - a for a, b in zip(self._marks, self._marked(), strict=True)]

    def sample(self, counted: Counted) -> Sample:
        """What has been measured, given what has been counted."""
        machine, *ours = (mark / self.seconds for mark in self._marks)
        server, database, load, _ = ours
        made_by = max(load, sum(counted.cpu))
        others = machine - sum(ours) - (made_by - load)
        items = counted.rate or float("inf")  # where nothing was done nothing has a cost
        ordered = sorted(counted.latencies_us)
        return Sample(
            rate=counted.rate,
            items=counted.items,
            p50_ms=_quantile(ordered, 0.5) / 1000,
            p99_ms=_quantile(ordered, 0.99) / 1000,
            server_cpu_us=server / items * 1e6,
            database_cpu_us=database / items * 1e6,
            load_cpu_us=made_by / items * 1e6,
            load_share=max(counted.cpu, default=made_by),
            others=max(others, 0.0),
            memory_mb=max((mb for _, mb in self._looks), default=0.0),
            memory_grown=self._grown(),
            errors=counted.errors,
        )

    def _grown(self) -> float:
        half = self._began + self.seconds / 2
        first = max((mb for at, mb in self._looks if at <= half), default=0.0)
        second = max((mb for at, mb in self._looks if at > half), default=0.0)
        return second / first if first and second else 1.0

    def _marked(self) -> list[float]:
        server, load, own = (cpu_seconds(group) for group in self._groups)
        # A server that has ended meanwhile has used what it was last seen to have used.
        database = self._cluster.cpu_seconds()
        return [machine_seconds(), max(server, self._used), database, load, own]


def _quantile(ordered: list[int], part: float) -> float:
    return float(ordered[min(int(len(ordered) * part), len(ordered) - 1)]) if ordered else 0.0

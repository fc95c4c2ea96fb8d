"""Counters of one process, each written by one thread only, so that none needs a lock."""

from __future__ import annotations

import contextlib
import os
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the buckets of lengths of time, in seconds."""

ITEMS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
"""Upper bounds of the buckets of numbers of items."""


class Histogram:
    """How many values lay up to each bound and beyond the last one; the last count is the rest."""

    __slots__ = ("_bounds", "_counts", "_total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    def facts(self) -> dict[str, Any]:
        """Return the bounds, the counts and the sum of all values, for JSON."""
        return {"bounds": self._bounds, "counts": list(self._counts), "total": self._total}


@dataclass(slots=True)
class MethodFigures:
    """The calls of one method; codes are names of gRPC status codes."""

    codes: Counter[str] = field(default_factory=Counter)
    seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    shed: int = 0


@dataclass(slots=True)
class LaneFigures:
    """The batches of a lane; jobs `locked_out` are retried, jobs `oversized` go to another lane."""

    items: Histogram = field(default_factory=lambda: Histogram(ITEMS))
    seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    locked_out: int = 0
    oversized: int = 0


class Counters:
    """Everything that one process counts. `running` is how many calls run now.

    `sweep_lag_seconds` is how long ago the oldest lapse happened that is not recorded; None where
    this process does not sweep.
    """

    def __init__(self) -> None:
        self.running = 0
        self.serving = False
        self.sweep_lag_seconds: float | None = None
        self._methods: dict[str, MethodFigures] = {}
        self._lanes: dict[str, LaneFigures] = {}
        self._waiting: Callable[[], Mapping[str, int]] = dict

    def method(self, name: str) -> MethodFigures:
        """Return the counters of a method by its full name; create them at first use."""
        return self._methods.setdefault(name, MethodFigures())

    def batch(self, lane: str, items: int, seconds: float, locked_out: int, oversized: int) -> None:
        """Count a batch of a lane."""
        counters = self._lanes.get(lane) or self._lanes.setdefault(lane, LaneFigures())
        counters.items.add(items)
        counters.seconds.add(seconds)
        counters.locked_out += locked_out
        counters.oversized += oversized

    def watch_queues(self, waiting: Callable[[], Mapping[str, int]]) -> None:
        """Ask `waiting` for the number of items in each lane's queue whenever figures are shown."""
        self._waiting = waiting

    def snapshot(self) -> dict[str, Any]:
        """Return all counters for JSON. From any thread."""
        return {
            "serving": self.serving,
            "running": self.running,
            "sweep_lag_seconds": self.sweep_lag_seconds,
            "cpu_seconds": time.process_time(),
            "memory_bytes": resident_bytes(),
            "methods": {
                name: {"codes": dict(of.codes), "seconds": of.seconds.facts(), "shed": of.shed}
                for name, of in list(self._methods.items())
            },
            "lanes": {
                name: {
                    "items": of.items.facts(),
                    "seconds": of.seconds.facts(),
                    "deferred": of.locked_out,
                    "moved": of.oversized,
                }
                for name, of in list(self._lanes.items())
            },
            "waiting": dict(self._waiting()),
        }


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One worker: its process while it has one, how often it was replaced, and its figures.

    `counters` are those of `Counters.snapshot`, or None where it does not answer.
    """

    number: int
    pid: int | None
    restarts: int
    counters: dict[str, Any] | None

    @property
    def serving(self) -> bool:
        """Return whether it can work: it answers, and so does the database."""
        return self.counters is not None and bool(self.counters["serving"])


def resident_bytes() -> int:
    """Return the memory of this process; 0 if the machine does not report it."""
    with contextlib.suppress(OSError, AttributeError):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    return 0

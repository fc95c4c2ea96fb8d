"""Figures, and the cases that they come from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median

from benchmarks.calls import Load
from benchmarks.measure import Sample

Samples = dict[str, list[Sample]]


@dataclass(frozen=True)
class Figure:
    """A number that the report states: of one load, or of one against another.

    `of` is what it is about: "rate" (items a second), "memory" (in MB), "grown" (the most memory
    in the second half of the time over that in the first), "ratio" (of the rates of `load` and
    `other`), "latency" (of the middle call, in ms), "tail" (the 99th percentile of latency over
    the median), "cost" (in microseconds per item, where nothing but the item takes time).
    """

    name: str
    of: str
    load: str
    other: str = ""
    at_least: float | None = None
    at_most: float | None = None

    def rounds(self, samples: Samples) -> list[float]:
        """Its value in each round; none where the load has failed."""
        own = samples.get(self.load, [])
        if self.of == "ratio":
            # A round that broke off has one side only.
            other = samples.get(self.other, [])
            return [one.rate / two.rate for one, two in zip(own, other, strict=False) if two.rate]
        return [_VALUES[self.of](sample) for sample in own]

    def value(self, samples: Samples) -> float:
        """The median of the rounds."""
        return median(self.rounds(samples))

    def is_met(self, value: float) -> bool | None:
        """Whether it reaches what it has to; None where that is nothing."""
        if self.at_least is not None:
            return value >= self.at_least
        return None if self.at_most is None else value <= self.at_most


_VALUES = {
    "rate": lambda sample: sample.rate,
    "memory": lambda sample: sample.memory_mb,
    "grown": lambda sample: sample.memory_grown,
    "latency": lambda sample: sample.p50_ms,
    "tail": lambda sample: sample.p99_ms / max(sample.p50_ms, 1e-9),
    "cost": lambda sample: 1e6 / max(sample.rate, 1e-9),
}


@dataclass(frozen=True)
class Case:
    """Loads that take turns, round by round, so that what disturbs one disturbs all.

    Many short rounds rather than a few long ones, for the same reason. A case that is not `warm`
    goes without a first round that does not count, because it can be done only once.
    """

    name: str
    loads: tuple[Load, ...]
    figures: tuple[Figure, ...]
    rounds_max: int = 100
    warm: bool = True

    def only(self, names: set[str]) -> Case | None:
        """What of it is about `names`: the whole case, or some of its loads and figures."""
        if not names or self.name in names:
            return self
        figures = tuple(f for f in self.figures if {f.load, f.name} & names)
        needed = {name for f in figures for name in (f.load, f.other)}
        loads = tuple(load for load in self.loads if load.name in names | needed)
        return replace(self, loads=loads, figures=figures) if loads else None

    def places(self) -> list[str]:
        """The servers that it needs."""
        return list(dict.fromkeys(load.place for load in self.loads))

"""What is measured, against what, and what it has to reach."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median

from calls import Load
from fill import Filling
from measure import Sample


@dataclass(frozen=True)
class Figure:
    """A number that the report states: of one load, or of one against another.

    `of` is what it is about: "rate" (items a second), "memory" (of the server, in MB),
    "ratio" (of the rates of `load` and `other`), "latency" (of most calls, in ms), "cost" (in
    microseconds per item, where nothing but the item takes time).
    """

    name: str
    of: str
    load: str
    other: str = ""
    at_least: float | None = None
    at_most: float | None = None

    def value(self, samples: dict[str, list[Sample]]) -> float:
        """The median of the rounds."""
        return median(self.rounds(samples))

    def rounds(self, samples: dict[str, list[Sample]]) -> list[float]:
        """Its value in each round."""
        own = samples[self.load]
        if self.of == "memory":
            return [sample.memory_mb for sample in own]
        if self.of == "latency":
            return [sample.p50_ms for sample in own]
        if self.of == "cost":
            return [1e6 / sample.rate for sample in own]
        if self.of == "rate":
            return [sample.rate for sample in own]
        other = samples[self.other]
        return [one.rate / two.rate for one, two in zip(own, other, strict=True)]

    def is_met(self, value: float) -> bool | None:
        """Whether it reaches what it has to; None where that is nothing."""
        if self.at_least is not None:
            return value >= self.at_least
        return None if self.at_most is None else value <= self.at_most


@dataclass(frozen=True)
class Case:
    """Loads that take turns, round by round, so that what disturbs one disturbs all.

    Many short rounds rather than a few long ones, for the same reason.
    """

    name: str
    loads: tuple[Load, ...]
    figures: tuple[Figure, ...]
    rounds_max: int = 100

    def only(self, names: set[str]) -> Case | None:
        """What of it is about `names`: the whole case, or some of its loads and figures."""
        if not names or self.name in names:
            return self
        figures = tuple(f for f in self.figures if {f.load, f.name} & names)
        needed = {name for f in figures for name in (f.load, f.other)}
        loads = tuple(load for load in self.loads if load.name in names | needed)
        return replace(self, loads=loads, figures=figures) if loads else None


@dataclass(frozen=True)
class Scale:
    """How large everything is. Times in seconds."""

    rounds: int
    ramp: float
    seconds: float
    fillings: dict[str, Filling]


FULL = Scale(
    rounds=8,
    ramp=0.4,
    seconds=1.2,
    fillings={
        "spread": Filling(members=100_000, live=3),
        "small": Filling(members=10_000),
        "large": Filling(members=10_000, closed=199),
    },
)
QUICK = Scale(
    rounds=2,
    ramp=0.25,
    seconds=0.65,
    fillings={
        "spread": Filling(members=5_000, live=3),
        "small": Filling(members=2_000),
        "large": Filling(members=2_000, closed=49),
    },
)


def cases(scale: Scale, lots: str) -> list[Case]:
    """All of them; `lots` is the folder of the files with the lots' ids."""
    members = scale.fillings["spread"].members
    return [
        _unary(members),
        _hot(members),
        _updates(members, lots),
        _history(scale),
        _memory(members),
    ]


def _unary(members: int) -> Case:
    def load(kind: str) -> Load:
        return Load(kind, kind, members=members)

    return Case(
        "unary",
        tuple(map(load, ("noop", "earn", "redeem", "get_expiring", "get_account"))),
        (
            Figure("no-op call", "rate", "noop"),
            Figure("Earn", "rate", "earn"),
            Figure("Earn / no-op", "ratio", "earn", "noop", at_least=0.5),
            Figure("Redeem", "rate", "redeem"),
            Figure("Redeem / no-op", "ratio", "redeem", "noop"),
            Figure("GetExpiringPoints", "rate", "get_expiring"),
            Figure("GetExpiringPoints / no-op", "ratio", "get_expiring", "noop"),
            Figure("GetAccount", "rate", "get_account"),
            Figure("GetAccount / no-op", "ratio", "get_account", "noop"),
        ),
    )


def _hot(members: int) -> Case:
    return Case(
        "hot",
        (
            Load("spread_earn", "earn", members=members),
            Load("hot_earn", "earn", first=members - 1),
            Load("spread_mixed", "mixed", members=members),
            Load("hot_mixed", "mixed", first=members - 1),
        ),
        (
            Figure("one account, Earn", "rate", "hot_earn"),
            Figure("one account / spread, Earn", "ratio", "hot_earn", "spread_earn", 0.5),
            Figure("one account, Earn and Redeem", "rate", "hot_mixed"),
            Figure(
                "one account / spread, Earn and Redeem", "ratio", "hot_mixed", "spread_mixed", 0.5
            ),
        ),
    )


def _updates(members: int, lots: str) -> Case:
    half = members // 2
    common = Load("", "", in_flight=4, members=half, lots=f"{lots}/spread.lots", stretch=2)
    return Case(
        "update_expiry",
        (
            replace(common, name="update_expiry", kind="update_expiry"),
            replace(common, name="by_hand", kind="by_hand", in_flight=1, first=half),
        ),
        (
            Figure("UpdateExpiry, items", "rate", "update_expiry", at_least=15_000),
            Figure("the same by hand, items", "rate", "by_hand"),
            Figure("UpdateExpiry / by hand", "ratio", "update_expiry", "by_hand", at_least=0.35),
        ),
    )


def _history(scale: Scale) -> Case:
    few, many = scale.fillings["small"], scale.fillings["large"]
    kinds = {"earn": "Earn", "redeem": "Redeem", "get_expiring": "GetExpiringPoints"}
    return Case(
        "history",
        tuple(
            Load(f"{kind}_{database}", kind, database=database, members=few.members)
            for kind in kinds
            for database in ("small", "large")
        ),
        tuple(
            Figure(
                f"{name}, {few.lots:,} lots / {many.lots:,} lots",
                "ratio",
                f"{kind}_small",
                f"{kind}_large",
                at_most=1.3,
            )
            for kind, name in kinds.items()
        ),
    )


def _memory(members: int) -> Case:
    return Case(
        "memory",
        (Load("earn_1000", "earn", in_flight=1000, members=members),),
        (Figure("server memory, 1,000 calls in flight", "memory", "earn_1000", at_most=200),),
        rounds_max=3,
    )

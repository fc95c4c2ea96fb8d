"""What is measured of work that goes from beginning to end, and what it has to reach."""

from __future__ import annotations

from benchmarks.calls import Load
from benchmarks.metrics import Case, Figure
from benchmarks.scale import Scale

WRITES = 200
"""Earns a second beside the sweep."""

EXPECTED = 60_000
"""Lots a second: for so long as the sweep then takes there are writes."""

IMPORTED = 40_000
"""Lots a second, by which the time for an import is set aside."""


def cases(scale: Scale) -> list[Case]:
    """All of them."""
    return [_sweep(scale), _import(scale)]


def _sweep(scale: Scale) -> Case:
    filling = scale.sweep
    due = (filling.members - filling.apart) * filling.overdue
    stretch = due / EXPECTED / scale.seconds
    return Case(
        "sweep",
        (
            Load("raw_update", "raw_update", place="sweep"),
            Load(
                "sweep",
                "sweep",
                place="sweep",
                members=filling.members - filling.apart,
                rate=WRITES,
                stretch=stretch,
            ),
        ),
        (
            Figure(f"sweep of {due:,} lots, lots", "rate", "sweep", at_least=60_000),
            Figure("one UPDATE of such lots, lots", "rate", "raw_update"),
            Figure("sweep / one UPDATE", "ratio", "sweep", "raw_update", at_least=0.4),
            Figure("sweep, memory, second half / first", "grown", "sweep", at_most=1.1),
            Figure("sweep, most memory", "memory", "sweep"),
        ),
        rounds_max=1,
        warm=False,
    )


def _import(scale: Scale) -> Case:
    lots = scale.imported
    stretch = lots / IMPORTED / scale.seconds
    return Case(
        "import",
        (Load("import", "import", place="small", members=lots, stretch=stretch),),
        (
            Figure(f"import of {lots:,} lots, lots", "rate", "import", at_least=40_000),
            Figure("import, memory, second half / first", "grown", "import", at_most=1.1),
            Figure("import, most memory", "memory", "import"),
        ),
        rounds_max=1,
        warm=False,
    )

"""What was measured, as facts for programs and as tables for people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

from benchmarks.measure import Sample
from benchmarks.metrics import Case, Figure, Samples
from rich.console import Console
from rich.table import Table

Facts = dict[str, Any]

NOOP = "noop"
LINES_DEPTH = 2


@dataclass(frozen=True)
class Result:
    """All samples, and where they were taken; `failures` says why which case broke off."""

    cases: list[Case]
    samples: Samples
    environment: dict[str, str]
    failures: dict[str, str]

    def errors(self) -> dict[str, dict[str, int]]:
        """Calls that failed, by load; there should be none."""
        found: dict[str, dict[str, int]] = {}
        for name, rounds in self.samples.items():
            for sample in rounds:
                for code, count in sample.errors.items():
                    counts = found.setdefault(name, {})
                    counts[code] = counts.get(code, 0) + count
        return found

    def facts(self) -> Facts:
        """Everything, as JSON has it."""
        noop = self.samples.get(NOOP, [])
        every = [sample for rounds in self.samples.values() for sample in rounds]
        return {
            "environment": self.environment,
            "figures": [
                _figure(case.name, figure, self.samples)
                for case in self.cases
                for figure in case.figures
            ],
            "loads": {name: _load(rounds, noop) for name, rounds in self.samples.items()},
            "failures": self.failures,
            "errors": self.errors(),
            "others": round(mean(sample.others for sample in every), 2) if every else 0,
        }


def _figure(case: str, figure: Figure, samples: Samples) -> Facts:
    rounds = [round(value, 4) for value in figure.rounds(samples)]
    value = median(rounds) if rounds else None
    return {
        "case": case,
        "figure": figure.name,
        "of": figure.of,
        "load": figure.load,
        "median": value,
        "rounds": rounds,
        "at_least": figure.at_least,
        "at_most": figure.at_most,
        "met": figure.is_met(value) if value is not None else None,
    }


def _load(rounds: list[Sample], noop: list[Sample]) -> Facts:
    facts = [sample.facts() for sample in rounds]
    numbers = [name for name, value in facts[0].items() if isinstance(value, int | float)]
    middle = {name: round(median(fact[name] for fact in facts), 4) for name in numbers}
    if noop:
        middle["of_noop"] = round(middle["rate"] / median(sample.rate for sample in noop), 4)
    return {"median": middle, "rounds": facts}


def write_json(result: Result, path: Path) -> None:
    """Write everything to `path`."""
    path.write_text(_written(result.facts()) + "\n")


def _written(value: Any, depth: int = 0) -> str:
    """As JSON, with a line for each figure and for each load."""
    if depth == LINES_DEPTH or not value or not isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    margin = " " * (depth + 1)
    if isinstance(value, list):
        lines = [margin + _written(one, depth + 1) for one in value]
        return "[\n" + ",\n".join(lines) + f"\n{margin[1:]}]"
    lines = [
        f"{margin}{json.dumps(name, ensure_ascii=False)}: {_written(one, depth + 1)}"
        for name, one in value.items()
    ]
    return "{\n" + ",\n".join(lines) + f"\n{margin[1:]}}}"


# Rows of tables, which the page in docs/ has too

FIGURE_HEADINGS = ("figure", "median", "rounds", "must be", "")
LOAD_HEADINGS = (
    "load",
    "items/s",
    "/ no-op",
    "p50 ms",
    "p99 ms",
    "server µs",
    "database µs",
    "load µs",
    "load busy",
    "others",
    "MB",
)


def figure_row(figure: Facts) -> list[str]:
    """A figure's cells, below FIGURE_HEADINGS."""
    bound = ""
    if figure["at_least"] is not None:
        bound = f"at least {figure['at_least']:,g}"
    elif figure["at_most"] is not None:
        bound = f"at most {figure['at_most']:,g}"
    if figure["median"] is None:
        return [figure["figure"], "–", "", bound, "failed"]
    low, high = min(figure["rounds"]), max(figure["rounds"])
    return [
        figure["figure"],
        shown(figure["of"], figure["median"]),
        f"{shown(figure['of'], low, unit=False)} to {shown(figure['of'], high, unit=False)}",
        bound,
        {True: "met", False: "missed", None: ""}[figure["met"]],
    ]


def load_row(name: str, load: Facts) -> list[str]:
    """A load's cells, below LOAD_HEADINGS."""
    middle = load["median"]
    of_noop = middle.get("of_noop")
    return [
        name,
        f"{middle['rate']:,.0f}",
        f"{of_noop:.2f}" if of_noop is not None else "",
        f"{middle['p50_ms']:.1f}",
        f"{middle['p99_ms']:.1f}",
        f"{middle['server_cpu_us']:.0f}",
        f"{middle['database_cpu_us']:.0f}",
        f"{middle['load_cpu_us']:.0f}",
        f"{middle['load_share']:.0%}",
        f"{middle['others']:.2f}",
        f"{middle['memory_mb']:.0f}",
    ]


_UNITS = {"memory": (0, " MB"), "latency": (1, " ms"), "cost": (0, " µs"), "rate": (0, "/s")}


def shown(of: str, value: float, unit: bool = True) -> str:
    """A value as people read it."""
    digits, name = _UNITS.get(of, (2, ""))
    return f"{value:,.{digits}f}" + (name if unit else "")


# For people


def show(result: Result, console: Console) -> None:
    """Print everything."""
    facts = result.facts()
    where = Table(title="Where", show_header=False, title_justify="left")
    for name, value in facts["environment"].items():
        where.add_row(name, value)
    console.print(where)
    loads = _table("Loads (medians of the rounds)", LOAD_HEADINGS, left=1)
    for name, load in facts["loads"].items():
        loads.add_row(*load_row(name, load))
    console.print(loads)
    figures = _table("Figures", FIGURE_HEADINGS, left=1)
    for figure in facts["figures"]:
        row = figure_row(figure)
        style = {"missed": "red", "failed": "red", "met": "green"}.get(row[-1])
        figures.add_row(*row, style=style)
    console.print(figures)
    console.print(
        f"{facts['others']:.2f} processors were used by processes that are none of the"
        " benchmark's; ratios are of loads that took turns in the same run."
    )
    for name, errors in facts["errors"].items():
        console.print(f"{name}: failed calls {errors}", style="red", markup=False)
    for name, why in facts["failures"].items():
        console.print(f"the case {name} failed: {why}", style="red", markup=False)


def _table(title: str, headings: tuple[str, ...], left: int) -> Table:
    table = Table(title=title, title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number < left else "right")
    return table

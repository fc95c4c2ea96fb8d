"""What was measured, for people, for programs and for the documentation."""

from __future__ import annotations

import json
import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, median
from typing import Any

import grpc
import psutil
import psycopg
import sqlalchemy
from cases import Case, Figure
from measure import Sample
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"

Samples = dict[str, list[Sample]]


@dataclass(frozen=True)
class Result:
    """All samples, and where they were taken."""

    cases: list[Case]
    samples: Samples
    environment: dict[str, str]

    def errors(self) -> dict[str, dict[str, int]]:
        """Calls that failed, by load; there should be none."""
        found: dict[str, dict[str, int]] = {}
        for name, rounds in self.samples.items():
            for sample in rounds:
                for code, count in sample.errors.items():
                    counts = found.setdefault(name, {})
                    counts[code] = counts.get(code, 0) + count
        return found

    def others(self) -> float:
        """How many processors were used by processes that are none of ours, on average."""
        return mean(s.others for rounds in self.samples.values() for s in rounds)


def environment(command: str, postgres: str, commit_us: float) -> dict[str, str]:
    """The machine, the versions, the commit and the command."""
    uname = platform.uname()
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "commit": _commit(),
        "command": command,
        "machine": f"{_processor()}, {psutil.cpu_count()} processors,"
        f" {psutil.virtual_memory().total / 2**30:.0f} GiB, {uname.system} {uname.release}",
        "durable commit": f"{commit_us:.0f} µs for one row",
        "Python": platform.python_version(),
        "PostgreSQL": postgres,
        "libraries": f"grpcio {grpc.__version__}, SQLAlchemy {sqlalchemy.__version__},"
        f" psycopg {psycopg.__version__}",
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--", "src", "generated", "requirements.lock")
    return (git("rev-parse", "--short", "HEAD") or "none") + (" with changes" if changed else "")


# For people


def show(result: Result, console: Console) -> None:
    """Print everything."""
    facts = Table(title="Where", show_header=False, title_justify="left")
    for name, value in result.environment.items():
        facts.add_row(name, value)
    console.print(facts)
    console.print(_loads(result))
    console.print(_figures(result))
    console.print(
        f"{result.others():.2f} processors were used by processes that are none of the"
        " benchmark's; ratios are of loads that took turns in the same run."
    )
    for name, errors in result.errors().items():
        console.print(f"[red]{name}: failed calls {errors}")


def _loads(result: Result) -> Table:
    table = Table(title="Loads (medians of the rounds)", title_justify="left")
    table.add_column("load")
    for heading in _LOAD_HEADINGS:
        table.add_column(heading, justify="right")
    for name, rounds in result.samples.items():
        table.add_row(name, *_load_row(rounds))
    return table


_LOAD_HEADINGS = (
    "items/s",
    "p50 ms",
    "p99 ms",
    "server µs",
    "database µs",
    "load µs",
    "load busy",
    "others",
    "MB",
)


def _load_row(rounds: list[Sample]) -> list[str]:
    def middle(name: str) -> float:
        return median(getattr(sample, name) for sample in rounds)

    return [
        f"{middle('rate'):,.0f}",
        f"{middle('p50_ms'):.1f}",
        f"{middle('p99_ms'):.1f}",
        f"{middle('server_cpu_us'):.0f}",
        f"{middle('database_cpu_us'):.0f}",
        f"{middle('load_cpu_us'):.0f}",
        f"{middle('load_share'):.0%}",
        f"{middle('others'):.2f}",
        f"{middle('memory_mb'):.0f}",
    ]


def _figures(result: Result) -> Table:
    table = Table(title="Figures", title_justify="left")
    for heading, justify in _FIGURE_HEADINGS:
        table.add_column(heading, justify=justify)
    for case in result.cases:
        for figure in case.figures:
            row = _figure_row(figure, result.samples)
            style = {"missed": "red", "met": "green"}.get(row[-1])
            table.add_row(*row, style=style)
        table.add_section()
    return table


_FIGURE_HEADINGS: tuple[tuple[str, Any], ...] = (
    ("figure", "left"),
    ("median", "right"),
    ("rounds", "right"),
    ("must be", "left"),
    ("", "left"),
)


def _figure_row(figure: Figure, samples: Samples) -> list[str]:
    rounds, value = sorted(figure.rounds(samples)), figure.value(samples)
    met = figure.is_met(value)
    bound = ""
    if figure.at_least is not None:
        bound = f"at least {figure.at_least:,g}"
    elif figure.at_most is not None:
        bound = f"at most {figure.at_most:,g}"
    return [
        figure.name,
        _shown(figure, value),
        f"{_shown(figure, rounds[0], unit=False)} to {_shown(figure, rounds[-1], unit=False)}",
        bound,
        {True: "met", False: "missed", None: ""}[met],
    ]


def _shown(figure: Figure, value: float, unit: bool = True) -> str:
    if figure.of == "ratio":
        return f"{value:.2f}"
    if figure.of == "memory":
        return f"{value:.0f}" + (" MB" if unit else "")
    if figure.of == "latency":
        return f"{value:.0f}" + (" ms" if unit else "")
    if figure.of == "cost":
        return f"{value:.0f}" + (" µs" if unit else "")
    return f"{value:,.0f}" + ("/s" if unit else "")


# For programs


def write_json(result: Result, path: Path) -> None:
    """Write everything to `path`."""
    figures = [
        {
            "case": case.name,
            "figure": figure.name,
            "of": figure.of,
            "median": round(figure.value(result.samples), 4),
            "rounds": [round(value, 4) for value in figure.rounds(result.samples)],
            "at_least": figure.at_least,
            "at_most": figure.at_most,
            "met": figure.is_met(figure.value(result.samples)),
        }
        for case in result.cases
        for figure in case.figures
    ]
    content = {
        "environment": result.environment,
        "figures": figures,
        "loads": {name: [s.facts() for s in rounds] for name, rounds in result.samples.items()},
    }
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


# For the documentation


def write_page(result: Result) -> None:
    """Put the figures into the page about performance, between its markers."""
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    if not rest or END not in rest:
        raise RuntimeError(f"{PAGE.name} has no place for figures between {BEGIN} and {END}")
    lines = [f"| {name} | {value} |" for name, value in result.environment.items()]
    lines = ["| | |", "|---|---|", *lines, ""]
    lines += ["| figure | median | rounds | must be | |", "|---|--:|--:|---|---|"]
    for case in result.cases:
        lines += [_line(_figure_row(figure, result.samples)) for figure in case.figures]
    lines += ["", _line(["load", *_LOAD_HEADINGS]), "|---" + "|--:" * len(_LOAD_HEADINGS) + "|"]
    lines += [_line([name, *_load_row(rounds)]) for name, rounds in result.samples.items()]
    lines += [
        "",
        f"Processes that are none of the benchmark's used {result.others():.2f} processors.",
    ]
    PAGE.write_text(before + BEGIN + "\n" + "\n".join(lines) + "\n" + END + after)


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"

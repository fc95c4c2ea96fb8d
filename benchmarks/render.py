"""The figures in docs/: the tables of performance.md and a chart, made of performance.json."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.report import FIGURE_HEADINGS, LOAD_HEADINGS, Facts, figure_row, load_row

from benchmarks import chart

BEGIN, END = "<!-- figures -->", "<!-- /figures -->"


def write_page(docs: Path) -> None:
    """Make the tables and the chart anew."""
    facts: Facts = json.loads((docs / "performance.json").read_text())
    (docs / "performance.svg").write_text(chart.draw(facts))
    page = docs / "performance.md"
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise RuntimeError(f"{page.name} has no place for figures between {BEGIN} and {END}")
    page.write_text(before + begin + "\n" + "\n".join(_lines(facts)) + "\n" + end + after)


def _lines(facts: Facts) -> list[str]:
    lines = ["| | |", "|---|---|"]
    lines += [_row([name, value]) for name, value in facts["environment"].items()]
    lines += ["", "![Calls a second, and figures against their targets](performance.svg)", ""]
    lines += [_row(FIGURE_HEADINGS), "|---|--:|--:|---|---|"]
    lines += [_row(figure_row(figure)) for figure in facts["figures"]]
    lines += ["", _row(LOAD_HEADINGS), "|---" + "|--:" * (len(LOAD_HEADINGS) - 1) + "|"]
    lines += [_row(load_row(name, load)) for name, load in facts["loads"].items()]
    lines += [
        "",
        f"Processes that are none of the benchmark's used {facts['others']:.2f} processors.",
    ]
    lines += [f"Failed calls of {name}: {errors}." for name, errors in facts["errors"].items()]
    lines += [f"The case {name} failed: {why.strip()}." for name, why in facts["failures"].items()]
    return lines


def _row(cells: list[str] | tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    write_page(Path(__file__).resolve().parents[1] / "docs")

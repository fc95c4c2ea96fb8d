"""The page about performance shows what was measured, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks import render

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = ("performance.md", "performance.svg")


@pytest.mark.parametrize("name", PAGES)
def test_tables_and_chart_are_those_of_the_figures(name: str, tmp_path: Path) -> None:
    """The tables and the chart in docs/ are what performance.json gives, to the letter."""
    for file in ("performance.json", "performance.md"):
        shutil.copy(DOCS / file, tmp_path / file)
    render.write_page(tmp_path)
    assert (tmp_path / name).read_text() == (DOCS / name).read_text()

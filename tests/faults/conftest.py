"""A load against servers and databases that break; what was said must be true afterwards."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))
sys.path.insert(0, str(Path(__file__).parents[1] / "service"))
sys.path.insert(0, str(Path(__file__).parent))

import servers  # only found through the lines above
from verdict import REPORT

Serve = Callable[..., servers.Running]

ROUNDS = int(os.environ.get("POINTS_FAULT_ROUNDS", "1"))


@pytest.fixture(scope="session")
def rounds() -> Callable[[int], range]:
    """So many rounds of a fault, or as many times more as the environment asks for."""
    return lambda usual: range(usual * ROUNDS)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts development servers; those that still run at the end of the test are stopped."""
    count = 0
    with ExitStack() as left:

        def start(
            *arguments: str, program: tuple[str, ...] = servers.PROGRAM, **environment: Any
        ) -> servers.Running:
            nonlocal count
            count += 1
            always = ("--dev", "--demo", "--no-sweep")
            errors = tmp_path / f"stderr{count}"
            running = servers.start((*always, *arguments), environment, errors, program)
            left.callback(servers.end, running.process)
            return running

        yield start


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The report over all faults."""
    if REPORT.faults:
        terminalreporter.section("faults")
        for line in REPORT.lines():
            terminalreporter.write_line(line)

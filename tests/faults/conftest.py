"""A load against servers and databases that break; what was said must be true afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.support.cli import servers
from tests.support.faults.reconcile import REPORT

Serve = Callable[..., servers.Running]

DEADLOCK = '"event": "deadlock"'
"""What a server logs of each; PostgreSQL forgets its own count when it is killed."""

ROUNDS = int(os.environ.get("POINTS_FAULT_ROUNDS", "1"))


@pytest.fixture(scope="session")
def rounds() -> Callable[[int], range]:
    """So many rounds of a fault, or as many times more as the environment asks for."""
    return lambda usual: range(usual * ROUNDS)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts development servers; those that still run at the end of the test are stopped."""
    told: list[Path] = []
    with ExitStack() as left:

        def start(
            *arguments: str, program: tuple[str, ...] = servers.PROGRAM, **environment: Any
        ) -> servers.Running:
            always = ("--dev", "--demo", "--no-sweep")
            errors = tmp_path / f"stderr{len(told)}"
            told.append(errors)
            running = servers.start((*always, *arguments), environment, errors, program)
            left.callback(servers.end, running.process)
            return running

        yield start

    seen = sum(errors.read_text().count(DEADLOCK) for errors in told)
    REPORT.deadlocks_told += seen
    assert seen == 0


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The report over all faults."""
    if REPORT.faults:
        terminalreporter.section("faults")
        for line in REPORT.lines():
            terminalreporter.write_line(line)

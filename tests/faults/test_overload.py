"""Ten times as much as the server can do."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from tests.support.faults.load import Outcome
from tests.support.faults.reconcile import REPORT, judge

pytestmark = pytest.mark.faults

ROOT = Path(__file__).parents[2]
TIMES = 10
GOODPUT_MIN = 0.2
"""Which part of the top rate holds on a machine that does much else, of which one window has more
than another. What was measured is reported.
"""

RAMP, SECONDS = 0.8, 1.8


class Window:
    """What became of a flood in the seconds that were counted."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._took: dict[str, list[float]] = told["took"]
        self._seconds = told["seconds"]
        self.offered = told["offered"] / self._seconds
        self.codes = set(told["codes"])

    @property
    def rate(self) -> float:
        """Calls that were answered, a second."""
        return len(self._took.get("OK", ())) / self._seconds

    @property
    def refusals(self) -> list[float]:
        """How long those took that were turned away, in seconds."""
        return sorted(self._took.get("RESOURCE_EXHAUSTED", ()))


class Flood:
    """The process that makes the load."""

    def __init__(self, address: str) -> None:
        self._process = subprocess.Popen(
            (sys.executable, "-m", "tests.support.faults.flood", address),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._turn = 0
        self.outcome = Outcome()

    def run(self, items: int, callers: int = 0, rate: float = 0.0) -> Window:
        """Send calls of so many items, by so many callers or so many calls a second."""
        self._turn += 1
        tag = f"flood{self._turn:03d}"
        order = {"tag": tag, "items": items, "callers": callers, "rate": rate}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order | {"ramp": RAMP, "seconds": SECONDS}) + "\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline())
        heard = dict(told["heard"])
        for number in range(told["sent"]):
            name = f"{tag}-{number:08d}"
            names = [name] if items == 1 else [f"{name}/{n}" for n in range(items)]
            code = heard.get(number, "unknown")
            kept = {"OK": self.outcome.acknowledged, "RESOURCE_EXHAUSTED": self.outcome.refused}
            kept.get(code, self.outcome.unknown).update(names)
        return Window(told)

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


@pytest.fixture
def flood() -> Iterator[Callable[[str], Flood]]:
    """Starts floods of a server at an address."""
    started: list[Flood] = []

    def start(address: str) -> Flood:
        started.append(Flood(address))
        return started[-1]

    yield start
    for one in started:
        one.close()


CASES = {
    # As many callers as calls may run, and ten times as many, who come back when they are told to.
    # To turn a call away costs the server about as much as to answer it. Callers who wait send
    # nothing more: a server that starts their calls no faster than it ends others refuses none.
    "earns": (1, {"POINTS_CALLS_MAX": "128"}, 128, 2),
    # Ten times as many calls a second as are answered when some always wait: most must be refused.
    "batches of 200 earns": (200, {"POINTS_LANE_ITEMS_MAX": "2000"}, 12, 1),
}


def describe_refusals(seconds: list[float]) -> str:
    """How many calls were refused while it was counted, and how fast; `seconds` are in order."""
    if not seconds:
        return "none turned away"
    last = seconds[int(0.99 * (len(seconds) - 1))]
    return (
        f"{len(seconds)} turned away, half within {median(seconds) * 1000:.0f} ms,"
        f" 99 % within {last * 1000:.0f} ms"
    )


@pytest.mark.parametrize("name", CASES)
def test_ten_times_too_much(
    serve: Any, flood: Any, database_url: str, rounds: Callable[[int], range], name: str
) -> None:
    """Most of what a server can do it goes on doing; the rest is turned away, and it recovers."""
    items, limits, callers, turns = CASES[name]
    running = serve(POINTS_DATABASE_URL=database_url, **limits)
    load = flood(running.address)
    tops, floods = [load.run(items, callers)], []
    for _ in rounds(turns):
        many = {"callers": TIMES * callers} if items == 1 else {"rate": TIMES * tops[-1].rate}
        floods.append(load.run(items, **many))
        tops.append(load.run(items, callers))
        REPORT.faults[f"ten times too many {name}"] += 1
    ratios = [
        2 * over.rate / (before.rate + after.rate)
        for before, over, after in zip(tops, floods, tops[1:], strict=False)
    ]
    refusals = sorted(took for over in floods for took in over.refusals)
    REPORT.figures.append(
        f"ten times too many {name}: {median(ratios):.2f} of the top rate"
        f" ({', '.join(f'{ratio:.2f}' for ratio in ratios)}; top"
        f" {median(top.rate for top in tops):.0f} calls/s,"
        f" {median(over.offered for over in floods):.0f} offered); {describe_refusals(refusals)}"
    )
    codes = {code for window in floods for code in window.codes}
    assert "OK" in codes
    assert codes <= {"OK", "RESOURCE_EXHAUSTED"}
    assert refusals or items == 1
    assert median(ratios) > GOODPUT_MIN
    judge(database_url, load.outcome)

"""What the benchmark promises: when latency begins, who gets a round, which rounds a figure has."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise

import pytest
from benchmarks.budget import Budget
from benchmarks.calls import Load
from benchmarks.load import Closed, Open
from benchmarks.measure import Sample
from benchmarks.metrics import Case, Figure
from benchmarks.scale import QUICK

from benchmarks import budget

RATE = 500.0
ROUND_SECONDS = 5.0


def sample(rate: float, p50_ms: float = 1.0, p99_ms: float = 2.0) -> Sample:
    return Sample(rate, 100, p50_ms, p99_ms, 0, 0, 0, 0, 0, 0)


def case(name: str, rounds_max: int = 100) -> Case:
    return Case(name, (Load(name, "noop"),), (), rounds_max)


def test_latency_counts_from_the_intended_start(capsys: pytest.CaptureFixture[str]) -> None:
    """Calls of an open loop are due at even steps, however late the loop gets to send them."""
    marks: list[float] = []

    async def run() -> None:
        def send(_: bytes, __: bytes, mark: float) -> None:
            marks.append(mark)
            asyncio.get_running_loop().call_soon(loop.done, mark, "OK")

        loop = Open(send, Load("x", "noop", rate=RATE), lambda: (b"", b""))
        await loop.run(0.01, 0.1)

    asyncio.run(run())
    assert len(marks) > 10
    assert all(abs(b - a - 1 / RATE) < 1e-6 for a, b in pairwise(marks))
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["errors"] == {}


def test_failed_calls_are_counted_apart(capsys: pytest.CaptureFixture[str]) -> None:
    """A closed loop counts calls that fail by what failed, and neither as done nor as fast."""

    async def run() -> None:
        def send(_: bytes, __: bytes, mark: float) -> None:
            asyncio.get_running_loop().call_soon(loop.done, mark, "UNAVAILABLE: gone")

        loop = Closed(send, Load("x", "noop", in_flight=3), lambda: (b"", b""))
        await loop.run(0.01, 0.05)

    asyncio.run(run())
    done = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert done["rate"] == 0
    assert done["latencies_us"] == []
    assert done["errors"]["UNAVAILABLE: gone"] >= 3


def test_every_case_has_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where time is short every case has one round; where there is plenty, what it would like."""
    now = 0.0
    monkeypatch.setattr(budget.time, "monotonic", lambda: now)
    cases = [case("one"), case("two"), case("three", rounds_max=1)]

    def rounds_of(sharing: Budget) -> list[int]:
        nonlocal now
        found = []
        for wanted in cases:
            numbers = []
            for number in sharing.rounds(wanted):
                numbers.append(number)
                now += ROUND_SECONDS
            found.append(len(numbers))
        return found

    assert rounds_of(Budget(QUICK, cases, began=now - QUICK.limit)) == [1, 1, 1]
    assert rounds_of(Budget(QUICK, cases, began=now)) == [QUICK.rounds, QUICK.rounds, 1]


def test_figures_of_failed_loads_have_no_rounds() -> None:
    """A ratio has the rounds in which both sides were measured; none if one of them failed."""
    ratio = Figure("a / b", "ratio", "a", "b", at_least=2)
    tail = Figure("p99 / p50", "tail", "a", at_most=2)
    samples = {"a": [sample(30.0), sample(40.0)], "b": [sample(10.0)]}
    assert ratio.rounds(samples) == [3.0]
    assert ratio.is_met(ratio.value(samples))
    assert ratio.rounds({"a": samples["a"]}) == []
    assert tail.rounds(samples) == [2.0, 2.0]
    assert tail.is_met(2.0)
    assert not tail.is_met(2.1)

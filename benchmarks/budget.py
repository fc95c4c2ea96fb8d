"""The time that there is, dealt out to the cases."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.metrics import Case
from benchmarks.scale import Scale

SETUP_SECONDS = 4.0
"""For a server and what makes load on it."""

FILL_RATE = 40_000
"""Lots a second that a database is filled with, on a machine with other work."""


class Budget:
    """Gives every case one round, and shares what is left of the time by what each would like."""

    def __init__(self, scale: Scale, wanted: list[Case], began: float) -> None:
        self._scale = scale
        self._began = began
        self._estimated = 0.0
        self._ends_at = began + scale.limit
        self._needs = self._least(wanted)
        self._wishes = {case.name: self._once(case) * (self.wanted(case) - 1) for case in wanted}

    def rounds(self, case: Case) -> Iterator[int]:
        """The numbers of the rounds for which there is time; at least one."""
        now = time.monotonic()
        once, wish = self._once(case), self._wishes.pop(case.name)
        self._estimated += self._needs.pop(case.name)
        needs = sum(self._needs.values()) * self._slowness(now, self._estimated - once)
        spare = max(0.0, self._ends_at - now - once - needs)
        share = wish / (wish + sum(self._wishes.values())) if wish else 0.0
        until = now + once + spare * share
        longest = 0.0
        for number in range(self.wanted(case)):
            if number and time.monotonic() + longest > until:
                return
            began = time.monotonic()
            yield number
            longest = max(longest, time.monotonic() - began)
            self._estimated += once if number else 0.0

    def wanted(self, case: Case) -> int:
        """How many rounds the case would like."""
        return min(self._scale.rounds, case.rounds_max)

    def _slowness(self, now: float, estimated: float) -> float:
        """How many times as long as estimated everything has taken until now; 1 at least."""
        return max(1.0, (now - self._began) / estimated) if estimated else 1.0

    def _once(self, case: Case) -> float:
        """One round, in seconds."""
        scale = self._scale
        return sum(scale.seconds * load.stretch + scale.ramp + 0.2 for load in case.loads)

    def _least(self, wanted: list[Case]) -> dict[str, float]:
        """What each case takes with one round, its first visits to servers included."""
        least, seen = {}, set[str]()
        for case in wanted:
            seconds = self._once(case) * (1.6 if case.warm else 1)
            for place in set(case.places()) - seen:
                filling = self._scale.filling(place)
                seconds += SETUP_SECONDS + (filling.lots / FILL_RATE if filling else 0)
            seen |= set(case.places())
            least[case.name] = seconds
        return least

"""How large everything is: the databases, the rounds, and the time for all of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks.seed import Filling


@dataclass(frozen=True)
class Scale:
    """Times in seconds; `limit` is when the last case should be over.

    `spread` is the database of most loads, `small` one that differs in its size alone, `sweep` one
    with due lots; `imported` lots are imported, beside what is in `small`.
    """

    limit: float
    rounds: int
    ramp: float
    seconds: float
    spread: Filling
    small: Filling
    sweep: Filling
    imported: int

    def account_state(self, lots: int) -> Scale:
        """With so many lots in the database of most loads, by closed ones."""
        each = lots // self.spread.members - self.spread.live
        if each < 0:
            least = self.spread.members * self.spread.live
            raise SystemExit(f"--lots: at least {least:,}, which are live")
        return replace(self, spread=replace(self.spread, closed=each))

    def filling(self, place: str) -> Filling | None:
        """What the database of a server is filled with, if it is one of these."""
        return {"spread": self.spread, "small": self.small, "sweep": self.sweep}.get(place)


FULL = Scale(
    limit=440,
    rounds=8,
    ramp=0.4,
    seconds=1.2,
    spread=Filling(members=100_000, live=10, closed=10),
    small=Filling(members=1_000, live=10),
    sweep=Filling(members=130_000, live=1, overdue=10, apart=30_000),
    imported=400_000,
)
QUICK = Scale(
    limit=78,
    rounds=2,
    ramp=0.2,
    seconds=0.5,
    spread=Filling(members=5_000, live=10, closed=10),
    small=Filling(members=1_000, live=10),
    sweep=Filling(members=6_500, live=1, overdue=10, apart=1_500),
    imported=30_000,
)

"""What the chapters of the demo share: the server, the members of this run, and the clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from points_grpc.cli.demo.grpc_client import Json, Refused, Service

POINTS = "points.v1.PointsService"
MEMBERS = "points.v1.MemberService"
CLOCK = "points.dev.v1.TestClockService"

BEGINNING = "2022-01-10T00:00:00Z"
CUSTOMER = 172440986


@dataclass(frozen=True, slots=True)
class Stage:
    """One run of the story, `years` after the years of the vendors' examples."""

    service: Service
    console: Console
    run: int
    years: int

    @property
    def customer(self) -> int:
        """The vendor_id of this run's migrated member."""
        return CUSTOMER + self.run - 1

    def own(self, name: str) -> str:
        """A member's name, the vendor's in the first run: alice@…, alice+2@…"""
        if self.run == 1:
            return name
        user, at, host = name.partition("@")
        return f"{user}+{self.run}{at}{host}"

    def at(self, instant: str) -> str:
        """Return an instant of the examples in this run's years."""
        return f"{int(instant[:4]) + self.years}{instant[4:]}"

    def on(self, day: str) -> Json:
        """Return a date of the examples in this run's years."""
        year, month, day_of_month = map(int, day.split("-"))
        return {"year": year + self.years, "month": month, "day": day_of_month}

    def ask(self, method: str, request: Mapping[str, Any]) -> Json:
        """Return the answer of a method of PointsService. Raises Refused."""
        return self.service.call(f"{POINTS}/{method}", request)

    def say(self, text: str) -> None:
        """Print one paragraph."""
        self.console.print(text)

    def chapter(self, title: str, instant: str) -> None:
        """Begin a chapter, at an instant of the examples."""
        self.console.print()
        self.console.rule(f"[bold]{title}", align="left")
        self.move_clock(instant)
        self.say(f"The clock stands at {shown(self.at(instant))} UTC.")

    def move_clock(self, instant: str) -> None:
        """Set the test clock to an instant of the examples."""
        self.service.call(f"{CLOCK}/SetClock", {"time": self.at(instant)})

    def table(self, *columns: str, rows: Sequence[tuple[str, ...]], numbers: str = "") -> None:
        """A table; `numbers` has the titles of the columns that are aligned to the right."""
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for column in columns:
            right = column in numbers.split(",")
            table.add_column(column, justify="right" if right else "left", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        self.console.print(table)

    def refusal(self, what: str, refused: Refused) -> None:
        """Show a refusal that was expected."""
        why = refused.problem if refused.reason == "INVALID_FIELD" else refused.message
        self.say(f"{what}: refused, [bold]{refused.reason}[/]: {why}")


def shown(instant: str | None) -> str:
    """Format an instant of an answer for people."""
    if not instant:
        return "never"
    return instant.removesuffix("Z").replace("T", " ").removesuffix(".000")


def take_the_stage(service: Service, console: Console) -> Stage:
    """Claim the members of a run that was not played yet, and find its years."""
    run = 1
    while not _claims(service, CUSTOMER + run - 1):
        run += 1
    now: str = service.call(f"{CLOCK}/GetClock", {})["time"]
    years = max(0, int(now[:4]) - int(BEGINNING[:4]))
    if now > f"{int(BEGINNING[:4]) + years}{BEGINNING[4:]}":
        years += 1
    stage = Stage(service, console, run, years)
    if run > 1:
        stage.say(f"Run {run} on this database, so it has members of its own.")
    if years:
        stage.say(
            f"The server's clock is at {shown(now)} already, and it never goes back: the story"
            f" is played {years} years after the vendors' examples. The points are the same."
        )
    return stage


def _claims(service: Service, vendor_id: int) -> bool:
    try:
        service.call(f"{MEMBERS}/CreateMember", {"vendor_id": vendor_id})
    except Refused as refused:
        if refused.reason != "IDENTIFIER_TAKEN":
            raise
        return False
    return True

"""How far a run over many accounts has come: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

LINE_SECONDS = 5.0
"""How often a line is written where there is no terminal."""


class Pace:
    """Accounts and lots so far, with the rate since the beginning.

    How many accounts there are was estimated, and how many lots are left is estimated from
    those seen so far.
    """

    things = "lots"

    def __init__(self, about: int, now: Callable[[], float] = time.monotonic) -> None:
        self.about = about
        self.accounts = self.lots = 0
        self._now = now
        self._began = now()

    def reached(self, accounts: int, lots: int) -> None:
        """Count accounts that were examined, and the lots found in them."""
        self.accounts, self.lots = accounts, lots
        self.about = max(self.about, accounts)
        self.show()

    def show(self) -> None:
        """Nothing, but where it can be seen."""

    def said(self) -> str:
        """Return the progress in words."""
        seconds = max(self._now() - self._began, 1e-3)
        if self.things != "lots":  # they come after the accounts, and none knows how many
            done = f"{self.accounts:,} of about {self.about:,} accounts"
            return f"{done}, {self.lots:,} {self.things}" if self.lots else done
        left = self.about - self.accounts
        lots_left = round(self.lots * left / self.accounts) if self.accounts else 0
        return (
            f"{self.accounts:,} of about {self.about:,} accounts, {self.lots:,} lots"
            f" ({self.lots / seconds:,.0f}/s), about {lots_left:,} lots left"
        )


class _Bar(Pace):
    def __init__(self, about: int, progress: Progress, task: TaskID) -> None:
        super().__init__(about)
        self._progress = progress
        self._task = task

    def show(self) -> None:
        self._progress.update(
            self._task, completed=self.accounts, total=self.about, words=self.said()
        )


class ProgressLines(Pace):
    """Writes a line at intervals."""

    def __init__(
        self,
        what: str,
        about: int,
        write: Callable[[str], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(about, now)
        self._what = what
        self._write = write
        self._next = now() + LINE_SECONDS

    def show(self) -> None:
        """Write where it has been a while."""
        if self._now() >= self._next:
            self._write(f"{self._what}: {self.said()}")
            self._next = self._now() + LINE_SECONDS


@contextmanager
def shown(what: str, about: int, things: str = "lots") -> Iterator[Pace]:
    """Show progress over about so many accounts on stderr while the block runs.

    `things` are what is counted beside accounts: their lots, or else what follows after them.
    """
    console = Console(stderr=True, markup=False, highlight=False)
    if not console.is_terminal:
        lines = ProgressLines(what, about, lambda line: console.print(line, soft_wrap=True))
        lines.things = things
        yield lines
        return
    columns = (TextColumn("{task.description}"), BarColumn(20), TextColumn("{task.fields[words]}"))
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task(what, total=about, words="")
        bar = _Bar(about, progress, task)
        bar.things = things
        yield bar

"""The machine's clock for those who write: it tells no time while it is wrong.

What is written with a wrong time stays: lots end too early, later earns are dated into the future.
The database's clock decides nothing, but all who write compare theirs with it, so that none of them
can be far from the others.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from points_grpc.clock import Clock
from points_grpc.errors import TimeInDoubt
from points_grpc.storage.core import server_info
from points_grpc.storage.core.database import Connection, Database

TOLERANCE_SECONDS = 2.0
"""By how much the machine's clock and the database's may differ."""

INTERVAL_SECONDS = 10.0
RETRY_SECONDS = 1.0
"""How often they are compared while they agree, and while they do not."""

TRIES = 3
"""How often they are compared at once where slow answers tell nothing."""

NOT_COMPARED = "the machine's clock could not be compared with the database's yet"

AHEAD_MAX = timedelta(seconds=2 * TOLERANCE_SECONDS + 1)
"""By how much an account may have been written later than now: by a server whose clock is ahead
as far as is tolerated, where this one's is as far behind."""

log = structlog.get_logger("points_grpc.service")


@dataclass(frozen=True, slots=True)
class Difference:
    """By how many seconds the machine's clock is ahead, and by how many that may be wrong.

    The database read its clock at some instant between question and answer, so the error is half
    of the time between, and whatever the machine's clock was set by meanwhile.
    """

    ahead_s: float
    error_s: float

    @property
    def proves_wrong(self) -> bool:
        """Return whether the clocks differ by more than is tolerated, whenever it was read."""
        return abs(self.ahead_s) - self.error_s > TOLERANCE_SECONDS

    @property
    def proves_right(self) -> bool:
        """Return whether they differ by no more than is tolerated, whenever it was read."""
        return abs(self.ahead_s) + self.error_s <= TOLERANCE_SECONDS


class CheckedClock:
    """Tells the machine's time while it is known to be right. Safe to use from threads.

    `problem` says why it does not; it is empty while it does.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        read: Callable[[Connection], datetime] = server_info.read_clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self.unchecked = clock
        self._read = read
        self._monotonic = monotonic
        self.problem = NOT_COMPARED

    def now(self) -> datetime:
        """The machine's time. Raises TimeInDoubt."""
        if self.problem:
            raise TimeInDoubt
        return self.unchecked.now()

    def compare(self) -> None:
        """Compare the clocks now. Raises whatever the database does; what was known then stays.

        So it does where every answer comes too late to tell anything.
        """
        for _ in range(TRIES):
            found = self._database.run(self._difference)
            if found.proves_wrong:
                self._tell(
                    f"the machine's clock is {abs(found.ahead_s):.1f} s"
                    f" {'ahead of' if found.ahead_s > 0 else 'behind'} the database's"
                )
                return
            if found.proves_right:
                self._tell("")
                return

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Compare the clocks now and then, while the block runs."""
        stopped = threading.Event()

        def run() -> None:
            while not stopped.wait(RETRY_SECONDS if self.problem else INTERVAL_SECONDS):
                with contextlib.suppress(Exception):  # that the database is away is said elsewhere
                    self.compare()

        thread = threading.Thread(target=run, name="clock", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()

    def _difference(self, connection: Connection) -> Difference:
        before, began = self.unchecked.now(), self._monotonic()
        read = self._read(connection)
        took = self._monotonic() - began
        set_by = abs((self.unchecked.now() - before).total_seconds() - took)
        middle = before + timedelta(seconds=took / 2)
        return Difference((middle - read).total_seconds(), took / 2 + set_by)

    def _tell(self, problem: str) -> None:
        before, self.problem = self.problem, problem
        if problem and before in ("", NOT_COMPARED):
            log.error("clocks differ; refusing to write", problem=problem)
        elif not problem and before not in ("", NOT_COMPARED):
            log.warning("clocks agree again")


def is_ahead(clock: Clock, last_at: datetime, now: datetime) -> bool:
    """Return whether an account was written so late that only a wrong clock can have done it.

    To write it again would end what has not lapsed, and date what is new into the future. A clock
    that is not checked is one for tests, and may have gone back.
    """
    return last_at - now > AHEAD_MAX and isinstance(clock, CheckedClock)

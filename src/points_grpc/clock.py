"""The one source of the time of day. Everything else is handed an instant."""

from __future__ import annotations

import fcntl
import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the present instant."""

    def now(self) -> datetime:
        """The present instant, aware and in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present instant by the machine's clock, in UTC."""
        return datetime.now(UTC)


class FrozenTime:
    """Keeps the instant at which a clock stands, if it does."""

    _at: datetime | None = None

    def read(self) -> datetime | None:
        """The instant; None while the clock runs."""
        return self._at

    def move(self, to: datetime) -> None:
        """Stand there from now on."""
        self._at = to

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else moves it while the block runs: for threads the clock sees to that."""
        yield


class SharedTime(FrozenTime):
    """The same for the clocks of several processes, in memory that they share.

    The first process makes it; those that it starts inherit the descriptor.
    """

    _FIRST = datetime.min.replace(tzinfo=UTC)
    _UNIT = timedelta(microseconds=1)

    def __init__(self, descriptor: int | None = None) -> None:
        if descriptor is None:
            descriptor = os.memfd_create("points-clock")
            os.ftruncate(descriptor, 8)
        self.descriptor = descriptor
        # One aligned word, so no reader ever sees half of it; 0 for a clock that runs.
        self._word = memoryview(mmap.mmap(descriptor, 8)).cast("q")
        self._seen: tuple[int, datetime | None] = (0, None)

    def read(self) -> datetime | None:
        """The instant, whichever process has set it; None while the clock runs."""
        word = self._word[0]
        seen, at = self._seen
        if word != seen:
            at = self._FIRST + (word - 1) * self._UNIT if word else None
            self._seen = word, at
        return at

    def move(self, to: datetime) -> None:
        """Stand there from now on, in every process."""
        self._word[0] = (to - self._FIRST) // self._UNIT + 1

    @contextmanager
    def held(self) -> Iterator[None]:
        """No other process moves it while the block runs."""
        fcntl.lockf(self.descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self.descriptor, fcntl.LOCK_UN)


class TestClock:
    """A clock for development: runs with the machine's until set, then stands still.

    It only ever moves forward. Safe to use from several threads, and from several processes
    where these share its time.
    """

    __test__ = False

    def __init__(
        self, start: datetime | None = None, shared_time: FrozenTime | None = None
    ) -> None:
        self._lock = threading.Lock()
        self._hand = shared_time or FrozenTime()
        if start is not None:
            self._hand.move(start)

    @property
    def frozen(self) -> bool:
        """Return whether it stands still."""
        return self._hand.read() is not None

    def now(self) -> datetime:
        """The instant it was last set to, or the machine's if it never was."""
        at = self._hand.read()
        return datetime.now(UTC) if at is None else at

    def set(self, to: datetime) -> bool:
        """Stop at `to` from now on; return False and change nothing if that is earlier than now."""
        with self._lock, self._hand.held():
            if to < self.now():
                return False
            self._hand.move(to)
            return True

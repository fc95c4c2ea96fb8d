"""The one source of the time of day. Everything else is handed an instant."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
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


class TestClock:
    """A clock for development: runs with the machine's until set, then stands still.

    It only ever moves forward. Safe to use from several threads.
    """

    __test__ = False

    def __init__(self, start: datetime | None = None) -> None:
        self._lock = threading.Lock()
        self._at = start

    @property
    def frozen(self) -> bool:
        """Whether it stands still."""
        return self._at is not None

    def now(self) -> datetime:
        """The instant it was last set to, or the machine's if it never was."""
        at = self._at
        return datetime.now(UTC) if at is None else at

    def set(self, to: datetime) -> bool:
        """Stand at `to` from now on; False, and nothing changed, if that is earlier than now."""
        with self._lock:
            if to < self.now():
                return False
            self._at = to
            return True

"""Who may lock and write: one of the ledgers that share a turn, while the others read names."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

WAIT_SECONDS = 3.0
"""For how long a ledger waits for its turn; then it goes on, and leaves out what is locked."""


class Turn:
    """Lets ledgers overlap without leaving out the accounts that the other has just locked.

    Nothing depends on it but speed: what two ledgers may not do at once, the database's locks
    keep from happening.
    """

    def __init__(self, wait_seconds: float = WAIT_SECONDS) -> None:
        self._lock = threading.Lock()
        self._wait_seconds = wait_seconds

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Have the turn while the block runs, if it can be had in time."""
        is_ours = self._lock.acquire(timeout=self._wait_seconds)
        try:
            yield
        finally:
            if is_ours:
                self._lock.release()

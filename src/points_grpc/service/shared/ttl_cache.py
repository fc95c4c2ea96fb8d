"""What was looked up, kept for a few seconds."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from points_grpc.errors import Overloaded

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

VALID_S = 5.0
"""For how long an answer counts, from when the question was asked."""

_FRESH_S = 3.0
_MOST = 10_000
_STRANGERS_MAX = 128


class TtlCache(Generic[K, V]):
    """Answers from memory, or by `look_up`, once for however many ask at the same time.

    An answer counts for VALID_S seconds. When it is about to end it is asked for again while it
    still counts, so that nobody waits for what is in use. "There is none" is kept apart, so that
    whoever tries many keys does not push out what others use; and of keys that are not known to
    exist only so many are looked up at once, beyond which Overloaded is raised. Belongs to one
    event loop.
    """

    def __init__(
        self,
        look_up: Callable[[K], Awaitable[V | None]],
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look_up = look_up
        self._ticks = ticks
        self._known: dict[K, tuple[V, float]] = {}
        self._absent: dict[K, float] = {}
        self._running: dict[K, asyncio.Future[V | None]] = {}
        self._strangers = 0

    def knows(self, key: K) -> bool:
        """Whether `key` stood for something when it was last looked up."""
        return key in self._known

    async def get(self, key: K) -> V | None:
        """Return the value of `key`, None for none. Raises Overloaded and `look_up`'s errors."""
        if (entry := self._known.get(key)) is not None:
            value, asked_at = entry
            age = self._ticks() - asked_at
            if age < VALID_S:
                if age >= _FRESH_S:
                    self._ask(key)
                return value
        elif self._ticks() - self._absent.get(key, -math.inf) < VALID_S:
            return None
        # Others wait for the same answer, so that one who goes away must not cancel it.
        return await asyncio.shield(self._ask(key))

    def _ask(self, key: K) -> asyncio.Future[V | None]:
        if (running := self._running.get(key)) is not None:
            return running
        is_stranger = key not in self._known
        if is_stranger and self._strangers >= _STRANGERS_MAX:
            raise Overloaded
        self._strangers += is_stranger
        asking = asyncio.ensure_future(self._answer(key))
        self._running[key] = asking

        def end(done: asyncio.Future[V | None]) -> None:
            del self._running[key]
            self._strangers -= is_stranger
            if not done.cancelled():
                done.exception()  # whoever waits gets it; a refresh is tried again

        asking.add_done_callback(end)
        return asking

    async def _answer(self, key: K) -> V | None:
        asked_at = self._ticks()
        value = await self._look_up(key)
        self._known.pop(key, None)
        self._absent.pop(key, None)
        if value is None:
            self._absent[key] = asked_at
            _shorten(self._absent)
        else:
            self._known[key] = value, asked_at
            _shorten(self._known)
        return value


def _shorten(kept: dict[K, V]) -> None:
    """Drop what has been there for longest."""
    if len(kept) > _MOST:
        del kept[next(iter(kept))]

"""Lets no call run for ever."""

from __future__ import annotations

import asyncio
from typing import Any

from points_grpc import effects
from points_grpc.errors import DeadlineExceeded
from points_grpc.rpc.interceptors import Context, Handler, Request

STEP_SECONDS = 0.02
"""A call may run so much longer than it should: those that end within a step share a timer."""

EARLY_SECONDS = 0.05
"""A call ends so long before its caller's deadline, so that the caller learns the outcome."""

_Calls = set[asyncio.Task[Any]]


class Deadline:
    """Ends a call at its own deadline, or after `default_s` seconds where it has none.

    No deadline counts beyond `limit_s` seconds. To be used from one event loop. The answer says
    whether the call may have taken effect.
    """

    def __init__(self, default_s: float, limit_s: float) -> None:
        self._default_s = min(default_s, limit_s)
        self._limit_s = limit_s
        self._due: dict[int, _Calls] = {}
        self._late: _Calls = set()

    def wrap(self, method: str, inner: Handler) -> Handler:  # noqa: ARG002  # the same for all
        """`inner`, cancelled and answered with DEADLINE_EXCEEDED when time is up."""
        default, limit, late = self._default_s, self._limit_s, self._late

        async def handle(request: Request, context: Context) -> bytes:
            remaining = context.time_remaining()
            calls = self._ending_in(default if remaining is None else min(_early(remaining), limit))
            effect = effects.watch()
            task: Any = asyncio.current_task()
            calls.add(task)
            try:
                return await inner(request, context)
            except asyncio.CancelledError:
                # Unless somebody else has cancelled it as well.
                if task in late and task.cancelling() == 1:
                    raise DeadlineExceeded(in_doubt=effect.possible) from None
                raise
            finally:
                calls.discard(task)
                if task in late:
                    late.remove(task)
                    task.uncancel()

        return handle

    def _ending_in(self, seconds: float) -> _Calls:
        """The running calls that end with the step in which `seconds` from now lies."""
        loop = asyncio.get_running_loop()
        step = int((loop.time() + seconds) / STEP_SECONDS) + 1
        calls = self._due.get(step)
        if calls is None:
            calls = self._due[step] = set()
            loop.call_at(step * STEP_SECONDS, self._end, step)
        return calls

    def _end(self, step: int) -> None:
        for task in self._due.pop(step):
            self._late.add(task)
            task.cancel()


def _early(remaining: float) -> float:
    """Return when to end a call: a little before its caller's deadline, if there is time."""
    return remaining - EARLY_SECONDS if remaining > 10 * EARLY_SECONDS else remaining

"""A process that makes load, told by lines of JSON on standard input.

It answers each line with `begun` when the load has settled, `ended` when the time is up, and
`done` with what it has counted. It ends when its input does. Started as `load.py ADDRESS
HTTP`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from array import array
from collections import Counter
from collections.abc import Callable
from typing import Any

import uvloop
from benchmarks.calls import Load, Next, calls_of
from benchmarks.http1 import Http1
from benchmarks.http2 import Http2

from benchmarks import calls_rest

CONNECTIONS = 8
"""Several workers that share a port share connections, not calls."""

FEW, FEW_IN_FLIGHT = 100, 8
PAUSE_SECONDS = 0.01
"""Between calls where they fail: a server that refuses at once is not to be flooded."""

LEAVE_SECONDS = 25.0
"""How long calls that are under way at the end may take."""

TICK_SECONDS = 0.001
WAITING_MAX = 20_000

Send = Callable[[bytes, bytes, float], None]


def say(event: str, **facts: Any) -> None:
    """Tell the parent, on standard output."""
    sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
    sys.stdout.flush()


class Closed:
    """A closed loop: so many calls in flight, each followed by the next one at once.

    What ends within the time that counts is counted.
    """

    def __init__(self, send: Send, load: Load, calls: Next) -> None:
        self._send = send
        self._load = load
        self._calls = calls
        self._counting = False
        self._over = False
        self.born = time.perf_counter()
        self._under_way = 0
        self._left = asyncio.get_running_loop().create_future()
        self._ends = array("d")
        self._latencies = array("l")
        self._errors: Counter[str] = Counter()

    async def run(self, ramp: float, seconds: float) -> None:
        """Go on for `ramp` seconds, then for `seconds` that count."""
        self.begin()
        await asyncio.sleep(ramp)
        say("begun")
        cpu, began = time.process_time(), time.perf_counter()
        self._counting = True
        await asyncio.sleep(seconds)
        self.end()
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        say("ended")
        self._over = True
        if self._under_way:
            await asyncio.wait([self._left], timeout=LEAVE_SECONDS)
        if self._under_way:
            self._errors["without an answer"] += self._under_way
        say(
            "done",
            rate=self.rate(took),
            cpu=cpu / took,
            latencies_us=list(self._latencies),
            errors=self._errors,
        )

    def begin(self) -> None:
        """Set out."""
        for _ in range(self._load.in_flight):
            self._start()

    def end(self) -> None:
        """The time that counts is up."""
        self._counting = False

    def rate(self, took: float) -> float:
        """Calls a second; between the first and the last one's end where they are few and long."""
        ends = self._ends
        if self._load.in_flight <= FEW_IN_FLIGHT and 2 < len(ends) < FEW and ends[-1] > ends[0]:
            return (len(ends) - 1) / (ends[-1] - ends[0])
        return len(ends) / took

    def done(self, mark: float, code: str) -> None:
        """A call that was sent at `mark` has ended."""
        self._under_way -= 1
        if self._counting:
            self._count(mark, code)
        if not self._over:
            if code == "OK":
                self._start()
            else:
                asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._start)
        elif not self._under_way and not self._left.done():
            self._left.set_result(None)

    def _count(self, mark: float, code: str) -> None:
        if code == "OK":
            now = time.perf_counter()
            self._ends.append(now)
            self._latencies.append(int((now - mark) * 1e6))
        else:
            self._errors[code] += 1

    def _start(self) -> None:
        if not self._over:
            self._under_way += 1
            method, message = self._calls()
            self._send(method, message, time.perf_counter())


class Open(Closed):
    """An open loop: so many calls a second, whether or not earlier ones have been answered.

    What was to start within the time that counts is counted, and its latency is from when it was
    to start, so that a call that had to wait for its turn here has waited.
    """

    def begin(self) -> None:
        """Set out."""
        self._due = time.perf_counter()
        self._counted = (float("inf"), float("inf"))
        self._tick()

    def end(self) -> None:
        """The time that counts is up."""
        self._counted = (self._counted[0], time.perf_counter())

    def rate(self, took: float) -> float:
        """Calls a second."""
        return len(self._ends) / took

    def done(self, mark: float, code: str) -> None:
        """A call that was to start at `mark` has ended."""
        self._under_way -= 1
        if self._counted[0] <= mark < self._counted[1]:
            self._count(mark, code)
        if self._over and not self._under_way and not self._left.done():
            self._left.set_result(None)

    def _tick(self) -> None:
        if self._over:
            return
        now = time.perf_counter()
        if self._counting and now < self._counted[0]:
            self._counted = (now, float("inf"))
        while self._due <= now:
            if self._under_way < WAITING_MAX:
                self._under_way += 1
                method, message = self._calls()
                self._send(method, message, self._due)
            else:
                self._errors["too many calls wait"] += 1
            self._due += 1 / self._load.rate
        asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)


class Clients:
    """The connections to a server; outcomes go to the loop that runs."""

    def __init__(self, address: str, http: str) -> None:
        self.http2 = Http2(address, CONNECTIONS, self._done)
        self.http1 = Http1(http, self._done)
        self._loop: Closed | None = None

    async def make(self, load: Load, ramp: float, seconds: float) -> None:
        """Make a load, and tell what came of it."""
        tag = uuid.uuid4().hex[:12]
        if load.kind in calls_rest.KINDS:
            send, calls = self.http1.send, calls_rest.calls_of(load, tag)
        else:
            send, calls = self.http2.send, calls_of(load, tag)
        loop = self._loop = (Open if load.rate else Closed)(send, load, calls)
        await loop.run(ramp, seconds)

    def _done(self, mark: float, code: str) -> None:
        if self._loop is not None and mark >= self._loop.born:  # not one of the loop before
            self._loop.done(mark, code)


async def serve(address: str, http: str) -> None:
    """Make the loads that the parent asks for."""
    clients = Clients(address, http)
    await clients.http2.open()
    say("ready")
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        await clients.make(Load(**order["load"]), order["ramp"], order["seconds"])
    clients.http1.close()
    clients.http2.close()


if __name__ == "__main__":
    uvloop.run(serve(*sys.argv[1:3]))

"""A process that sends more calls than a server can do, told by lines of JSON on standard input.

Started as `-m tests.support.faults.flood ADDRESS`. Each line is an order (see `Flood.run`), and is
answered by one with the outcome of every call that was sent since the last one. Calls are earns
with references `TAG-NUMBER` or, if there are several in a call, `TAG-NUMBER/PLACE`.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import uvloop
from benchmarks.http2 import Http2

from points.v1.earn_pb2 import BatchEarnRequest, EarnRequest

CONNECTIONS = 8
MEMBERS = 600
RETRY_SECONDS = 1.0
"""When a refused caller comes back, as the refusal's RetryInfo says; each a little off that."""

TICK_SECONDS = 0.001
LEAVE_SECONDS = 25.0

_NUMBER, _MEMBER = b"NNNNNNNN", b"MMMM"


def calls_of(tag: str, items: int) -> Callable[[int], tuple[bytes, bytes]]:
    """What makes the call of a number."""
    name = f"{tag}-{_NUMBER.decode()}"

    def earn(place: str) -> EarnRequest:
        request = EarnRequest(program_id=469, reference=name + place)
        request.member.external_id = f"flood{_MEMBER.decode()}{place}"
        request.amount.value = "1"
        return request

    one = items == 1
    made = earn("") if one else BatchEarnRequest(earns=[earn(f"/{n}") for n in range(items)])
    form = made.SerializeToString()
    path = b"/points.v1.PointsService/" + (b"Earn" if one else b"BatchEarn")
    members = MEMBERS if one else MEMBERS // items + 1

    def call(number: int) -> tuple[bytes, bytes]:
        member = b"%04d" % random.randrange(members)
        return path, form.replace(_NUMBER, b"%08d" % number).replace(_MEMBER, member)

    return call


class Flood:
    """Callers, and what they have heard."""

    def __init__(self, address: str) -> None:
        self.clients = Http2(address, CONNECTIONS, self._done)
        self._sent = 0
        self._began: dict[int, float] = {}
        self._resting = 0
        self._callers = 0
        self._rate = 0.0
        self._counting = False
        self._heard: list[tuple[int, str]] = []
        self._took: dict[str, list[float]] = {}

    async def run(
        self, tag: str, items: int, callers: int, rate: float, ramp: float, seconds: float
    ) -> dict[str, Any]:
        """Send calls for `ramp` seconds, then for `seconds` that count, then wait for the rest.

        `callers` is how many there are, who each make the next call when the last one has ended;
        with a `rate` so many calls a second are sent instead, whatever becomes of them.
        """
        self._call = calls_of(tag, items)
        self._sent, self._heard, self._took = 0, [], {}
        self._callers, self._rate = callers, rate
        sending = asyncio.ensure_future(self._by_the_clock()) if rate else None
        for _ in range(callers):
            self._send()
        await asyncio.sleep(ramp)
        self._counting, began, cpu = True, time.perf_counter(), time.process_time()
        before = self._sent
        await asyncio.sleep(seconds)
        self._counting, took = False, time.perf_counter() - began
        cpu, offered = time.process_time() - cpu, self._sent - before
        self._callers, self._rate = 0, 0.0
        if sending is not None:
            await sending
        until = time.perf_counter() + LEAVE_SECONDS
        while (self._began or self._resting) and time.perf_counter() < until:
            await asyncio.sleep(0.01)
        return {
            "seconds": took,
            "cpu": cpu / took,
            "offered": offered,
            "took": self._took,
            "heard": self._heard,
            "sent": self._sent,
            "codes": Counter(code for _, code in self._heard),
        }

    async def _by_the_clock(self) -> None:
        due = time.perf_counter()
        while self._rate:
            while due <= time.perf_counter() and self._rate:
                self._send()
                due += 1 / self._rate
            await asyncio.sleep(TICK_SECONDS)

    def _send(self) -> None:
        number = self._sent
        self._sent += 1
        self._began[number] = time.perf_counter()
        path, message = self._call(number)
        self.clients.send(path, message, float(number))

    def _done(self, mark: float, said: str) -> None:
        number, code = int(mark), said.partition(":")[0]
        took = time.perf_counter() - self._began.pop(number)
        self._heard.append((number, code))
        if self._counting:
            self._took.setdefault(code, []).append(took)
        if not self._callers:
            return
        if code == "OK":
            self._send()
        else:
            self._resting += 1
            wait = RETRY_SECONDS * random.uniform(1.0, 1.5)
            asyncio.get_running_loop().call_later(wait, self._come_back)

    def _come_back(self) -> None:
        self._resting -= 1
        if self._callers:
            self._send()


async def attend(address: str) -> None:
    """Carry out the orders that come."""
    flood = Flood(address)
    await flood.clients.open()
    while line := await asyncio.to_thread(sys.stdin.readline):
        answer = await flood.run(**json.loads(line))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(attend(sys.argv[1]))

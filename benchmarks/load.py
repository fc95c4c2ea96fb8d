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
from collections.abc import Awaitable, Callable
from typing import Any

import calls_rest
import grpc
import grpc.aio
import uvloop
from calls import CLOCK, POINTS, Load, Next, calls_of
from rest import Rest, RestError

CHANNELS = 4
DEADLINE_SECONDS = 20.0
FEW = 100
METHODS = ("Earn", "Redeem", "GetAccount", "GetExpiringPoints", "UpdateExpiry")

Send = Callable[..., Awaitable[bytes]]


def say(event: str, **facts: Any) -> None:
    """Tell the parent, on standard output."""
    sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
    sys.stdout.flush()


class Loop:
    """One closed loop: so many calls in flight, each followed by the next one at once."""

    def __init__(self, channels: list[dict[str, Send]], load: Load, calls: Next) -> None:
        self._channels = channels
        self._load = load
        self._calls = calls
        self._counting = False
        self._over = False
        self._ends = array("d")
        self.latencies = array("l")
        self.codes: Counter[str] = Counter()

    async def run(self, ramp: float, seconds: float) -> None:
        """Go on for `ramp` seconds, then for `seconds` that count."""
        workers = [
            asyncio.ensure_future(self._work(self._channels[n % len(self._channels)]))
            for n in range(self._load.in_flight)
        ]
        await asyncio.sleep(ramp)
        say("begun")
        cpu, began = time.process_time(), time.perf_counter()
        self._counting = True
        await asyncio.sleep(seconds)
        self._counting = False
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        say("ended")
        self._over = True
        await asyncio.gather(*workers)
        say(
            "done",
            rate=self._rate(took),
            cpu=cpu / took,
            latencies_us=list(self.latencies),
            errors={code: n for code, n in self.codes.items() if code != "OK"},
        )

    def _rate(self, took: float) -> float:
        """Calls a second; between the first and the last one's end where there are only a few."""
        ends = self._ends
        if 2 < len(ends) < FEW and ends[-1] > ends[0]:
            return (len(ends) - 1) / (ends[-1] - ends[0])
        return len(ends) / took

    async def _work(self, send: dict[str, Send]) -> None:
        while not self._over:
            method, request = self._calls()
            code = "OK"
            began = time.perf_counter()
            try:
                await send[method](request, timeout=DEADLINE_SECONDS)
            except (grpc.aio.AioRpcError, RestError, TimeoutError) as error:
                code = _said(error)
                await asyncio.sleep(0.01)  # a server that refuses at once is not to be flooded
            if self._counting:
                self.codes[code] += 1
                if code == "OK":
                    self._ends.append(time.perf_counter())
                    self.latencies.append(int((self._ends[-1] - began) * 1e6))


def _said(error: Exception) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}: {(error.details() or '')[:80]}"
    return str(error) or type(error).__name__


async def serve(address: str, http: str) -> None:
    """Make the loads that the parent asks for."""
    options = [
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", -1),
    ]
    channels = [grpc.aio.insecure_channel(address, options) for _ in range(CHANNELS)]
    names = (CLOCK, *(POINTS + name for name in METHODS))
    ways = [{name: channel.unary_unary(name) for name in names} for channel in channels]
    for channel in channels:
        await channel.channel_ready()
    rest = Rest(http)
    say("ready")
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        load = Load(**order["load"])
        tag = uuid.uuid4().hex[:12]
        if load.kind in calls_rest.KINDS:
            loop = Loop([rest.ways(*calls_rest.ROUTES)], load, calls_rest.calls_of(load, tag))
        else:
            loop = Loop(ways, load, calls_of(load, tag))
        await loop.run(order["ramp"], order["seconds"])
    rest.close()
    for channel in channels:
        await channel.close()


if __name__ == "__main__":
    uvloop.run(serve(*sys.argv[1:3]))

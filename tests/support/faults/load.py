"""A load whose every request carries a reference of its own, and what became of each."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from points.v1 import points_service_pb2_grpc
from points.v1.earn_pb2 import BatchEarnRequest, EarnRequest
from points.v1.expire_pb2 import ExpireRequest
from points.v1.redeem_pb2 import RedeemRequest
from points.v1.update_expiry_pb2 import UpdateExpiryRequest

Code = grpc.StatusCode

MEMBERS = 24
WORKERS = 16
CALL_SECONDS = 8.0
PATIENCE_SECONDS = 45.0

# What a client tries again: of these only OVERLOADED says that nothing has happened.
NOT_NOW = frozenset(
    (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.CANCELLED, Code.RESOURCE_EXHAUSTED)
)
_REFUSALS = frozenset(
    (Code.FAILED_PRECONDITION, Code.NOT_FOUND, Code.INVALID_ARGUMENT, Code.ALREADY_EXISTS)
)
_KINDS = ("earn",) * 5 + ("redeem",) * 4 + ("expire", "batch", "move", "move")
_CHANNEL = (("grpc.use_local_subchannel_pool", 1), ("grpc.initial_reconnect_backoff_ms", 50),
            ("grpc.max_reconnect_backoff_ms", 200))  # fmt: skip


@dataclass(slots=True)
class Outcome:
    """What the client knows of the requests that it has sent, by their references.

    `unknown` had no answer that says; everything else the server has promised. `seconds` tells how
    long answers took, by their status.
    """

    acknowledged: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    strange: list[str] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, other: Outcome) -> None:
        """Count another load's in."""
        self.acknowledged |= other.acknowledged
        self.refused |= other.refused
        self.unknown |= other.unknown
        self.strange += other.strange
        self.codes += other.codes
        for code, some in other.seconds.items():
            self.seconds[code] += some


@dataclass(slots=True)
class DrawnCommand:
    """One request: the method, what it asks, and the references that it leaves behind."""

    method: str
    request: Any
    references: tuple[str, ...]
    has_id: bool


class Load:
    """Clients that retry, on a thread of their own, against servers that may come and go.

    With a request id a call is repeated until it is answered; without one only where the answer
    says that nothing has happened.
    """

    def __init__(
        self,
        name: str,
        addresses: Callable[[], Sequence[str]],
        *,
        always_named: bool = False,
        call_seconds: float | None = CALL_SECONDS,
    ) -> None:
        """Without `call_seconds` the server is asked for no deadline, and has its own."""
        self._name = name
        self._addresses = addresses
        self._named = 1.0 if always_named else 0.6
        self._call_seconds = call_seconds
        self._stop = threading.Event()
        self._rests = False
        self._lots: list[tuple[int, int]] = []
        self.outcome = Outcome()

    @contextmanager
    def running(self) -> Iterator[Load]:
        """Sends requests while the block runs; afterwards each is answered or given up."""
        thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join(2 * PATIENCE_SECONDS)
            assert not thread.is_alive()

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Begin no more requests while the block runs, so that what it does has the machine."""
        self._rests = True
        try:
            yield
        finally:
            self._rests = False

    def wait_for(self, more: int, seconds: float = 30.0, code: str = "OK") -> None:
        """Return when so many more answers had that status, or fail."""
        codes = self.outcome.codes
        wanted, until = codes[code] + more, time.monotonic() + seconds
        while codes[code] < wanted:
            assert time.monotonic() < until, f"{codes[code]} of {wanted}: {codes}"
            self._stop.wait(0.01)

    async def _run(self) -> None:
        await asyncio.gather(*(self._client(number) for number in range(WORKERS)))

    async def _client(self, number: int) -> None:
        chance = random.Random(f"{self._name} {number}")
        channels: dict[str, grpc.aio.Channel] = {}
        turn = 0
        while not self._stop.is_set():
            if self._rests:
                await asyncio.sleep(0.01)
                continue
            turn += 1
            wish = self._wish(chance, f"{self._name}-{number}-{turn}")
            await self._insist(wish, channels, number)
        for channel in channels.values():
            await channel.close()

    def _wish(self, chance: random.Random, reference: str) -> DrawnCommand:
        kind = chance.choice(_KINDS)
        member = chance.randrange(MEMBERS)
        common: dict[str, Any] = {
            "program_id": 469,
            "member": {"external_id": f"load{member}"},
            "amount": {"value": str(chance.randint(1, 9))},
        }
        has_id = chance.random() < self._named
        named = {"request_id": reference} if has_id else {}
        if kind == "batch":
            references = tuple(f"{reference}/{place}" for place in range(3))
            items = [
                common | {"reference": one} | ({"request_id": one} if has_id else {})
                for one in references
            ]
            return DrawnCommand("BatchEarn", BatchEarnRequest(earns=items), references, has_id)
        if kind == "redeem":
            request: Any = RedeemRequest(**common, reference=reference, **named)
            return DrawnCommand("Redeem", request, (reference,), has_id)
        if kind == "expire":
            request = ExpireRequest(**common, reason=reference, require_full=True, **named)
            return DrawnCommand("Expire", request, (reference,), has_id)
        if kind == "move" and self._lots:
            member, lot_id = chance.choice(self._lots)
            item = {
                "program_id": 469,
                "member": {"external_id": f"load{member}"},
                "lot_id": lot_id,
                "days": chance.randint(1, 900),
                "reason_note": reference,
            }
            return DrawnCommand("UpdateExpiry", UpdateExpiryRequest(updates=[item], **named),
                        (reference,), has_id)  # fmt: skip
        request = EarnRequest(**common, reference=reference, **named)
        return DrawnCommand("Earn", request, (reference,), has_id)

    async def _insist(self, wish: DrawnCommand, channels: dict[str, Any], number: int) -> None:
        """Send a request until its fate is known, or nothing more can be learned."""
        until = time.monotonic() + PATIENCE_SECONDS
        outcome = self.outcome
        was_unknown = False
        for attempt in range(10_000):
            addresses = self._addresses()
            address = addresses[(number + attempt) % len(addresses)] if addresses else "127.0.0.1:1"
            began = time.monotonic()
            try:
                answer = await self._send(wish, address, channels)
            except grpc.aio.AioRpcError as error:
                code = error.code()
                outcome.codes[code.name] += 1
                outcome.seconds[code.name].append(time.monotonic() - began)
                if code in _REFUSALS:
                    # After an attempt without an id that may have counted, this is of another.
                    outcome.refused.update(wish.references)
                    return
                if code not in NOT_NOW:
                    outcome.strange.append(f"{wish.method}: {code.name}: {error.details()}")
                    outcome.unknown.update(wish.references)
                    return
                if code is not Code.RESOURCE_EXHAUSTED:
                    was_unknown = True
                if (was_unknown and not wish.has_id) or time.monotonic() > until:
                    outcome.unknown.update(wish.references)
                    return
                await asyncio.sleep(0.02)
                continue
            outcome.codes["OK"] += 1
            outcome.acknowledged.update(wish.references)
            if wish.method == "Earn" and len(self._lots) < 500:
                member = int(wish.request.member.external_id.removeprefix("load"))
                self._lots.append((member, answer.lot.lot_id))
            return

    async def _send(self, wish: DrawnCommand, address: str, channels: dict[str, Any]) -> Any:
        channel = channels.get(address)
        if channel is None:
            channel = channels[address] = grpc.aio.insecure_channel(address, options=_CHANNEL)
        stub = points_service_pb2_grpc.PointsServiceStub(channel)
        async with asyncio.timeout(PATIENCE_SECONDS):
            call = getattr(stub, wish.method)
            return await call(wish.request, timeout=self._call_seconds)

"""The handlers of every method without a network: bytes in, bytes out, before samples.

What is real: the reading and checking of requests, page tokens, the arithmetic of amounts and of
explicit expirations, the writing of answers and refusals.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from tests.support.rpc.sample_engine import FakeEngine, Samples

from points_grpc.clock import TestClock
from points_grpc.domain.admin.commands import ProgramView
from points_grpc.domain.amounts import print_units, to_units
from points_grpc.domain.calendar import OutOfCalendar
from points_grpc.domain.expiry_update import expiration_field
from points_grpc.domain.policy import Expiration, Immediate, resolve_expiration
from points_grpc.errors import InvalidField, ProgramNotFound, Refusal
from points_grpc.gateway.errors import UpstreamRefusal
from points_grpc.gateway.upstream import METHODS, Inbound
from points_grpc.rpc.interceptors import Handler, Request
from points_grpc.rpc.interceptors.messages import on_bytes
from points_grpc.rpc.servicers.members import MemberServicer
from points_grpc.rpc.servicers.points import PointsServicer
from points_grpc.rpc.servicers.programs import ProgramServicer
from points_grpc.rpc.servicers.test_clock import TestClockServicer
from points_grpc.rpc.status import status_of

PROGRAM = 469
NOW = datetime(2023, 8, 15, tzinfo=UTC)
ZONES = [ZoneInfo(name) for name in ("UTC", "America/Sao_Paulo", "Pacific/Apia")]
T = TypeVar("T")


class SampleEngine(FakeEngine):
    """Answers with samples, after the arithmetic that every decision does with its request."""

    async def write(self, caller: Any, commands: Any, **how: Any) -> list[Any]:
        """Refuses what the domain refuses of a command by itself."""
        self.writes.clear()
        self.refuse = {}
        for place, command in enumerate(commands):
            try:
                _calculate(command)
            except Refusal as refusal:
                self.refuse[place] = refusal
        return await super().write(caller, commands, **how)

    async def read(self, caller: Any, query: Any) -> Any:
        """A lot, a transaction or an account; there is nothing else to read."""
        kind = type(query).__name__
        known = {"GetLot": self.samples.lot, "GetTransaction": self.samples.transaction}
        if kind not in (*known, "GetAccount"):
            raise ProgramNotFound
        return known.get(kind, self.samples.account)


def _calculate(command: Any) -> None:
    if getattr(command, "program_id", 0) not in (0, PROGRAM):
        raise ProgramNotFound
    if isinstance(amount := getattr(command, "amount", None), Decimal):
        for scale in (0, 2, 6):
            print_units(to_units(amount, scale), scale)
    expiration = getattr(command, "expiration", None)
    if expiration is not None and not isinstance(expiration, Immediate):
        for zone in ZONES:
            _resolve(expiration, zone)


def _resolve(expiration: Expiration, zone: ZoneInfo) -> None:
    try:
        resolve_expiration(expiration, zone, NOW)
    except OutOfCalendar as error:  # as the domain's decisions do
        raise InvalidField(expiration_field(expiration), "lies beyond the calendar") from error


class Book:
    """One program, which has nothing, and no members."""

    def __getattr__(self, name: str) -> Any:
        async def ask(_: Any, *asked: Any, **__: Any) -> Any:
            if name == "get_program" and asked == (PROGRAM,):
                return ProgramView(PROGRAM, "Shop", "Europe/Berlin", True, "", 1, NOW, NOW)
            raise ProgramNotFound

        return ask


class Service:
    """Every method of the contract. `call` makes it an upstream of the gateway, too."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        servicers = {
            "PointsService": PointsServicer(SampleEngine(Samples())),
            "ProgramService": ProgramServicer(Book()),
            "MemberService": MemberServicer(Book()),
            "TestClockService": TestClockServicer(TestClock(NOW)),
        }
        self.handlers: dict[str, Handler] = {}
        for name, method in METHODS.items():
            servicer = servicers[method.containing_service.name]
            made = GetMessageClass(method.input_type)
            self.handlers[name] = on_bytes(getattr(servicer, method.name), made)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What the coroutine returns."""
        return self._loop.run_until_complete(work)

    def answer(self, name: str, request: bytes) -> bytes:
        """What a method answers, a refusal as its status. Raises what nobody foresaw."""
        try:
            return self.run(self.handlers[name](Request(request), None))  # type: ignore[arg-type]
        except Refusal as refusal:
            return status_of(refusal).SerializeToString()

    async def call(self, name: str, request: Message, inbound: Inbound) -> Any:
        """The answer as the gateway gets it. Raises UpstreamRefusal."""
        inbound.metadata()
        try:
            raw = await self.handlers[name](Request(request.SerializeToString()), None)  # type: ignore[arg-type]
        except Refusal as refusal:
            raise UpstreamRefusal(status_of(refusal)) from None
        return GetMessageClass(METHODS[name].output_type).FromString(raw)

    async def admit(self, name: str, inbound: Inbound) -> None:
        """Everybody may call."""
        assert name in self.handlers
        inbound.metadata()

"""The time zones of programs, in which the page's times are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

from points.v1.program_pb2 import GetProgramRequest
from points_grpc.gateway.calls import Call
from points_grpc.gateway.failures import UpstreamRefusal
from points_grpc.gateway.upstream import Upstream

_AT_ONCE = 16
_KNOWN_MAX = 10_000

# By token and program. For ever, because a program's time zone never changes.
_known: WeakKeyDictionary[Upstream, dict[tuple[str, int], ZoneInfo]] = WeakKeyDictionary()


async def zones_of(call: Call, programs: Iterable[int]) -> Mapping[int, ZoneInfo]:
    """The time zones of those of `programs` that there are. Raises UpstreamRefusal."""
    known = _known.setdefault(call.upstream, {})
    wanted = {(call.inbound.token, program): program for program in programs}
    # Now, because while others are asked for, a call beside this one may forget them.
    zones = {program: known[key] for key, program in wanted.items() if key in known}
    unknown = [key for key, program in wanted.items() if program not in zones]
    for start in range(0, len(unknown), _AT_ONCE):
        chunk = unknown[start : start + _AT_ONCE]
        found = await asyncio.gather(*(_ask(call, program) for _, program in chunk))
        for key, zone in zip(chunk, found, strict=True):
            if zone:
                known[key] = zones[wanted[key]] = zone
    if len(known) > _KNOWN_MAX:
        known.clear()
    return zones


async def _ask(call: Call, program_id: int) -> ZoneInfo | None:
    try:
        answer = await call.ask(
            "points.v1.ProgramService/GetProgram", GetProgramRequest(program_id=program_id)
        )
    except UpstreamRefusal as refusal:
        if refusal.reason == "PROGRAM_NOT_FOUND":
            return None
        raise
    return ZoneInfo(answer.program.time_zone)

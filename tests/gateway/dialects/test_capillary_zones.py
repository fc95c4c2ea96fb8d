"""The programs' time zones that Capillary's dialect remembers."""

from __future__ import annotations

import asyncio
from typing import Any
from zoneinfo import ZoneInfo

from points.v1.program_pb2 import GetProgramResponse
from points_grpc.gateway.calls import Call
from points_grpc.gateway.dialects.capillary import zones

BERLIN = ZoneInfo("Europe/Berlin")


class Programs:
    """All are in Berlin; while 2 is asked for, another call asks for 3."""

    async def call(self, _: str, request: Any, __: Any) -> Any:
        if request.program_id == 2:
            await zones.zones_of(asking(self), [3])
        return GetProgramResponse(program={"time_zone": "Europe/Berlin"})


def asking(upstream: Programs) -> Call:
    """A call of the gateway before `upstream`."""
    return Call("POST", "/v2/points/updateExpiry", {}, upstream)


def test_a_zone_that_is_forgotten_meanwhile_is_still_known(monkeypatch: Any) -> None:
    """A call gets all its zones, also where one beside it makes the dialect forget them."""
    monkeypatch.setattr(zones, "_KNOWN_MAX", 1)
    upstream = Programs()
    asyncio.run(zones.zones_of(asking(upstream), [1]))
    found = asyncio.run(zones.zones_of(asking(upstream), [1, 2]))
    assert found == {1: BERLIN, 2: BERLIN}

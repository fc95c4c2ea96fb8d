"""What tests of reads share."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.support.service.read_harness import (
    ReadHarness,
    instant,
    named,
)

from points_grpc.domain.queries import (
    GetAccount,
    GetSchedule,
)

ANN = named("ann")


TICK = timedelta(microseconds=1)


def account(reader: ReadHarness, member: str = "ann") -> Any:
    """The member's account as read now."""
    return reader.ask(GetAccount(member=named(member)))


def schedule(reader: ReadHarness, trailing: int = 3, forward: int = 6) -> Any:
    """Ann's schedule."""
    return reader.ask(GetSchedule(0, ANN, None, trailing, forward))


def just_before(text: str) -> str:
    """The last microsecond before an instant."""
    return (instant(text) - TICK).isoformat()

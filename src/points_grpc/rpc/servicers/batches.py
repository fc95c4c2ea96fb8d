"""Calls of many items: which are asked of the engine, and where each outcome belongs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import TypeVar

from points_grpc.domain.commands import Caller, Command
from points_grpc.domain.results import Answer
from points_grpc.errors import InvalidField, Refusal
from points_grpc.rpc.backends import EngineBackend
from points_grpc.rpc.interceptors.errors import report
from points_grpc.rpc.status import InternalError

ITEMS_MAX = 1000

STEP = 100
"""How many items are read or shown at a stretch: a few milliseconds' worth."""

T = TypeVar("T")

Failure = Refusal | InternalError

Outcome = Answer | Failure


class Stepper:
    """Goes through many items without keeping the event loop from its other calls, and health.

    However many calls do so, it is one of them at a time that goes on by another STEP items.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def in_steps(self, things: Iterable[T]) -> AsyncIterator[T]:
        """`things`, one by one."""
        for index, thing in enumerate(things):
            if index and index % STEP == 0:
                async with self._turn:
                    await asyncio.sleep(0)
            yield thing


def check_count(count: int, field: str) -> None:
    """Refuse a call of no items or of too many. Raises InvalidField."""
    if not 1 <= count <= ITEMS_MAX:
        raise InvalidField(field, f"must have 1 to {ITEMS_MAX} items")


async def write_items(
    engine: EngineBackend,
    caller: Caller,
    items: Sequence[Command | InvalidField],
    field: str,
    *,
    partial: bool,
    validate_only: bool,
) -> list[Outcome]:
    """One outcome per item, in their order, the paths of Refusals below `field[index]`.

    An item is a command or what is wrong with it. Raises the first Refusal unless `partial`.
    """
    if not partial:
        commands = [_sound(item, f"{field}[{index}]") for index, item in enumerate(items)]
        decided = await engine.write(caller, commands, validate_only=validate_only, item_path=field)
        return _placed(decided, field)
    commands = [item for item in items if not isinstance(item, Refusal)]
    decided = []
    if commands:
        decided = await engine.write(caller, commands, partial=True, validate_only=validate_only)
    outcomes = iter(decided)
    return _placed([i if isinstance(i, Refusal) else next(outcomes) for i in items], field)


def _sound(item: Command | InvalidField, path: str) -> Command:
    if isinstance(item, InvalidField):
        raise item.under(path)
    return item


def _placed(outcomes: Sequence[Answer | Exception], field: str) -> list[Outcome]:
    placed: list[Outcome] = []
    reported: dict[int, InternalError] = {}
    for index, outcome in enumerate(outcomes):
        path = f"{field}[{index}]"
        if isinstance(outcome, Refusal):
            placed.append(outcome.under(path))
        elif isinstance(outcome, Exception):
            # The same may have befallen many items; that makes one entry in the log.
            if id(outcome) not in reported:
                reported[id(outcome)] = report(outcome, item=path)
            placed.append(reported[id(outcome)])
        else:
            placed.append(outcome)
    return placed

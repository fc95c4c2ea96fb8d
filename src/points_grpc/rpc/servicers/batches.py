"""Calls of many items: which are asked of the engine, and where each outcome belongs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import TypeVar

from points_grpc.domain.answers import Answer
from points_grpc.domain.commands import Caller, Command
from points_grpc.errors import InvalidField, Refusal
from points_grpc.rpc.backends import Engine

ITEMS_MAX = 1000

STEP = 100
"""How many items are read or shown at a stretch: a few milliseconds' worth."""

T = TypeVar("T")


class Steps:
    """Goes through many items without keeping the event loop from its other calls, and health.

    However many calls do so, it is one of them at a time that goes on by another STEP items.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def through(self, things: Iterable[T]) -> AsyncIterator[T]:
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
    engine: Engine,
    caller: Caller,
    items: Sequence[Command | InvalidField],
    field: str,
    *,
    partial: bool,
    validate_only: bool,
) -> list[Answer | Refusal]:
    """One outcome per item, in their order, the paths of Refusals below `field[index]`.

    An item is a command or what is wrong with it. Raises the first Refusal unless `partial`.
    """
    if not partial:
        commands = [_sound(item, f"{field}[{index}]") for index, item in enumerate(items)]
        return await engine.write(caller, commands, validate_only=validate_only, item_path=field)
    commands = [item for item in items if not isinstance(item, Refusal)]
    outcomes: list[Answer | Refusal] = []
    if commands:
        outcomes = await engine.write(caller, commands, partial=True, validate_only=validate_only)
    decided = iter(outcomes)
    return [
        _placed(item if isinstance(item, Refusal) else next(decided), f"{field}[{index}]")
        for index, item in enumerate(items)
    ]


def _sound(item: Command | InvalidField, path: str) -> Command:
    if isinstance(item, InvalidField):
        raise item.under(path)
    return item


def _placed(outcome: Answer | Refusal, path: str) -> Answer | Refusal:
    return outcome.under(path) if isinstance(outcome, Refusal) else outcome

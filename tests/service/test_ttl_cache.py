"""What was looked up counts for a few seconds, and no longer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from points_grpc.errors import Overloaded
from points_grpc.service.shared.ttl_cache import VALID_S, TtlCache


class Source:
    """Things by name, and how often each was asked for."""

    def __init__(self, **things: str) -> None:
        self.things = things
        self.asked: list[str] = []
        self.gate: asyncio.Event | None = None
        self.time = 0.0
        self.memory: TtlCache[str, str] = TtlCache(self.look_up, lambda: self.time)

    async def look_up(self, name: str) -> str | None:
        self.asked.append(name)
        if self.gate is not None:
            await self.gate.wait()
        return self.things.get(name)


async def settle() -> None:
    """Let what has been started run to where it waits."""
    for _ in range(5):
        await asyncio.sleep(0)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await scenario()

    asyncio.run(bounded())


@pytest.mark.parametrize("thing", ["", "there"])
def test_what_is_known_is_not_asked_for_again(thing: str) -> None:
    """Within its time an answer comes from memory, also that there is none."""

    async def scenario() -> None:
        source = Source(**({"a": thing} if thing else {}))
        for _ in range(3):
            assert await source.memory.get("a") == (thing or None)
        assert source.asked == ["a"]

    run(scenario)


@pytest.mark.parametrize("thing", ["", "there"])
def test_an_answer_ends(thing: str) -> None:
    """An answer that is as old as answers may be is not given: what has changed is seen."""

    async def scenario() -> None:
        source = Source(**({"a": thing} if thing else {}))
        await source.memory.get("a")
        source.things = {} if thing else {"a": "new"}
        source.time = VALID_S
        assert await source.memory.get("a") == (None if thing else "new")

    run(scenario)


def test_its_time_begins_with_the_question() -> None:
    """An answer that was long in coming is already old: it may be from when it was asked for."""

    async def scenario() -> None:
        source = Source(a="old")
        source.gate = asyncio.Event()
        asking = asyncio.ensure_future(source.memory.get("a"))
        await settle()
        source.time = VALID_S
        source.gate.set()
        assert await asking == "old"
        source.things = {"a": "new"}
        assert await source.memory.get("a") == "new"

    run(scenario)


def test_what_is_in_use_is_renewed_before_it_ends() -> None:
    """Nobody waits for what others use: shortly before its end it is asked for beside."""

    async def scenario() -> None:
        source = Source(a="old")
        await source.memory.get("a")
        source.things = {"a": "new"}
        source.time = VALID_S - 0.5
        assert await source.memory.get("a") == "old"
        await settle()
        assert await source.memory.get("a") == "new"
        assert source.asked == ["a", "a"]

    run(scenario)


def test_many_ask_once() -> None:
    """However many ask for the same thing at once, it is looked up once; one may go away."""

    async def scenario() -> None:
        source = Source(a="there")
        source.gate = asyncio.Event()
        asking = [asyncio.ensure_future(source.memory.get("a")) for _ in range(50)]
        await settle()
        asking[0].cancel()
        await settle()
        source.gate.set()
        assert await asyncio.gather(*asking[1:]) == ["there"] * 49
        assert source.asked == ["a"]

    run(scenario)


def test_who_tries_many_keys_does_not_push_out_what_is_used() -> None:
    """However many keys are tried that stand for nothing, what is known stays known."""

    async def scenario() -> None:
        source = Source(a="there")
        await source.memory.get("a")
        for number in range(10_050):
            await source.memory.get(f"guess {number}")
        source.asked.clear()
        await source.memory.get("a")
        await source.memory.get("guess 10049")
        assert source.asked == []
        await source.memory.get("guess 0")
        assert source.asked == ["guess 0"]

    run(scenario)


def test_only_so_many_strangers_at_once() -> None:
    """Too many unknown keys at once are turned away, and what is known is renewed all the same."""

    async def scenario() -> None:
        source = Source(a="there")
        await source.memory.get("a")
        source.gate = asyncio.Event()
        guesses = [asyncio.ensure_future(source.memory.get(f"guess {n}")) for n in range(128)]
        await settle()
        with pytest.raises(Overloaded):
            await source.memory.get("one more")
        source.time = VALID_S
        renewed = asyncio.ensure_future(source.memory.get("a"))
        await settle()
        source.gate.set()
        assert await renewed == "there"
        assert await asyncio.gather(*guesses) == [None] * 128
        assert await source.memory.get("one more") is None

    run(scenario)


def test_a_failure_is_not_remembered() -> None:
    """What went wrong is told to whoever asked, and the next one asks anew."""

    async def scenario() -> None:
        outcomes: list[str | Exception] = [OSError(), "there"]

        async def look_up(_: str) -> str:
            outcome = outcomes.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        memory: TtlCache[str, str] = TtlCache(look_up)
        with pytest.raises(OSError):
            await memory.get("a")
        assert await memory.get("a") == "there"

    run(scenario)

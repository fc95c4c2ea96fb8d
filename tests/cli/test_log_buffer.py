"""Log lines: written together, in their order, and none lost."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from points_grpc.cli.runtime.log_buffer import LogBuffer


class Stream:
    """Remembers each write."""

    def __init__(self) -> None:
        self.writes: list[str] = []
        self.wrote = threading.Event()

    def write(self, text: str) -> None:
        self.writes.append(text)
        self.wrote.set()

    def flush(self) -> None:
        pass


@pytest.fixture
def stream() -> Stream:
    """Where the lines go."""
    return Stream()


@pytest.fixture
def lines(stream: Stream) -> LogBuffer:
    """The lines."""
    return LogBuffer(stream)  # type: ignore[arg-type]  # as much of a stream as they need


def test_lines_of_an_instant_are_one_write(lines: LogBuffer, stream: Stream) -> None:
    """What an event loop tells within an instant is written at once, in its order."""

    async def story() -> None:
        for number in range(100):
            lines.info(str(number))
        assert stream.writes == []
        assert await asyncio.to_thread(stream.wrote.wait, 5)
        stream.wrote.clear()
        lines.info("later")
        assert await asyncio.to_thread(stream.wrote.wait, 5)

    asyncio.run(story())
    assert stream.writes == ["".join(f"{number}\n" for number in range(100)), "later\n"]


def test_no_write_is_more_than_a_pipe_takes_whole(lines: LogBuffer, stream: Stream) -> None:
    """Many lines are several writes, so that those of other processes never cut one in two."""
    told = ["\u00e9" * 1000, "b" * 2094, "B", "c" * 3000, "d" * 9000, "e"]

    async def story() -> None:
        for line in told:
            lines.info(line)

    asyncio.run(story())
    lines.flush()
    assert stream.writes == [
        f"{told[0]}\n{told[1]}\n",
        f"B\n{told[3]}\n",
        *(f"{t}\n" for t in told[4:]),
    ]


def test_a_warning_is_written_at_once(lines: LogBuffer, stream: Stream) -> None:
    """A warning or an error waits for nothing, and what waited comes before it."""

    async def story() -> None:
        lines.info("a")
        lines.warning("b")
        lines.info("c")
        lines.error("d")
        assert stream.writes == ["a\nb\n", "c\nd\n"]

    asyncio.run(story())


def test_without_a_loop_lines_are_written_at_once(lines: LogBuffer, stream: Stream) -> None:
    """Outside of an event loop nothing would write later, so each line is written at once."""
    lines.info("a")
    lines.info("b")
    assert stream.writes == ["a\n", "b\n"]


def test_a_loop_that_has_ended_leaves_nothing_behind(lines: LogBuffer, stream: Stream) -> None:
    """Lines that waited in an event loop that was closed are written with the next one."""

    async def story() -> None:
        lines.info("a")

    asyncio.run(story())
    lines.info("b")
    assert stream.writes == ["a\nb\n"]


def test_threads_lose_no_line(lines: LogBuffer, stream: Stream) -> None:
    """Of lines told by several threads at once each is written once."""

    def tell(name: str) -> None:
        for number in range(500):
            lines.info(f"{name}{number}")

    threads = [threading.Thread(target=tell, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written = "".join(stream.writes).split()
    assert sorted(written) == sorted(f"{name}{n}" for name in "abcd" for n in range(500))


def test_the_last_lines_are_written_at_exit() -> None:
    """What still waits when the process ends is written, also when it ends with a failure."""
    program = (
        "import asyncio, sys\n"
        "from points_grpc.cli.runtime.log_buffer import LogBuffer\n"
        "lines = LogBuffer(sys.stderr)\n"
        "async def story():\n"
        "    lines.info('the last line')\n"
        "asyncio.run(story())\n"
        "raise SystemExit(3)\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (3, "the last line\n")

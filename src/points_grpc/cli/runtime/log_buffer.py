"""Lines of a log, written together: one write for all that were told within an instant."""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from select import PIPE_BUF
from typing import TextIO

DELAY_SECONDS = 0.02
"""How long a line may wait for others. Whoever kills the process loses no more than that."""


class LogBuffer:
    """Writes to a stream: lines from an event loop soon and together, all others at once.

    A warning and what is worse is written at once too, after what waited before it. What still
    waits when the interpreter ends is written then. Safe to use from several threads.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._waiting: deque[str] = deque()
        self._due_in: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        atexit.register(self.flush)

    def info(self, line: str) -> None:
        """Write the line soon."""
        self._waiting.append(line)
        if self._due_in is not None and not self._due_in.is_closed():
            return
        try:
            self._due_in = loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
        else:
            loop.call_later(DELAY_SECONDS, self.flush)

    def warning(self, line: str) -> None:
        """Write the line now."""
        self._waiting.append(line)
        self.flush()

    # The levels that a logger of structlog's has.
    debug = msg = info
    warn = error = err = critical = fatal = exception = failure = warning

    def flush(self) -> None:
        """Write all that waits."""
        with self._lock:
            self._due_in = None
            count = len(self._waiting)  # others may add to it meanwhile
            for text in _joined(self._waiting.popleft() for _ in range(count)):
                self._stream.write(text)
                self._stream.flush()


def _joined(lines: Iterable[str]) -> Iterator[str]:
    """Join lines into texts that a pipe takes whole: several processes may write to it."""
    text, size = "", 0
    for line in lines:
        more = len(line.encode(errors="replace")) + 1
        if text and size + more > PIPE_BUF:
            yield text
            text, size = "", 0
        text, size = f"{text}{line}\n", size + more
    if text:
        yield text

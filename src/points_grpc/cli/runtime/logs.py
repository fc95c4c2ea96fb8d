"""How log lines look and where they go: standard error, one line per event."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from functools import lru_cache
from time import time
from typing import TYPE_CHECKING, Any

import structlog
import structlog.tracebacks

from points_grpc.cli.runtime.log_buffer import LogBuffer
from points_grpc.config import Settings

if TYPE_CHECKING:
    from structlog.typing import EventDict


def configure(settings: Settings, worker: int = 0) -> None:
    """Set up logging for the process, of our own events and of the libraries' warnings.

    Lines of one of several workers say which one it is.
    """
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    console = settings.log_format == "console" or (
        settings.log_format == "auto" and sys.stderr.isatty()
    )
    lines = LogBuffer(sys.stderr)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            _add_timestamp,
            *([_naming(worker)] if worker else []),
            *_rendering(console),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")


def _naming(worker: int) -> Any:
    def name(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
        event["worker"] = worker
        return event

    return name


def _add_timestamp(_: Any, __: str, event: EventDict) -> EventDict:
    # The machine's clock, not the service's: a log tells when the process did things.
    now = time()
    second = int(now)
    event["timestamp"] = f"{_second(second)}.{int((now - second) * 1_000_000):06d}Z"
    return event


@lru_cache(2)
def _second(number: int) -> str:
    return datetime.fromtimestamp(number, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _rendering(console: bool) -> list[Any]:
    # Tracebacks without the values of variables, which are what people and requests are made of.
    if console:
        plain = structlog.dev.plain_traceback
        colors = sys.stderr.isatty()
        return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]
    bare = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [structlog.processors.ExceptionRenderer(bare), _as_json]


_encode = json.JSONEncoder(default=repr).encode  # prepared: json.dumps makes one for each event


def _as_json(_: Any, __: str, event: EventDict) -> str:
    return _encode(event)

"""How log lines look and where they go: standard error, one line per event."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog
import structlog.tracebacks

from points_grpc.config import Settings


def configure(settings: Settings, worker: int = 0) -> None:
    """Set up logging for the process, of our own events and of the libraries' warnings.

    Lines of one of several workers say which one it is.
    """
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    console = settings.log_format == "console" or (
        settings.log_format == "auto" and sys.stderr.isatty()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            # The machine's clock, not the service's: a log tells when the process did things.
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([_naming(worker)] if worker else []),
            *_rendering(console),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")


def _naming(worker: int) -> Any:
    def name(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
        event["worker"] = worker
        return event

    return name


def _rendering(console: bool) -> list[Any]:
    # Tracebacks without the values of variables, which are what people and requests are made of.
    if console:
        plain = structlog.dev.plain_traceback
        colors = sys.stderr.isatty()
        return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]
    bare = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [structlog.processors.ExceptionRenderer(bare), structlog.processors.JSONRenderer()]

"""What a log line looks like."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import structlog

from points_grpc.cli.runtime import logs
from points_grpc.config import Settings


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Any:
    """Configures logging and gives a logger."""

    def configured(**settings: Any) -> Any:
        logs.configure(Settings(**settings))
        return structlog.get_logger("points_grpc.test").bind(method="a.B/C")

    return configured


def test_a_line_of_json(log: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A line is one object: what was told in its order, the event, its level and the time."""
    log(log_format="json").info("call", code='O"K\u00e9', items=2, duration_ms=0.125, on=None)
    line = capsys.readouterr().err
    told = json.loads(line)
    at = told.pop("timestamp")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", at)
    assert list(told.items()) == [
        ("method", "a.B/C"),
        ("code", 'O"K\u00e9'),
        ("items", 2),
        ("duration_ms", 0.125),
        ("on", None),
        ("event", "call"),
        ("level", "info"),
    ]
    assert line == json.dumps({**told, "timestamp": at}) + "\n"


def test_a_traceback_has_no_values(log: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """An exception is told with its kind and place, without the values of variables."""
    secret = "hunter" + "2"
    try:
        len(secret) // 0
    except ZeroDivisionError as error:
        log(log_format="json").error("unforeseen", exc_info=error)
    line = capsys.readouterr().err
    [fault] = json.loads(line)["exception"]
    assert fault["exc_type"] == "ZeroDivisionError"
    assert secret not in line


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_the_level_counts(log: Any, capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    """Below the level that was set nothing is written, in either form."""
    logger = log(log_format=log_format, log_level="warning")
    logger.info("quiet")
    logger.warning("loud")
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "loud" in told and "warning" in told and "a.B/C" in told

"""How far a run has come, as it is told where there is no terminal."""

from __future__ import annotations

import pytest

from points_grpc.cli.progress import LINE_SECONDS, ProgressLines, shown


class Watch:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.at = 100.0

    def now(self) -> float:
        return self.at


def test_lines_now_and_then() -> None:
    """A line every few seconds, with the rate, and what is estimated named so."""
    watch, lines = Watch(), []
    pace = ProgressLines("sweeping", 1000, lines.append, watch.now)
    pace.reached(100, 400)
    watch.at += LINE_SECONDS
    pace.reached(250, 1000)
    pace.reached(260, 1040)
    assert lines == [
        "sweeping: 250 of about 1,000 accounts, 1,000 lots (200/s), about 3,000 lots left"
    ]


def test_more_than_estimated() -> None:
    """Where there are more accounts than were estimated, the estimate gives way."""
    watch, lines = Watch(), []
    pace = ProgressLines("looking", 10, lines.append, watch.now)
    watch.at += LINE_SECONDS
    pace.reached(12, 0)
    assert lines == ["looking: 12 of about 12 accounts, 0 lots (0/s), about 0 lots left"]


def test_no_bar_without_a_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    """A short run writes nothing where there is no terminal."""
    with shown("sweeping", 3) as pace:
        pace.reached(3, 9)
    assert capfd.readouterr().err == ""

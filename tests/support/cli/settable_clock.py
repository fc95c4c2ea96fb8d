"""points-grpc on a machine whose clock is ahead by as many seconds as a file says."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from points_grpc import clock
from points_grpc.cli.main import app

AHEAD = Path(os.environ["TEST_CLOCK_AHEAD"])


def _now(_: clock.SystemClock) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=float(AHEAD.read_text()))


if __name__ == "__main__":
    clock.SystemClock.now = _now  # type: ignore[method-assign]
    app()

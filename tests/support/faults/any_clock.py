"""points-grpc with a test clock that may be moved backwards too, as a machine's may be."""

from __future__ import annotations

from datetime import datetime

from points_grpc import clock
from points_grpc.cli.main import app


def _move(self: clock.TestClock, to: datetime) -> bool:
    self._hand.move(to)
    return True


if __name__ == "__main__":
    clock.TestClock.set = _move  # type: ignore[method-assign]
    app()

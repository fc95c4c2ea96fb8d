"""The promise of how long request ids are remembered.

It belongs to the data and not to a process: all servers and sweeps of a database keep the longest
that any server has promised.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from points_grpc.storage.admin import settings
from points_grpc.storage.core.database import Connection

LONGEST = timedelta(days=3650)
"""The longest that can be promised."""

_NAME = "request_retention_days"


def promise(connection: Connection, days: int, now: datetime) -> int:
    """Promise to remember request ids for so many days; return the days promised from then on.

    They are more than `days` where more was promised before: a promise is never shortened.
    """
    return int(settings.raise_to(connection, _NAME, str(days), now))


def promised(connection: Connection) -> timedelta | None:
    """Return for how long request ids are remembered; None where no server has said so yet."""
    days = settings.read(connection, _NAME)
    return None if days is None else timedelta(days=int(days))

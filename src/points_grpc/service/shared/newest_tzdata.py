"""The newest time zone data that any process has written with.

Expiries that were computed with newer data must not be computed anew with older ones. So the
version belongs to the data, and is only ever raised.
"""

from __future__ import annotations

from datetime import datetime

from points_grpc import tzdata_version
from points_grpc.storage.admin import settings
from points_grpc.storage.core.database import Connection

_NAME = "tzdata_version"


def record(connection: Connection, now: datetime) -> str | None:
    """Raise the version to that of this process; return the newest from then on.

    A version of our own that cannot be compared is not recorded: it would stop all other servers.
    """
    ours = tzdata_version.ours()
    if not tzdata_version.is_readable(ours):
        return read(connection)
    return settings.raise_to(connection, _NAME, ours, now, order=tzdata_version.rank)


def read(connection: Connection) -> str | None:
    """Return the newest version; None where nothing was written yet."""
    return settings.read(connection, _NAME)


def is_newer(newest: str | None) -> bool:
    """Return whether that version may be newer than that of this process.

    So may any where ours cannot be compared; one that cannot itself is newer than all others.
    """
    ours, rank = tzdata_version.ours(), tzdata_version.rank
    if newest is None or newest == ours:
        return False
    return not tzdata_version.is_readable(ours) or rank(newest) > rank(ours)

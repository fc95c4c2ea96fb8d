"""Time zone data that is older than what the database was written with."""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from points_grpc import tzdata_version
from points_grpc.cli import options
from points_grpc.clock import SystemClock
from points_grpc.config import Settings
from points_grpc.service.shared import newest_tzdata
from points_grpc.storage.core.database import Database

WARNING_SECONDS = 60.0
"""The time between two warnings of a server that goes on with older data."""

log = structlog.get_logger("points_grpc")


def refuse(settings: Settings, database: Database) -> None:
    """Record the version of this process; exit if a newer one has been used.

    With `allow_older_tzdata` say so and go on.
    """
    now = SystemClock().now()
    newest = database.run(lambda at: newest_tzdata.record(at, now))
    ours = tzdata_version.ours()
    if newest != ours and not tzdata_version.is_readable(ours):
        said = (
            f"the version of this process's time zone data ({ours}) has a form that this release"
            " cannot compare: install the tzdata of its lock file"
        )
    elif newest_tzdata.is_newer(newest):
        said = (
            f"the time zone data of this process ({ours}) is older than what the database was"
            f" written with ({newest}): install a newer tzdata"
        )
    else:
        return
    if not settings.allow_older_tzdata:
        options.fail(f"{said}, or say --allow-older-tzdata for a rollback")
    log.warning("older time zone data", ours=ours, newest=newest)


async def warn(database: Database) -> None:
    """Log a warning each minute while a newer version is known, also if it came later."""
    while True:
        await asyncio.sleep(WARNING_SECONDS)
        with contextlib.suppress(Exception):  # that the database is away is said elsewhere
            newest = await asyncio.to_thread(database.run, newest_tzdata.read)
            if newest_tzdata.is_newer(newest):
                log.warning("older time zone data", ours=tzdata_version.ours(), newest=newest)

"""The database as commands find it: with a schema that this release works on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from points_grpc.cli import database_location, options
from points_grpc.config import Settings
from points_grpc.storage.core import migrate
from points_grpc.storage.core.database import Database, Timeouts


@contextmanager
def opened(**given: object) -> Iterator[Database]:
    """Open the configured database while the block runs; report its problems in one line."""
    with ready(options.settings(**given)) as database:
        yield database


@contextmanager
def ready(
    settings: Settings, *, timeouts: Timeouts | None = None, changes: bool = True
) -> Iterator[Database]:
    """Open the database while the block runs, after a check of its schema.

    An embedded database's schema is brought up to date first, unless the command `changes`
    nothing. A problem of the database is reported in one line.
    """
    with (
        database_location.locate_database(settings) as there,
        database_location.open_database(there, settings, timeouts) as database,
        database_location.report_database_errors(),
    ):
        if changes and there.server is not None:
            migrate.upgrade(there.url)
        else:
            check_schema(there.url)
        yield database


def check_schema(url: str, remedy: str = "run points-grpc db upgrade") -> str | None:
    """Return the schema's revision; exit if this release does not work on it."""
    at = migrate.current(url)
    if not migrate.serves(at):
        options.fail(
            f"the schema is at {at or 'none'}, this release expects {migrate.head()}: {remedy}"
        )
    return at

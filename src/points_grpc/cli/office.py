"""The database as the commands that keep tenants and tokens find it: with this release's schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from points_grpc.cli import options, place
from points_grpc.storage import migrate
from points_grpc.storage.database import Database


@contextmanager
def opened(**given: object) -> Iterator[Database]:
    """The database while the block runs; what goes wrong with it is told in one line.

    An embedded database's schema is brought up to date; another's has to be.
    """
    settings = options.settings(**given)
    with (
        place.found(settings) as there,
        place.opened(there, settings) as database,
        place.faults_told(),
    ):
        if there.server is not None:
            migrate.upgrade(there.url)
        elif not migrate.serves(migrate.current(there.url)):
            options.fail("the schema is not this release's: run points-grpc db upgrade")
        yield database

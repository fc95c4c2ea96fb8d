"""Where the database of a command is: the one that was named, or an embedded one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import typer

from points_grpc.cli.options import fail
from points_grpc.cli.runtime import wiring
from points_grpc.config import Settings, masked
from points_grpc.storage.core.database import Database, Timeouts
from points_grpc.storage.core.db_error_messages import words_for
from points_grpc.storage.embedded import EmbeddedPostgres


@dataclass(frozen=True, slots=True)
class DatabaseLocation:
    """A database's URL, and how to show it; `server` if it is an embedded one."""

    url: str
    shown: str
    server: EmbeddedPostgres | None = None

    def revive(self) -> None:
        """Restart an embedded server that has died, if this process owns it."""
        if self.server is not None:
            self.server.start()


@contextmanager
def locate_database(settings: Settings) -> Iterator[DatabaseLocation]:
    """Yield the database to connect to.

    Without a database of one's own an embedded server is started, unless another process has
    started it already, and stopped at the end by whoever started it.
    """
    if settings.database_address is not None:
        yield DatabaseLocation(settings.database_address, masked(settings.database_url))
        return
    connections = wiring.connections_needed(settings.workers)
    server = EmbeddedPostgres(settings.data_dir, connections=connections)
    try:
        server.start()
    except Exception as error:
        fail(f"the embedded database does not start: {words_for(error)}")
    try:
        yield DatabaseLocation(server.url, f"embedded, in {server.folder}", server)
    finally:
        server.stop()


@contextmanager
def open_database(
    place: DatabaseLocation, settings: Settings, timeouts: Timeouts | None = None
) -> Iterator[Database]:
    """Open the database while the block runs, with the configured bounds or with these."""
    bounds = Timeouts(statement=settings.statement_timeout_ms, lock=settings.lock_timeout_ms)
    with report_database_errors():
        database = Database(place.url, timeouts or bounds)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def report_database_errors() -> Iterator[None]:
    """Exit with one line, not a traceback, if the database fails."""
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        fail(words_for(error))

"""Where the database of a command is: the one that was named, or an embedded one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from points_grpc.cli.options import fail
from points_grpc.config import Settings
from points_grpc.storage.database import Database, Timeouts
from points_grpc.storage.embedded import EmbeddedPostgres, EmbeddedPostgresError, NotDurable
from points_grpc.storage.faults import Fault, fault_of


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """The URL to connect to while the block runs.

    Without a database of one's own an embedded server is started, unless another process has
    started it already, and stopped at the end by whoever started it.
    """
    if settings.database_address is not None:
        yield settings.database_address
        return
    server = EmbeddedPostgres(settings.data_dir)
    try:
        server.start()
    except (EmbeddedPostgresError, NotDurable) as error:
        fail(f"the embedded database does not start: {error}")
    try:
        yield server.url
    finally:
        server.stop()


@contextmanager
def faults_told() -> Iterator[None]:
    """Leave with one line, not a traceback, where the database does not do what was asked."""
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        fail(reason_of(error))


def reason_of(error: Exception) -> str:
    """One line about what went wrong with the database."""
    if fault_of(error) is Fault.LOST:
        return "the database cannot be reached: " + _first_line(error.__cause__ or error)
    return _first_line(error)


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


@contextmanager
def opened(url: str, settings: Settings) -> Iterator[Database]:
    """The database at `url` with the configured bounds."""
    bounds = Timeouts(statement=settings.statement_timeout_ms, lock=settings.lock_timeout_ms)
    database = Database(url, bounds)
    try:
        yield database
    finally:
        database.close()

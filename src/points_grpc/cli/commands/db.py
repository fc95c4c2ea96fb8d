"""points-grpc db: the schema of the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from points_grpc.cli import database_location, options
from points_grpc.storage.core import migrate

app = typer.Typer(help="The schema of the database.", no_args_is_help=True)


@app.command()
def upgrade(
    revision: Annotated[
        str, typer.Argument(help="How far: a revision, or head for this release's.")
    ] = "head",
    database_url: options.DatabaseUrl = None,
    data_dir: options.DataDir = None,
) -> None:
    """Bring the schema up to date. Does nothing where it is."""
    with _database(database_url=database_url, data_dir=data_dir) as url:
        migrate.upgrade(url, revision)
        typer.echo(f"schema: {migrate.current(url) or 'none'}")


@app.command()
def downgrade(
    revision: Annotated[
        str, typer.Argument(help="How far back: a revision, -1 for one step, base for all.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether to drop data.")] = False,
    database_url: options.DatabaseUrl = None,
    data_dir: options.DataDir = None,
) -> None:
    """Undo migrations. What only later releases can hold is lost."""
    if not yes:
        typer.confirm("This drops tables or columns with what is in them. Go on?", abort=True)
    with _database(database_url=database_url, data_dir=data_dir) as url:
        migrate.downgrade(url, revision)
        typer.echo(f"schema: {migrate.current(url) or 'none'}")


@app.command()
def current(database_url: options.DatabaseUrl = None, data_dir: options.DataDir = None) -> None:
    """Say which revision the schema is at, and which one this release expects."""
    with _database(database_url=database_url, data_dir=data_dir) as url:
        at, head = migrate.current(url), migrate.head()
        typer.echo(f"schema: {at or 'none'}" + ("" if at == head else f", expected: {head}"))


@contextmanager
def _database(**given: object) -> Iterator[str]:
    with (
        database_location.locate_database(options.settings(**given)) as there,
        database_location.report_database_errors(),
    ):
        yield there.url

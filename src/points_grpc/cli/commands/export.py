"""points-grpc export: a program's members, lots and history as a file that import reads."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TextIO, cast

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from points_grpc import private_files
from points_grpc.cli import databases, options
from points_grpc.cli.commands import import_
from points_grpc.cli.options import fail
from points_grpc.errors import ProgramNotFound
from points_grpc.service.transfer.exporter import Exporter, write_csv, write_json_lines
from points_grpc.service.transfer.importer.importer import CSV
from points_grpc.storage.core.database import Timeouts

# The whole export is one unit of work.
_TIMEOUTS = Timeouts(statement=7 * 24 * 3600 * 1000)


def export(
    file: Annotated[Path, typer.Argument(help="The file to write; .gz is compressed.")],
    tenant: import_.Tenant,
    program: import_.ProgramId = 0,
    *,
    form: import_.Form = None,
    database_url: options.DatabaseUrl = None,
    data_dir: options.DataDir = None,
) -> None:
    """Export a program: the tenant's members, and the lots and history of the program.

    It is one consistent snapshot, whatever is written meanwhile. The file is there under its
    name when it is whole, and only its owner may read it. A file or a link that is there already
    is refused. Importing it elsewhere, where the program has the same currencies
    and policies, gives the same balances, lots and history.
    """
    settings = options.settings(database_url=database_url, data_dir=data_dir)
    if os.path.lexists(file):
        fail(f"{file} is there already", code=2)
    write = write_csv if import_.form_of(form, file) == CSV else write_json_lines
    with databases.ready(settings, timeouts=_TIMEOUTS, changes=False) as database:
        try:
            exporter = Exporter(database, *import_.scope_of(database, tenant, program))
            with _written(file) as text:
                rows = _count(write(exporter.rows(), text))
        except ProgramNotFound:
            fail("the tenant has no such program")
        except FileExistsError:
            fail(f"{file} is there already")
    typer.echo(f"{rows} rows exported")
    if exporter.nameless:
        typer.echo(f"{exporter.nameless} members without identifiers were left out")


def _count(written: Iterator[None]) -> int:
    columns = (TextColumn("exporting"), MofNCompleteColumn(), TimeElapsedColumn())
    rows = 0
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("exporting", total=None)
        for rows, _ in enumerate(written, 1):
            if not rows % 1000:
                progress.update(task, completed=rows)
        progress.update(task, completed=rows)
    return rows


@contextmanager
def _written(file: Path) -> Iterator[TextIO]:
    """The file to be, for its owner alone, which takes its name at the end of the block."""
    opened, draft = private_files.create_draft(file)
    try:
        with contextlib.ExitStack() as left:
            left.enter_context(opened)
            target: object = opened
            if file.suffix == ".gz":
                target = left.enter_context(gzip.GzipFile(file.name, "wb", fileobj=opened))
            with io.TextIOWrapper(cast(io.BufferedWriter, target), "utf-8", newline="") as text:
                yield text
        private_files.publish(draft, file)
    finally:
        private_files.discard(draft)

"""points-grpc import: members, lots and history from a file of another system."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from points_grpc.cli import clocks, databases, older_tzdata, options
from points_grpc.cli.administering import CommandLog, principal
from points_grpc.cli.options import fail
from points_grpc.cli.runtime import logs
from points_grpc.cli.runtime.gc_tuning import collect_seldom
from points_grpc.clock import Clock
from points_grpc.domain.admin.events import AdminEvent, Resource, differences
from points_grpc.domain.commands import VENDOR_ID
from points_grpc.domain.identifiers import can_merge
from points_grpc.errors import ProgramNotFound, StorageUnavailable
from points_grpc.service.transfer.importer.importer import (
    CHUNK,
    CSV,
    JSON_LINES,
    Importer,
    ImportJob,
)
from points_grpc.service.transfer.importer.parts import MEMBER_VENDOR_ID
from points_grpc.service.transfer.importer.report import count_merged
from points_grpc.service.transfer.importer.source import InvalidFile
from points_grpc.service.transfer.importer.writing import ImportedElsewhere
from points_grpc.storage.admin import programs
from points_grpc.storage.core.database import Database
from points_grpc.storage.transfer.imports import Progress as Progressed

Tenant = Annotated[str, typer.Option("--tenant", help="The tenant, by name.")]
ProgramId = Annotated[
    int, typer.Option("--program", help="The program's id; 0: the tenant's default program.")
]
Form = Annotated[
    str | None,
    typer.Option("--format", help="csv or jsonl; else by the name of the file.", metavar="FORM"),
]


def import_(
    file: Annotated[
        Path,
        typer.Argument(help="CSV or JSON lines; .gz is read too.", exists=True, dir_okay=False),
    ],
    tenant: Tenant,
    program: ProgramId = 0,
    *,
    form: Form = None,
    chunk_size: Annotated[
        int, typer.Option("--chunk-size", min=1, max=100_000, help="Rows committed at once.")
    ] = CHUNK,
    refused: Annotated[
        Path | None,
        typer.Option("--refused", help="Where refused rows are reported; else FILE.refused.csv."),
    ] = None,
    allow_older_tzdata: options.AllowOlderTzdata = None,
    merge_by: Annotated[
        str,
        typer.Option(
            "--merge-by",
            help="Types by which somebody new is taken for a member: phone,email.",
            metavar="TYPES",
        ),
    ] = "",
    database_url: options.DatabaseUrl = None,
    data_dir: options.DataDir = None,
) -> None:
    """Import members, lots and history from a file.

    Rows that are there already are recognised and left alone, so a file may be imported again,
    also after it was interrupted; it then goes on after the last committed chunk. Rows that
    cannot be imported are reported by line number and reason; the exit code is 1 if there are
    any. A member whom the file names anew, but whose phone or the like is another's, is refused,
    unless --merge-by says otherwise. The format is described in docs/import.md.
    """
    settings = options.settings(
        allow_older_tzdata=allow_older_tzdata, database_url=database_url, data_dir=data_dir
    )
    logs.configure(settings)
    collect_seldom()
    merged_types = types_of(merge_by)
    report = refused or file.with_name(file.name + ".refused.csv")
    if report.exists() and report.samefile(file):
        fail("--refused must not be the file itself", code=2)
    with databases.ready(settings) as database, clocks.checked_clock(database) as clock:
        older_tzdata.refuse(settings, database)
        tenant_id, program_id = scope_of(database, tenant, program)
        named = form_of(form, file)
        order = ImportJob(
            file,
            named,
            tenant_id,
            program_id,
            report,
            chunk_size,
            merged_types,
            settings.identifiers_max,
        )
        try:
            importer = Importer(database, clock, order)
        except ProgramNotFound:
            fail(f"the tenant has no program {program_id}")
        except ImportedElsewhere as problem:
            fail(str(problem))
        log = ImportLog(database, clock, tenant_id, program_id)
        log.append("import begin", {"merge_by": ",".join(sorted(merged_types))})
        try:
            done = _run(importer)
            log.append("import end", counts_of(done, report))
            _tell(done, report)
        except (InvalidFile, ImportedElsewhere) as problem:
            fail(str(problem))
        except StorageUnavailable:
            fail("the database cannot be reached; what was committed stays")
        finally:
            importer.close()


def scope_of(database: Database, name: str, program_id: int) -> tuple[int, int]:
    """Return the ids of a tenant and its program, or exit."""
    tenant = database.run(lambda connection: programs.tenant_by_name(connection, name))
    if tenant is None:
        fail("there is no such tenant")
        raise typer.Exit(1)
    return tenant.tenant_id, program_id or tenant.default_program_id


def types_of(merge_by: str) -> frozenset[str]:
    """Return the types of identifiers in a comma-separated list, or exit."""
    given = [kind.strip() for kind in merge_by.split(",") if kind.strip()]
    if not all(can_merge(kind) for kind in given):
        fail(f"--merge-by: types, such as email,phone,{MEMBER_VENDOR_ID}", code=2)
    return frozenset(VENDOR_ID if kind == MEMBER_VENDOR_ID else kind for kind in given)


def form_of(form: str | None, file: Path) -> str:
    """Return CSV or JSON_LINES, as requested or by the file's name, or exit."""
    named = {".csv": CSV, ".jsonl": JSON_LINES, ".ndjson": JSON_LINES, ".json": JSON_LINES}
    found = form or named.get(Path(file.name.removesuffix(".gz")).suffix)
    if found not in (CSV, JSON_LINES):
        fail("--format must be csv or jsonl", code=2)
    return str(found)


class ImportLog:
    """Records the begin and the end of an import in the audit log."""

    def __init__(self, database: Database, clock: Clock, tenant_id: int, program_id: int) -> None:
        self._database, self._log, self._clock = database, CommandLog(database), clock
        self._tenant_id, self._program_id = tenant_id, program_id

    def append(self, action: str, told: Mapping[str, object]) -> None:
        """Add an event with the facts of the import; empty ones are left out."""
        changes = differences({}, told)
        now = self._clock.now()
        event = AdminEvent(
            principal(), action, Resource.IMPORT, now, changes, program_id=self._program_id
        )
        self._database.run(lambda at: self._log.append(at, self._tenant_id, event))


def counts_of(done: Progressed, report: Path) -> dict[str, int]:
    """Count the rows of all runs of the file, and those merged by the type of identifier."""
    merged = {f"merged_by_{kind}": count for kind, count in sorted(count_merged(report).items())}
    return {"imported": done.imported, "known": done.known, "refused": done.refused, **merged}


def _run(importer: Importer) -> Progressed:
    done, began = importer.resumed, time.monotonic()
    if done.lines_done:
        typer.echo(f"going on after line {done.lines_done}", err=True)
    before = done.imported + done.known + done.refused
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    shown = (*columns, TextColumn("{task.fields[rate]}"), TimeElapsedColumn())
    with Progress(*shown, console=Console(stderr=True)) as progress:
        task = progress.add_task("importing", total=importer.total_bytes, rate="")
        for done in importer.run():
            rows = done.imported + done.known + done.refused - before
            rate = rows / max(time.monotonic() - began, 1e-3)
            progress.update(task, completed=done.bytes_done, rate=f"{rate:,.0f} rows/s")
    return done


def _tell(done: Progressed, report: Path) -> None:
    typer.echo(f"{done.imported} rows imported, {done.known} were there, {done.refused} refused")
    if merged := count_merged(report).total():
        typer.echo(f"{merged} of them merged with members that were there: {report}")
    if done.refused:
        typer.echo(f"refused rows: {report}")
        raise typer.Exit(1)

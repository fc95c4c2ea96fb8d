"""points-grpc sweep: record the lapses that have happened, once."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from points_grpc.cli import clocks, databases, older_tzdata, options, progress
from points_grpc.cli.runtime import logs, wiring
from points_grpc.clock import SystemClock
from points_grpc.config import Settings
from points_grpc.domain.amounts import print_units
from points_grpc.service.shared import retention
from points_grpc.service.sweep.dry_run import Day, DryRun, DueLots
from points_grpc.service.sweep.sweeper import Sweeper, Swept
from points_grpc.storage.admin import programs
from points_grpc.storage.core.database import Database
from points_grpc.storage.core.db_error_messages import words_for

Place = tuple[int, int, str, int]
"""Tenant, program, and the currency's code and scale."""


def sweep(  # noqa: PLR0917  # each is an option, given by name
    database_url: options.DatabaseUrl = None,
    data_dir: options.DataDir = None,
    sweep_chunk: options.SweepChunk = None,
    request_retention_days: options.RequestRetentionDays = None,
    allow_older_tzdata: options.AllowOlderTzdata = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would expire, and change nothing.")
    ] = False,
) -> None:
    """Record the lapses that have happened, once, and forget what need not be kept.

    Several may run at once, also beside servers. Nothing depends on it: points that have
    expired cannot be spent, whether or not that has been recorded. It goes by the machine's
    clock, also where the server of a development database stands at another time: there it would
    record what has yet to lapse, and forget request ids that are new.

    Request ids are remembered for as long as any server of the database has promised;
    --request-retention-days can lengthen that, as a server's can, and never shortens it.
    """
    settings = options.settings(
        database_url=database_url,
        data_dir=data_dir,
        sweep_chunk=sweep_chunk,
        request_retention_days=request_retention_days,
        allow_older_tzdata=allow_older_tzdata,
    )
    logs.configure(settings)
    with (
        databases.ready(settings, changes=not dry_run) as database,
        contextlib.ExitStack() as left,
    ):
        clock = SystemClock() if dry_run else left.enter_context(clocks.checked_clock(database))
        sweeper, forecaster = left.enter_context(wiring.sweeping(database, clock))
        tenants = database.run(programs.tenant_names)
        if dry_run:
            _foretell(settings, forecaster, tenants)
        else:
            older_tzdata.refuse(settings, database)
            _promise(settings, database)
            _record(settings, sweeper, tenants)


def _promise(settings: Settings, database: Database) -> None:
    """Extend how long request ids are kept, if a number of days was given."""
    days, now = settings.request_retention_days, SystemClock().now()
    if "request_retention_days" not in settings.model_fields_set:
        return
    kept = database.run(lambda at: retention.promise(at, days, now))
    if kept > days:
        _console().print(f"request ids are remembered for {kept} days: a server has promised it")


@dataclass
class _Tally:
    """What a sweep did, by tenant, program and currency.

    The totals are accounts, lots, expired and cancelled.
    """

    totals: dict[Place, list[int]] = field(
        default_factory=lambda: defaultdict(lambda: [0, 0, 0, 0])
    )
    swept: int = 0
    lots: int = 0
    skipped: int = 0
    failures: list[Exception] = field(default_factory=list)

    @property
    def done(self) -> int:
        """Return how many accounts were examined."""
        return self.swept + self.skipped + len(self.failures)

    def add(self, chunk: Swept) -> None:
        """Add the counts of one chunk."""
        self.swept += len(chunk.lapses)
        self.skipped += chunk.skipped
        self.failures += chunk.failures
        for lapsed in chunk.lapses:
            currency = lapsed.currency
            place = (lapsed.tenant_id, lapsed.program_id, currency.code, currency.scale)
            self.lots += lapsed.lots
            figures = (bool(lapsed.lots), lapsed.lots, lapsed.expired, lapsed.closed)
            total = self.totals[place]
            self.totals[place] = [a + b for a, b in zip(total, figures, strict=True)]


def _record(settings: Settings, sweeper: Sweeper, tenants: Mapping[int, str]) -> None:
    tally = _Tally()
    with progress.shown("sweeping", sweeper.estimate()) as pace:
        for chunk in sweeper.sweep(settings.sweep_chunk):
            tally.add(chunk)
            pace.reached(tally.done, tally.lots)
        forgotten = sweeper.purge()
    _tell(tally, forgotten, tenants)
    if tally.failures:
        raise typer.Exit(1)


def _tell(tally: _Tally, forgotten: int, tenants: Mapping[int, str]) -> None:
    console = _console()
    table = Table("tenant", "program", "currency")
    for column in ("accounts", "lots", "expired", "cancelled"):
        table.add_column(column, justify="right")
    for (tenant, program, code, scale), (accounts, lots, expired, closed) in sorted(
        tally.totals.items()
    ):
        points = (print_units(expired, scale), print_units(closed, scale))
        name = _name_of(tenant, tenants)
        table.add_row(name, str(program), code, str(accounts), str(lots), *points)
    if tally.totals:
        console.print(table)
    console.print(f"{tally.lots} lots lapsed in {tally.swept} accounts")
    if tally.skipped:
        console.print(f"{tally.skipped} accounts were in use; the next sweep will find them again")
    if tally.failures:
        reason = words_for(tally.failures[0])
        console.print(f"{len(tally.failures)} accounts could not be swept: {reason}")
    if forgotten:
        console.print(f"{forgotten} rows older than the retention forgotten")


def _foretell(settings: Settings, forecaster: DryRun, tenants: Mapping[int, str]) -> None:
    totals: dict[Day, list[int]] = defaultdict(lambda: [0, 0, 0])
    accounts = lots = 0
    with progress.shown("looking", forecaster.estimate()) as pace:
        for looked, found in forecaster.due(settings.sweep_chunk):
            for due in found:
                totals[due.on] = _added(totals[due.on], due)
            accounts, lots = accounts + looked, lots + len(found)
            pace.reached(accounts, lots)
    table = Table("tenant", "program", "currency", "day")
    for column in ("lots", "expires", "is cancelled"):
        table.add_column(column, justify="right")
    for on, (lots, expired, closed) in sorted(totals.items(), key=lambda item: _place(item[0])):
        points = (print_units(expired, on.scale), print_units(closed, on.scale))
        tenant = _name_of(on.tenant_id, tenants)
        table.add_row(tenant, str(on.program_id), on.currency, str(on.day), str(lots), *points)
    console = _console()
    if totals:
        console.print(table)
    console.print(f"{sum(t[0] for t in totals.values())} lots would lapse; nothing was changed")


def _added(total: list[int], due: DueLots) -> list[int]:
    lots, expired, closed = total
    return [lots + 1, expired + due.points * due.approved, closed + due.points * (not due.approved)]


def _place(on: Day) -> tuple[int, int, str, str]:
    return on.tenant_id, on.program_id, on.currency, on.day.isoformat()


def _name_of(tenant_id: int, tenants: Mapping[int, str]) -> str:
    return tenants.get(tenant_id, str(tenant_id))  # by its id if it came during the sweep


def _console() -> Console:
    """Shows names and codes as they are, whatever they would mean to rich."""
    return Console(markup=False, emoji=False)

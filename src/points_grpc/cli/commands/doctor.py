"""points-grpc doctor: what is configured, and whether all is well."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version

import typer
from rich.console import Console
from rich.markup import escape

from points_grpc import tzdata_version
from points_grpc.cli import database_location, options
from points_grpc.cli.doubts import doubtful_identifiers
from points_grpc.cli.runtime import wiring
from points_grpc.clock import SystemClock
from points_grpc.config import Settings, masked, variable
from points_grpc.service.shared import newest_tzdata
from points_grpc.storage.core import migrate, server_info
from points_grpc.storage.core.database import Database
from points_grpc.storage.core.db_error_messages import words_for
from points_grpc.storage.embedded import NotDurable, assert_durable

_VERSION_MIN = 150_000
_SKEW_MAX_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check; `doubtful`: worth a look, but not a failure."""

    what: str
    well: bool
    found: str
    doubtful: bool = False

    @property
    def mark(self) -> str:
        """Return the finding's mark, in colour."""
        if self.doubtful:
            return "[yellow]DOUBTFUL[/]"
        return "[green]well    [/]" if self.well else "[red]NOT WELL[/]"


def doctor(
    database_url: options.DatabaseUrl = None,
    data_dir: options.DataDir = None,
    workers: options.Workers = None,
) -> None:
    """Say what is configured and whether database, clock and schema are well.

    Exit code 1 when they are not.
    """
    settings = options.settings(database_url=database_url, data_dir=data_dir, workers=workers)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"points-grpc {version('points-grpc')}\n")
    for line in _configuration(settings):
        console.print(line, markup=False)
    console.print()
    findings = list(_examine(settings))
    for finding in findings:
        console.print(f"{finding.mark}  {finding.what}: {escape(finding.found)}")
    if not all(finding.well for finding in findings):
        raise typer.Exit(1)


def _configuration(settings: Settings) -> Iterator[str]:
    """Yield each setting with its value and where the value comes from."""
    for name in type(settings).model_fields:
        origin = variable(name) if name in settings.model_fields_set else "default"
        yield f"{name:<25} {masked(getattr(settings, name)):<20} {origin}"


def _examine(settings: Settings) -> Iterator[CheckResult]:
    if settings.database_url is None and not settings.data_dir.exists():
        problem = f"there is none in {settings.data_dir} yet; points-grpc serve makes it"
        yield CheckResult("database", False, problem)
        return
    with (
        database_location.locate_database(settings) as there,
        database_location.open_database(there, settings) as database,
    ):
        yield from _database(database, there.url, settings.workers)


def _database(database: Database, url: str, workers: int) -> Iterator[CheckResult]:
    clock = SystemClock()
    try:
        found, now = database.run(
            lambda connection: (server_info.read_server_info(connection), clock.now())
        )
    except Exception as error:
        yield CheckResult("database", False, words_for(error))
        return
    known = f"PostgreSQL {found.version_text}"
    enough = found.version >= _VERSION_MIN
    yield CheckResult("database", enough, known if enough else f"{known}; 15 or later is needed")
    yield _durability(database)
    yield _connections(database, workers)
    skew = abs((found.clock - now).total_seconds())
    told = f"{now:%Y-%m-%d %H:%M:%S} UTC, {skew:.1f} s from the database's"
    yield CheckResult("clock", skew <= _SKEW_MAX_SECONDS, told)
    schema = _schema(url)
    yield schema
    if schema.well:
        yield _time_zones(database)
        count, told = doubtful_identifiers(database)
        yield CheckResult("identifiers", True, told, doubtful=count > 0)


def _durability(database: Database) -> CheckResult:
    try:
        database.run(assert_durable)
    except NotDurable as error:
        return CheckResult("durability", False, str(error))
    return CheckResult("durability", True, "confirmed writes survive a crash")


def _connections(database: Database, workers: int) -> CheckResult:
    allowed, needed = (
        database.run(server_info.connections_allowed),
        wiring.connections_needed(workers),
    )
    servers = "one worker uses" if workers == 1 else f"{workers} workers use"
    told = f"{allowed} allowed, {servers} up to {needed}"
    return CheckResult("connections", allowed >= needed, told)


def _schema(url: str) -> CheckResult:
    at, head = migrate.current(url), migrate.head()
    if at == head:
        return CheckResult("schema", True, str(at))
    if migrate.serves(at):
        return CheckResult(
            "schema", True, f"{at}, of a later release than this one, which has {head}"
        )
    hint = "run points-grpc db upgrade"
    return CheckResult("schema", False, f"{at or 'none'}, but this release expects {head}; {hint}")


def _time_zones(database: Database) -> CheckResult:
    ours, newest = tzdata_version.ours(), database.run(newest_tzdata.read)
    if newest != ours and not tzdata_version.is_readable(ours):
        return CheckResult(
            "time zones", False, f"{ours}, a version that this release cannot compare"
        )
    if newest_tzdata.is_newer(newest):
        return CheckResult(
            "time zones", False, f"{ours}, but the database was written with {newest}"
        )
    return CheckResult("time zones", True, f"{ours}, of the package tzdata")

"""points-grpc serve: the server."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NoReturn

import structlog
import typer
import uvloop

from points_grpc.cli import database_location, databases, older_tzdata, options
from points_grpc.cli.commands import gateway
from points_grpc.cli.runtime import (
    auth_setup,
    lifetime,
    listen,
    logs,
    metrics_server,
    supervisor,
    wiring,
)
from points_grpc.clock import SystemClock
from points_grpc.config import Settings, joined_address, split_address
from points_grpc.metrics.counters import WorkerStatus
from points_grpc.service.shared import retention
from points_grpc.storage.core import migrate, server_info
from points_grpc.storage.core.database import Database
from points_grpc.storage.core.db_error_messages import words_for
from points_grpc.storage.core.db_errors import is_unavailable

_EXAMPLE = (
    """grpcurl -plaintext -d '{{"member": {{"external_id": "alice"}}, """
    """"amount": {{"value": "100"}}}}' {address} points.v1.PointsService/Earn"""
)


def serve(  # noqa: PLR0917  # each is an option, given by name
    grpc: options.Grpc = None,
    http: options.Http = None,
    database_url: options.DatabaseUrl = None,
    data_dir: options.DataDir = None,
    metrics: options.Metrics = None,
    workers: options.Workers = None,
    dev: options.Dev = None,
    start_time: options.StartTime = None,
    demo: options.Demo = None,
    migrate: options.Migrate = None,
    allow_older_tzdata: options.AllowOlderTzdata = None,
    sweep: options.Sweep = None,
    sweep_interval_seconds: options.SweepIntervalSeconds = None,
    request_retention_days: options.RequestRetentionDays = None,
    plaintext: options.Plaintext = None,
    reflection: options.Reflection = None,
    log_level: options.LogLevel = None,
    log_format: options.LogFormat = None,
) -> None:
    """Serve the points API over gRPC, and over HTTP where asked to, until SIGTERM or SIGINT.

    With --dev it listens on this machine only, otherwise for other machines with TLS only.
    """
    given = dict(locals())
    settings = options.settings(**given)
    _refuse_what_cannot_be(settings)
    logs.configure(settings)
    # Until the event loop takes over, so that an embedded database is stopped on the way out.
    signal.signal(signal.SIGTERM, leave)
    with (
        database_location.locate_database(settings) as there,
        database_location.open_database(there, settings) as database,
    ):
        with database_location.report_database_errors():
            _prepare_schema(settings, there)
            older_tzdata.refuse(settings, database)
            auth_setup.refuse_without_credentials(settings, database, SystemClock().now())
            _count_connections(settings, database)
            _promise_retention(settings, database)

        with failures_told():
            if settings.workers > 1:
                code = supervisor.supervise(settings, there, database, _announcer(settings, there))
                raise typer.Exit(code)
            with (
                wiring.open_service(settings, database) as parts,
                metrics_server.shown(settings, lambda: [_status(parts)]) as counters,
            ):
                announce = partial(_announcer(settings, there), counters)
                uvloop.run(lifetime.live(settings, parts, there, announce))


def _status(parts: wiring.ServiceParts) -> WorkerStatus:
    counters = None if parts.counters is None else parts.counters.snapshot()
    return WorkerStatus(1, os.getpid(), 0, counters)


def _announcer(
    settings: Settings, there: database_location.DatabaseLocation
) -> Callable[[str, int, str], None]:
    def announce(metrics: str, port: int, http: str) -> None:
        _announce(settings, there, port, http, metrics)

    return announce


@contextmanager
def failures_told() -> Iterator[None]:
    """Exit with one line if a server cannot listen, or finds no database at the start."""
    try:
        yield
    except typer.Exit:  # a RuntimeError
        raise
    except RuntimeError as error:  # of grpcio, when it cannot listen
        options.fail(str(error))
    except Exception as error:
        if not is_unavailable(error):
            raise
        options.fail(words_for(error))


def leave(number: int, _: object) -> NoReturn:
    """Handle a signal while no event loop does: clean up and exit."""
    raise SystemExit(128 + number)


def _refuse_what_cannot_be(settings: Settings) -> None:
    listen.refuse_what_cannot_be(settings, settings.grpc)
    gateway.refuse_what_cannot_be(settings)
    auth_setup.refuse_what_cannot_be(settings)
    metrics_server.refuse_what_cannot_be(settings)
    if settings.workers > 1 and sys.platform != "linux":
        options.fail("several workers share a port as only Linux does it", code=2)
    for field in ("start_time", "demo"):
        if getattr(settings, field) and not settings.dev:
            options.fail(f"--{field.replace('_', '-')} needs --dev", code=2)


def _prepare_schema(settings: Settings, there: database_location.DatabaseLocation) -> None:
    if settings.migrate or there.server is not None:
        migrate.upgrade(there.url)
        return
    remedy = "run points-grpc db upgrade, or serve with --migrate"
    at, head = databases.check_schema(there.url, remedy), migrate.head()
    if at != head:
        log = structlog.get_logger("points_grpc")
        log.info("schema is from a later release", schema=at, expected=head)


def _count_connections(settings: Settings, database: Database) -> None:
    allowed = database.run(server_info.connections_allowed)
    needed = wiring.connections_needed(settings.workers)
    if allowed < needed:
        log = structlog.get_logger("points_grpc")
        log.warning("database allows too few connections", allowed=allowed, needed=needed)


def _promise_retention(settings: Settings, database: Database) -> None:
    """Store the retention before the first request id, so that no sweep deletes it sooner."""
    days, now = settings.request_retention_days, SystemClock().now()
    kept = database.run(lambda at: retention.promise(at, days, now))
    if kept > days:
        log = structlog.get_logger("points_grpc")
        log.warning("request ids are kept longer than configured", promised_days=kept, setting=days)


def _announce(
    settings: Settings,
    there: database_location.DatabaseLocation,
    port: int,
    http: str,
    metrics: str,
) -> None:
    address = joined_address(split_address(settings.grpc)[0], port)
    lines = [*filter(None, [http]), f"gRPC      {address}", *filter(None, [metrics])]
    lines.append(f"database  {there.shown}")
    if settings.workers > 1:
        lines.append(f"workers   {settings.workers}")
    if settings.dev:
        clock = "runs with the machine's"
        if settings.start_time is not None:
            clock = f"stands at {settings.start_time:%Y-%m-%d %H:%M:%S} UTC"
        lines += [
            "tenant    demo: gRPC without a token or with demo, HTTP with demo",
            f"clock     {clock} until it is set",
        ]
    if settings.demo:
        lines += [
            "programs  469 (POINTS), 123 (bonus_points)",
            "",
            "From another terminal: make demo, or",
            _EXAMPLE.format(address=address),
        ]
    typer.echo("\n".join(lines))

"""A server's life: from the first answer of the database to the last answer of its own."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import structlog

from points_grpc.cli import older_tzdata
from points_grpc.cli.commands import gateway
from points_grpc.cli.database_location import DatabaseLocation
from points_grpc.cli.demo import seed
from points_grpc.cli.runtime import auth_setup, gc_tuning, listen
from points_grpc.cli.runtime.wiring import ServiceParts
from points_grpc.config import Settings, joined_address, split_address
from points_grpc.errors import StorageUnavailable
from points_grpc.rpc.auth import Authenticator
from points_grpc.rpc.auth.development import DevAuthenticator
from points_grpc.rpc.server import Backends, Server, ServerOptions
from points_grpc.service.sweep import due_accounts
from points_grpc.storage.core.database import Database
from points_grpc.storage.core.db_error_messages import words_for
from points_grpc.storage.core.server_info import read_server_info

PROBE_SECONDS = 1.0
"""How often the database is asked whether it is there."""

OWN_HOST = "127.0.0.1"
"""Where a server listens for its own gateway alone: one of several workers, so that a call stays in
one process, and one with TLS, which the gateway has done already."""

_LAG_SECONDS = 15.0  # between two looks at how far behind the sweep is

log = structlog.get_logger("points_grpc")


async def live(
    settings: Settings,
    parts: ServiceParts,
    place: DatabaseLocation,
    announce: Callable[[int, str], None],
) -> None:
    """Serve until a signal, then finish the running calls.

    `announce` gets gRPC's port, and the line with the address of HTTP if it is served.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    auth = await _door(settings, parts)
    server = _server(settings, parts, auth.authenticator)
    try:
        if parts.writing_clock is not None:
            with contextlib.suppress(Exception):  # that the database is away is said by health
                await asyncio.to_thread(parts.writing_clock.compare)
        await server.start()
        upstream = _upstream(settings, server)
        async with (
            _clock_watched(parts),
            _tasks(
                _report_health(server, parts, place),
                _sweep_now_and_then(settings, parts),
                _measure_lag(settings, parts),
                older_tzdata.warn(parts.database),
                auth.keep(),
            ),
            gateway.beside(settings, upstream, parts.clock, voucher=auth.voucher) as http,
        ):
            gc_tuning.collect_seldom()
            announce(server.port, http)
            await stopping.wait()
            log.info("stopping")
    finally:
        await server.stop(settings.grace_seconds)


def _upstream(settings: Settings, server: Server) -> str:
    """Return the address at which the gateway reaches this process."""
    if server.own_port:
        return joined_address(OWN_HOST, server.own_port)
    return joined_address(split_address(settings.grpc)[0], server.port)


def _server(settings: Settings, parts: ServiceParts, authenticator: Authenticator) -> Server:
    backends = Backends(parts.engine, parts.programs, parts.members, parts.test_clock)
    several, tls = settings.workers > 1, listen.tls(settings)
    options = ServerOptions(
        address=settings.grpc,
        deadline_s=settings.default_deadline_seconds,
        deadline_max_s=settings.deadline_seconds_max,
        calls_max=settings.calls_max,
        calls_bytes_max=settings.calls_bytes_max,
        request_bytes_max=settings.request_bytes_max,
        share_port=several,
        own_address=f"{OWN_HOST}:0" if (several or tls) and settings.http else "",
        tls=tls,
        tenant_calls_per_s=settings.tenant_calls_per_second or 0.0,
        tenant_calls_burst=settings.tenant_calls_burst or 0,
        reflection=settings.dev or settings.reflection,
    )
    return Server(backends, authenticator, options, parts.counters)


async def _door(settings: Settings, parts: ServiceParts) -> auth_setup.AuthSetup:
    if not settings.dev:
        return await auth_setup.set_up_auth(settings, parts)
    caller = await seed.everything(settings.demo, parts.database, parts.clock, parts.programs)
    return auth_setup.AuthSetup(DevAuthenticator(caller))


@contextlib.asynccontextmanager
async def _clock_watched(parts: ServiceParts) -> AsyncIterator[None]:
    """Compare the machine's clock with the database's while the block runs."""
    with contextlib.nullcontext() if parts.writing_clock is None else parts.writing_clock.watched():
        yield


@contextlib.asynccontextmanager
async def _tasks(*tasks: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run these while the block runs."""
    running = [asyncio.ensure_future(task) for task in tasks]
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _report_health(server: Server, parts: ServiceParts, place: DatabaseLocation) -> None:
    """Report SERVING while the database answers and clocks agree; revive an embedded one."""
    was_well: bool | None = None
    while True:
        problem = await asyncio.to_thread(probe, parts.database, place)
        serving = not problem and not (parts.writing_clock and parts.writing_clock.problem)
        server.set_serving(serving)
        if parts.counters is not None:
            parts.counters.serving = serving
        if problem and was_well is not False:
            log.error("database does not answer", problem=problem)
        elif not problem and was_well is False:
            log.info("database answers again")
        was_well = not problem
        await asyncio.sleep(PROBE_SECONDS)


def probe(database: Database, place: DatabaseLocation) -> str:
    """Return the database's problem, if any; restart an embedded server of ours first."""
    try:
        database.run(read_server_info)
    except Exception as error:
        with contextlib.suppress(Exception):
            place.revive()
        return words_for(error)
    return ""


async def _sweep_now_and_then(settings: Settings, parts: ServiceParts) -> None:
    while settings.sweep:
        try:
            await _sweep(settings, parts)
        except Exception as error:
            log.warning("sweep failed", problem=words_for(error))
        await asyncio.sleep(settings.sweep_interval_seconds)


async def _measure_lag(settings: Settings, parts: ServiceParts) -> None:
    """Measure at intervals how far behind the sweep is, if metrics are served."""
    counters = parts.counters
    while settings.sweep and counters is not None:
        with contextlib.suppress(StorageUnavailable):
            counters.sweep_lag_seconds = await asyncio.to_thread(_lag_seconds, parts)
        await asyncio.sleep(_LAG_SECONDS)


def _lag_seconds(parts: ServiceParts) -> float:
    now = parts.clock.now()
    link = parts.database.link(snapshot=True)
    try:
        since = due_accounts.oldest_due(link, now)
    finally:
        link.close()
    return 0.0 if since is None else (now - since).total_seconds()


async def _sweep(settings: Settings, parts: ServiceParts) -> None:
    """Run one sweep in a thread; it stops between two chunks when the server does."""
    swept = parts.sweeper.sweep(settings.sweep_chunk)
    lots = accounts = 0
    while (chunk := await _in_thread(lambda: next(swept, None))) is not None:
        accounts += len(chunk.lapses)
        lots += sum(lapsed.lots for lapsed in chunk.lapses)
        for failure in chunk.failures:
            log.error("account could not be swept", problem=words_for(failure))
    if lots:
        log.info("swept", accounts=accounts, lots=lots)
    await _in_thread(parts.sweeper.purge)


async def _in_thread(work: Callable[[], Any]) -> Any:
    """`work` in a thread; a cancelled caller still waits for its end.

    The thread uses a connection that is closed right after.
    """
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise

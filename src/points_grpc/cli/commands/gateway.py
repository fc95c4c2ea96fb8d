"""points-grpc gateway: the JSON gateway alone, and what serve needs to run it beside gRPC."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from importlib.util import find_spec

import typer
import uvloop
from grpc import ChannelCredentials

from points_grpc.cli import options
from points_grpc.cli.runtime import gc_tuning, logs
from points_grpc.cli.runtime import listen as doors
from points_grpc.clock import Clock, SystemClock
from points_grpc.config import Settings, joined_address, split_address

DEFAULT_HTTP = "127.0.0.1:8080"

_LIBRARIES = ("starlette", "uvicorn", "httptools", "msgspec")
"""Those of the extra, without which everything else here has to work."""


def gateway(
    upstream: options.Upstream = None,
    http: options.Http = None,
    plaintext: options.Plaintext = None,
    log_level: options.LogLevel = None,
    log_format: options.LogFormat = None,
) -> None:
    """Serve the REST APIs until SIGTERM or SIGINT, for a points server that runs elsewhere.

    Listens on 127.0.0.1:8080 unless told otherwise, for other machines with TLS only.
    """
    given = dict(locals())
    settings = options.settings(**given)
    if settings.http is None:
        settings = settings.model_copy(update={"http": DEFAULT_HTTP})
    refuse_what_cannot_be(settings)
    logs.configure(settings)

    def announce(shown: str) -> None:
        typer.echo(f"{shown}\nupstream  {settings.upstream}")

    try:
        uvloop.run(_live(settings, announce))
    except RuntimeError as error:
        options.fail(str(error))


def refuse_what_cannot_be(settings: Settings) -> None:
    """Exit with one line if the gateway cannot run, or must not, as configured."""
    if settings.http is None:
        return
    doors.refuse_what_cannot_be(settings, settings.http)
    missing = [library for library in _LIBRARIES if find_spec(library) is None]
    if missing:
        options.fail(f"HTTP needs {', '.join(missing)}: install points-grpc[gateway]")


@contextlib.asynccontextmanager
async def beside(
    settings: Settings,
    upstream: str,
    clock: Clock,
    *,
    credentials: ChannelCredentials | None = None,
    voucher: str = "",
) -> AsyncIterator[str]:
    """Serve HTTP while the block runs, if it is configured, and report where.

    With a `voucher` that the upstream believes, clients are known by their certificates too.
    Raises RuntimeError where the address is taken.
    """
    if settings.http is None:
        yield ""
        return
    # Here, because they belong to an extra.
    from points_grpc.gateway.app import make_app  # noqa: PLC0415
    from points_grpc.gateway.docs_ui import documentation  # noqa: PLC0415
    from points_grpc.gateway.http_server import listen, serving  # noqa: PLC0415
    from points_grpc.gateway.transcoding import canonical  # noqa: PLC0415
    from points_grpc.gateway.upstream import Channel  # noqa: PLC0415
    from points_grpc.gateway.vendors import DIALECTS  # noqa: PLC0415

    host, _ = split_address(settings.http)
    listener = listen(*split_address(settings.http), shared=settings.workers > 1)
    port = listener.getsockname()[1]
    tls = doors.tls(settings)
    async with Channel(upstream, credentials, voucher) as channel:
        app = make_app(channel, canonical(), DIALECTS, documentation(), clock.now)
        served = serving(app, listener, settings.grace_seconds, tls, tells_clients=bool(voucher))
        async with served:
            scheme = "http" if tls is None else "https"
            yield f"HTTP      {scheme}://{joined_address(host, port)}"


async def _live(settings: Settings, announce: Callable[[str], None]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    credentials = doors.upstream_credentials(settings)
    upstream = settings.upstream
    async with beside(settings, upstream, SystemClock(), credentials=credentials) as shown:
        gc_tuning.collect_seldom()
        announce(shown)
        await stopping.wait()

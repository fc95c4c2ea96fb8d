"""serve --workers: processes that serve side by side, each replaced when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from points_grpc.cli.database_location import DatabaseLocation
from points_grpc.cli.demo import seed
from points_grpc.cli.runtime import lifetime, metrics_server, ports, wiring, worker_protocol
from points_grpc.clock import SharedTime
from points_grpc.config import Settings, handed_on
from points_grpc.metrics.counters import WorkerStatus
from points_grpc.storage.core.database import Database

START_SECONDS = 60.0
"""How long a worker may take until it serves."""

STEADY_SECONDS = 10.0
"""How long a worker must have served for the next one to follow at once."""

PAUSE_SECONDS_MIN = 0.2
PAUSE_SECONDS_MAX = 10.0
"""How long the wait before another try is: twice the last one, within these."""

MARGIN_SECONDS = 5.0
"""How much longer than running calls may take a stopping worker may."""

ANSWER_SECONDS_MAX = 2.0
"""How long a worker may take to tell its figures."""

Announce = Callable[[str, int, str], None]
"""Says where metrics are, gRPC's port, and where HTTP is; a line is empty where there is none."""

log = structlog.get_logger("points_grpc")


def supervise(
    settings: Settings, there: DatabaseLocation, database: Database, announce: Announce
) -> int:
    """Serve with `settings.workers` processes until a signal; return the exit code.

    A worker that ends without having been told to is replaced. One that does not come to serve
    at the start ends everything, with its exit code. A second signal ends all at once. Raises
    RuntimeError if an address is taken.
    """
    shared_time = SharedTime() if settings.dev else None
    with _reserved(settings) as held:
        if settings.dev:
            clock = wiring.clock_of(settings, shared_time)
            with wiring.open_program_service(settings, database, clock) as program_service:
                asyncio.run(seed.everything(settings.demo, database, clock, program_service))
        pool = WorkerPool(
            [Worker(make_order(held, there, shared_time, n)) for n in _numbers(settings)]
        )
        return asyncio.run(_live(pool, settings, there, database, announce))


def _numbers(settings: Settings) -> range:
    return range(1, settings.workers + 1)


@contextmanager
def _reserved(settings: Settings) -> Iterator[Settings]:
    """Return the settings with the ports that are held for the workers."""
    with contextlib.ExitStack() as held:
        update = {"grpc": held.enter_context(ports.reserved(settings.grpc))}
        if settings.http is not None:
            update["http"] = held.enter_context(ports.reserved(settings.http))
        yield settings.model_copy(update=update)


def make_order(
    settings: Settings, there: DatabaseLocation, shared_time: SharedTime | None, number: int
) -> worker_protocol.WorkerOrder:
    """Return the order for worker `number`, counted from 1."""
    changed = {
        # What is done once has been done, but for the sweep, of which one is enough.
        "sweep": settings.sweep and number == 1,
        "demo": False,
        "migrate": False,
        "start_time": None,
    }
    descriptor = None if shared_time is None else shared_time.descriptor
    given = handed_on(settings, **changed)
    return worker_protocol.WorkerOrder(number, given, there.url, there.shown, descriptor)


class Worker:
    """One worker number, and the process that has it now."""

    def __init__(self, order: worker_protocol.WorkerOrder) -> None:
        self.number = order.number
        self.restarts = 0
        self.ready: worker_protocol.WorkerReady | None = None
        self._order = order
        self._process: asyncio.subprocess.Process | None = None
        self._asking = asyncio.Lock()
        self._asked = 0
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @property
    def pid(self) -> int | None:
        """Return the process id, while there is a process."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def start(self) -> bool:
        """Start a process; return whether it came to serve."""
        try:
            self._process, line_to_it = await self._spawn()
        except OSError as error:  # the machine has no room for another process
            log.error("worker cannot be started", worker=self.number, problem=str(error))
            return False
        reader, writer = await asyncio.open_connection(
            sock=line_to_it, limit=worker_protocol.LINE_BYTES_MAX
        )
        self._streams = reader, writer
        line = b""
        with contextlib.suppress(OSError, TimeoutError):
            writer.write(worker_protocol.encoded(self._order))
            line = await asyncio.wait_for(reader.readline(), START_SECONDS)
        if not line:
            # It has said what is wrong, or never will.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), MARGIN_SECONDS)
            self.send(signal.SIGKILL)
            return False
        self.ready = worker_protocol.ready_of(line)
        return True

    async def _spawn(self) -> tuple[asyncio.subprocess.Process, socket.socket]:
        """Start a process; return it and our end of the socket pair. Raises OSError."""
        with contextlib.ExitStack() as undone:
            ours, theirs = socket.socketpair()
            undone.enter_context(ours)
            with theirs:
                inherited = [theirs.fileno()]
                if self._order.shared_time is not None:
                    inherited.append(self._order.shared_time)
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "points_grpc.cli.runtime.worker", str(theirs.fileno())),
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=inherited,
                    start_new_session=True,  # Ctrl-C in a terminal is meant for the supervisor
                )
            undone.pop_all()
        return process, ours

    async def status(self) -> WorkerStatus:
        """Return the worker's status."""
        counters = None
        async with self._asking:
            with contextlib.suppress(OSError, TimeoutError, ValueError):
                async with asyncio.timeout(ANSWER_SECONDS_MAX):
                    counters = await self._ask()
        return WorkerStatus(self.number, self.pid, self.restarts, counters)

    async def _ask(self) -> dict[str, Any] | None:
        if self.ready is None or self._streams is None:
            return None
        reader, writer = self._streams
        self._asked += 1
        writer.write(worker_protocol.encoded(worker_protocol.StatusQuery(self._asked)))
        while line := await reader.readline():
            # An answer that came too late for its question comes first.
            if (told := worker_protocol.told_of(line)).number == self._asked:
                return told.counters
        return None

    async def ended(self) -> int:
        """Return the exit code once it has ended; 128 and the number after a signal."""
        if self._process is None:
            return 0
        code = await self._process.wait()
        self.ready = None
        if self._streams is not None:
            self._streams[1].close()
        return code if code >= 0 else 128 - code

    def send(self, number: int) -> None:
        """Send a signal to the process, if there is one."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)


class WorkerPool:
    """All workers."""

    def __init__(self, workers: list[Worker]) -> None:
        self.workers = workers
        self._keeping: list[asyncio.Task[None]] = []

    async def statuses(self) -> list[WorkerStatus]:
        """Return the status of every worker."""
        return await asyncio.gather(*(worker.status() for worker in self.workers))

    async def start(self) -> int:
        """Start all workers and keep them running; return the exit code of one that failed, or 0.

        The first one goes ahead, so that a problem that all have is reported once.
        """
        first, *others = self.workers
        for some in ([first], others):
            began = await asyncio.gather(*(worker.start() for worker in some))
            for worker, well in zip(some, began, strict=True):
                if not well:
                    log.error("worker does not start", worker=worker.number)
                    return await worker.ended() or 1
        self._keeping = [asyncio.create_task(_keep(worker)) for worker in self.workers]
        return 0

    async def stop(self, grace_s: float, at_once: asyncio.Event) -> None:
        """Let every worker finish its calls and end; kill those that do not."""
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)
        for worker in self.workers:
            worker.send(signal.SIGTERM)
        ends = asyncio.gather(*(worker.ended() for worker in self.workers))
        hurry = asyncio.create_task(at_once.wait())
        either: list[asyncio.Future[Any]] = [ends, hurry]
        limit = grace_s + MARGIN_SECONDS
        await asyncio.wait(either, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        for worker in self.workers:
            if worker.pid is not None:
                log.warning("killing worker", worker=worker.number)
                worker.send(signal.SIGKILL)
        await ends


async def _keep(worker: Worker) -> None:
    """Replace the worker's process whenever it ends."""
    loop = asyncio.get_running_loop()
    pause, since = 0.0, loop.time()
    while True:
        code = await worker.ended()
        log.warning("worker ended; replacing it", worker=worker.number, code=code)
        if loop.time() - since >= STEADY_SECONDS:
            pause = 0.0
        await asyncio.sleep(pause)
        pause = min(max(2 * pause, PAUSE_SECONDS_MIN), PAUSE_SECONDS_MAX)
        worker.restarts += 1
        if await worker.start():
            log.info("worker serves again", worker=worker.number)
        since = loop.time()


async def _live(
    pool: WorkerPool,
    settings: Settings,
    there: DatabaseLocation,
    database: Database,
    announce: Announce,
) -> int:
    stopping, at_once = asyncio.Event(), asyncio.Event()
    signalled: list[int] = []

    def stop(number: int) -> None:
        (at_once if stopping.is_set() else stopping).set()
        signalled.append(number)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    reviving = asyncio.create_task(_revive(database, there))
    starting = asyncio.create_task(pool.start())
    told_to_stop = asyncio.create_task(stopping.wait())
    code = 0
    try:
        first: list[asyncio.Future[Any]] = [starting, told_to_stop]
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        if starting.done() and (code := starting.result()) == 0:
            ready = pool.workers[0].ready
            with metrics_server.shown(settings, _from_threads(pool, loop)) as metrics:
                if ready is not None:
                    announce(metrics, ready.port, ready.http)
                await stopping.wait()
        log.info("stopping")
    finally:
        for task in (starting, told_to_stop, reviving):
            task.cancel()
        await asyncio.gather(starting, told_to_stop, reviving, return_exceptions=True)
        await pool.stop(settings.grace_seconds, at_once)
    return 128 + signalled[1] if len(signalled) > 1 else code


def _from_threads(
    pool: WorkerPool, loop: asyncio.AbstractEventLoop
) -> Callable[[], list[WorkerStatus]]:
    """Return what asks for the workers' status from other threads."""

    def statuses() -> list[WorkerStatus]:
        asked = asyncio.run_coroutine_threadsafe(pool.statuses(), loop)
        return asked.result(2 * ANSWER_SECONDS_MAX)

    return statuses


async def _revive(database: Database, there: DatabaseLocation) -> None:
    """Restart an embedded database that has died: the workers only connect."""
    while there.server is not None:
        await asyncio.to_thread(lifetime.probe, database, there)
        await asyncio.sleep(lifetime.PROBE_SECONDS)

"""How the parts are put together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from points_grpc.clock import Clock, SharedTime, SystemClock, TestClock
from points_grpc.config import Settings
from points_grpc.domain.limits import Quotas
from points_grpc.metrics.counters import Counters
from points_grpc.service.admin.credentials import CredentialStore
from points_grpc.service.admin.executor import AdminExecutor
from points_grpc.service.admin.members import MemberService
from points_grpc.service.admin.programs import ProgramService
from points_grpc.service.batching import Bounds
from points_grpc.service.engine import Engine
from points_grpc.service.shared.checked_clock import CheckedClock
from points_grpc.service.shared.program_cache import ProgramCache
from points_grpc.service.sweep.dry_run import DryRun
from points_grpc.service.sweep.sweeper import Sweeper
from points_grpc.storage.core.database import Database
from points_grpc.storage.core.ids import IdSource


@dataclass(frozen=True, slots=True)
class ServiceParts:
    """What a server is made of; there are figures where metrics are served.

    Writes go by `writing_clock`, unless the clock is a test clock, which is not checked.
    """

    database: Database
    clock: Clock
    admin: AdminExecutor
    engine: Engine
    programs: ProgramService
    members: MemberService
    sweeper: Sweeper
    credentials: CredentialStore
    writing_clock: CheckedClock | None
    counters: Counters | None

    @property
    def test_clock(self) -> TestClock | None:
        """Return the clock, if callers may set it."""
        return self.clock if isinstance(self.clock, TestClock) else None


CONNECTIONS = 15
"""The most that one server process opens: seven lanes, two for administration, one each of the
credentials and the sweep, and up to four brief ones, for ids and for its health."""


def connections_needed(workers: int) -> int:
    """Return the most connections that so many processes open, and a few for people."""
    return workers * CONNECTIONS + 4


def clock_of(settings: Settings, shared_time: SharedTime | None = None) -> Clock:
    """Return the server's clock; several processes share the `shared_time` of a test clock."""
    return TestClock(settings.start_time, shared_time) if settings.dev else SystemClock()


def quotas_of(settings: Settings) -> Quotas:
    """Return the tenants' quotas."""
    return Quotas(
        identifiers=settings.identifiers_max,
        programs=settings.programs_max,
        currencies=settings.currencies_max,
        policies=settings.policies_max,
        policy_versions=settings.policy_versions_max,
    )


@contextmanager
def open_program_service(
    settings: Settings, database: Database, clock: Clock
) -> Iterator[ProgramService]:
    """Yield a ProgramService and nothing else."""
    admin = AdminExecutor(database, clock)
    try:
        yield ProgramService(admin, IdSource(database.run), quotas_of(settings))
    finally:
        admin.close()


@contextmanager
def open_service(
    settings: Settings, database: Database, shared_time: SharedTime | None = None
) -> Iterator[ServiceParts]:
    """Yield everything, ready to work; at the end finish what has begun."""
    clock = clock_of(settings, shared_time)
    ids = IdSource(database.run)
    cache = ProgramCache()
    checked = None if settings.dev else CheckedClock(database, clock)
    writing: Clock = checked or clock
    admin = AdminExecutor(database, writing)
    bounds = Bounds(queue_items=settings.lane_items_max, batch_items=settings.lane_batch_max)
    counters = None if settings.metrics is None else Counters()
    engine = Engine(database, cache, ids, writing, bounds, meter=counters)
    if counters is not None:
        counters.watch_queues(engine.waiting)
    sweeper = Sweeper(database, cache, ids, writing)
    quotas = quotas_of(settings)
    programs, members = ProgramService(admin, ids, quotas), MemberService(admin, ids, quotas)
    credentials = CredentialStore(database, clock, checked)
    engine.start()
    try:
        admin_services = (programs, members, sweeper, credentials)
        yield ServiceParts(database, clock, admin, engine, *admin_services, checked, counters)
    finally:
        engine.stop()
        admin.close()
        sweeper.close()
        credentials.close()


@contextmanager
def sweeping(database: Database, clock: Clock) -> Iterator[tuple[Sweeper, DryRun]]:
    """Yield a sweeper with its clock."""
    needs = (database, ProgramCache(), IdSource(database.run))
    sweeper, forecaster = Sweeper(*needs, clock), DryRun(*needs, SystemClock())
    try:
        yield sweeper, forecaster
    finally:
        sweeper.close()
        forecaster.close()

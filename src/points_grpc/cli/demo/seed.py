"""The demo tenant: its programs, currencies and policies, made once."""

from __future__ import annotations

from datetime import datetime

from points_grpc.cli.administering import CommandLog, create_tenant, set_default_program
from points_grpc.clock import Clock
from points_grpc.domain.admin.commands import CreateCurrency, CreatePolicy, CreateProgram
from points_grpc.domain.commands import Caller
from points_grpc.domain.model import Period, Policy, PolicyKind
from points_grpc.errors import CurrencyNotFound, LimitReached, PolicyNotFound, ProgramNotFound
from points_grpc.service.admin.programs import ProgramService
from points_grpc.storage.admin import programs as storage
from points_grpc.storage.core.database import Connection, Database

TENANT = "demo"
PRINCIPAL = "dev"
PROGRAM = 469
BONUS_PROGRAM = 123

_PERIOD = Policy(0, "period", 0, PolicyKind.PERIOD, period=Period(months=12))
_POLICIES = (
    Policy(0, "inactivity", 0, PolicyKind.INACTIVITY, period=Period(months=12)),
    Policy(0, "year_end", 0, PolicyKind.FIXED_DATES, dates=((12, 31),)),
    Policy(0, "never", 0, PolicyKind.NEVER),
)
_PROGRAMS = (
    CreateProgram("Points", "UTC", PROGRAM),
    CreateProgram("Bonus points", "UTC", BONUS_PROGRAM),
)
_CURRENCIES = (
    CreateCurrency(PROGRAM, "POINTS", 0, "cash_equivalent", 100, default_policy=_PERIOD),
    CreateCurrency(
        BONUS_PROGRAM, "bonus_points", 2, "cash_equivalent", 100, 1, default_policy=_PERIOD
    ),
)


def tenant(database: Database, now: datetime) -> Caller:
    """Return the demo tenant's caller; create the tenant if it is missing."""

    log = CommandLog(database)

    def find_or_make(connection: Connection) -> Caller:
        found = storage.tenant_by_name(connection, TENANT)
        if found is None:
            found = create_tenant(connection, log, TENANT, PRINCIPAL, now)
        return Caller(found.tenant_id, TENANT, PRINCIPAL, found.default_program_id)

    return database.run(find_or_make)


async def everything(
    demo: bool, database: Database, clock: Clock, program_service: ProgramService
) -> Caller:
    """The caller of development: its tenant, and with `demo` the programs too, made if missing.

    Raises RuntimeError where the settings leave no room for these.
    """
    caller = tenant(database, clock.now())
    if demo:
        try:
            await programs(program_service, caller)
        except LimitReached as refusal:
            most = refusal.facts["limit"]
            problem = f"the demo's {refusal.field} is one more than a tenant may have ({most})"
            raise RuntimeError(problem) from refusal
        caller = make_default(database, caller, clock.now())
    return caller


async def programs(program_service: ProgramService, caller: Caller) -> None:
    """Create the demo's programs, currencies and policies; what exists stays as it is."""
    for program in _PROGRAMS:
        try:
            await program_service.get_program(caller, program.program_id)
        except ProgramNotFound:
            await program_service.create_program(caller, program)
    for currency in _CURRENCIES:
        program_id, code = currency.program_id, currency.code
        try:
            await program_service.get_currency(caller, program_id, code)
        except CurrencyNotFound:
            await program_service.create_currency(caller, currency)
        for policy in _POLICIES:
            try:
                await program_service.get_policy(caller, program_id, code, policy.code)
            except PolicyNotFound:
                await program_service.create_policy(caller, CreatePolicy(program_id, code, policy))


def make_default(database: Database, caller: Caller, now: datetime) -> Caller:
    """Make the demo program the tenant's default; return the caller with it."""
    if caller.default_program_id:
        return caller
    log = CommandLog(database)
    made = storage.Tenant(caller.tenant_id, caller.tenant, caller.default_program_id)
    database.run(lambda at: set_default_program(at, log, made, PROGRAM, PRINCIPAL, now))
    return Caller(caller.tenant_id, caller.tenant, caller.principal, PROGRAM)

"""The administration of programs, their currencies and their expiration policies."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from points_grpc.domain.admin import program_rules
from points_grpc.domain.admin.commands import (
    CreateCurrency,
    CreatePolicy,
    CreateProgram,
    CurrencyCreated,
    CurrencyView,
    Outcome,
    PolicyView,
    ProgramView,
    UpdateCurrency,
    UpdatePolicy,
    UpdateProgram,
)
from points_grpc.domain.admin.events import AdminEvent, ListAdminEvents
from points_grpc.domain.commands import Caller, CurrencyName
from points_grpc.domain.limits import DEFAULT_QUOTAS, Quotas
from points_grpc.domain.queries import Page
from points_grpc.service.admin.audit_log import AdminRecorder, read_place, write_place
from points_grpc.service.admin.codecs import CURRENCY, CURRENCY_CREATED, POLICY, PROGRAM
from points_grpc.service.admin.executor import AdminChange, AdminExecutor, AnswerCodec, Instant
from points_grpc.service.admin.program_changes import ProgramReader, ProgramWriter
from points_grpc.storage.admin import audit_events, programs
from points_grpc.storage.admin.audit_events import EVENT_NUMBERS
from points_grpc.storage.core.database import Connection
from points_grpc.storage.core.ids import IdSource

T = TypeVar("T")


ProgramChange = (
    CreateProgram | UpdateProgram | CreateCurrency | UpdateCurrency | CreatePolicy | UpdatePolicy
)


class ProgramService:
    """Creates, reads and changes the programs of tenants.

    Everything is scoped to the caller's tenant; `program_id` 0 means the caller's default
    program, and the currency None the program's default currency. A change that is answered
    holds for every batch gathered afterwards, on every server.

    Beside what each method names, all refuse with Overloaded and StorageUnavailable, and
    changes with InvalidField and RequestIdReused; what adds something, with LimitReached.
    """

    def __init__(
        self, admin: AdminExecutor, ids: IdSource, quotas: Quotas = DEFAULT_QUOTAS
    ) -> None:
        self._executor = admin
        self._ids = ids
        self._quotas = quotas
        self._event_ids = ids.of_series(EVENT_NUMBERS)

    async def create_program(self, caller: Caller, change: CreateProgram) -> Outcome[ProgramView]:
        """Create a program without currencies. Raises IdentifierTaken (program_id)."""
        program_rules.check_new_program(change)
        return await self._carry_out(
            caller, change, lambda writer: writer.create_program(change), PROGRAM
        )

    async def get_program(self, caller: Caller, program_id: int) -> ProgramView:
        """Return a program. Raises ProgramNotFound."""
        return await self._read(caller, lambda reader: reader.program(program_id))

    async def list_programs(
        self, caller: Caller, after: int = 0, limit: int = 50
    ) -> list[ProgramView]:
        """Return the first `limit` programs of the tenant with an id above `after`, by id."""
        return await self._executor.read(
            lambda at: programs.page(at, caller.tenant_id, after, limit)
        )

    async def update_program(self, caller: Caller, change: UpdateProgram) -> Outcome[ProgramView]:
        """Change a program. Raises ProgramNotFound, CurrencyNotFound."""
        program_rules.check_name(change.name)
        return await self._carry_out(
            caller, change, lambda writer: writer.update_program(change), PROGRAM
        )

    async def create_currency(
        self, caller: Caller, change: CreateCurrency
    ) -> Outcome[CurrencyCreated]:
        """Create a currency with its default policy; a program's first becomes its default.

        ProgramNotFound, IdentifierTaken (currency_id, currency_code).
        """
        program_rules.check_new_currency(change)
        return await self._carry_out(
            caller, change, lambda writer: writer.create_currency(change), CURRENCY_CREATED
        )

    async def get_currency(
        self, caller: Caller, program_id: int, currency: CurrencyName
    ) -> CurrencyView:
        """Return a currency. Raises ProgramNotFound, CurrencyNotFound."""
        return await self._read(caller, lambda reader: reader.currency(program_id, currency))

    async def list_currencies(
        self, caller: Caller, program_id: int, after: str = "", limit: int = 50
    ) -> list[CurrencyView]:
        """Return the first `limit` currencies of a program after a code, by code.

        ProgramNotFound.
        """

        def read(reader: ProgramReader) -> list[CurrencyView]:
            program = reader.program(program_id)
            found = reader.currencies(program.program_id)
            return [view for view in found if view.code > after][:limit]

        return await self._read(caller, read)

    async def update_currency(
        self, caller: Caller, change: UpdateCurrency
    ) -> Outcome[CurrencyView]:
        """Change a currency. Raises ProgramNotFound, CurrencyNotFound, PolicyNotFound."""
        program_rules.check_currency_settings(change)
        return await self._carry_out(
            caller, change, lambda writer: writer.update_currency(change), CURRENCY
        )

    async def create_policy(self, caller: Caller, change: CreatePolicy) -> Outcome[PolicyView]:
        """Create a policy at version 1.

        ProgramNotFound, CurrencyNotFound, IdentifierTaken (policy).
        """
        program_rules.check_policy_code(change.policy.code)
        return await self._carry_out(
            caller, change, lambda writer: writer.create_policy(change), POLICY
        )

    async def get_policy(
        self,
        caller: Caller,
        program_id: int,
        currency: CurrencyName,
        code: str = "",
        *,
        version: int = 0,
    ) -> PolicyView:
        """Return a policy ("": the currency's default), in its newest version (0) or in another.

        ProgramNotFound, CurrencyNotFound, PolicyNotFound.
        """
        return await self._read(
            caller,
            lambda reader: reader.policy(reader.currency(program_id, currency), code, version),
        )

    async def list_policies(
        self,
        caller: Caller,
        program_id: int,
        currency: CurrencyName,
        *,
        all_versions: bool = False,
        after: tuple[str, int] = ("", 0),
        limit: int = 50,
    ) -> list[PolicyView]:
        """Return the first `limit` policies after (code, version), by code and version.

        Only the newest version of each, unless `all_versions`. ProgramNotFound,
        CurrencyNotFound.
        """

        def read(reader: ProgramReader) -> list[PolicyView]:
            found = reader.policies(reader.currency(program_id, currency))
            if not all_versions:
                # A policy that got another version since it was listed is not listed again.
                newest = {view.policy.code: view for view in found}
                return [view for code, view in newest.items() if code > after[0]][:limit]
            beyond = [v for v in found if (v.policy.code, v.policy.version) > after]
            return beyond[:limit]

        return await self._read(caller, read)

    async def update_policy(self, caller: Caller, change: UpdatePolicy) -> Outcome[PolicyView]:
        """Create a policy's next version, which holds for new earns only.

        ProgramNotFound, CurrencyNotFound, PolicyNotFound.
        """
        return await self._carry_out(
            caller, change, lambda writer: writer.update_policy(change), POLICY
        )

    async def list_audit_events(self, caller: Caller, listing: ListAdminEvents) -> Page[AdminEvent]:
        """Return a page of the tenant's audit events, newest first. Raises InvalidPageToken."""
        after = read_place(listing.cursor)

        def read(at: Connection) -> Page[AdminEvent]:
            events, place = audit_events.page(at, caller.tenant_id, listing, after)
            return Page(tuple(events), write_place(place))

        return await self._executor.read(read)

    async def _read(self, caller: Caller, work: Callable[[ProgramReader], T]) -> T:
        return await self._executor.read(lambda at: work(ProgramReader(at, caller)))

    async def _carry_out(
        self,
        caller: Caller,
        change: ProgramChange,
        decide: Callable[[ProgramWriter], T],
        form: AnswerCodec[T],
    ) -> Outcome[T]:
        def decide_at(at: Connection, now: Instant) -> T:
            recorder = AdminRecorder(at, caller, change, now, self._event_ids)
            new_id = partial(self._ids.new_id, 0)
            return decide(ProgramWriter(at, caller, now, new_id, recorder, self._quotas))

        if isinstance(change, CreateProgram):
            scope: tuple[str, ...] = ("programs",)
        else:
            scope = ("program", str(change.program_id or caller.default_program_id))
        task = AdminChange(caller.tenant_id, scope, change, decide_at, form)
        return await self._executor.run(task)

"""How programs, currencies and policies are found and changed, within a unit of work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from points_grpc.domain.admin import program_rules
from points_grpc.domain.admin.commands import (
    CreateCurrency,
    CreatePolicy,
    CreateProgram,
    CurrencyCreated,
    CurrencyView,
    PolicyView,
    ProgramView,
    UpdateCurrency,
    UpdatePolicy,
    UpdateProgram,
)
from points_grpc.domain.commands import Caller, CurrencyName
from points_grpc.domain.limits import DEFAULT_QUOTAS, Quotas, check_room
from points_grpc.domain.model import Policy
from points_grpc.errors import CurrencyNotFound, IdentifierTaken, PolicyNotFound, ProgramNotFound
from points_grpc.service.admin.audit_log import AdminRecorder
from points_grpc.storage.admin import currencies, policies, programs, tenant_counts
from points_grpc.storage.core.database import Connection


@dataclass(frozen=True, slots=True)
class ProgramReader:
    """Finds a tenant's programs, currencies and policies by the names in requests."""

    connection: Connection
    caller: Caller

    def program(self, program_id: int) -> ProgramView:
        """Return the program; 0 is the caller's default."""
        program_id = program_id or self.caller.default_program_id
        program = programs.view(self.connection, self.caller.tenant_id, program_id)
        if program is None:
            raise ProgramNotFound("program_id")
        return program

    def currency(self, program_id: int, name: CurrencyName) -> CurrencyView:
        """Return the currency by its name within the program.

        Where the program is 0 and the currency named by its id, it is of whichever program.
        """
        if not program_id and isinstance(name, int):
            program_id = currencies.program_of(self.connection, self.caller.tenant_id, name) or 0
            if not program_id:
                raise CurrencyNotFound("currency_id")
        program = self.program(program_id)
        wanted = program.default_currency_code if name is None else name
        for currency in self.currencies(program.program_id):
            if wanted in (currency.currency_id, currency.code):
                return currency
        raise CurrencyNotFound(_field_of(name))

    def currencies(self, program_id: int) -> list[CurrencyView]:
        """Return every currency of a program, by code."""
        return currencies.of_program(self.connection, self.caller.tenant_id, program_id)

    def policy(self, currency: CurrencyView, code: str, version: int = 0) -> PolicyView:
        """Return the policy by code ("": the default), in its newest version or in `version`."""
        wanted = code or currency.default_policy
        found = [view for view in self.policies(currency) if view.policy.code == wanted]
        if version:
            found = [view for view in found if view.policy.version == version]
        if not found:
            raise PolicyNotFound("policy")
        return found[-1]

    def policies(self, currency: CurrencyView) -> list[PolicyView]:
        """Return every version of every policy of a currency, by code and version."""
        return policies.of_currency(
            self.connection, self.caller.tenant_id, currency.program_id, currency.currency_id
        )


@dataclass(frozen=True, slots=True)
class ProgramWriter(ProgramReader):
    """Changes programs, currencies and policies. Each change locks its program before it reads it.

    `instant` gives that of the change, first asked for under the lock; `new_id` makes the ids
    that were not chosen; `recorder` records every change.
    """

    instant: Callable[[], datetime]
    new_id: Callable[[], int]
    recorder: AdminRecorder
    quotas: Quotas = DEFAULT_QUOTAS

    @property
    def now(self) -> datetime:
        """Return the instant of the change."""
        return self.instant()

    def create_program(self, change: CreateProgram) -> ProgramView:
        """Add the program."""
        program_id = change.program_id or self.new_id()
        if programs.view(self.connection, self.caller.tenant_id, program_id) is not None:
            raise IdentifierTaken("program_id")
        self._check_room(programs="program_id")
        program = ProgramView(
            program_id=program_id,
            name=change.name,
            time_zone=change.time_zone,
            auto_enroll=change.auto_enroll,
            default_currency_code="",
            version=1,
            created_at=self.now,
            updated_at=self.now,
        )
        programs.insert_program(self.connection, self.caller.tenant_id, program)
        self.recorder.program(None, program)
        return program

    def update_program(self, change: UpdateProgram) -> ProgramView:
        """Change the program; settings that it already has change nothing."""
        before = self._locked_program(change.program_id)
        code = change.default_currency_code
        after = replace(
            before,
            name=before.name if change.name is None else change.name,
            auto_enroll=before.auto_enroll if change.auto_enroll is None else change.auto_enroll,
            default_currency_code=before.default_currency_code if code is None else code,
        )
        if after == before:
            return before
        key = (self.caller.tenant_id, before.program_id)
        if after.default_currency_code != before.default_currency_code:
            currency_id = self._currency_id(before.program_id, after.default_currency_code)
            programs.set_default_currency(self.connection, key, currency_id)
        programs.update_program(self.connection, key, after.name, after.auto_enroll, self.now)
        self.recorder.program(before, after)
        return replace(after, version=before.version + 1, updated_at=self.now)

    def create_currency(self, change: CreateCurrency) -> CurrencyCreated:
        """Add the currency and its default policy."""
        policy = program_rules.new_default_policy(change.default_policy)
        program = self._locked_program(change.program_id)
        of_program = self.currencies(program.program_id)
        if any(currency.code == change.code for currency in of_program):
            raise IdentifierTaken("currency_code")
        currency_id = change.currency_id or self.new_id()
        if currencies.program_of(self.connection, self.caller.tenant_id, currency_id) is not None:
            raise IdentifierTaken("currency_id")
        self._check_room(
            currencies="currency_code", policies="default_policy", policy_versions="default_policy"
        )
        currency = CurrencyView(
            currency_id=currency_id,
            program_id=program.program_id,
            code=change.code,
            scale=change.scale,
            points_type=change.points_type,
            exchange_rate=change.exchange_rate,
            default_policy=policy.code,
            created_at=self.now,
            updated_at=self.now,
        )
        currencies.insert_currency(self.connection, self.caller.tenant_id, currency)
        self.recorder.currency(None, currency)
        if not program.default_currency_code:
            key = (self.caller.tenant_id, program.program_id)
            programs.set_default_currency(self.connection, key, currency_id)
            self.recorder.program(program, replace(program, default_currency_code=change.code))
        return CurrencyCreated(currency, self._add_version(currency, policy))

    def update_currency(self, change: UpdateCurrency) -> CurrencyView:
        """Change the currency; settings that it already has change nothing."""
        before = self._locked_currency(change.program_id, change.currency)
        points, rate, policy = change.points_type, change.exchange_rate, change.default_policy
        after = replace(
            before,
            points_type=before.points_type if points is None else points,
            exchange_rate=before.exchange_rate if rate is None else rate,
            default_policy=before.default_policy if policy is None else policy,
        )
        if after == before:
            return before
        if all(view.policy.code != after.default_policy for view in self.policies(before)):
            raise PolicyNotFound("default_policy")
        after = replace(after, updated_at=self.now)
        currencies.update_currency(self.connection, self.caller.tenant_id, after)
        self.recorder.currency(before, after)
        self._touch(before.program_id)
        return after

    def create_policy(self, change: CreatePolicy) -> PolicyView:
        """Add the policy, at version 1."""
        policy = program_rules.new_version(change.policy, 1, "definition")
        currency = self._locked_currency(change.program_id, change.currency)
        if any(view.policy.code == policy.code for view in self.policies(currency)):
            raise IdentifierTaken("policy")
        self._check_room(policies="policy", policy_versions="policy")
        return self._add_version(currency, policy)

    def update_policy(self, change: UpdatePolicy) -> PolicyView:
        """Add the policy's next version, unless it equals the newest."""
        definition = program_rules.new_version(change.policy, 0, "definition")
        currency = self._locked_currency(change.program_id, change.currency)
        newest = self.policy(currency, change.policy.code)
        definition = replace(definition, code=newest.policy.code)
        if definition == replace(newest.policy, policy_version_id=0, version=0):
            return newest
        self._check_room(policy_versions="policy")
        version = newest.policy.version + 1
        return self._add_version(currency, replace(definition, version=version), newest)

    def _locked_program(self, program_id: int) -> ProgramView:
        found = self.program(program_id)
        programs.lock(self.connection, self.caller.tenant_id, found.program_id)
        return self.program(program_id)

    def _locked_currency(self, program_id: int, name: CurrencyName) -> CurrencyView:
        found = self.currency(program_id, name)
        programs.lock(self.connection, self.caller.tenant_id, found.program_id)
        return self.currency(program_id, name)

    def _currency_id(self, program_id: int, code: str) -> int:
        for currency in self.currencies(program_id):
            if currency.code == code:
                return currency.currency_id
        raise CurrencyNotFound("default_currency_code")

    def _add_version(
        self, currency: CurrencyView, policy: Policy, before: PolicyView | None = None
    ) -> PolicyView:
        numbered = replace(policy, policy_version_id=self.new_id())
        view = PolicyView(
            numbered, currency.program_id, currency.currency_id, currency.code, self.now
        )
        policies.insert_policy(self.connection, self.caller.tenant_id, view)
        self.recorder.policy(before, view)
        self._touch(currency.program_id)
        return view

    def _check_room(self, **fields: str) -> None:
        """Refuse (LimitReached) one more of each kind, by the field that asks for it.

        Nobody else adds to what the tenant keeps until this unit of work ends.
        """
        tenant_counts.lock(self.connection, self.caller.tenant_id)
        kept = tenant_counts.kept(self.connection, self.caller.tenant_id)
        for kind, field in fields.items():
            check_room(field, getattr(kept, kind), getattr(self.quotas, kind))

    def _touch(self, program_id: int) -> None:
        programs.touch(self.connection, (self.caller.tenant_id, program_id), self.now)


def _field_of(name: CurrencyName) -> str:
    if name is None:
        return "program_id"
    return "currency_code" if isinstance(name, str) else "currency_id"

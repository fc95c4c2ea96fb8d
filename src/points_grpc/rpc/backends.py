"""What the servicers ask of the service behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from points_grpc.domain.admin.commands import (
    CreateCurrency,
    CreateMember,
    CreatePolicy,
    CreateProgram,
    CurrencyCreated,
    CurrencyView,
    LinkIdentifier,
    MemberView,
    Outcome,
    PolicyView,
    ProgramView,
    UnlinkIdentifier,
    UpdateCurrency,
    UpdatePolicy,
    UpdateProgram,
)
from points_grpc.domain.admin.events import AdminEvent, ListAdminEvents
from points_grpc.domain.commands import Caller, Command, CurrencyName, MemberName
from points_grpc.domain.queries import Expiring, Listing, Page, Read, Schedule
from points_grpc.domain.results import AccountView, Answer, LotView, TransactionView


class EngineBackend(Protocol):
    """Decides commands and answers queries."""

    async def write(
        self,
        caller: Caller,
        commands: Sequence[Command],
        *,
        partial: bool = False,
        validate_only: bool = False,
        item_path: str = "",
    ) -> list[Answer | Exception]:
        """One outcome per command, in their order.

        All commands are kept or none, and the first bad one's Refusal is raised; with
        `partial` each is kept or refused for itself, and Refusals stand in their place, as does
        whatever else kept one from it while others were decided. With `item_path` the fields
        of Refusals are put below `item_path[index]`.
        """
        ...

    def check_room(self, items: int, *, validate_only: bool = False) -> None:
        """Raise Overloaded where so many commands are too many now, before they are read."""
        ...

    async def read(
        self, caller: Caller, query: Read
    ) -> AccountView | LotView | TransactionView | Expiring | Schedule:
        """The answer to `query`. Raises Refusal."""
        ...

    async def list(self, caller: Caller, listing: Listing) -> Page[Any]:
        """A page of `listing`. Raises Refusal."""
        ...


class ProgramBackend(Protocol):
    """Keeps programs, currencies and policies; every method may raise a Refusal.

    Program id 0 means the caller's default program, currency None the program's default. A
    list begins after the given place, in its order, and has at most `limit` rows.
    """

    async def create_program(self, caller: Caller, change: CreateProgram) -> Outcome[ProgramView]:
        """A new program."""
        ...

    async def get_program(self, caller: Caller, program_id: int) -> ProgramView:
        """One program."""
        ...

    async def list_programs(
        self, caller: Caller, after: int = 0, limit: int = 50
    ) -> Sequence[ProgramView]:
        """Programs by id."""
        ...

    async def update_program(self, caller: Caller, change: UpdateProgram) -> Outcome[ProgramView]:
        """A changed program."""
        ...

    async def create_currency(
        self, caller: Caller, change: CreateCurrency
    ) -> Outcome[CurrencyCreated]:
        """A new currency with its default policy."""
        ...

    async def get_currency(
        self, caller: Caller, program_id: int, currency: CurrencyName
    ) -> CurrencyView:
        """One currency."""
        ...

    async def list_currencies(
        self, caller: Caller, program_id: int, after: str = "", limit: int = 50
    ) -> Sequence[CurrencyView]:
        """A program's currencies by code."""
        ...

    async def update_currency(
        self, caller: Caller, change: UpdateCurrency
    ) -> Outcome[CurrencyView]:
        """A changed currency."""
        ...

    async def create_policy(self, caller: Caller, change: CreatePolicy) -> Outcome[PolicyView]:
        """A new policy."""
        ...

    async def get_policy(
        self,
        caller: Caller,
        program_id: int,
        currency: CurrencyName,
        code: str = "",
        *,
        version: int = 0,
    ) -> PolicyView:
        """One policy ("": the default), in its newest version (0) or another."""
        ...

    async def list_policies(
        self,
        caller: Caller,
        program_id: int,
        currency: CurrencyName,
        *,
        all_versions: bool = False,
        after: tuple[str, int] = ("", 0),
        limit: int = 50,
    ) -> Sequence[PolicyView]:
        """A currency's policies by code and version."""
        ...

    async def update_policy(self, caller: Caller, change: UpdatePolicy) -> Outcome[PolicyView]:
        """A policy's next version."""
        ...

    async def list_audit_events(self, caller: Caller, listing: ListAdminEvents) -> Page[AdminEvent]:
        """A page of what administrators changed, newest first."""
        ...


class MemberBackend(Protocol):
    """Keeps members and their identifiers; every method may raise a Refusal."""

    async def create_member(self, caller: Caller, change: CreateMember) -> Outcome[MemberView]:
        """A new member; a Refusal over an identifier names it as `identifiers[index]`."""
        ...

    async def get_member(self, caller: Caller, name: MemberName) -> MemberView:
        """One member."""
        ...

    async def link_identifier(self, caller: Caller, change: LinkIdentifier) -> Outcome[MemberView]:
        """A member with one more identifier."""
        ...

    async def unlink_identifier(
        self, caller: Caller, change: UnlinkIdentifier
    ) -> Outcome[MemberView]:
        """A member with one identifier fewer."""
        ...

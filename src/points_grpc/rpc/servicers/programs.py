"""points.v1.ProgramService."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, cast

from points.v1 import audit_pb2, currency_pb2, policy_pb2, program_pb2
from points_grpc.domain.commands import CurrencyName
from points_grpc.domain.limits import CODE_MAX, read_text
from points_grpc.domain.queries import Cursor
from points_grpc.errors import InvalidPageToken
from points_grpc.rpc.backends import ProgramBackend
from points_grpc.rpc.codec import policies, programs
from points_grpc.rpc.codec.audit_events import put_audit_event, read_list_audit_events
from points_grpc.rpc.codec.identifiers import read_currency, read_optional_id
from points_grpc.rpc.codec.queries import read_page_size
from points_grpc.rpc.interceptors.auth import caller
from points_grpc.rpc.interceptors.log import count_items
from points_grpc.rpc.page_token import read_page_token, write_page_token

V = TypeVar("V")
C = TypeVar("C", bound=Cursor)


@dataclass(frozen=True, slots=True)
class _Programs:
    """What a page token of ListPrograms is bound to."""


@dataclass(frozen=True, slots=True)
class _Currencies:
    program_id: int


@dataclass(frozen=True, slots=True)
class _Policies:
    program_id: int
    currency: CurrencyName
    all_versions: bool


class ProgramServicer:
    """Hands decoded calls to the program service; the contract documents each method."""

    def __init__(self, service: ProgramBackend) -> None:
        self._service = service

    # ruff: noqa: N802  # methods and their descriptions are the contract's
    async def CreateProgram(
        self, request: program_pb2.CreateProgramRequest
    ) -> program_pb2.CreateProgramResponse:
        change = programs.read_create_program(request)
        outcome = await self._service.create_program(caller(), change)
        response = program_pb2.CreateProgramResponse(replayed=outcome.replayed)
        programs.put_program(response.program, outcome.answer)
        return response

    async def GetProgram(
        self, request: program_pb2.GetProgramRequest
    ) -> program_pb2.GetProgramResponse:
        program_id = read_optional_id(request.program_id, "program_id")
        view = await self._service.get_program(caller(), program_id)
        response = program_pb2.GetProgramResponse()
        programs.put_program(response.program, view)
        return response

    async def ListPrograms(
        self, request: program_pb2.ListProgramsRequest
    ) -> program_pb2.ListProgramsResponse:
        views, token = await _page(
            _Programs(),
            request,
            (0,),
            lambda cursor, limit: self._service.list_programs(
                caller(), after=cursor[0], limit=limit
            ),
            lambda view: (view.program_id,),
        )
        response = program_pb2.ListProgramsResponse(next_page_token=token)
        for view in views:
            programs.put_program(response.programs.add(), view)
        return response

    async def UpdateProgram(
        self, request: program_pb2.UpdateProgramRequest
    ) -> program_pb2.UpdateProgramResponse:
        change = programs.read_update_program(request)
        outcome = await self._service.update_program(caller(), change)
        response = program_pb2.UpdateProgramResponse(replayed=outcome.replayed)
        programs.put_program(response.program, outcome.answer)
        return response

    async def CreateCurrency(
        self, request: currency_pb2.CreateCurrencyRequest
    ) -> currency_pb2.CreateCurrencyResponse:
        change = programs.read_create_currency(request)
        outcome = await self._service.create_currency(caller(), change)
        response = currency_pb2.CreateCurrencyResponse(replayed=outcome.replayed)
        programs.put_currency(response.currency, outcome.answer.currency)
        policies.put_policy(response.default_policy, outcome.answer.default_policy)
        return response

    async def GetCurrency(
        self, request: currency_pb2.GetCurrencyRequest
    ) -> currency_pb2.GetCurrencyResponse:
        program_id = read_optional_id(request.program_id, "program_id")
        view = await self._service.get_currency(caller(), program_id, read_currency(request))
        response = currency_pb2.GetCurrencyResponse()
        programs.put_currency(response.currency, view)
        return response

    async def ListCurrencies(
        self, request: currency_pb2.ListCurrenciesRequest
    ) -> currency_pb2.ListCurrenciesResponse:
        listing = _Currencies(read_optional_id(request.program_id, "program_id"))
        views, token = await _page(
            listing,
            request,
            ("", 0),
            lambda cursor, limit: self._service.list_currencies(
                caller(), cursor[1] or listing.program_id, after=cursor[0], limit=limit
            ),
            lambda view: (view.code, view.program_id),
            ids=1,
        )
        response = currency_pb2.ListCurrenciesResponse(next_page_token=token)
        for view in views:
            programs.put_currency(response.currencies.add(), view)
        return response

    async def UpdateCurrency(
        self, request: currency_pb2.UpdateCurrencyRequest
    ) -> currency_pb2.UpdateCurrencyResponse:
        change = programs.read_update_currency(request)
        outcome = await self._service.update_currency(caller(), change)
        response = currency_pb2.UpdateCurrencyResponse(replayed=outcome.replayed)
        programs.put_currency(response.currency, outcome.answer)
        return response

    async def CreatePolicy(
        self, request: policy_pb2.CreatePolicyRequest
    ) -> policy_pb2.CreatePolicyResponse:
        change = policies.read_create_policy(request)
        outcome = await self._service.create_policy(caller(), change)
        response = policy_pb2.CreatePolicyResponse(replayed=outcome.replayed)
        policies.put_policy(response.policy, outcome.answer)
        return response

    async def GetPolicy(self, request: policy_pb2.GetPolicyRequest) -> policy_pb2.GetPolicyResponse:
        view = await self._service.get_policy(
            caller(),
            read_optional_id(request.program_id, "program_id"),
            read_currency(request),
            read_text(request.policy, "policy", CODE_MAX),
            version=read_optional_id(request.version, "version"),
        )
        response = policy_pb2.GetPolicyResponse()
        policies.put_policy(response.policy, view)
        return response

    async def ListPolicies(
        self, request: policy_pb2.ListPoliciesRequest
    ) -> policy_pb2.ListPoliciesResponse:
        program_id = read_optional_id(request.program_id, "program_id")
        listing = _Policies(program_id, read_currency(request), request.all_versions)
        views, token = await _page(
            listing,
            request,
            ("", 0, 0, 0),
            lambda cursor, limit: self._service.list_policies(
                caller(),
                cursor[2] or listing.program_id,
                cursor[3] or listing.currency,
                all_versions=listing.all_versions,
                after=cursor[:2],
                limit=limit,
            ),
            lambda view: (
                view.policy.code,
                view.policy.version,
                view.program_id,
                view.currency_id,
            ),
            ids=2,
        )
        response = policy_pb2.ListPoliciesResponse(next_page_token=token)
        for view in views:
            policies.put_policy(response.policies.add(), view)
        return response

    async def UpdatePolicy(
        self, request: policy_pb2.UpdatePolicyRequest
    ) -> policy_pb2.UpdatePolicyResponse:
        change = policies.read_update_policy(request)
        outcome = await self._service.update_policy(caller(), change)
        response = policy_pb2.UpdatePolicyResponse(replayed=outcome.replayed)
        policies.put_policy(response.policy, outcome.answer)
        return response

    async def ListAuditEvents(
        self, request: audit_pb2.ListAuditEventsRequest
    ) -> audit_pb2.ListAuditEventsResponse:
        tenant_id, listing = caller().tenant_id, read_list_audit_events(request)
        cursor = read_page_token(tenant_id, listing, request.page_token)
        page = await self._service.list_audit_events(caller(), replace(listing, cursor=cursor))
        count_items(len(page.rows))
        token = write_page_token(tenant_id, listing, page.cursor)
        response = audit_pb2.ListAuditEventsResponse(next_page_token=token)
        for event in page.rows:
            put_audit_event(response.audit_events.add(), event)
        return response


async def _page(
    listing: object,
    request: (
        program_pb2.ListProgramsRequest
        | currency_pb2.ListCurrenciesRequest
        | policy_pb2.ListPoliciesRequest
    ),
    start: C,
    read: Callable[[C, int], Awaitable[Sequence[V]]],
    cursor_of: Callable[[V], C],
    *,
    ids: int = 0,
) -> tuple[Sequence[V], str]:
    """The rows of the page asked for, and the token of the next ("": none).

    The cursor of the first page, `start`, shows of what kinds every other's parts are. The last
    `ids` of them are the program and currency that the first page was of, so that later ones are
    too; the release before did not write them, so that its listings go on with those of now.
    """
    tenant_id, size = caller().tenant_id, read_page_size(request.page_size)
    cursor = read_page_token(tenant_id, listing, request.page_token) or start
    if len(cursor) == len(start) - ids:
        cursor += start[len(cursor) :]
    if [type(part) for part in cursor] != [type(part) for part in start]:
        raise InvalidPageToken("page_token")
    rows = await read(cast(C, cursor), size + 1)
    shown = rows[:size]
    count_items(len(shown))
    more = len(rows) > size
    return shown, write_page_token(tenant_id, listing, cursor_of(shown[-1])) if more else ""

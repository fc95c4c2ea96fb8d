"""points.v1.PointsService."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from points.v1 import (
    earn_pb2,
    expire_pb2,
    expiring_pb2,
    listing_pb2,
    lookup_pb2,
    redeem_pb2,
    transaction_status_pb2,
    update_expiry_pb2,
)
from points_grpc.domain.commands import Command
from points_grpc.domain.queries import Expiring, Listing, Page, Schedule
from points_grpc.domain.results import (
    AccountView,
    Earned,
    Expired,
    ExpiryUpdated,
    LotStateChanged,
    LotView,
    Redeemed,
    TransactionView,
)
from points_grpc.errors import InvalidField, LotNotFound, Refusal
from points_grpc.rpc.backends import EngineBackend
from points_grpc.rpc.codec import answers, commands, queries, reports
from points_grpc.rpc.codec.short_answers import shorten
from points_grpc.rpc.codec.update_expiry import draft_updates, finish_updates
from points_grpc.rpc.interceptors.auth import caller
from points_grpc.rpc.interceptors.log import count_items
from points_grpc.rpc.page_token import read_page_token, write_page_token
from points_grpc.rpc.servicers.batches import Failure, Stepper, check_count, write_items
from points_grpc.rpc.status import status_of

A = TypeVar("A")


class PointsServicer:
    """Hands decoded calls to the engine. Each method is what the contract says of it."""

    def __init__(self, engine: EngineBackend) -> None:
        self._engine = engine
        self._steps = Stepper()

    # ruff: noqa: N802  # methods and their descriptions are the contract's
    async def Earn(self, request: earn_pb2.EarnRequest) -> earn_pb2.EarnResponse:
        command = commands.read_earn(request)
        answer = await self._write(command, Earned, request.validate_only)
        response = earn_pb2.EarnResponse()
        answers.put_earned(response, answer, caller().tenant)
        return response

    async def BatchEarn(self, request: earn_pb2.BatchEarnRequest) -> earn_pb2.BatchEarnResponse:
        self._admit(len(request.earns), "earns", request.validate_only)
        items = [item async for item in self._steps.in_steps(map(_try_earn, request.earns))]
        deciding = write_items(
            self._engine,
            caller(),
            items,
            "earns",
            partial=request.return_partial_success,
            validate_only=request.validate_only,
        )
        del request  # a large one is not to be kept for as long as the lane takes
        outcomes = await deciding
        tenant = caller().tenant
        response = earn_pb2.BatchEarnResponse()
        async for outcome in self._steps.in_steps(outcomes):
            result = response.results.add()
            if isinstance(outcome, Failure):
                result.error.CopyFrom(status_of(outcome))
            else:
                answers.put_earned(result.earn, _as(Earned, outcome), tenant)
        shorten(response)
        return response

    async def Expire(self, request: expire_pb2.ExpireRequest) -> expire_pb2.ExpireResponse:
        command = commands.read_expire(request)
        answer = await self._write(command, Expired, request.validate_only)
        response = expire_pb2.ExpireResponse()
        answers.put_expired(response, answer, caller().tenant)
        return response

    async def Redeem(self, request: redeem_pb2.RedeemRequest) -> redeem_pb2.RedeemResponse:
        command = commands.read_redeem(request)
        answer = await self._write(command, Redeemed, request.validate_only)
        response = redeem_pb2.RedeemResponse()
        answers.put_redeemed(response, answer, caller().tenant)
        return response

    async def UpdateExpiry(
        self, request: update_expiry_pb2.UpdateExpiryRequest
    ) -> update_expiry_pb2.UpdateExpiryResponse:
        self._admit(len(request.updates), "updates", request.validate_only)
        drafts = [draft async for draft in self._steps.in_steps(draft_updates(request))]
        deciding = write_items(
            self._engine,
            caller(),
            finish_updates(request, drafts),
            "updates",
            partial=request.return_partial_success,
            validate_only=request.validate_only,
        )
        del request, drafts  # large ones are not to be kept for as long as the lane takes
        outcomes = await deciding
        response = update_expiry_pb2.UpdateExpiryResponse()
        zones: dict[int, str] = {}
        async for outcome in self._steps.in_steps(outcomes):
            result = response.results.add()
            if isinstance(outcome, Failure):
                result.error.CopyFrom(status_of(outcome))
            else:
                moved = _as(ExpiryUpdated, outcome)
                zones[moved.change.owner.program_id] = moved.time_zone
                answers.put_expiry_updated(result.moved, moved)
        shorten(response)
        response.time_zones.update(zones)
        return response

    async def UpdateTransactionStatus(
        self, request: transaction_status_pb2.UpdateTransactionStatusRequest
    ) -> transaction_status_pb2.UpdateTransactionStatusResponse:
        command = commands.read_status_update(request)
        answer = await self._write(command, LotStateChanged, request.validate_only)
        response = transaction_status_pb2.UpdateTransactionStatusResponse()
        answers.put_state_changed(response, answer, caller().tenant)
        return response

    async def ApproveTransactions(
        self, request: transaction_status_pb2.ApproveTransactionsRequest
    ) -> transaction_status_pb2.ApproveTransactionsResponse:
        self._admit(len(request.transaction_ids), "transaction_ids", request.validate_only)
        try:
            outcomes = await write_items(
                self._engine,
                caller(),
                list(commands.read_approvals(request)),
                "transaction_ids",
                partial=request.return_partial_success,
                validate_only=request.validate_only,
            )
        except Refusal as refusal:
            raise _at_the_id(refusal) from None
        tenant = caller().tenant
        response = transaction_status_pb2.ApproveTransactionsResponse()
        async for outcome in self._steps.in_steps(outcomes):
            result = response.results.add()
            if isinstance(outcome, Failure):
                result.error.CopyFrom(status_of(_at_the_id(outcome)))
            else:
                answers.put_state_changed(result.moved, _as(LotStateChanged, outcome), tenant)
        shorten(response)
        return response

    async def GetAccount(
        self, request: lookup_pb2.GetAccountRequest
    ) -> lookup_pb2.GetAccountResponse:
        view = await self._engine.read(caller(), queries.read_get_account(request))
        response = lookup_pb2.GetAccountResponse()
        answers.put_account(response.account, _as(AccountView, view), caller().tenant)
        return response

    async def GetTransaction(
        self, request: lookup_pb2.GetTransactionRequest
    ) -> lookup_pb2.GetTransactionResponse:
        view = await self._engine.read(caller(), queries.read_get_transaction(request))
        response = lookup_pb2.GetTransactionResponse()
        answers.put_transaction(response.transaction, _as(TransactionView, view))
        return response

    async def GetLot(self, request: lookup_pb2.GetLotRequest) -> lookup_pb2.GetLotResponse:
        view = _as(LotView, await self._engine.read(caller(), queries.read_get_lot(request)))
        if request.program_id not in (0, view.owner.program_id):
            raise LotNotFound("lot_id")
        response = lookup_pb2.GetLotResponse()
        answers.put_lot(response.lot, view)
        return response

    async def GetExpiringPoints(
        self, request: expiring_pb2.GetExpiringPointsRequest
    ) -> expiring_pb2.GetExpiringPointsResponse:
        report = await self._engine.read(caller(), queries.read_get_expiring(request))
        response = expiring_pb2.GetExpiringPointsResponse()
        reports.put_expiring(response, _as(Expiring, report))
        return response

    async def GetExpirationSchedule(
        self, request: expiring_pb2.GetExpirationScheduleRequest
    ) -> expiring_pb2.GetExpirationScheduleResponse:
        report = await self._engine.read(caller(), queries.read_get_schedule(request))
        response = expiring_pb2.GetExpirationScheduleResponse()
        reports.put_schedule(response, _as(Schedule, report))
        return response

    async def ListTransactions(
        self, request: listing_pb2.ListTransactionsRequest
    ) -> listing_pb2.ListTransactionsResponse:
        listing = queries.read_list_transactions(request)
        page, token = await self._list(listing, request.page_token)
        response = listing_pb2.ListTransactionsResponse(next_page_token=token)
        async for view in self._steps.in_steps(page.rows):
            answers.put_transaction(response.transactions.add(), view)
        return response

    async def ListLots(self, request: listing_pb2.ListLotsRequest) -> listing_pb2.ListLotsResponse:
        listing = queries.read_list_lots(request)
        page, token = await self._list(listing, request.page_token)
        response = listing_pb2.ListLotsResponse(next_page_token=token)
        async for view in self._steps.in_steps(page.rows):
            answers.put_lot(response.lots.add(), view)
        return response

    async def ListExpiryChanges(
        self, request: listing_pb2.ListExpiryChangesRequest
    ) -> listing_pb2.ListExpiryChangesResponse:
        listing = queries.read_list_expiry_changes(request)
        page, token = await self._list(listing, request.page_token)
        response = listing_pb2.ListExpiryChangesResponse(next_page_token=token)
        async for view in self._steps.in_steps(page.rows):
            answers.put_expiry_change(response.expiry_changes.add(), view)
        return response

    async def ListAllocations(
        self, request: listing_pb2.ListAllocationsRequest
    ) -> listing_pb2.ListAllocationsResponse:
        listing = queries.read_list_allocations(request)
        page, token = await self._list(listing, request.page_token)
        response = listing_pb2.ListAllocationsResponse(next_page_token=token)
        async for view in self._steps.in_steps(page.rows):
            answers.put_allocation(response.allocations.add(), view)
        return response

    def _admit(self, items: int, field: str, validate_only: bool) -> None:
        """Refuse a call of many items before they are read, where there are too many."""
        check_count(items, field)
        count_items(items)
        self._engine.check_room(items, validate_only=validate_only)

    async def _write(self, command: Command, kind: type[A], validate_only: bool) -> A:
        [outcome] = await self._engine.write(caller(), [command], validate_only=validate_only)
        return _as(kind, outcome)

    async def _list(self, listing: Listing, page_token: str) -> tuple[Page[Any], str]:
        tenant_id = caller().tenant_id
        cursor = read_page_token(tenant_id, listing, page_token)
        page = await self._engine.list(caller(), replace(listing, cursor=cursor))
        count_items(len(page.rows))
        return page, write_page_token(tenant_id, listing, page.cursor)


def _try_earn(message: earn_pb2.EarnRequest) -> Command | InvalidField:
    try:
        return commands.read_earn_item(message)
    except InvalidField as refusal:
        return refusal


def _at_the_id(failure: Failure) -> Failure:
    """The failure; if it has a path, with that of the id that its item consists of."""
    if isinstance(failure, Refusal):
        path, bracket, _ = failure.field.partition("]")
        failure.field = path + bracket
    return failure


def _as(kind: type[A], answer: object) -> A:
    """`answer`, which the engine promises to be of that kind."""
    if not isinstance(answer, kind):
        raise TypeError(f"{type(answer).__name__} where {kind.__name__} was promised")
    return answer

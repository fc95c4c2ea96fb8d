"""PointsService: each method asks the engine what it was asked."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from points.v1 import (
    earn_pb2,
    expire_pb2,
    expiring_pb2,
    listing_pb2,
    lookup_pb2,
    points_service_pb2,
    redeem_pb2,
    transaction_status_pb2,
)
from points_grpc.domain import commands, queries
from points_grpc.domain.queries import Expiring, Page, Schedule
from points_grpc.rpc.servicers.batches import STEP, Stepper
from points_grpc.rpc.servicers.points import PointsServicer

MEMBER = {"external_id": "cust-1"}
ACCOUNT = {"member": MEMBER, "amount": {"value": "5"}}


def test_every_method_of_the_contract_is_served():
    """The servicer has the methods of the contract and no others."""
    service = points_service_pb2.DESCRIPTOR.services_by_name["PointsService"]
    served = {name for name in vars(PointsServicer) if not name.startswith("_")}
    assert served == {method.name for method in service.methods}


@pytest.mark.parametrize(
    ("method", "request_", "kind"),
    [
        ("Earn", earn_pb2.EarnRequest(**ACCOUNT), commands.Earn),
        ("Redeem", redeem_pb2.RedeemRequest(**ACCOUNT), commands.Redeem),
        ("Expire", expire_pb2.ExpireRequest(**ACCOUNT), commands.Expire),
        (
            "UpdateTransactionStatus",
            transaction_status_pb2.UpdateTransactionStatusRequest(transaction_id=5, state=2),
            commands.ChangeLotState,
        ),
    ],
)
@pytest.mark.parametrize("validate_only", [False, True])
def test_a_write_is_one_command(serve, engine, samples, method, request_, kind, validate_only):
    """A write of one item is one command; validate_only goes with it; the tenant is shown."""
    request_.validate_only = validate_only

    async def scenario(served):
        return await getattr(served.points, method)(request_)

    response = serve(scenario)
    assert response.account.tenant == "demo"
    [write] = engine.writes
    assert [type(command) for command in write.commands] == [kind]
    assert (write.validate_only, write.partial, write.item_path) == (validate_only, False, "")


def test_the_three_lookups(serve, engine, samples):
    """GetAccount, GetTransaction and GetLot show what the engine finds."""

    async def scenario(served):
        engine.reads = samples.account
        account = await served.points.GetAccount(lookup_pb2.GetAccountRequest(account_id=5))
        engine.reads = samples.transaction
        transaction = await served.points.GetTransaction(
            lookup_pb2.GetTransactionRequest(transaction_id=6)
        )
        engine.reads = samples.lot
        lot = await served.points.GetLot(lookup_pb2.GetLotRequest(lot_id=2**46))
        return account.account, transaction.transaction, lot.lot

    account, transaction, lot = serve(scenario)
    assert (account.account_id, account.tenant) == (samples.owner.account_id, "demo")
    assert transaction.transaction_id == samples.transaction.transaction_id
    assert lot.lot_id == samples.lot.lot_id
    assert engine.queries == [
        queries.GetAccount(account_id=5),
        queries.GetTransaction(6),
        queries.GetLot(2**46),
    ]


@pytest.mark.parametrize(("program_id", "found"), [(0, True), (469, True), (470, False)])
def test_a_lot_of_another_program_is_not_found(serve, engine, samples, program_id, found):
    """GetLot's program is a check."""
    engine.reads = samples.lot
    request = lookup_pb2.GetLotRequest(lot_id=2**46, program_id=program_id)

    async def scenario(served):
        call = served.points.GetLot(request)
        return await call if found else (await served.refusal(call)).reason

    answer = serve(scenario)
    assert answer.lot.lot_id == samples.lot.lot_id if found else answer == "LOT_NOT_FOUND"


def test_the_two_reports(serve, engine, samples):
    """GetExpiringPoints and GetExpirationSchedule show what the engine reckons."""
    period = {"start_time": Timestamp(seconds=0), "end_time": Timestamp(seconds=9)}

    async def scenario(served):
        engine.reads = Expiring(samples.currency, 150, 2, samples.now)
        points = await served.points.GetExpiringPoints(
            expiring_pb2.GetExpiringPointsRequest(member=MEMBER, **period)
        )
        engine.reads = Schedule(samples.currency, (), (), samples.now)
        schedule = await served.points.GetExpirationSchedule(
            expiring_pb2.GetExpirationScheduleRequest(member=MEMBER)
        )
        return points, schedule

    points, schedule = serve(scenario)
    assert (points.expiring_points.value, points.lot_count) == ("1.50", 2)
    assert schedule.HasField("as_of_time") and not schedule.months


LISTINGS = {
    "ListTransactions": (listing_pb2.ListTransactionsRequest, "transactions", "transaction"),
    "ListLots": (listing_pb2.ListLotsRequest, "lots", "lot"),
    "ListExpiryChanges": (listing_pb2.ListExpiryChangesRequest, "expiry_changes", "change"),
}


@pytest.mark.parametrize("method", LISTINGS)
def test_a_listing_goes_on_where_its_page_ended(serve, engine, samples, method):
    """A page's token leads to the next page, of another size if need be, and to no other query."""
    kind, rows, sample = LISTINGS[method]
    row = getattr(samples, sample)

    async def scenario(served):
        call = getattr(served.points, method)
        engine.page = Page((row, row), ("place", 5))
        first = await call(kind(member=MEMBER, page_size=2))
        engine.page = Page((row,), ())
        token = first.next_page_token
        last = await call(kind(member=MEMBER, page_size=7, page_token=token))
        other = await served.refusal(
            call(kind(member={"external_id": "cust-2"}, page_size=2, page_token=token))
        )
        return first, last, other

    first, last, other = serve(scenario)
    assert (len(getattr(first, rows)), len(getattr(last, rows))) == (2, 1)
    assert first.next_page_token and not last.next_page_token
    assert [(one.page_size, one.cursor) for one in engine.listings] == [(2, ()), (7, ("place", 5))]
    assert (other.reason, other.metadata) == ("INVALID_PAGE_TOKEN", {"field": "page_token"})


@pytest.mark.parametrize("calls", [1, 8])
def test_others_have_their_turn_while_many_items_are_read(calls):
    """However many calls go through a thousand items, others run after every hundred or so."""
    seen, left = [], [1000] * calls
    steps = Stepper()

    async def others():
        while any(left):
            seen.append(sum(left))
            await asyncio.sleep(0)

    async def read(call):
        expected = iter(range(1000))
        async for thing in steps.in_steps(range(1000)):
            assert thing == next(expected)
            left[call] -= 1

    async def at_once():
        await asyncio.gather(*map(read, range(calls)), others())

    asyncio.run(at_once())
    assert left == [0] * calls
    assert max(before - after for before, after in pairwise(seen)) <= 2 * STEP


def test_a_reader_that_fails_holds_nobody_up():
    """A call that stops amid its items, or whose caller leaves, keeps no other from going on."""
    steps = Stepper()

    async def read(fails_at):
        async for thing in steps.in_steps(range(1000)):
            if thing == fails_at:
                raise LookupError
        return True

    async def scenario():
        left = asyncio.ensure_future(read(None))
        readers = [asyncio.ensure_future(read(at)) for at in (50, 100, 150, None)]
        while not readers[0].done():
            await asyncio.sleep(0)
        left.cancel()
        return await asyncio.gather(left, *readers, return_exceptions=True)

    *failed, whole = asyncio.run(scenario())
    assert [type(error) for error in failed] == [asyncio.CancelledError] + [LookupError] * 3
    assert whole

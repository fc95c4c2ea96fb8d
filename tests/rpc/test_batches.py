"""Calls of many items: their order, their paths and what refuses the whole."""

from __future__ import annotations

import grpc
import pytest
from structlog.testing import capture_logs

from points.v1 import earn_pb2, transaction_status_pb2, update_expiry_pb2
from points_grpc.errors import (
    InsufficientPoints,
    LotNotFound,
    RequestIdReused,
    TransactionNotFound,
)


def earns(*amounts, **call):
    """A BatchEarn with those amounts."""
    request = earn_pb2.BatchEarnRequest(**call)
    for amount in amounts:
        earn = request.earns.add(program_id=469)
        earn.member.external_id = "cust-1"
        earn.amount.value = amount
    return request


def updates(*lot_ids, **call):
    """An UpdateExpiry of those lots."""
    request = update_expiry_pb2.UpdateExpiryRequest(**call)
    for lot_id in lot_ids:
        update = request.updates.add(lot_id=lot_id, days=30)
        update.member.external_id = "cust-1"
    return request


def approvals(*transaction_ids, **call):
    """An ApproveTransactions of those."""
    return transaction_status_pb2.ApproveTransactionsRequest(
        transaction_ids=transaction_ids, **call
    )


def results(response, unpacked):
    """What became of each item: the field that was set, or the reason and path of its refusal."""
    return [
        f"{(status := unpacked(result.error)).reason} {status.metadata['field']}"
        if result.WhichOneof("result") == "error"
        else result.WhichOneof("result")
        for result in response.results
    ]


BATCHES = {
    "BatchEarn": (earns, ("1", "2", "3"), "earns", "earn"),
    "UpdateExpiry": (updates, (1, 2, 3), "updates", "moved"),
    "ApproveTransactions": (approvals, (1, 2, 3), "transaction_ids", "moved"),
}
BAD = {"BatchEarn": "0", "UpdateExpiry": 0, "ApproveTransactions": 0}
LAST = {"BatchEarn": "4", "UpdateExpiry": 4, "ApproveTransactions": 4}
SECRET = "postgresql://points:hunter2@db/points"
BAD_FIELD = {
    "BatchEarn": "earns[1].amount",
    "UpdateExpiry": "updates[1].lot_id",
    "ApproveTransactions": "transaction_ids[1]",
}

pytestmark = pytest.mark.parametrize("method", BATCHES)


def test_items_are_decided_in_one_call(serve, engine, unpacked, method):
    """All items go to the engine at once, and the results have their order."""
    make, items, field, result = BATCHES[method]

    async def scenario(served):
        return await getattr(served.points, method)(make(*items, validate_only=True))

    assert results(serve(scenario), unpacked) == [result] * 3
    [write] = engine.writes
    assert (len(write.commands), write.partial, write.validate_only) == (3, False, True)
    assert write.item_path == field


def test_one_bad_item_refuses_the_call(serve, engine, method):
    """Without partial success an item that cannot be read refuses the call by its path."""
    make, items, _, _ = BATCHES[method]

    async def scenario(served):
        call = make(items[0], BAD[method], BAD[method])
        return await served.refusal(getattr(served.points, method)(call))

    status = serve(scenario)
    assert status.metadata == {"field": BAD_FIELD[method]}
    assert [field for field, _ in status.fields] == [BAD_FIELD[method]]
    assert not engine.writes


def test_one_refused_item_refuses_the_call(serve, engine, method):
    """Without partial success the engine's refusal of an item is the call's."""
    make, items, field, _ = BATCHES[method]
    engine.refuse = {2: TransactionNotFound("transaction_id")}

    async def scenario(served):
        return await served.refusal(getattr(served.points, method)(make(*items)))

    tail = "" if method == "ApproveTransactions" else ".transaction_id"
    assert serve(scenario).metadata == {"field": f"{field}[2]{tail}"}


def test_a_partial_call_refuses_items_in_their_place(serve, engine, unpacked, method):
    """With partial success refused items stand in their place, whoever refused them."""
    make, items, field, result = BATCHES[method]
    engine.refuse = {1: LotNotFound()}  # the second of those that can be read

    async def scenario(served):
        call = make(items[0], BAD[method], items[1], items[2], return_partial_success=True)
        return await getattr(served.points, method)(call)

    bad = f"INVALID_FIELD {BAD_FIELD[method]}"
    refused = f"LOT_NOT_FOUND {field}[2]"
    assert results(serve(scenario), unpacked) == [result, bad, refused, result]
    assert engine.writes[0].partial and len(engine.writes[0].commands) == 3


def test_a_partial_call_of_bad_items_asks_nobody(serve, engine, unpacked, method):
    """Where no item can be read the engine is not asked."""
    make = BATCHES[method][0]

    async def scenario(served):
        call = make(BAD[method], return_partial_success=True)
        return await getattr(served.points, method)(call)

    field = BAD_FIELD[method].replace("[1]", "[0]")
    assert results(serve(scenario), unpacked) == [f"INVALID_FIELD {field}"]
    assert not engine.writes


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("count", [0, 1001])
def test_a_call_has_one_to_a_thousand_items(serve, engine, method, count, partial):
    """No items, or more than a thousand, refuse the call."""
    make, items, field, _ = BATCHES[method]

    async def scenario(served):
        call = make(*items[:1] * count, return_partial_success=partial)
        return await served.refusal(getattr(served.points, method)(call))

    assert serve(scenario).metadata == {"field": field}
    assert not engine.writes


def test_a_call_may_have_a_thousand_items(serve, engine, method):
    """A thousand items are taken."""
    make = BATCHES[method][0]
    items = [str(n) if method == "BatchEarn" else n for n in range(1, 1001)]

    async def scenario(served):
        return await getattr(served.points, method)(make(*items))

    assert len(serve(scenario).results) == 1000


def test_a_refusal_of_the_call_has_no_item(serve, engine, method):
    """What the engine refuses as a whole is the call's status, partial or not."""
    make, items, _, _ = BATCHES[method]

    async def reused():
        raise RequestIdReused("request_id")

    engine.before = reused

    async def scenario(served):
        call = make(*items, return_partial_success=True)
        return await served.refusal(getattr(served.points, method)(call))

    status = serve(scenario)
    assert (status.reason, status.metadata) == ("REQUEST_ID_REUSED", {"field": "request_id"})


def test_refusals_keep_their_facts(serve, engine, unpacked, method):
    """A refused item's Status has what the whole call's would have."""
    make, items, _, _ = BATCHES[method]
    engine.refuse = {0: InsufficientPoints("amount", available="1.00")}

    async def scenario(served):
        call = make(*items, return_partial_success=True)
        return await getattr(served.points, method)(call)

    status = unpacked(serve(scenario).results[0].error)
    assert (status.code, status.metadata["available"]) == ("FAILED_PRECONDITION", "1.00")


def test_an_unforeseen_failure_of_items_leaves_the_others(serve, engine, method):
    """In a partial call it is INTERNAL with an error id in its items' place, and logged once."""
    make, items, field, result = BATCHES[method]
    shared = RuntimeError(SECRET)
    engine.refuse = {0: KeyError(SECRET), 1: shared, 2: shared}

    async def scenario(served):
        call = make(BAD[method], *items, LAST[method], return_partial_success=True)
        return await getattr(served.points, method)(call)

    with capture_logs() as logs:
        bad, *failed, good = serve(scenario).results
    assert bad.error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert {status.error.code for status in failed} == {grpc.StatusCode.INTERNAL.value[0]}
    assert not any(status.error.details for status in failed)
    lines = [line for line in logs if line["event"] == "unexpected error"]
    assert [line["item"] for line in lines] == [f"{field}[1]", f"{field}[2]"]
    ids = [line["error_id"] for line in lines]
    told = [status.error.message for status in failed]
    assert told == [f"internal error {error_id}" for error_id in (*ids, ids[1])]
    assert SECRET in str(lines[0]["exc_info"])
    assert good.WhichOneof("result") == result

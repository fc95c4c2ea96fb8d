"""Refusals as statuses, whole and as items."""

from __future__ import annotations

import inspect

import pytest

from points.v1 import errors_pb2, redeem_pb2
from points_grpc import errors
from points_grpc.errors import (
    InsufficientPoints,
    InvalidField,
    LotNotFound,
    Overloaded,
    Refusal,
    RequestIdReused,
    StorageUnavailable,
    TimeInDoubt,
)
from points_grpc.rpc.status import DETAILS_BYTES_MAX, status_of

REFUSALS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, Refusal) and kind is not Refusal
]


def make(kind, **facts):
    return kind("a", "wrong") if kind is InvalidField else kind("a", **facts)


@pytest.mark.parametrize("kind", REFUSALS, ids=lambda kind: kind.reason)
def test_every_refusal_has_one_error_info_and_its_code(kind, unpacked):
    """Every refusal becomes its code, its message and exactly one ErrorInfo."""
    status = unpacked(status_of(make(kind)))
    assert (status.code, status.reason, status.domain) == (kind.code, kind.reason, "points-grpc")
    assert status.message == make(kind).message


def test_reasons_are_those_of_the_contract():
    """The contract's enum of reasons and the refusals name the same reasons."""
    prefix = "ERROR_REASON_"
    names = {name.removeprefix(prefix) for name in dict(errors_pb2.ErrorReason.items())}
    assert names - {"UNSPECIFIED"} == {kind.reason for kind in REFUSALS}


def test_facts_are_strings_beside_the_field(unpacked):
    """Facts travel as strings in the metadata, the path beside them."""
    status = unpacked(status_of(InsufficientPoints("amount", available=5, code="x")))
    assert status.metadata == {"available": "5", "code": "x", "field": "amount"}


def test_no_field_no_path(unpacked):
    """Without a path there is neither a field in the metadata nor a BadRequest."""
    status = unpacked(status_of(InvalidField("", "is not a message")))
    assert (status.metadata, status.fields) == ({}, [])


def test_invalid_argument_has_the_path_and_the_problem(unpacked):
    """An INVALID_FIELD's problem describes its path; other reasons use their message."""
    status = unpacked(status_of(InvalidField("updates[3].lot_id", "is required")))
    assert status.fields == [("updates[3].lot_id", "is required")]
    reused = RequestIdReused("request_id")
    assert unpacked(status_of(reused)).fields == [("request_id", reused.message)]


def test_other_codes_have_no_bad_request(unpacked):
    """A path in a refusal that is not INVALID_ARGUMENT is metadata only."""
    status = unpacked(status_of(LotNotFound("lot_id")))
    assert (status.fields, status.metadata) == ([], {"field": "lot_id"})


@pytest.mark.parametrize("kind", REFUSALS, ids=lambda kind: kind.reason)
def test_retry_info_where_another_try_helps(kind, unpacked):
    """What passes by itself comes with a delay of a second, and nothing else does."""
    retry = unpacked(status_of(make(kind))).retry
    worth_it = kind in (Overloaded, StorageUnavailable, TimeInDoubt)
    assert (retry.retry_delay.seconds if retry else None) == (1 if worth_it else None)


def test_a_status_stays_below_the_limit_of_trailers(unpacked):
    """Facts that would break the trailers are cut, and if they are many, left out."""
    facts = {f"fact_{number}": "x" * 5000 for number in range(40)}
    status = status_of(InsufficientPoints("f" * 9000, **facts))
    assert status.ByteSize() <= DETAILS_BYTES_MAX
    assert unpacked(status).reason == "INSUFFICIENT_POINTS"
    short = status_of(InsufficientPoints(fact="y" * 5000))
    assert unpacked(short).metadata == {"fact": "y" * 256}


def test_a_call_ends_with_the_rich_status(serve, engine):
    """A Refusal of the engine is what the caller's status says, details included."""
    engine.refuse = {0: InsufficientPoints("amount", available="1.00")}
    request = redeem_pb2.RedeemRequest()
    request.member.external_id = "cust-1"
    request.amount.value = "5"

    async def scenario(served):
        return await served.refusal(served.points.Redeem(request))

    status = serve(scenario)
    assert (status.code, status.reason) == ("FAILED_PRECONDITION", "INSUFFICIENT_POINTS")
    assert status.metadata == {"available": "1.00", "field": "amount"}

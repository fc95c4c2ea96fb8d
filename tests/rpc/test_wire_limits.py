"""What a request holds is counted in its bytes, before they become objects."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.support.rpc.wire_limits import refused

from points.v1 import (
    earn_pb2,
    listing_pb2,
    member_service_pb2,
    policy_pb2,
    program_pb2,
    transaction_status_pb2,
    update_expiry_pb2,
)
from points_grpc.gateway.upstream import METHODS
from points_grpc.gateway.vendors.capillary import decode
from points_grpc.rpc import wire_limits
from points_grpc.rpc.codec import members
from points_grpc.rpc.interceptors.messages import OPEN_BYTES_MAX
from points_grpc.rpc.server import ServerOptions
from points_grpc.rpc.servicers import batches
from points_grpc.rpc.wire_limits import TAGS_MAX, Limits, Unbounded

WIDE = "\U0001f600"


INT64_MAX = 2**63 - 1


def metas(members_: int) -> update_expiry_pb2.ExpiryUpdate:
    update = update_expiry_pb2.ExpiryUpdate()
    update.custom_meta.update({f"k{n}": n for n in range(members_)})
    return update


AT_THE_BOUND: dict[str, tuple[Message, Message]] = {
    "earns": (
        earn_pb2.BatchEarnRequest(earns=[{}] * 1000),
        earn_pb2.BatchEarnRequest(earns=[{}] * 1001),
    ),
    "updates": (
        update_expiry_pb2.UpdateExpiryRequest(updates=[{}] * 1000),
        update_expiry_pb2.UpdateExpiryRequest(updates=[{}] * 1001),
    ),
    "transaction_ids": (
        transaction_status_pb2.ApproveTransactionsRequest(transaction_ids=[2**50] * 1000),
        transaction_status_pb2.ApproveTransactionsRequest(transaction_ids=[2**50] * 1001),
    ),
    "types": (
        listing_pb2.ListTransactionsRequest(types=[1] * 32),
        listing_pb2.ListTransactionsRequest(types=[1] * 33),
    ),
    "identifiers": (
        member_service_pb2.CreateMemberRequest(identifiers=[{}] * 20),
        member_service_pb2.CreateMemberRequest(identifiers=[{}] * 21),
    ),
    "definition.fixed_dates.dates": (
        policy_pb2.CreatePolicyRequest(definition={"fixed_dates": {"dates": [{}] * 366}}),
        policy_pb2.CreatePolicyRequest(definition={"fixed_dates": {"dates": [{}] * 367}}),
    ),
    "update_mask": (
        program_pb2.UpdateProgramRequest(update_mask={"paths": [""] * 32}),
        program_pb2.UpdateProgramRequest(update_mask={"paths": [""] * 33}),
    ),
    "updates[1].custom_meta": (
        update_expiry_pb2.UpdateExpiryRequest(updates=[{}, metas(4096)]),
        update_expiry_pb2.UpdateExpiryRequest(updates=[{}, metas(4097)]),
    ),
}


@pytest.mark.parametrize("field", AT_THE_BOUND)
def test_both_sides_of_each_bound(field: str) -> None:
    """As many elements as the contract allows are let through; one more is refused by its path."""
    most, too_many = AT_THE_BOUND[field]
    assert refused(most) is None
    assert refused(too_many) == field


@pytest.mark.parametrize("packed", [True, False])
def test_packed_and_unpacked_elements_count_together(packed: bool) -> None:
    """Elements count in whichever form they come, and in both together."""
    message = listing_pb2.ListLotsRequest()
    single = b"\x28\x01"
    many = b"\x2a\x14" + b"\x81\x00" * 10
    some = many + single * 22
    assert refused(message, some) is None
    assert refused(message, some + (b"\x2a\x01\x01" if packed else single)) == "states"


def test_parts_of_a_field_that_comes_twice_count_together() -> None:
    """A message that comes in parts is merged, so that its parts count together."""
    half = policy_pb2.CreatePolicyRequest(definition={"fixed_dates": {"dates": [{}] * 183}})
    raw = half.SerializeToString() * 2
    assert refused(half, raw) is None
    assert refused(half, raw + raw[: len(raw) // 2]) == "definition.fixed_dates.dates"


def test_members_and_elements_at_every_depth_count_together() -> None:
    """What repeats within a Struct is bounded in all, not for each list of it."""
    update = update_expiry_pb2.ExpiryUpdate()
    update.custom_meta.update({f"k{n}": [[1, 2, 3]] for n in range(819)})
    whole = update_expiry_pb2.UpdateExpiryRequest(updates=[update])
    assert refused(whole) is None  # 819 members of 1 + 1 + 3
    update.custom_meta.update({"one more": []})
    update.custom_meta.update({"and one": 1})
    assert refused(update_expiry_pb2.UpdateExpiryRequest(updates=[update])) == (
        "updates[0].custom_meta"
    )


@pytest.mark.parametrize(
    "piece",
    [b"\xba\x3e\x00", b"\xb8\x3e\x01", b"\xbb\x3e\xbc\x3e", b"\x12\x00", b"\xb9\x3e" + bytes(8)],
    ids=["unknown bytes", "unknown numbers", "unknown groups", "a field often", "eight bytes"],
)
def test_a_call_has_so_many_fields_at_most(piece: bytes) -> None:
    """Whatever fields a request has, known or not, there are 100,000 at most in all."""
    message = earn_pb2.EarnRequest()
    each = 2 if piece.startswith(b"\xbb") else 1
    assert refused(message, piece * (TAGS_MAX // each)) is None
    assert refused(message, piece * (TAGS_MAX // each + 1)) == ""


def batch(items: int, item: bytes) -> bytes:
    """A request with so many elements, each with these bytes, of 128 to 16,383."""
    return (b"\x0a" + bytes((len(item) & 127 | 128, len(item) >> 7)) + item) * items


def test_fields_of_inner_messages_count() -> None:
    """Fields count wherever they are, also in messages of which each is small."""
    member = b"\x12\x04\x1a\x00\x32\x00"  # now an e-mail, now an identifier: 3 fields
    most = batch(999, member * 33) + batch(1, member * 33)  # 1000 of 1 + 99
    assert refused(earn_pb2.BatchEarnRequest(), most) is None
    assert refused(earn_pb2.BatchEarnRequest(), most + b"\xb8\x3e\x00") == ""
    assert refused(earn_pb2.BatchEarnRequest(), batch(1000, member * 150)) == ""


@pytest.mark.parametrize(("nulls", "field"), [(40, None), (60, ""), (240, "")])
def test_lists_in_many_small_metas_count(nulls: int, field: str | None) -> None:
    """Elements of a KiB that are full of short values have no more fields than others."""
    update = update_expiry_pb2.ExpiryUpdate()
    update.custom_meta.update({"a": [None] * nulls})
    raw = batch(1000, update.SerializeToString())
    assert refused(update_expiry_pb2.UpdateExpiryRequest(), raw) is field


def short(text: int) -> Iterator[Message]:
    """1000 updates and 1000 earns with texts of this length."""
    update = update_expiry_pb2.ExpiryUpdate(
        member={"external_id": "customer-172440986"}, lot_id=INT64_MAX, reason_type=2,
        reason_note="x" * text, expire_time={"seconds": 2**31},
        standard_meta=dict.fromkeys(("who_raised", "who_approved"), "x" * 20),
    )  # fmt: skip
    update.custom_meta.update({"campaign": "spring", "ticket": 4711, "shops": ["a", "b"]})
    yield update_expiry_pb2.UpdateExpiryRequest(updates=[update] * 1000)
    earn = earn_pb2.EarnRequest(
        program_id=469, member={"external_id": "customer-172440986"}, amount={"value": "100"},
        request_id="x" * 36, reference="x" * 20, description="x" * text, source="till",
        earn_time={"seconds": 2**31},
    )  # fmt: skip
    yield earn_pb2.BatchEarnRequest(earns=[earn] * 1000)


@pytest.mark.parametrize("text", [0, 100, 700, 1024])
def test_ordinary_batches_pass(text: int) -> None:
    """1000 items with texts and metas pass, however much of them has to be looked into."""
    for message in short(text):
        assert refused(message) is None


def test_ordinary_items_are_not_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of short items costs a step an item: what they are too short for is not searched."""
    earn = earn_pb2.EarnRequest(
        member={"external_id": "customer-172440986"}, amount={"value": "100"}, reference="x" * 40
    )
    raw = earn_pb2.BatchEarnRequest(earns=[earn] * 1000).SerializeToString()
    monkeypatch.setattr(wire_limits, "TAGS_MAX", 1000 + 1000 * earn.ByteSize() // 2)
    monkeypatch.setattr(wire_limits, "deque", Untouched)
    assert refused(earn_pb2.BatchEarnRequest(), raw) is None


class Untouched(deque[Any]):
    """Messages that are put off and must not be taken up again."""

    def popleft(self) -> Any:
        raise AssertionError("a message was looked into")


# The contract
@pytest.mark.parametrize("name", METHODS)
def test_everything_that_repeats_in_a_request_is_bounded(name: str) -> None:
    """Each repeated field and map that a request can hold has its max_items, at whatever depth."""
    seen: set[str] = set()

    def look(of: Descriptor, bound: int) -> None:
        if of.full_name in seen:
            return
        seen.add(of.full_name)
        for field in of.fields:
            said = wire_limits.bound_of(field) or bound
            assert said or not field.is_repeated, field.full_name
            if field.message_type is not None:
                ours = field.message_type.full_name.startswith("points.")
                look(field.message_type, 0 if ours else said)

    look(METHODS[name].input_type, 0)


def test_a_request_without_bounds_cannot_be_served() -> None:
    """A repeated field of which the contract says nothing keeps the server from being made."""
    file = descriptor_pb2.FileDescriptorProto(name="unbounded.proto", package="points.test")
    message = file.message_type.add(name="Careless")
    message.field.add(name="names", number=1, type=9, label=3)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    with pytest.raises(Unbounded, match=r"points\.test\.Careless\.names"):
        Limits(pool.FindMessageTypeByName("points.test.Careless"))


def test_bounds_are_those_of_the_code() -> None:
    """What the code goes by and what the contract says are the same numbers."""
    bound_of = wire_limits.bound_of
    earns = earn_pb2.BatchEarnRequest.DESCRIPTOR.fields_by_name["earns"]
    identifiers = member_service_pb2.CreateMemberRequest.DESCRIPTOR.fields_by_name["identifiers"]
    assert bound_of(earns) == batches.ITEMS_MAX == decode.ITEMS_MAX
    assert bound_of(identifiers) == members.IDENTIFIERS_MAX


def largest() -> Iterator[Message]:
    """The largest requests that the contract allows."""
    member = {"identifier": {"type": "x" * 40, "value": WIDE * 256}}
    ends = {"seconds": -62_135_596_800, "nanos": 999_999_999}
    update = update_expiry_pb2.ExpiryUpdate(
        program_id=INT64_MAX, member=member, lot_id=INT64_MAX, kind=5, currency_code=WIDE * 64,
        category=2, reason_type=2, reason_note=WIDE * 1024, expire_time=ends, reinstate=True,
        standard_meta=dict.fromkeys(
            ("who_raised", "who_approved", "reason_for_trigger"), WIDE * 256
        ),
    )  # fmt: skip
    meta: dict[str, Any] = {chr(97 + n): 0 for n in range(18)} | {"text": ""}
    meta["text"] = "x" * (8192 - len(json.dumps(meta, separators=(",", ":"))))
    update.custom_meta.update(meta)
    yield update_expiry_pb2.UpdateExpiryRequest(updates=[update] * 1000, request_id=WIDE * 128)
    earn = earn_pb2.EarnRequest(
        program_id=INT64_MAX, member=member, currency_code=WIDE * 64, amount={"value": "1" * 40},
        request_id=WIDE * 128, reference=WIDE * 256, description=WIDE * 1024, source=WIDE * 64,
        reason=WIDE * 1024, kind=5, initial_state=3, policy=WIDE * 64, earn_time=ends,
        expire_time=ends, vendor_id=2**46 - 1,
    )  # fmt: skip
    yield earn_pb2.BatchEarnRequest(earns=[earn] * 1000)


def test_the_largest_honest_requests_are_taken() -> None:
    """1000 updates and 1000 earns with all texts at their limits fit, and keep all bounds."""
    sizes = []
    for message in largest():
        raw = message.SerializeToString()
        assert refused(message, raw) is None
        sizes.append(len(raw))
    limit = ServerOptions().request_bytes_max
    assert max(sizes) <= limit < max(sizes) + 2**20


# The server
def attack(served: Any, method: str, raw: bytes) -> Any:
    """A call with these bytes."""
    return served.channel.unary_unary(f"/points.v1.PointsService/{method}")(raw)


@pytest.mark.parametrize(
    ("method", "raw", "field"),
    [
        ("BatchEarn", b"\x0a\x00" * 2**23, "earns"),
        ("UpdateExpiry", b"\x0a\x00" * 2**23, "updates"),
        ("ListTransactions", b"\x28\x01" * 2**21, "states"),
        ("ListTransactions", b"\x32\x80\x80\x80\x01" + b"\x01" * 2**21, "types"),
        ("GetLot", b"\xba\x3e\x00" * 2**20, ""),
    ],
)
def test_floods_of_elements_are_refused(serve: Any, method: str, raw: bytes, field: str) -> None:
    """Millions of elements are refused by the field's path before they are objects."""

    async def scenario(served: Any) -> Any:
        return await served.refusal(attack(served, method, raw))

    refusal = serve(scenario)
    assert refusal.reason == "INVALID_FIELD"
    assert [at for at, _ in refusal.fields] == ([field] if field else [])


def test_large_requests_are_walked_outside_of_the_event_loop(monkeypatch: Any) -> None:
    """Up to 64 KiB the walk is made where the request is, beyond that in a thread of its own."""
    threads: list[threading.Thread] = []
    limits = Limits(earn_pb2.BatchEarnRequest.DESCRIPTOR)
    monkeypatch.setattr(wire_limits, "_walk", lambda *_: threads.append(threading.current_thread()))
    for size in (64 * 1024, 64 * 1024 + 1):
        asyncio.run(limits.checked(bytes(size)))
    assert [one is threading.main_thread() for one in threads] == [True, False]


def test_what_is_wrong_is_told_only_to_whom_may_call(serve: Any) -> None:
    """Bounds are judged after the caller was let in."""
    from points_grpc.rpc.auth import NoCredentials  # noqa: PLC0415

    async def scenario(served: Any) -> Any:
        return await served.error(attack(served, "BatchEarn", b"\x0a\x00" * 2000))

    assert serve(scenario, NoCredentials()).code() is grpc.StatusCode.UNAUTHENTICATED


def test_what_needs_no_credential_has_a_bound_of_its_own(serve: Any) -> None:
    """Health and reflection, which anybody may ask, take 4 KiB at most."""

    async def scenario(served: Any) -> Any:
        health = health_pb2_grpc.HealthStub(served.channel)
        answers = []
        for name in ("", "x" * OPEN_BYTES_MAX):
            asked = health_pb2.HealthCheckRequest(service=name)
            for call in (health.Check(asked), health.Watch(asked).read()):
                try:
                    await call
                    answers.append("answered")
                except grpc.aio.AioRpcError as error:
                    answers.append(error.code().name)
        return answers

    assert serve(scenario) == ["answered", "answered", "INVALID_ARGUMENT", "INVALID_ARGUMENT"]

"""UpdateExpiry: updates, their metas and the fingerprint of the whole."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, date, datetime

import pytest
from google.protobuf.struct_pb2 import Struct, Value

from points.v1 import expiry_change_pb2, update_expiry_pb2
from points_grpc.domain.commands import MemberName, UpdateExpiry, fingerprint
from points_grpc.domain.model import AwardKind, LotCategory, ReasonType
from points_grpc.domain.policy import ExpireAt, ExpireOn, Immediate, InDays, InMonths, Never
from points_grpc.errors import InvalidField
from points_grpc.rpc.codec.custom_meta import put_custom_meta, read_custom_meta
from points_grpc.rpc.codec.update_expiry import draft_updates, finish_updates

FULL = {
    "program_id": 469,
    "member": {"external_id": "cust-1"},
    "lot_id": 31,
    "kind": 1,
    "currency_code": "POINTS",
    "category": 1,
    "reason_type": 2,
    "reason_note": "storm",
    "standard_meta": {"who_raised": "a", "who_approved": "b", "reason_for_trigger": "c"},
    "days": 30,
    "reinstate": True,
}
LEAST = {"member": {"external_id": "cust-1"}, "lot_id": 31, "days": 30}


def call(*updates, request_id=""):
    """An UpdateExpiry of those updates, each acceptable but for what it says."""
    return update_expiry_pb2.UpdateExpiryRequest(
        updates=[update_expiry_pb2.ExpiryUpdate(**update) for update in updates],
        request_id=request_id,
    )


def read_moves(message):
    """The commands of an UpdateExpiry."""
    return finish_updates(message, list(draft_updates(message)))


def struct(**members):
    """A Struct."""
    made = Struct()
    made.update(members)
    return made


def test_an_update_says_all_it_can():
    """Every field of an ExpiryUpdate arrives in the command."""
    [move] = read_moves(call({**FULL, "custom_meta": struct(b=1, a="x")}))
    assert move == UpdateExpiry(
        program_id=469, member=MemberName("external_id", "cust-1"), lot_id=31,
        expiration=InDays(30), currency="POINTS", kind=AwardKind.POINT_AWARDED,
        category=LotCategory.REGULAR, reason_type=ReasonType.EXTEND_EXPIRY, reason_note="storm",
        standard_meta=("a", "b", "c"), custom_meta='{"a":"x","b":1}', reinstate=True,
    )  # fmt: skip


def test_an_update_may_say_little():
    """What an ExpiryUpdate leaves out matches anything."""
    [move] = read_moves(call(LEAST))
    assert move == UpdateExpiry(0, MemberName("external_id", "cust-1"), 31, InDays(30))


@pytest.mark.parametrize(
    ("expiration", "meant"),
    [
        ({"months": 2}, InMonths(2)),
        ({"never": True}, Never()),
        ({"immediate": True}, Immediate()),
        ({"expire_date": {"year": 2031, "month": 12, "day": 31}}, ExpireOn(date(2031, 12, 31))),
        ({"expire_time": {"seconds": 60}}, ExpireAt(datetime(1970, 1, 1, 0, 1, tzinfo=UTC))),
    ],
)
def test_updates_know_every_expiration(expiration, meant):
    """Each kind of expiration is read."""
    update = {name: value for name, value in LEAST.items() if name != "days"}
    [move] = read_moves(call({**update, **expiration}))
    assert move.expiration == meant


@pytest.mark.parametrize(
    ("fields_of_it", "field"),
    [
        ({"lot_id": 0}, "lot_id"),
        ({"lot_id": -5}, "lot_id"),
        ({"program_id": -1}, "program_id"),
        ({"kind": 6}, "kind"),
        ({"category": 3}, "category"),
        ({"reason_type": 3}, "reason_type"),
        ({"reason_note": "x" * 1025}, "reason_note"),
        ({"standard_meta": {"who_raised": "x" * 257}}, "standard_meta.who_raised"),
        ({"standard_meta": {"who_approved": "x" * 257}}, "standard_meta.who_approved"),
        ({"standard_meta": {"reason_for_trigger": "\0"}}, "standard_meta.reason_for_trigger"),
        ({"immediate": False}, "immediate"),
        ({"days": None}, "expiration"),
        ({"member": None}, "member"),
    ],
)
def test_a_bad_update_is_refused_in_its_place(fields_of_it, field):
    """A bad update leaves the others as they are."""
    update = {n: v for n, v in {**LEAST, **fields_of_it}.items() if v is not None}
    if "immediate" in fields_of_it:
        del update["days"]
    good, bad, other = read_moves(call(LEAST, update, LEAST))
    assert isinstance(bad, InvalidField) and bad.field == field
    assert isinstance(good, UpdateExpiry) and isinstance(other, UpdateExpiry)


def test_updates_know_their_place_and_their_call():
    """With a request id every command has it, its index and the same fingerprint."""
    moves = read_moves(call(LEAST, FULL, request_id="r"))
    assert [(move.request_id, move.index) for move in moves] == [("r", 0), ("r", 1)]
    assert moves[0].call_fingerprint == moves[1].call_fingerprint == fingerprint(moves[0])
    assert len(moves[0].call_fingerprint) == 16


def whole(*updates, request_id="r"):
    """The fingerprint of a call."""
    return read_moves(call(*updates, request_id=request_id))[0].call_fingerprint


def test_the_same_content_has_the_same_fingerprint():
    """Neither the id nor the encoding of the content changes the fingerprint."""
    one, two = struct(a=1, b=-0.0), struct(b=0, a=1.0)
    assert whole({**FULL, "custom_meta": one}) == whole({**FULL, "custom_meta": two})
    assert whole(FULL, request_id="r") == whole(FULL, request_id="s")
    mail = {"member": {"email": "A@b "}}, {"member": {"email": "a@B"}}
    assert whole({**LEAST, **mail[0]}) == whole({**LEAST, **mail[1]})


OTHER = {
    "program_id": {"program_id": 470},
    "member": {"member": {"username": "cust-1"}},
    "lot_id": {"lot_id": 32},
    "expiration": {"days": 31},
    "currency": {"currency_code": "points"},
    "kind": {"kind": 2},
    "category": {"category": 2},
    "reason_type": {"reason_type": 1},
    "reason_note": {"reason_note": "flood"},
    "standard_meta": {"standard_meta": {"who_raised": "z"}},
    "custom_meta": {"custom_meta": struct(a=1)},
    "reinstate": {"reinstate": False},
}


@pytest.mark.parametrize("name", [field.name for field in fields(UpdateExpiry)])
def test_each_field_counts_for_the_fingerprint(name):
    """A call that differs in any one field of one update has another fingerprint."""
    if name in ("request_id", "index", "call_fingerprint"):
        return
    assert whole(LEAST, FULL) != whole(LEAST, {**FULL, **OTHER[name]})


@pytest.mark.parametrize(
    "expiration",
    [
        {"days": 31}, {"months": 30}, {"never": True}, {"immediate": True},
        {"expire_time": {"seconds": 30}}, {"expire_date": {"year": 2031, "month": 1, "day": 30}},
    ],
)  # fmt: skip
def test_each_expiration_has_its_own_fingerprint(expiration):
    """Thirty days, thirty months and the thirtieth are not the same."""
    least = {name: value for name, value in LEAST.items() if name != "days"}
    assert whole(LEAST) != whole({**least, **expiration})


def test_order_and_number_count_for_the_fingerprint():
    """The same updates in another order, or one more or a bad one, are another call."""
    calls = [(LEAST, FULL), (FULL, LEAST), (LEAST, FULL, LEAST), (LEAST, {**FULL, "lot_id": 0})]
    assert len({whole(*updates) for updates in calls}) == len(calls)


def test_without_a_request_id_there_is_no_fingerprint():
    """A call without a request id is not fingerprinted."""
    assert whole(LEAST, request_id="") == b""


def test_a_bad_request_id_refuses_the_call(field_at_fault):
    """A request id over 128 characters refuses the call, not its items."""
    assert field_at_fault(read_moves, call(LEAST, request_id="r" * 129)) == "request_id"
    assert field_at_fault(read_moves, call(LEAST, request_id="r" * 128)) == "(none)"


# Metas


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({}, "{}"),
        ({"b": 1, "a": 2.5, "B": -3.0}, '{"B":-3,"a":2.5,"b":1}'),
        ({"n": 2**53, "m": -(2**53)}, '{"m":-9007199254740992,"n":9007199254740992}'),
        ({"x": [None, True, "é", {"y": []}]}, '{"x":[null,true,"é",{"y":[]}]}'),
        ({"z": -0.0, "t": 1e-7}, '{"t":1e-07,"z":0}'),
        ({'"\\\n': "\x01"}, '{"\\"\\\\\\n":"\\u0001"}'),
    ],
)
def test_metas_are_canonical_json(members, text):
    """Keys are sorted, whole numbers are integers, and all of it comes back."""
    assert read_custom_meta(struct(**members)) == text
    shown = expiry_change_pb2.ExpiryChange()
    put_custom_meta(shown.custom_meta, text)
    assert shown.custom_meta == struct(**json.loads(text))
    assert shown.HasField("custom_meta")


def depth_of(levels):
    """Objects within objects."""
    inner: dict = {}
    for _ in range(levels - 1):
        inner = {"o": inner}
    return struct(**inner)


@pytest.mark.parametrize(
    ("meta", "fine"),
    [
        (struct(n=2.0**53), True),
        (struct(n=2.0**53 + 2), False),
        (struct(n=-(2.0**53) - 2), False),
        (struct(n=1e300), False),
        (struct(n=float("nan")), False),
        (struct(n=[float("inf")]), False),
        (struct(n={"m": float("-inf")}), False),
        (depth_of(8), True),
        (depth_of(9), False),
        (struct(a=[[[[[[[]]]]]]]), True),
        (struct(a=[[[[[[[[]]]]]]]]), False),
        (struct(a="x" * (8192 - 8)), True),
        (struct(a="x" * (8192 - 7)), False),
        (struct(a="é" * (4096 - 4)), True),
        (struct(a="é" * (4096 - 4) + "x"), False),
        (struct(a=[0] * 4092), True),
        (struct(a=[0] * 4093), False),
        (struct(a=[0] * 100_000), False),
        (struct(a="\0"), False),
        (struct(**{"\0": 1}), False),
        (Struct(fields={"a": Value()}), False),
    ],
)
def test_limits_of_metas(field_at_fault, meta, fine):
    """Numbers to 2^53, eight levels, 8 KiB as UTF-8, no NUL, no value without a kind."""
    assert field_at_fault(read_custom_meta, meta) == ("(none)" if fine else "custom_meta")


def test_a_meta_means_the_same_the_second_time():
    """What was met before is read and shown as the first time, and unknown fields vanish."""
    meta = struct(ticket="T-1", amount=5)
    stranger = Struct.FromString(meta.SerializeToString() + b"\x9a\x06\x05other")
    first = read_custom_meta(stranger)
    assert read_custom_meta(meta) == first
    for _ in range(2):
        shown = expiry_change_pb2.ExpiryChange()
        put_custom_meta(shown.custom_meta, first)
        assert b"other" not in shown.SerializeToString()
        assert shown.custom_meta == meta

"""JSON bodies: what is refused, and how the field at fault is named."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from points_grpc.gateway.errors import Problem
from points_grpc.gateway.strict_json import (
    DEPTH_MAX,
    VALUES_MAX,
    answer,
    read_json,
    read_json_with_floats,
    shaped,
)


def problem(body: bytes) -> str:
    with pytest.raises(Problem) as caught:
        read_json(body)
    assert caught.value.http_status == 400
    return caught.value.message


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"{}{}", b"{'a': 1}", b'{"a": 01}', b'"\t"', b'{"a":}', b"\xef\xbb\xbf{}", b"nul"],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    """Anything but one JSON value is refused."""
    assert problem(body) == "The body is not valid JSON."


@pytest.mark.parametrize("body", [b'"\xff"', b'"\xed\xa0\x80"', '{"a": 1}'.encode("utf-16")])
def test_what_is_not_utf_8_is_refused(body: bytes) -> None:
    """JSON is UTF-8."""
    assert problem(body) == "The body is not UTF-8."


@pytest.mark.parametrize("body", [rb'"\ud800"', rb'{"\udc00": 1}', rb'["\ud800\u0041"]'])
def test_unpaired_surrogates_are_refused(body: bytes) -> None:
    """An escape that is half a character is refused, in values and in keys."""
    assert problem(body) == "The body is not valid JSON."


def test_paired_surrogates_are_read() -> None:
    """An escape that is a whole character is read."""
    assert read_json(rb'"\ud83d\ude00"') == "\U0001f600"


def test_a_key_given_twice_is_named() -> None:
    """Two readers could take different ones, so neither is taken."""
    assert problem(b'{"a": {"b": 1, "b": 1}}') == "b must not be given more than once."


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_refused(name: str) -> None:
    """The constants that Python's reader would take are refused."""
    assert problem(f'{{"a": {name}}}'.encode()) == f"The body must not contain {name}."


@pytest.mark.parametrize("digits", ["1e999", "-1e400", "9" * 41, "1." + "9" * 40, "9" * 5000])
def test_huge_numbers_are_refused(digits: str) -> None:
    """Numbers beyond a double or of more than 40 characters are refused."""
    assert problem(digits.encode()) == "The body has a number out of range."


def test_nesting_is_bounded() -> None:
    """Sixty-four levels are read, one more is not, however many there are."""
    assert read_json(b"[" * DEPTH_MAX + b"]" * DEPTH_MAX) is not None
    said = "The body is nested more than 64 levels deep."
    assert problem(b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1)) == said
    assert problem(b'{"a":' * VALUES_MAX) == said


def test_many_shallow_values_are_no_nesting() -> None:
    """A long list of objects is not deep."""
    assert len(read_json(b"[" + b",".join([b"{}"] * 1000) + b"]")) == 1000


def test_fractions_are_exact_where_asked() -> None:
    """Amounts come as Decimals as they were written, proto3 JSON as floats."""
    assert read_json(b"1.10").as_tuple() == Decimal("1.10").as_tuple()
    assert read_json(b"7") == 7
    assert read_json_with_floats(b"1.5e1") == 15.0


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    amount: int


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    items: list[Inner] = []


@pytest.mark.parametrize(
    ("value", "field", "text"),
    [
        ({"items": [{"amount": 1}, {}]}, "items[1].amount", "is required"),
        ({"items": [{"amount": 1, "x": 1}]}, "items[0].x", "is not a field of this call"),
        ({"items": [{"amount": "1"}]}, "items[0].amount", "must be int, got str"),
        ({"items": [{"amount": Decimal("1.5")}]}, "items[0].amount", "must be int, got decimal"),
        ({"items": [{"amount": True}]}, "items[0].amount", "must be int, got bool"),
        ({"y": 1}, "y", "is not a field of this call"),
        ([], "", "the body must be object, got array"),
    ],
)
def test_shapes_name_the_field_at_fault(value: Any, field: str, text: str) -> None:
    """A value that does not fit is refused with the path of the field."""
    with pytest.raises(Problem) as caught:
        shaped(value, Outer)
    assert (caught.value.field, caught.value.text) == (field, text)


def test_answers_are_json() -> None:
    """An answer has the media type of JSON, and decimals as strings."""
    response = answer({"a": Decimal("1.50")}, 201)
    assert (response.status_code, response.body) == (201, b'{"a":"1.50"}')
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("begin", "piece", "end", "each"),
    [
        (b"[0", b",0", b"]", 1),
        (b'{"":0', b',"":0', b"}", 1),
        (b"[0", b",[[[0]]]", b"]", 4),
        (b"[0", b",{}", b"]", 2),
    ],
)
def test_a_body_has_so_many_values_at_most(
    begin: bytes, piece: bytes, end: bytes, each: int
) -> None:
    """More values than a body may have are refused before they are objects."""
    said = f"The body has more than {VALUES_MAX} values."
    fits = (VALUES_MAX - 1) // each
    if piece[1:2] != b'"':
        assert len(read_json(begin + piece * fits + end)) == fits + 1
    assert problem(begin + piece * (fits + 1) + end) == said
    assert problem(begin + piece * (fits + 1)) == said  # not even JSON


def test_what_texts_hold_are_no_values() -> None:
    """Commas and brackets in texts do not count, whatever is escaped in them."""
    text = r"\"[{," * VALUES_MAX
    assert read_json(b'["' + text.encode() + b'"]') == ['"[{,' * VALUES_MAX]

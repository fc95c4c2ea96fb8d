"""JSON without what two readers could understand differently."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from decimal import Decimal
from typing import Any, NoReturn, TypeVar

import msgspec
from starlette.responses import Response

from points_grpc.gateway.errors import Problem
from points_grpc.gateway.request import JSON

DEPTH_MAX = 64
VALUES_MAX = 100_000
"""The most values that a body may have in all: members of objects and elements of arrays."""

DIGITS_MAX = 40
"""How long a number may be: enough for every int64 and every amount."""

Shape = TypeVar("Shape")

_AT = re.compile(r"^(?P<what>.*?)(?: - at `(?:key in )?\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)
# A text, whether or not it ends: it matches wherever it begins, so that it is looked at once.
_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_FIELD = re.compile(r"^Object (?P<what>.*?) field `(?P<name>[^`]*)`$", re.DOTALL)


def read_json(body: bytes) -> Any:
    """The value; numbers with a point or an exponent are Decimals. Raises Problem.

    Refused, beside what is not JSON in UTF-8: a key given twice, NaN and Infinity, numbers of
    more than DIGITS_MAX characters or beyond a double, nesting below DEPTH_MAX, more than
    VALUES_MAX values, unpaired surrogates.
    """
    return _read(body, _EXACT)


def read_json_with_floats(body: bytes) -> Any:
    """The same with floats for Decimals, as proto3 JSON has them."""
    return _read(body, _FLOATS)


def shaped(value: Any, shape: type[Shape]) -> Shape:
    """`value` as a msgspec Struct or any other type that msgspec knows, strictly.

    Raises Problem with the path of the field at fault.
    """
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise _misfit(str(error)) from None


def has_more(value: Any, bound: int) -> bool:
    """Return whether `value` has more than `bound` members and elements, at all levels."""
    held, count = [value], 0
    while held:
        inner = held.pop()
        if type(inner) is dict or type(inner) is list:
            count += len(inner)
            if count > bound:
                return True
            held += inner.values() if type(inner) is dict else inner
    return False


def answer(value: Any, status: int = 200) -> Response:
    """`value` as the body of a response; Decimals are written as strings."""
    return Response(msgspec.json.encode(value), status, media_type=JSON)


def _read(body: bytes, decoder: json.JSONDecoder) -> Any:
    if _values_in(body) > VALUES_MAX and _values_in(_TEXT.sub(b"", body)) > VALUES_MAX:
        # Before they are objects: a byte or two of the body would be fifty in memory.
        raise Problem("", f"the body has more than {VALUES_MAX} values")
    try:
        text = body.decode()
        value = decoder.decode(text)
        if "\\u" in text:
            # This reader, unlike json's, refuses unpaired surrogates.
            msgspec.json.decode(body)
    except UnicodeDecodeError:
        raise Problem("", "the body is not UTF-8") from None
    except RecursionError:
        raise _too_deep() from None
    except (ValueError, msgspec.DecodeError):
        raise Problem("", "the body is not valid JSON") from None
    if body.count(b"{") + body.count(b"[") > DEPTH_MAX:
        _check_depth(value)
    return value


def _values_in(body: bytes) -> int:
    """Return the most values that a body can have; commas and brackets in its texts count, too."""
    return body.count(b",") + body.count(b"[") + body.count(b"{")


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEPTH_MAX):
        level = [
            child
            for parent in level
            for child in (parent.values() if type(parent) is dict else parent)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> Problem:
    return Problem("", f"the body is nested more than {DEPTH_MAX} levels deep")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        times = Counter(name for name, _ in pairs)
        twice = next(name for name, count in times.items() if count > 1)
        raise Problem(twice[:256], "must not be given more than once")
    return members


def _decimal(digits: str) -> Decimal:
    _float(digits)
    return Decimal(digits)


def _float(digits: str) -> float:
    # Its length first: what a long one costs to read is not bounded by its value.
    number = math.inf if len(digits) > DIGITS_MAX else float(digits)
    if math.isinf(number):
        raise Problem("", "the body has a number out of range")
    return number


def _int(digits: str) -> int:
    if len(digits) > DIGITS_MAX:
        raise Problem("", "the body has a number out of range")
    return int(digits)


def _constant(name: str) -> NoReturn:
    raise Problem("", f"the body must not contain {name}")


_EXACT = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_decimal, parse_int=_int, parse_constant=_constant
)
_FLOATS = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_float, parse_int=_int, parse_constant=_constant
)


def _misfit(said: str) -> Problem:
    found = _AT.match(said)
    path, what = ("", said) if found is None else (found["path"] or "", found["what"])
    if field := _FIELD.match(what):
        path = f"{path}.{field['name']}".lstrip(".")
        missing = field["what"].startswith("missing")
        return Problem(path[:256], "is required" if missing else "is not a field of this call")
    what = what.replace("`", "")
    text = f"must be {what[9:]}" if what.startswith("Expected ") else what
    return Problem(path[:256], text if path else f"the body {text}")

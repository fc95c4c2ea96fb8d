"""The custom meta of an expiry change, kept as canonical JSON: the rules of its parts.

Requests bring it as a message and files as JSON; both go by the same rules, so that whatever is
kept can be shown.
"""

from __future__ import annotations

import json
from math import isfinite

from points_grpc.domain.limits import check_characters
from points_grpc.errors import InvalidField

DEPTH_MAX = 8
"""The levels of nested objects and lists, the outermost object included."""

BYTES_MAX = 8 * 1024
NUMBER_MAX = 2**53

FIELD = "custom_meta"

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

_encode = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
).encode


def canonical(meta: dict[str, Json]) -> str:
    """Return an object of checked parts as JSON, its keys sorted. Raises InvalidField."""
    text = _encode(meta)
    if len(text) > BYTES_MAX // 4 and len(text.encode()) > BYTES_MAX:
        raise too_large()
    return text


def too_large() -> InvalidField:
    """Return the refusal of an object that is too large."""
    return InvalidField(FIELD, f"must not exceed {BYTES_MAX} bytes as JSON")


def read_number(number: float) -> int | float:
    """Return a number of at most 2^53, whole ones as integers. Raises InvalidField."""
    if abs(number) > NUMBER_MAX or not isfinite(number):
        raise InvalidField(FIELD, "must not contain numbers beyond 2^53")
    return number if isinstance(number, int) or not number.is_integer() else int(number)


def read_text(text: str) -> str:
    """Return a text or key. Raises InvalidField."""
    if "\0" in text or not text.isascii():
        check_characters(text, FIELD)
    return text


def check_depth(depth: int) -> None:
    """Refuse (InvalidField) an object or list that is nested too deep."""
    if depth > DEPTH_MAX:
        raise InvalidField(FIELD, f"must not be nested more than {DEPTH_MAX} deep")


def read_json(text: str) -> str:
    """Return the canonical form of an object that is written as JSON. Raises InvalidField."""
    try:
        meta = json.loads(text)
    except (ValueError, RecursionError):
        raise _no_object() from None
    return read_object(meta)


def read_object(meta: object) -> str:
    """Return the canonical form of an object as a JSON decoder gives it. Raises InvalidField."""
    if not isinstance(meta, dict):
        raise _no_object()
    return canonical(_read_object(meta, 1))


def _no_object() -> InvalidField:
    return InvalidField(FIELD, "must be a JSON object")


def _read_object(members: dict[str, Json], depth: int) -> dict[str, Json]:
    check_depth(depth)
    return {read_text(key): _read_value(value, depth) for key, value in members.items()}


def _read_value(value: Json, depth: int) -> Json:
    if isinstance(value, str):
        return read_text(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return read_number(value)
    if isinstance(value, dict):
        return _read_object(value, depth + 1)
    if isinstance(value, list):
        check_depth(depth + 1)
        return [_read_value(element, depth + 1) for element in value]
    return value

"""Texts of a file as values: amounts, instants, ids, names. All refuse with InvalidField."""

from __future__ import annotations

import json
import re
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from points_grpc import rfc3339
from points_grpc.domain import custom_meta, identifiers
from points_grpc.domain.amounts import AMOUNT_MAX, read_decimal, to_units
from points_grpc.domain.calendar import OutOfCalendar, end_of_day
from points_grpc.errors import InvalidField

NEVER = "never"

_PLAIN_DIGITS = 15
_DATE_LENGTH = 10
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def read_amount(text: str, scale: int, field: str) -> int:
    """Read a positive decimal as units of the currency's smallest unit."""
    units = plain_units(text, scale)
    return units or to_units(read_decimal(text, field), scale, field)


def read_part(text: str, scale: int, field: str) -> int | None:
    """Read an amount like `read_amount`, but zero is allowed and "" is None."""
    if not text:
        return None
    units = plain_units(text, scale)
    if units is not None:
        return units
    return read_amount(text, scale, field) if read_decimal(text, field) else 0


def plain_units(text: str, scale: int) -> int | None:
    """Return the units of a whole number within the limit; None for any other form."""
    if text.isdigit() and text.isascii() and len(text) < _PLAIN_DIGITS:
        units = int(text) * _POWERS[scale]
        if units <= AMOUNT_MAX:
            return units
    return None


_POWERS: tuple[int, ...] = tuple([10**scale for scale in range(7)])


def read_instant(text: str, zone: ZoneInfo, field: str) -> datetime:
    """Read an RFC 3339 instant, to the microsecond, or a date: the end of that day in `zone`."""
    if len(text) == _DATE_LENGTH:
        return _end_of(text, zone, field)
    try:
        return rfc3339.read_instant(text)
    except rfc3339.NotAnInstant:
        raise InvalidField(field, _INSTANT) from None


_INSTANT = "must be an instant such as 2026-01-31T12:00:00Z, or a date, of the years 1 to 9999"


@lru_cache(maxsize=8192)
def _end_of(text: str, zone: ZoneInfo, field: str) -> datetime:
    if not _DATE.fullmatch(text):
        raise InvalidField(field, _INSTANT)
    try:
        return end_of_day(zone, date.fromisoformat(text))
    except (OutOfCalendar, ValueError):
        raise InvalidField(field, "must be a date of the years 1 to 9999") from None


def read_past(text: str, zone: ZoneInfo, field: str, now: datetime) -> datetime:
    """Read an instant like `read_instant`, but refuse one in the future."""
    at = read_instant(text, zone, field)
    if at > now:
        raise InvalidField(field, "must not lie in the future")
    return at


def read_expiry(text: str, zone: ZoneInfo, field: str) -> datetime | None:
    """Read an instant like `read_instant`, or `never`, which is None."""
    return None if text == NEVER else read_instant(text, zone, field)


def read_vendor_id(text: str, field: str) -> int:
    """Read an id of the other system; 0 for none."""
    return identifiers.read_vendor_id(text, field) if text else 0


def read_json(value: Any, field: str) -> Any:
    """Return the value of a structured field, which CSV has as text; None for none."""
    if not isinstance(value, str):
        return value
    if not value:
        return None
    try:
        return json.loads(value, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        raise InvalidField(field, "must be JSON") from None


def read_meta(value: Any) -> str:
    """Read a JSON object, also as text, into canonical form; "" for none."""
    if value == "":
        return ""
    if isinstance(value, str):
        return custom_meta.read_json(value)
    return custom_meta.read_object(value)

"""Amounts of points: decimals at the edges, integers in the smallest unit within."""

from __future__ import annotations

import re
from decimal import Decimal

from points_grpc.errors import InvalidField

AMOUNT_MAX = 10**15
"""The largest amount of one request, in the currency's smallest unit."""

TEXT_MAX = 40
_FORM = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)


def read_decimal(text: str, field: str) -> Decimal:
    """The number that `text` writes in the form of google.type.Decimal.

    Exponents are understood, NaN and infinities are not. Raises InvalidField.
    """
    if len(text) > TEXT_MAX or not _FORM.fullmatch(text):
        raise InvalidField(field, "must be a decimal number")
    return Decimal(text)


def to_units(amount: Decimal, scale: int, field: str = "amount") -> int:
    """`amount` in units of 10**-scale; only a positive, exact amount of at most AMOUNT_MAX.

    More decimals than the scale are refused, never rounded. Raises InvalidField.
    """
    if amount <= 0:
        raise InvalidField(field, "must be greater than zero")
    if amount > AMOUNT_MAX:
        raise InvalidField(field, f"must not exceed {AMOUNT_MAX} of the smallest unit")
    units = int(amount.scaleb(scale))
    if Decimal(units).scaleb(-scale) != amount:
        raise InvalidField(field, f"must not have more than {scale} decimals")
    if units > AMOUNT_MAX:
        raise InvalidField(field, f"must not exceed {AMOUNT_MAX} of the smallest unit")
    return units


def print_units(units: int, scale: int) -> str:
    """`units` of 10**-scale as a decimal with exactly `scale` digits after the point."""
    if not scale:
        return str(units)
    sign = "-" if units < 0 else ""
    whole, part = divmod(abs(units), 10**scale)
    return f"{sign}{whole}.{part:0{scale}d}"

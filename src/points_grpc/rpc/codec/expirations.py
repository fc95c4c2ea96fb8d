"""Explicit expirations, as Earn and UpdateExpiry take them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from points_grpc.domain.policy import (
    DAYS_MAX,
    MONTHS_MAX,
    Expiration,
    ExpireAt,
    ExpireOn,
    Immediate,
    InDays,
    InMonths,
    Never,
)
from points_grpc.errors import InvalidField
from points_grpc.rpc.codec.instants import read_date, read_instant

if TYPE_CHECKING:
    from points.v1.earn_pb2 import EarnRequest
    from points.v1.update_expiry_pb2 import ExpiryUpdate

_NEVER, _IMMEDIATE = Never(), Immediate()


def read_expiration(message: EarnRequest | ExpiryUpdate) -> Expiration | None:
    """The message's `expiration`; None if it is not set. Raises InvalidField."""
    way = message.WhichOneof("expiration")
    if way is None:
        return None
    if way == "days":
        return InDays(_count(message.days, way, DAYS_MAX))
    if way == "expire_time":
        return ExpireAt(read_instant(message.expire_time, way))
    if way == "expire_date":
        return ExpireOn(read_date(message.expire_date, way))
    if way == "months":
        return InMonths(_count(message.months, way, MONTHS_MAX))
    if not getattr(message, way):
        raise InvalidField(way, "must be true where it is set")
    return _NEVER if way == "never" else _IMMEDIATE


def _count(number: int, field: str, most: int) -> int:
    if not 1 <= number <= most:
        raise InvalidField(field, f"must be from 1 to {most}")
    return number

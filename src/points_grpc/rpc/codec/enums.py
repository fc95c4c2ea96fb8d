"""Enum numbers: the contract's are the domain's. Unspecified is not a value of a request."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import TypeVar

from points_grpc.domain.model import (
    AwardKind,
    LotCategory,
    LotState,
    ReasonType,
    Rounding,
    TransactionType,
)
from points_grpc.errors import InvalidField

E = TypeVar("E", bound=IntEnum)

KINDS: dict[int, AwardKind] = {int(value): value for value in AwardKind}
STATES: dict[int, LotState] = {int(value): value for value in LotState}
CATEGORIES: dict[int, LotCategory] = {int(value): value for value in LotCategory}
REASON_TYPES: dict[int, ReasonType] = {int(value): value for value in ReasonType}
TYPES: dict[int, TransactionType] = {int(value): value for value in TransactionType}
ROUNDINGS: dict[int, Rounding] = {int(value): value for value in Rounding}


def read_enum(number: int, values: dict[int, E], field: str) -> E:
    """The value of that number. Raises InvalidField."""
    if (value := values.get(number)) is None:
        raise InvalidField(field, "must be a value of its enum")
    return value


def read_enums(numbers: Iterable[int], values: dict[int, E], field: str) -> frozenset[E]:
    """The values of those numbers, in a filter. Raises InvalidField."""
    return frozenset(
        read_enum(number, values, f"{field}[{index}]") for index, number in enumerate(numbers)
    )

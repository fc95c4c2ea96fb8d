"""Amounts in requests; their number of decimals is for the domain to judge."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

from google.type import decimal_pb2

from points_grpc.domain.amounts import AMOUNT_MAX, read_decimal
from points_grpc.errors import InvalidField


class _HasAmount(Protocol):
    @property
    def amount(self) -> decimal_pb2.Decimal: ...

    def HasField(self, field_name: str) -> bool: ...  # noqa: N802  # the message's


def read_amount(message: _HasAmount) -> Decimal:
    """The message's `amount`: required, positive, at most AMOUNT_MAX. Raises InvalidField."""
    if not message.HasField("amount"):
        raise InvalidField("amount", "is required")
    amount = read_decimal(message.amount.value, "amount")
    if amount <= 0:
        raise InvalidField("amount", "must be greater than zero")
    if amount > AMOUNT_MAX:
        raise InvalidField("amount", f"must not exceed {AMOUNT_MAX} of the smallest unit")
    return amount

"""What is said about an amount that is not acceptable."""

from __future__ import annotations

from decimal import Decimal

import pytest

from points_grpc.domain.amounts import AMOUNT_MAX, read_decimal, to_units
from points_grpc.errors import InvalidField

TOO_MUCH = f"must not exceed {AMOUNT_MAX} of the smallest unit"


def test_what_is_no_number_is_told_so() -> None:
    """A text that is no decimal is called one that must be."""
    with pytest.raises(InvalidField) as refused:
        read_decimal("NaN", "amount")
    assert refused.value.problem == "must be a decimal number"


@pytest.mark.parametrize(
    ("amount", "scale", "problem"),
    [
        ("0", 0, "must be greater than zero"),
        ("0.005", 2, "must not have more than 2 decimals"),
        (str(AMOUNT_MAX + 1), 0, TOO_MUCH),
        (str(AMOUNT_MAX), 2, TOO_MUCH),
    ],
)
def test_an_amount_out_of_bounds_is_told_which(amount: str, scale: int, problem: str) -> None:
    """Each bound of an amount has words of its own, with the currency's decimals."""
    with pytest.raises(InvalidField) as refused:
        to_units(Decimal(amount), scale)
    assert refused.value.problem == problem

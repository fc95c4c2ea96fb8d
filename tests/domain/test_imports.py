"""What of an imported lot remains, was redeemed and has expired."""

from __future__ import annotations

import pytest

from points_grpc.domain.imports.lots import split_amount
from points_grpc.errors import InvalidField


@pytest.mark.parametrize(
    ("told", "parts"),
    [
        ((None, None, None), (100, 0, 0)),
        ((100, None, None), (100, 0, 0)),
        ((0, None, None), (0, 100, 0)),
        ((30, None, None), (30, 70, 0)),
        ((30, 70, None), (30, 70, 0)),
        ((30, 20, None), (30, 20, 50)),
        ((30, None, 50), (30, 20, 50)),
        ((30, None, 0), (30, 70, 0)),
        ((30, 0, 70), (30, 0, 70)),
        ((None, 20, None), (80, 20, 0)),
        ((None, None, 20), (80, 0, 20)),
        ((None, 20, 30), (50, 20, 30)),
    ],
)
def test_parts_that_are_not_told(
    told: tuple[int | None, int | None, int | None], parts: tuple[int, int, int]
) -> None:
    """What is not told to be gone remains; what is gone and not told how was redeemed."""
    assert split_amount(100, *told) == parts


def test_what_is_gone_expired_where_only_that_has_an_instant() -> None:
    """With an instant of expiry alone, the whole difference expired."""
    assert split_amount(100, 30, None, None, rest_expired=True) == (30, 0, 70)
    assert split_amount(100, 30, 70, None, rest_expired=True) == (30, 70, 0)


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ((101, None, None), "remaining"),
        ((30, 71, None), "amount"),
        ((30, None, 71), "amount"),
        ((30, 30, 30), "amount"),
        ((50, 50, 50), "amount"),
        ((None, 60, 60), "amount"),
    ],
)
def test_parts_that_are_not_the_amount(
    told: tuple[int | None, int | None, int | None], field: str
) -> None:
    """Parts that come to more or less than the amount are refused, with the field at fault."""
    with pytest.raises(InvalidField) as refusal:
        split_amount(100, *told)
    assert (refusal.value.field, bool(refusal.value.problem)) == (field, True)

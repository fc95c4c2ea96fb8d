"""Reading, checking and printing amounts, at both sides of every limit."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from points_grpc.domain.amounts import AMOUNT_MAX, print_units, read_decimal, to_units
from points_grpc.errors import InvalidField

MAX = "1" + "0" * 15


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1),
        ("+1", 1),
        ("-1", -1),
        ("007", 7),
        ("1.", 1),
        (".5", Decimal("0.5")),
        ("2.50", Decimal("2.5")),
        ("1e3", 1000),
        ("1E+3", 1000),
        ("25e-1", Decimal("2.5")),
        ("9" * 40, Decimal("9" * 40)),
        ("1e999", Decimal("1e999")),
    ],
)
def test_read(text: str, number: Decimal) -> None:
    """A number is read in any form of google.type.Decimal, exactly."""
    assert read_decimal(text, "amount") == number


@pytest.mark.parametrize(
    "text",
    [
        *("", " 1", "1 ", "1\n", ".", "+", "e3", "1e", "1e+", "1e1000", "1,5", "1_000", "0x1"),
        *("1.2.3", "--1", "NaN", "Infinity", "-inf", "sNaN", "١", "１", "9" * 41),
    ],
)
def test_malformed(text: str) -> None:
    """What is not a decimal number, or longer than 40 characters, is refused with its field."""
    with pytest.raises(InvalidField) as refusal:
        read_decimal(text, "earns[3].amount")
    assert refusal.value.field == "earns[3].amount"


@pytest.mark.parametrize(
    ("amount", "scale", "units"),
    [
        ("1", 0, 1),
        ("1", 2, 100),
        ("0.01", 2, 1),
        ("1.5000", 1, 15),
        ("1.000", 0, 1),
        ("1e-6", 6, 1),
        (MAX, 0, AMOUNT_MAX),
        ("1" + "0" * 13, 2, AMOUNT_MAX),
        ("999999999.999999", 6, AMOUNT_MAX - 1),
    ],
)
def test_units(amount: str, scale: int, units: int) -> None:
    """An amount that the scale can write, up to 10^15 units, is exact in units."""
    assert to_units(Decimal(amount), scale) == units


@pytest.mark.parametrize(
    ("amount", "scale"),
    [
        ("0", 0),
        ("-0", 0),
        ("0e999", 2),
        ("-1", 0),
        ("0.1", 0),
        ("0.001", 2),
        ("1.0000001", 6),
        ("1." + "0" * 30 + "1", 2),
        ("0." + "9" * 38, 0),
        ("999999999999999." + "9" * 20, 0),
        ("1e-999", 6),
        ("1000000000000001", 0),
        ("10000000000000.01", 2),
        ("1000000000000000", 1),
        ("1e999", 0),
    ],
)
def test_refused_amounts(amount: str, scale: int) -> None:
    """Nothing, less than nothing, too precise or too much is refused and never rounded."""
    with pytest.raises(InvalidField) as refusal:
        to_units(Decimal(amount), scale)
    assert refusal.value.field == "amount"


@pytest.mark.parametrize(
    ("units", "scale", "text"),
    [
        (0, 0, "0"),
        (0, 2, "0.00"),
        (5, 2, "0.05"),
        (-5, 2, "-0.05"),
        (-105, 2, "-1.05"),
        (12, 0, "12"),
        (1, 6, "0.000001"),
        (2**62, 2, "46116860184273879.04"),
    ],
)
def test_printed(units: int, scale: int, text: str) -> None:
    """Units print with exactly as many decimals as the currency has."""
    assert print_units(units, scale) == text


@settings(derandomize=True)
@given(st.integers(1, AMOUNT_MAX), st.integers(0, 6))
def test_there_and_back(units: int, scale: int) -> None:
    """What is printed reads back as the same units."""
    assert to_units(read_decimal(print_units(units, scale), "amount"), scale) == units

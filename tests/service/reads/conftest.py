"""Banks for the tests of this folder, which also may import `bank`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from points_grpc.domain.model import Policy

sys.path.insert(0, str(Path(__file__).parent))

from bank import YEAR, Bank  # only found through the line above


@pytest.fixture
def new_bank(module_database_url: str) -> Iterator[Callable[..., Bank]]:
    """Opens a bank with one program of the given policies (by default, a year)."""
    banks: list[Bank] = []

    def open_one(*defined: Policy, zone: str = "UTC") -> Bank:
        bank = Bank(module_database_url)
        banks.append(bank)
        bank.open_program(*(defined or (YEAR,)), zone=zone)
        return bank

    yield open_one
    for bank in banks:
        bank.close()


@pytest.fixture
def bank(new_bank: Callable[..., Bank]) -> Bank:
    """A bank whose points live for a year."""
    return new_bank()

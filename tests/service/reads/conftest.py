"""Banks for the tests of this folder, which also may import `reader`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.support.service.read_harness import YEAR, ReadHarness

from points_grpc.domain.model import Policy


@pytest.fixture
def new_bank(module_database_url: str) -> Iterator[Callable[..., ReadHarness]]:
    """Opens a harness with one program of the given policies (by default, a year)."""
    banks: list[ReadHarness] = []

    def open_one(*defined: Policy, zone: str = "UTC") -> ReadHarness:
        reader = ReadHarness(module_database_url)
        banks.append(reader)
        reader.open_program(*(defined or (YEAR,)), zone=zone)
        return reader

    yield open_one
    for reader in banks:
        reader.close()


@pytest.fixture
def reader(new_bank: Callable[..., ReadHarness]) -> ReadHarness:
    """A harness whose points live for a year."""
    return new_bank()

"""A live server for the vendors' own examples; tests of this folder may import `live`, too."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from live import START, Live, living  # only found through the line above


@pytest.fixture
def open_live(database_url: str) -> Iterator[Callable[..., Live]]:
    """Starts a server without programs, over the test's database; once per test."""
    with ExitStack() as left:
        yield lambda start=START: left.enter_context(living(database_url, start))


@pytest.fixture
def live(open_live: Callable[..., Live]) -> Live:
    """A server with the demo programs, its clock at the beginning of 2022."""
    server = open_live()
    server.load_demo()
    return server


@pytest.fixture(scope="module")
def shared_live(module_database_url: str) -> Iterator[Live]:
    """The same, shared by the tests of a module, which give their members names of their own."""
    with living(module_database_url) as server:
        server.load_demo()
        yield server

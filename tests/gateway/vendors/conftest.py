"""A live server for the vendors' own examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from tests.support.gateway.live import START, Live, living


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

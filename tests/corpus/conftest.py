"""A server with something to answer about, and what this folder's tests share.

Tests of this folder may import its other modules.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.corpus.fixtures import stock
from tests.support.gateway.live import Live, living


@pytest.fixture(scope="module")
def live(module_database_url: str) -> Iterator[Live]:
    """A server whose clock stands in August 2023."""
    with living(module_database_url, "2023-08-15T00:00:00Z") as server:
        yield server


@pytest.fixture(scope="module")
def ids(live: Live) -> dict[str, str]:
    """The ids of what there is, by the field that names them."""
    return stock(live)

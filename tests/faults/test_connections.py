"""Connections to the database that break in the middle of statements, or around a COMMIT."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.support.faults.load import Load
from tests.support.faults.reconcile import REPORT, judge
from tests.support.service.proxy import Failure, Proxy

pytestmark = pytest.mark.faults

# A swallowed COMMIT is heard of by the client's own clock alone, so that must not take long.
SHORT = {"POINTS_STATEMENT_TIMEOUT_MS": "1000", "POINTS_LOCK_TIMEOUT_MS": "500"}
START = ("--start-time", "2022-01-01T00:00:00Z")
LOST = {
    Failure.NOT_SENT: "connection cut before a COMMIT arrived",
    Failure.CUT: "connection cut between COMMIT and its answer",
    Failure.SWALLOWED: "answer to a COMMIT swallowed",
    Failure.HELD: "COMMIT delivered late, to a connection that was cut",
}


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    """A network between one server and the database; another server does without."""
    network = Proxy(database_url)
    yield network
    network.stop()


def test_commits_that_are_lost_under_load(
    serve: Any, proxy: Proxy, database_url: str, rounds: Callable[[int], range]
) -> None:
    """COMMITs are cut off, swallowed and delayed on one server's way, while another goes on."""
    far = serve(*START, **SHORT, POINTS_DATABASE_URL=proxy.url)
    near = serve(*START, **SHORT, POINTS_DATABASE_URL=database_url)
    load = Load("commits", lambda: [far.address, near.address])
    with load.running():
        load.wait_for(50)
        for _ in rounds(5):
            for failure, name in LOST.items():
                proxy.fail_next_commit(failure)
                assert proxy.failed.wait(30)
                if failure is Failure.HELD:
                    load.wait_for(5)
                    proxy.release()
                REPORT.faults[name] += 1
        load.wait_for(50)
    judge(database_url, load.outcome)


def test_connections_cut_anywhere_under_load(
    serve: Any, proxy: Proxy, database_url: str, rounds: Callable[[int], range]
) -> None:
    """Every connection breaks wherever it is, and some time later there is a network again."""
    running = serve(*START, **SHORT, POINTS_DATABASE_URL=proxy.url)
    load = Load("cuts", lambda: [running.address])
    with load.running():
        for turn in rounds(12):
            load.wait_for(20)
            threading.Event().wait(turn % 10 / 500)  # so that it is not always after an answer
            proxy.stop()
            proxy.start()
            REPORT.faults["all connections cut"] += 1
        load.wait_for(20)
    judge(database_url, load.outcome)

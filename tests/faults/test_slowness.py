"""A database that takes its time."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families
from tests.support.faults.load import Load
from tests.support.faults.reconcile import REPORT, judge
from tests.support.service.proxy import Proxy

pytestmark = pytest.mark.faults

START = ("--start-time", "2022-01-01T00:00:00Z", "--metrics", "127.0.0.1:0")
DEADLINE_SECONDS = 1.0
ITEMS_MAX = 24
ANSWER_SECONDS = 1.5
"""How long each answer of the database takes; a unit of work waits for several."""

LATE_SECONDS_MAX = 3.0
"""How much later than its deadline a call may end on a machine that has much else to do."""


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    """A network between the server and the database."""
    network = Proxy(database_url)
    yield network
    network.slow_down(0)
    network.stop()


def test_a_slow_database(
    serve: Any, proxy: Proxy, database_url: str, rounds: Callable[[int], range]
) -> None:
    """While the database is slow, calls end at their deadline, the queue is bounded, and health is
    answered; when it is fast again, so is the same server.
    """
    up = serve(
        *START,
        POINTS_DATABASE_URL=proxy.url,
        POINTS_DEFAULT_DEADLINE_SECONDS=str(DEADLINE_SECONDS),
        POINTS_LANE_ITEMS_MAX=str(ITEMS_MAX),
    )
    figures = up.process.stdout.readline().split()[1]
    load = Load("slow", lambda: [up.address], call_seconds=None)
    queued: list[float] = []
    with load.running(), looking_after(up.address) as health:
        for _ in rounds(2):
            load.wait_for(60)
            proxy.slow_down(ANSWER_SECONDS)
            for code in ("DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"):
                load.wait_for(1, code=code)
                queued.append(longest_queue(figures))
            proxy.slow_down(0)
            REPORT.faults["slow database"] += 1
        load.wait_for(60)
    ended = load.outcome.seconds["DEADLINE_EXCEEDED"]
    refused = load.outcome.seconds["RESOURCE_EXHAUSTED"]
    REPORT.figures.append(
        f"slow database: {len(ended)} calls ended {median(ended):.2f} s after they began, the last"
        f" after {max(ended):.2f} (deadline {DEADLINE_SECONDS:g} s); {len(refused)} refused after"
        f" {median(refused) * 1000:.0f} ms; queue at most {max(queued):g} of {ITEMS_MAX} items;"
        f" health answered {len(health)} times, within {max(health) * 1000:.0f} ms"
    )
    assert min(ended) > DEADLINE_SECONDS - 0.1
    assert max(ended) < DEADLINE_SECONDS + LATE_SECONDS_MAX
    assert max(refused) < LATE_SECONDS_MAX
    assert 0 < max(queued) <= 2 * ITEMS_MAX  # what a batch puts back was let in before
    judge(database_url, load.outcome)


def longest_queue(url: str) -> float:
    """How many items wait in the lane that has most."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        samples = [sample for family in families for sample in family.samples]
    return max(s.value for s in samples if s.name == "points_lane_waiting_items")


@contextmanager
def looking_after(address: str) -> Iterator[list[float]]:
    """Ask for the server's health all the time; how long each answer took, in seconds."""
    took: list[float] = []
    failed: list[grpc.RpcError] = []
    over = threading.Event()

    def ask() -> None:
        with grpc.insecure_channel(address) as channel:
            check = health_pb2_grpc.HealthStub(channel).Check
            while not over.wait(0.05):
                began = time.monotonic()
                try:
                    check(health_pb2.HealthCheckRequest(), timeout=LATE_SECONDS_MAX)
                except grpc.RpcError as error:
                    failed.append(error)
                took.append(time.monotonic() - began)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield took
    finally:
        over.set()
        thread.join()
    assert failed == []

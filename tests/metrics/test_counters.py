"""Counting, and what the endpoint makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection

import pytest
from prometheus_client.parser import text_string_to_metric_families

from points_grpc.metrics.counters import Counters, Histogram, WorkerStatus
from points_grpc.metrics.endpoint import serving

EARN = "points.v1.PointsService/Earn"
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def left() -> Iterator[ExitStack]:
    """What is put away at the end of the test."""
    with ExitStack() as stack:
        yield stack


def counted(serving_now: bool = True) -> Counters:
    """Figures of a process that has done a little."""
    counters = Counters()
    counters.serving = serving_now
    counters.sweep_lag_seconds = 1.5
    earn = counters.method(EARN)
    for seconds in (0.001, 0.002, 60.0):
        earn.codes["OK"] += 1
        earn.seconds.add(seconds)
    earn.codes["RESOURCE_EXHAUSTED"] += 1
    earn.shed += 1
    counters.method("points.v1.PointsService/Redeem")
    counters.batch("write", items=3, seconds=0.02, locked_out=2, oversized=1)
    counters.watch_queues(lambda: {"write": 7})
    return counters


def get(left: ExitStack, path: str, *statuses: WorkerStatus) -> tuple[int, str]:
    """What the endpoint answers for these workers."""
    port = left.enter_context(serving("127.0.0.1", 0, lambda: statuses))
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def samples(text: str) -> Samples:
    found = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for one in found}


def value(found: Samples, name: str, **labels: str) -> float:
    return found[name, tuple(sorted(labels.items()))]


def test_a_value_on_a_bound_belongs_to_it() -> None:
    """A bucket holds the values up to its bound, the bound included."""
    histogram = Histogram((1, 2))
    for number in (1, 1.5, 2, 2.1):
        histogram.add(number)
    assert histogram.facts() == {"bounds": (1, 2), "counts": [1, 2, 1], "total": 6.6}


def test_figures_survive_the_way_between_processes() -> None:
    """Figures are JSON, so that a worker can hand them to its supervisor."""
    counters = counted().snapshot()
    assert json.loads(json.dumps(counters))["methods"][EARN]["shed"] == 1
    assert counters["memory_bytes"] > 0


def test_prometheus_reads_every_figure(left: ExitStack) -> None:
    """/metrics has every figure of every worker, with the worker's number and nobody's name."""
    counters = json.loads(json.dumps(counted().snapshot()))
    statuses = (WorkerStatus(1, 11, 0, counters), WorkerStatus(2, None, 3, None))
    code, text = get(left, "/metrics", *statuses)
    found = samples(text)
    assert code == 200
    assert value(found, "points_worker_up", worker="1") == 1
    assert value(found, "points_worker_up", worker="2") == 0
    assert value(found, "points_worker_restarts_total", worker="2") == 3
    assert value(found, "points_calls_total", worker="1", method=EARN, code="OK") == 3
    assert value(found, "points_calls_shed_total", worker="1", method=EARN) == 1
    lasted = "points_call_duration_seconds"
    assert value(found, f"{lasted}_bucket", worker="1", method=EARN, le="0.001") == 1
    assert value(found, f"{lasted}_bucket", worker="1", method=EARN, le="0.0025") == 2
    assert value(found, f"{lasted}_bucket", worker="1", method=EARN, le="10.0") == 2
    assert value(found, f"{lasted}_count", worker="1", method=EARN) == 3
    assert value(found, f"{lasted}_sum", worker="1", method=EARN) == pytest.approx(60.003)
    assert value(found, "points_lane_waiting_items", worker="1", lane="write") == 7
    assert value(found, "points_lane_batch_items_sum", worker="1", lane="write") == 3
    assert value(found, "points_lane_batch_duration_seconds_count", worker="1", lane="write") == 1
    assert value(found, "points_lane_deferred_total", worker="1", lane="write") == 2
    assert value(found, "points_lane_moved_total", worker="1", lane="write") == 1
    assert value(found, "points_sweep_lag_seconds", worker="1") == 1.5
    labels = {name for _, pairs in found for name, _ in pairs}
    assert labels == {"worker", "method", "code", "lane", "le"}
    assert "Redeem" not in text


@pytest.mark.parametrize(
    ("serving_now", "health", "readiness"), [((True, None), 200, 200), ((False, False), 200, 503)]
)
def test_health_is_that_of_the_best_worker(
    left: ExitStack, serving_now: tuple[bool | None, ...], health: int, readiness: int
) -> None:
    """It lives while one worker answers, and is ready while one can do its work."""
    statuses = [
        WorkerStatus(number, 10, 1, None if serves is None else counted(serves).snapshot())
        for number, serves in enumerate(serving_now, 1)
    ]
    code, text = get(left, "/healthz", *statuses)
    assert code == health
    assert [worker["serving"] for worker in json.loads(text)["workers"]] == [
        bool(serves) for serves in serving_now
    ]
    assert get(left, "/readyz", *statuses)[0] == readiness


def test_nobody_answers(left: ExitStack) -> None:
    """Without a worker that answers it is neither alive nor ready."""
    gone = WorkerStatus(1, None, 9, None)
    assert [get(left, path, gone)[0] for path in ("/healthz", "/readyz")] == [503, 503]


def test_other_paths_show_nothing(left: ExitStack) -> None:
    """Whatever else is asked for is not there."""
    assert get(left, "/", WorkerStatus(1, 1, 0, counted().snapshot()))[0] == 404


def test_a_port_that_is_taken_is_told(left: ExitStack) -> None:
    """An endpoint whose port is taken says so."""
    port = left.enter_context(serving("127.0.0.1", 0, list))
    with pytest.raises(RuntimeError, match=f"cannot listen on 127.0.0.1 port {port}"):
        left.enter_context(serving("127.0.0.1", port, list))

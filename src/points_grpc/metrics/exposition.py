"""Workers and their figures as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from points_grpc.metrics.counters import WorkerStatus

Statuses = Callable[[], Sequence[WorkerStatus]]


class Workers(Collector):
    """Collects the workers' counters."""

    def __init__(self, statuses: Statuses) -> None:
        self._statuses = statuses

    def collect(self) -> Iterator[Metric]:
        """Yield every family, with a worker's number on each sample."""
        statuses = self._statuses()
        yield from _processes(statuses)
        shown = [(str(status.number), status.counters) for status in statuses if status.counters]
        yield from _calls(shown)
        yield from _lanes(shown)


_Shown = Sequence[tuple[str, dict[str, Any]]]


def _processes(statuses: Sequence[WorkerStatus]) -> Iterator[Metric]:
    up = GaugeMetricFamily("points_worker_up", "Whether the process answers.", labels=["worker"])
    serving = GaugeMetricFamily(
        "points_worker_serving", "Whether it reaches the database.", labels=["worker"]
    )
    restarts = CounterMetricFamily(
        "points_worker_restarts", "How often it was replaced.", labels=["worker"]
    )
    for status in statuses:
        labels = [str(status.number)]
        up.add_metric(labels, status.counters is not None)
        serving.add_metric(labels, status.serving)
        restarts.add_metric(labels, status.restarts)
    yield from (up, serving, restarts)


def _calls(shown: _Shown) -> Iterator[Metric]:
    cpu = CounterMetricFamily(
        "points_worker_cpu_seconds", "Processor time used.", labels=["worker"]
    )
    memory = GaugeMetricFamily("points_worker_memory_bytes", "Memory in use.", labels=["worker"])
    running = GaugeMetricFamily("points_calls_running", "Calls that run now.", labels=["worker"])
    calls = CounterMetricFamily(
        "points_calls", "Calls that ended.", labels=["worker", "method", "code"]
    )
    shed = CounterMetricFamily(
        "points_calls_shed", "Calls refused as OVERLOADED.", labels=["worker", "method"]
    )
    seconds = HistogramMetricFamily(
        "points_call_duration_seconds", "How long calls took.", labels=["worker", "method"]
    )
    lag = GaugeMetricFamily(
        "points_sweep_lag_seconds",
        "At most how long ago something lapsed that is not recorded.",
        labels=["worker"],
    )
    for worker, counters in shown:
        if counters["sweep_lag_seconds"] is not None:
            lag.add_metric([worker], counters["sweep_lag_seconds"])
        cpu.add_metric([worker], counters["cpu_seconds"])
        memory.add_metric([worker], counters["memory_bytes"])
        running.add_metric([worker], counters["running"])
        for method, of in counters["methods"].items():
            if not of["codes"]:
                continue
            for code, number in of["codes"].items():
                calls.add_metric([worker, method, code], number)
            shed.add_metric([worker, method], of["shed"])
            _add(seconds, [worker, method], of["seconds"])
    yield from (cpu, memory, running, calls, shed, seconds, lag)


def _lanes(shown: _Shown) -> Iterator[Metric]:
    labels = ["worker", "lane"]
    waiting = GaugeMetricFamily("points_lane_waiting_items", "Items in the queue.", labels=labels)
    items = HistogramMetricFamily("points_lane_batch_items", "Items of batches.", labels=labels)
    seconds = HistogramMetricFamily(
        "points_lane_batch_duration_seconds", "How long batches took.", labels=labels
    )
    locked_out = CounterMetricFamily(
        "points_lane_deferred", "Jobs that a batch put back into the queue.", labels=labels
    )
    oversized = CounterMetricFamily(
        "points_lane_moved", "Jobs that a batch left to another lane.", labels=labels
    )
    for worker, counters in shown:
        for lane, number in counters["waiting"].items():
            waiting.add_metric([worker, lane], number)
        for lane, of in counters["lanes"].items():
            _add(items, [worker, lane], of["items"])
            _add(seconds, [worker, lane], of["seconds"])
            locked_out.add_metric([worker, lane], of["deferred"])
            oversized.add_metric([worker, lane], of["moved"])
    yield from (waiting, items, seconds, locked_out, oversized)


def _add(family: HistogramMetricFamily, labels: list[str], facts: dict[str, Any]) -> None:
    so_far = 0
    buckets: list[tuple[str, float]] = []
    for bound, count in zip([*facts["bounds"], "+Inf"], facts["counts"], strict=True):
        so_far += count
        buckets.append((str(bound), so_far))
    family.add_metric(labels, buckets, facts["total"])

"""Metrics and health of servers as they run."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import grpc
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from points.v1 import points_service_pb2_grpc
from points.v1.earn_pb2 import EarnRequest
from points_grpc.cli.main import app

Serve = Callable[..., "Running"]  # noqa: F821  # of conftest.py, which cannot be imported

DEV = ("--dev", "--demo", "--no-sweep", "--metrics", "127.0.0.1:0")
SECONDS_MAX = 60


def page(running: Any, path: str) -> str:
    url = next(line.split()[1] for line in said(running) if line.startswith("metrics "))
    with urllib.request.urlopen(url.replace("/metrics", path), timeout=30) as answer:
        return str(answer.read().decode())


def said(running: Any) -> list[str]:
    """What the server has said, with the line after gRPC's."""
    if running.said[-1].startswith("gRPC "):
        running.said.append(running.process.stdout.readline())
    return list(running.said)


def total(running: Any, name: str, **labels: str) -> dict[str, float]:
    """A figure of each worker."""
    families = text_string_to_metric_families(page(running, "/metrics"))
    found: dict[str, float] = {}
    for sample in (sample for family in families for sample in family.samples):
        if sample.name == name and labels.items() <= sample.labels.items():
            worker = sample.labels["worker"]
            found[worker] = found.get(worker, 0) + sample.value
    return found


def earn(address: str, calls: int) -> None:
    """So many calls, each over a connection of its own."""
    for number in range(calls):
        own = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(address, options=own) as channel:
            stub = points_service_pb2_grpc.PointsServiceStub(channel)
            request = EarnRequest(
                program_id=469, member={"external_id": f"m{number}"}, amount={"value": "1"}
            )
            stub.Earn(request, timeout=SECONDS_MAX, wait_for_ready=True)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline


def test_one_process_shows_its_figures(serve: Serve, database_url: str) -> None:
    """A server shows its calls and its lanes' batches, and is ready with its database."""
    running = serve(*DEV, POINTS_DATABASE_URL=database_url)
    running.await_health("SERVING")
    earn(running.address, 3)
    earned = {"code": "OK", "method": "points.v1.PointsService/Earn"}
    assert total(running, "points_calls_total", **earned) == {"1": 3}
    assert total(running, "points_lane_batch_items_sum", lane="write") == {"1": 3}
    assert json.loads(page(running, "/readyz"))["workers"] == [
        {"worker": 1, "pid": running.process.pid, "up": True, "serving": True, "restarts": 0}
    ]
    assert running.stop() == 0


def test_every_worker_shows_its_figures(serve: Serve, database_url: str) -> None:
    """The figures of all workers are at one place, each with its number, and how they fare."""
    running = serve(*DEV, "--workers", "2", POINTS_DATABASE_URL=database_url)
    calls = 0
    while len(total(running, "points_calls_total")) < 2:
        assert calls < 100
        earn(running.address, 1)
        calls += 1
    assert sum(total(running, "points_calls_total").values()) == calls
    before = json.loads(page(running, "/healthz"))["workers"]
    psutil.Process(before[0]["pid"]).kill()
    until(lambda: total(running, "points_worker_up") == {"1": 1, "2": 1})
    until(lambda: total(running, "points_worker_restarts_total") == {"1": 1, "2": 0})
    until(lambda: total(running, "points_worker_serving") == {"1": 1, "2": 1})
    after = json.loads(page(running, "/healthz"))["workers"]
    assert [worker["restarts"] for worker in after] == [1, 0]
    assert after[0]["pid"] != before[0]["pid"]
    assert running.stop() == 0


@pytest.mark.parametrize("address", ["0.0.0.0:9464", "[::]:9464"])
def test_metrics_are_for_this_machine(address: str) -> None:
    """Metrics have no credentials, so nobody else may reach them."""
    result = CliRunner().invoke(app, ["serve", "--dev", "--metrics", address])
    assert result.exit_code == 2
    assert "metrics have no credentials" in result.output

"""HTTP beside gRPC and alone, as people start it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from points_grpc.cli.main import app

Serve = Callable[..., "Running"]  # noqa: F821  # of conftest.py, which cannot be imported
SECONDS_MAX = 120
EARN = {"programId": 469, "member": {"externalId": "alice"}, "amount": {"value": "100"}}


def post(address: str, path: str, body: Any, token: str = "demo") -> tuple[int, Any]:
    """The status and the JSON of an answer."""
    connection = http.client.HTTPConnection(address, timeout=60)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    connection.request("POST", path, json.dumps(body), headers if token else {})
    response = connection.getresponse()
    answered = response.status, json.loads(response.read())
    connection.close()
    return answered


def http_of(lines: list[str]) -> str:
    """The address that a server has said it answers HTTP at."""
    (line,) = (line for line in lines if line.startswith("HTTP "))
    return line.partition("http://")[2]


@pytest.fixture
def gateway() -> Iterator[Callable[[str], tuple[subprocess.Popen[str], list[str]]]]:
    """Starts gateways in front of an upstream, and stops them."""
    started: list[subprocess.Popen[str]] = []

    def start(upstream: str) -> tuple[subprocess.Popen[str], list[str]]:
        command = [sys.executable, "-m", "points_grpc.cli.main", "gateway"]
        process = subprocess.Popen(
            [*command, "--http", "127.0.0.1:0", "--upstream", upstream],
            env={k: v for k, v in os.environ.items() if not k.startswith("POINTS_")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        started.append(process)
        patience = threading.Timer(SECONDS_MAX, process.kill)
        patience.start()
        assert process.stdout is not None
        lines = [process.stdout.readline().rstrip("\n") for _ in range(2)]
        patience.cancel()
        return process, lines

    yield start
    for process in started:
        process.kill()
        process.wait(SECONDS_MAX)
        assert process.stdout is not None
        process.stdout.close()


def test_http_is_served_beside_grpc(serve: Serve, database_url: str) -> None:
    """With --http the same process answers REST; without a token, or with another, it does not."""
    running = serve("--dev", "--demo", "--http", "127.0.0.1:0", POINTS_DATABASE_URL=database_url)
    running.await_health("SERVING")
    address = http_of(running.said)
    status, earned = post(address, "/v1/points:earn", EARN)
    assert (status, earned["account"]["available"]) == (200, {"value": "100"})
    for token in ("", "other"):
        status, refused = post(address, "/v1/points:earn", EARN, token)
        assert (status, refused["error"]["details"][0]["reason"]) == (401, "TOKEN_INVALID")
    assert running.stop(signal.SIGTERM) == 0


def test_there_is_no_http_unless_asked_for(serve: Serve, database_url: str) -> None:
    """Without --http nothing but gRPC listens."""
    running = serve("--dev", POINTS_DATABASE_URL=database_url)
    assert [line for line in running.said if line.startswith("HTTP")] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_gateway_runs_alone(
    serve: Serve, database_url: str, gateway: Callable[..., Any], number: int
) -> None:
    """A gateway of its own calls the server it is told to, and ends well at a signal."""
    running = serve("--dev", "--demo", POINTS_DATABASE_URL=database_url)
    running.await_health("SERVING")
    process, lines = gateway(running.address)
    assert lines[1] == f"upstream  {running.address}"
    status, earned = post(http_of(lines), "/v1/points:earn", EARN)
    assert (status, earned["replayed"]) == (200, False)
    process.send_signal(number)
    assert process.wait(SECONDS_MAX) == 0


def test_a_gateway_waits_for_its_upstream(gateway: Callable[..., Any]) -> None:
    """A gateway starts without its upstream, and says until then that it is away."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        nobody = f"127.0.0.1:{held.getsockname()[1]}"
    _, lines = gateway(nobody)
    status, refused = post(http_of(lines), "/v1/points:earn", EARN)
    assert (status, refused["error"]["status"]) == (503, "UNAVAILABLE")
    assert nobody not in json.dumps(refused)


@pytest.mark.parametrize("command", ["gateway", "serve"])
def test_http_listens_on_this_machine_only(command: str) -> None:
    """An address that others can reach is refused as long as there are no credentials."""
    result = CliRunner().invoke(app, [command, "--http", "0.0.0.0:8080"])
    assert result.exit_code == 2
    assert "can be reached from other machines" in result.output


def test_a_port_of_http_that_is_taken_is_told(database_url: str) -> None:
    """A server or gateway whose HTTP port is taken ends with one line that says so."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        address = ["--http", f"127.0.0.1:{port}"]
        grpc = ["--dev", "--grpc", "127.0.0.1:0", "--database-url", database_url]
        for command in (["gateway", *address], ["serve", *address, *grpc]):
            result = CliRunner().invoke(app, command)
            assert result.exit_code == 1
            assert f"cannot listen on 127.0.0.1 port {port}" in result.output
            assert "Traceback" not in result.output


def test_what_the_extra_brings_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra's libraries the gateway says what to install."""
    monkeypatch.setattr("points_grpc.cli.commands.gateway.find_spec", lambda _: None)
    result = CliRunner().invoke(app, ["gateway"])
    assert result.exit_code == 1
    assert "install points-grpc[gateway]" in result.output

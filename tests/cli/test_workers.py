"""Several processes that serve one port, and the one that looks after them."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest

from points.dev.v1 import test_clock_pb2, test_clock_pb2_grpc
from points.v1 import points_service_pb2_grpc
from points.v1.earn_pb2 import EarnRequest
from points.v1.lookup_pb2 import GetAccountRequest
from points_grpc.cli.database_location import DatabaseLocation
from points_grpc.cli.runtime import supervisor
from points_grpc.config import load

Serve = Callable[..., "Running"]  # noqa: F821  # of conftest.py, which cannot be imported

ALICE: dict[str, Any] = {"program_id": 469, "member": {"external_id": "alice"}}
START = "2022-01-01T00:00:00Z"
TWO = ("--dev", "--demo", "--no-sweep", "--start-time", START, "--workers", "2")
SECONDS_MAX = 60
NOT_NOW = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    # What has arrived when a server stops, and has not begun: its runtime says nothing better.
    grpc.StatusCode.CANCELLED,
}


@pytest.fixture
def start(serve: Serve, database_url: str) -> Iterator[Serve]:
    """Starts two workers on a fresh database, and stops those that still run at the end."""
    with ExitStack() as left:

        def run(*arguments: str) -> Any:
            running = serve(*arguments, *TWO, POINTS_DATABASE_URL=database_url)
            left.callback(end, running.process)
            return running

        def end(process: subprocess.Popen[str]) -> None:
            process.terminate()
            process.wait(SECONDS_MAX)

        yield run


def workers_of(process: Any) -> list[psutil.Process]:
    """The worker processes that a supervisor has now."""
    found = []
    for child in psutil.Process(process.pid).children():
        try:
            if "points_grpc.cli.runtime.worker" in child.cmdline():
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


def until(condition: Callable[[], Any]) -> Any:
    """What `condition` gives as soon as it gives something."""
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline:
        if found := condition():
            return found
        threading.Event().wait(0.02)
    raise AssertionError("it never came to pass")


def clients_of(worker: psutil.Process, port: int) -> int:
    """How many connections of clients to `port` the worker has."""
    found = worker.net_connections("tcp")
    return sum(one.status == "ESTABLISHED" and one.laddr.port == port for one in found)


@contextmanager
def connected_to_all(running: Any) -> Iterator[list[grpc.Channel]]:
    """Channels, of which every worker has at least one."""
    port = int(running.address.rpartition(":")[2])
    workers = until(lambda: len(found := workers_of(running.process)) == 2 and found)
    with ExitStack() as left:
        channels: list[grpc.Channel] = []

        def each_has_one() -> bool:
            # A worker is there before it listens: until then the others get every connection.
            channels.append(left.enter_context(calling(running.address)))
            return all(clients_of(worker, port) for worker in workers)

        until(each_has_one)
        yield channels


@contextmanager
def calling(address: str) -> Iterator[grpc.Channel]:
    """A channel with a connection of its own, which is there."""
    own = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(address, options=own) as channel:
        grpc.channel_ready_future(channel).result(timeout=SECONDS_MAX)
        yield channel


def available(channel: grpc.Channel) -> str:
    stub = points_service_pb2_grpc.PointsServiceStub(channel)
    request = GetAccountRequest(**ALICE)
    return str(stub.GetAccount(request, timeout=30, wait_for_ready=True).account.available.value)


def earn(channel: grpc.Channel, request_id: str) -> Any:
    """Earn one point, over and over for as long as the answer is that it cannot be done now."""
    stub = points_service_pb2_grpc.PointsServiceStub(channel)
    request = EarnRequest(**ALICE, amount={"value": "1"}, request_id=request_id)
    deadline = time.monotonic() + SECONDS_MAX
    while True:
        try:
            return stub.Earn(request, timeout=30, wait_for_ready=True)
        except grpc.RpcError as error:
            if error.code() not in NOT_NOW or time.monotonic() > deadline:
                raise


@contextmanager
def load_on(address: str, clients: int = 8, each: int = 100) -> Iterator[threading.Semaphore]:
    """Clients that insist on earning `each` points, every one once; released for each that is.

    Raises at the end what any of them was refused for good.
    """
    answered = threading.Semaphore(0)

    def work(client: int) -> None:
        with calling(address) as channel:
            for number in range(each):
                earn(channel, f"c{client}-{number}")
                answered.release()

    with ThreadPoolExecutor(clients) as pool:
        working = [pool.submit(work, client) for client in range(clients)]
        yield answered
        for work_done in working:
            work_done.result(SECONDS_MAX)


def await_answers(answered: threading.Semaphore, number: int) -> None:
    """Return after so many more answers."""
    for _ in range(number):
        assert answered.acquire(timeout=SECONDS_MAX)


def test_all_workers_serve_one_port(start: Serve) -> None:
    """Every worker answers at the one address, and they show the same points."""
    running = start()
    assert "workers   2" in [running.process.stdout.readline().strip() for _ in range(2)]
    with connected_to_all(running) as channels:
        for number, channel in enumerate(channels):
            earn(channel, f"r{number}")
        assert {available(channel) for channel in channels} == {str(len(channels))}
    assert running.stop() == 0
    assert running.left_behind() == []


def test_the_clock_is_set_for_all_workers(start: Serve) -> None:
    """SetClock at one worker counts at every other, and none goes back behind it."""
    running = start()
    with connected_to_all(running) as channels:
        stubs = [test_clock_pb2_grpc.TestClockServiceStub(channel) for channel in channels]
        asked = test_clock_pb2.GetClockRequest()
        (shown,) = {stub.GetClock(asked, timeout=30).time.ToJsonString() for stub in stubs}
        assert shown == START
        for day, stub in enumerate(stubs, 2):
            to = test_clock_pb2.SetClockRequest()
            to.time.FromJsonString(f"2022-03-{day:02d}T00:00:00Z")
            stub.SetClock(to, timeout=30)
            seen = {other.GetClock(asked, timeout=30).time.ToJsonString() for other in stubs}
            assert seen == {f"2022-03-{day:02d}T00:00:00Z"}


def test_http_is_served_by_all_workers(start: Serve) -> None:
    """The workers share the port of HTTP too, and each calls itself."""
    running = start("--http", "127.0.0.1:0")
    url = next(line.split()[1] for line in running.said if line.startswith("HTTP "))
    port = int(url.rpartition(":")[2])
    workers = workers_of(running.process)
    with ExitStack() as left:
        opened = 0
        while not all(clients_of(worker, port) for worker in workers):
            assert opened < 100
            opened += 1
            client = left.enter_context(closing(HTTPConnection("127.0.0.1", port, timeout=30)))
            client.request("GET", "/v1/programs/469", headers={"authorization": "Bearer demo"})
            answer = client.getresponse()
            assert (answer.status, bool(answer.read())) == (200, True)
        for worker in workers:
            own = {one.laddr for one in worker.net_connections("tcp") if one.status == "LISTEN"}
            calls = [one.raddr for one in worker.net_connections("tcp") if one.raddr in own]
            assert calls


def test_a_worker_killed_under_load(start: Serve) -> None:
    """A worker that is killed is replaced, and of what clients insist on nothing is lost."""
    running = start()
    before = workers_of(running.process)
    with load_on(running.address) as answered:
        await_answers(answered, 50)
        before[0].kill()
        before[0].wait(SECONDS_MAX)
        after = until(lambda: len(found := workers_of(running.process)) == 2 and found)
        await_answers(answered, 50)
    assert before[0].pid not in {worker.pid for worker in after}
    assert before[1].pid in {worker.pid for worker in after}
    with connected_to_all(running) as channels:
        assert {available(channel) for channel in channels} == {"800"}


def test_a_worker_told_to_stop_is_replaced(start: Serve) -> None:
    """SIGTERM to one worker has it finish what it does, and another one takes its place."""
    running = start()
    before = workers_of(running.process)
    with load_on(running.address) as answered:
        await_answers(answered, 50)
        before[0].terminate()
        before[0].wait(SECONDS_MAX)
        await_answers(answered, 50)
    until(lambda: len(workers_of(running.process)) == 2)
    with connected_to_all(running) as channels:
        assert {available(channel) for channel in channels} == {"800"}
    assert '"code": 0' in running.errors.read_text()


def test_a_stop_under_load(start: Serve) -> None:
    """SIGTERM ends every worker in peace; clients that insist find the next server."""
    first = start()
    with load_on(first.address) as answered:
        await_answers(answered, 50)
        assert first.stop() == 0
        assert first.left_behind() == []
        again = start("--grpc", first.address)
    with calling(again.address) as channel:
        assert available(channel) == "800"
    assert "is killed" not in first.errors.read_text()


def test_a_second_signal_ends_all_at_once(start: Serve) -> None:
    """Whoever does not want to wait for a worker that does not stop, says so once more."""
    running = start()
    workers_of(running.process)[0].suspend()
    running.process.send_signal(signal.SIGTERM)
    until(lambda: "stopping" in running.errors.read_text())
    assert running.process.poll() is None
    assert running.stop() == 128 + signal.SIGTERM
    assert running.left_behind() == []


def test_a_parentthat_is_killed(serve: Serve, tmp_path: Path) -> None:
    """With the supervisor its workers end, and its database, however it goes."""
    tmp_path.chmod(0o711)
    running = serve(*TWO, "--data-dir", str(tmp_path / "data"))
    names = [child.name() for child in psutil.Process(running.process.pid).children()]
    assert "postgres" in names
    running.stop(signal.SIGKILL)
    assert running.left_behind() == []


def test_an_embedded_database_that_dies_comes_back(serve: Serve, tmp_path: Path) -> None:
    """The supervisor starts the database again, to which the workers only connect."""
    tmp_path.chmod(0o711)
    running = serve(*TWO, "--data-dir", str(tmp_path / "data"))
    running.await_health("SERVING")
    parent = psutil.Process(running.process.pid)

    def databases() -> list[psutil.Process]:
        return [child for child in parent.children() if child.name() == "postgres"]

    (postgres,) = databases()
    postgres.kill()
    until(lambda: [child for child in databases() if child.pid != postgres.pid])
    with calling(running.address) as channel:
        earn(channel, "later")
        assert available(channel) == "1"


@pytest.mark.parametrize("shared", [False, True])
def test_a_port_that_is_taken_is_told(database_url: str, shared: bool) -> None:
    """Workers share a port with each other only, whoever listens there would share or not."""
    with socket.socket() as other:
        if shared:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        command = [sys.executable, "-m", "points_grpc.cli.main", "serve", "--dev", "--workers", "2"]
        done = subprocess.run(
            [*command, "--grpc", address, "--database-url", database_url],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"points-grpc: cannot listen on {address}: Address already in use"
    )


def test_a_worker_that_does_not_start_ends_all(capfd: pytest.CaptureFixture[str]) -> None:
    """Where no worker comes to serve at the start, its exit code is that of all."""
    settings = load(dev=True, workers=2, grpc="127.0.0.1:0")
    nowhere = DatabaseLocation("postgresql+psycopg://nobody@127.0.0.1:1/none", "nowhere")
    orders = [supervisor.make_order(settings, nowhere, None, number) for number in (1, 2)]
    pool = supervisor.WorkerPool([supervisor.Worker(order) for order in orders])
    assert asyncio.run(pool.start()) == 1
    assert [worker.pid for worker in pool.workers] == [None, None]
    assert "points-grpc: the database cannot be reached" in capfd.readouterr().err


def test_a_machine_without_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that the machine has no room for has not started, and can be tried again."""
    settings = load(dev=True, workers=2)
    worker = supervisor.Worker(supervisor.make_order(settings, DatabaseLocation("", ""), None, 1))
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert not asyncio.run(worker.start())
    assert (worker.pid, worker.ready) == (None, None)


def test_one_worker_sweeps() -> None:
    """What is done once is not done by every worker: one sweeps, none loads the demo."""
    settings = load(dev=True, demo=True, workers=3)
    orders = [supervisor.make_order(settings, DatabaseLocation("", ""), None, n) for n in (1, 2, 3)]
    assert [order.settings["sweep"] for order in orders] == [True, False, False]
    assert not any(order.settings["demo"] for order in orders)

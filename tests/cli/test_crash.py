"""Processes that are killed in the middle of their work: what was asked is done once."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from google.protobuf.message import Message
from tests.support.service.proxy import Failure, Proxy

from points.v1 import points_service_pb2_grpc
from points.v1.earn_pb2 import EarnRequest
from points.v1.lookup_pb2 import GetAccountRequest
from points.v1.redeem_pb2 import RedeemRequest
from points.v1.update_expiry_pb2 import UpdateExpiryRequest

Serve = Callable[..., "Running"]  # noqa: F821  # of conftest.py, which cannot be imported

ALICE: dict[str, Any] = {"program_id": 469, "member": {"external_id": "alice"}}
DEV = ("--dev", "--demo", "--no-sweep", "--start-time", "2022-01-01T00:00:00Z")
NOT_NOW = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}


@contextmanager
def calling(address: str) -> Iterator[Any]:
    """A stub of the server at an address."""
    with grpc.insecure_channel(address) as channel:
        grpc.channel_ready_future(channel).result(timeout=60)
        yield points_service_pb2_grpc.PointsServiceStub(channel)


def available(stub: Any) -> str:
    return str(stub.GetAccount(GetAccountRequest(**ALICE), timeout=30).account.available.value)


def earn(amount: int, request_id: str) -> EarnRequest:
    return EarnRequest(**ALICE, amount={"value": str(amount)}, request_id=request_id)


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    """A network between servers and the database."""
    network = Proxy(database_url)
    yield network
    network.stop()


def kill_between_commit_and_answer(
    running: Any, proxy: Proxy, method: str, request: Message, request_id: str
) -> None:
    """The server dies when the database has carried out the call, and before it knows."""
    proxy.fail_next_commit(Failure.SWALLOWED, request_id.encode())
    with calling(running.address) as stub:
        answer = getattr(stub, method).future(request, timeout=30)
        assert proxy.failed.wait(30)
        assert not answer.done()
        running.stop(signal.SIGKILL)
        assert answer.code() is grpc.StatusCode.UNAVAILABLE


def test_a_server_killed_between_commit_and_answer(
    serve: Serve, proxy: Proxy, database_url: str
) -> None:
    """Whoever repeats a call at another server has one effect, and the first answer."""
    dying = serve(*DEV, POINTS_DATABASE_URL=proxy.url)
    request: Message = earn(100, "crash-earn")
    kill_between_commit_and_answer(dying, proxy, "Earn", request, "crash-earn")

    dying = serve(*DEV, POINTS_DATABASE_URL=proxy.url)
    with calling(dying.address) as stub:
        assert available(stub) == "100"
        assert stub.Earn(earn(11, "later"), timeout=30).account.available.value == "111"
        earned = stub.Earn(request, timeout=30)
        assert (earned.replayed, earned.account.available.value) == (True, "100")
        assert stub.Earn(request, timeout=30) == earned
        assert available(stub) == "111"
    request = RedeemRequest(**ALICE, amount={"value": "30"}, request_id="crash-redeem")
    kill_between_commit_and_answer(dying, proxy, "Redeem", request, "crash-redeem")

    dying = serve(*DEV, POINTS_DATABASE_URL=proxy.url)
    with calling(dying.address) as stub:
        redeemed = stub.Redeem(request, timeout=30)
        assert (redeemed.replayed, redeemed.account.available.value) == (True, "81")
        assert available(stub) == "81"
    items = [{**ALICE, "lot_id": earned.lot.lot_id, "days": 10}]
    request = UpdateExpiryRequest(updates=items, request_id="crash-update")
    kill_between_commit_and_answer(dying, proxy, "UpdateExpiry", request, "crash-update")

    with calling(serve(*DEV, POINTS_DATABASE_URL=database_url).address) as stub:
        first, again = (stub.UpdateExpiry(request, timeout=30).results[0] for _ in range(2))
        assert first == again
        assert first.moved.replayed
        assert first.moved.change.old_expire_time == earned.lot.expire_time
        assert first.moved.change.new_expire_time != earned.lot.expire_time


def insist(stub: Any, request: EarnRequest, until: float) -> Any:
    """Repeat a call for as long as it is answered that it cannot be done now."""
    while True:
        try:
            return stub.Earn(request, timeout=10)
        except grpc.RpcError as error:
            if error.code() not in NOT_NOW or time.monotonic() > until:
                raise


def test_a_database_killed_under_load(serve: Serve, tmp_path: Path) -> None:
    """Calls repeated while the embedded database dies and comes back are done once each."""
    tmp_path.chmod(0o711)
    running = serve(*DEV, "--data-dir", str(tmp_path / "data"))
    children = psutil.Process(running.process.pid).children()
    (postgres,) = [child for child in children if child.name() == "postgres"]
    until = time.monotonic() + 60
    under_way = threading.Semaphore(0)

    def work(worker: int) -> None:
        for number in range(30):
            insist(stub, earn(1, f"w{worker}-{number}"), until)
            under_way.release()

    with calling(running.address) as stub, ThreadPoolExecutor(8) as pool:
        workers = [pool.submit(work, number) for number in range(8)]
        for _ in range(40):
            assert under_way.acquire(timeout=30)
        postgres.kill()
        assert not all(worker.done() for worker in workers)
        for worker in workers:
            worker.result(60)
        assert available(stub) == "240"

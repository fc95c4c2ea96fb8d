"""Identifiers that are linked to another member between a request and its retry."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import grpc
import pytest
from tests.support.faults.load import NOT_NOW, Outcome
from tests.support.faults.reconcile import REPORT, judge
from tests.support.service.proxy import Failure, Proxy

from points.v1 import member_service_pb2, member_service_pb2_grpc, points_service_pb2_grpc
from points.v1.earn_pb2 import BatchEarnRequest, EarnRequest
from points.v1.expire_pb2 import ExpireRequest
from points.v1.redeem_pb2 import RedeemRequest
from points.v1.update_expiry_pb2 import UpdateExpiryRequest

pytestmark = pytest.mark.faults

PATIENCE_SECONDS = 30
SHORT = {"POINTS_STATEMENT_TIMEOUT_MS": "1000", "POINTS_LOCK_TIMEOUT_MS": "500"}
START = ("--start-time", "2022-01-01T00:00:00Z")
VENDOR_LOT = 77
KINDS = ("Earn", "Enrol", "BatchEarn", "Redeem", "Expire", "UpdateExpiry")
LOST = {
    Failure.NOT_SENT: "COMMIT cut off",
    Failure.CUT: "answer to the COMMIT cut off",
    Failure.HELD: "COMMIT delivered late",
}


@dataclass
class Server:
    """One of the servers, by its stubs."""

    channel: grpc.Channel

    def __post_init__(self) -> None:
        self.points = points_service_pb2_grpc.PointsServiceStub(self.channel)
        self.members = member_service_pb2_grpc.MemberServiceStub(self.channel)

    def send(self, method: str, request: Any) -> Any:
        """The call, under way."""
        stub = self.points if hasattr(self.points, method) else self.members
        return getattr(stub, method).future(request, timeout=PATIENCE_SECONDS)

    def ask(self, method: str, request: Any) -> Any:
        """The answer, however often that has to be asked for."""
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self.send(method, request).result()
            except grpc.RpcError as error:
                if error.code() not in NOT_NOW or time.monotonic() > until:
                    raise


@dataclass
class Case:
    """A request that names `first` by an identifier, of which `second` gets hold."""

    kind: str
    mark: str
    first: int
    second: int
    identifier: dict[str, str]

    @property
    def method(self) -> str:
        return "Earn" if self.kind == "Enrol" else self.kind

    @property
    def request(self) -> Any:
        """Always the same bytes."""
        named: dict[str, Any] = {"program_id": 469, "member": {"identifier": self.identifier}}
        amount = {"amount": {"value": "7"}}
        once = {"request_id": self.mark}
        if self.kind == "UpdateExpiry":
            item = named | {"lot_id": VENDOR_LOT, "days": 9, "reason_note": self.mark}
            return UpdateExpiryRequest(updates=[item], **once)
        if self.kind == "Redeem":
            return RedeemRequest(**named, **amount, **once, reference=self.mark)
        if self.kind == "Expire":
            return ExpireRequest(**named, **amount, **once, reason=self.mark)
        if self.kind == "Enrol":
            named["member"] = {"external_id": self.identifier["value"]}
        earn = EarnRequest(**named, **amount, **once, reference=self.mark)
        return earn if self.method == "Earn" else BatchEarnRequest(earns=[earn])

    def relink(self, server: Server) -> None:
        """From now on the identifier is the second member's; where that enrols, nobody's."""
        taken = {"member": {"member_id": self.first}, "identifier": self.identifier}
        server.ask("UnlinkIdentifier", member_service_pb2.UnlinkIdentifierRequest(**taken))
        if self.kind != "Enrol":
            given = {"member": {"member_id": self.second}, "identifier": self.identifier}
            server.ask("LinkIdentifier", member_service_pb2.LinkIdentifierRequest(**given))


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    """A network between one server and the database; another server does without."""
    network = Proxy(database_url)
    yield network
    network.stop()


@pytest.fixture
def pair(serve: Any, proxy: Proxy, database_url: str) -> Iterator[tuple[Server, Server]]:
    """A server beyond the network, and one without it."""
    up = [
        serve(*START, **SHORT, POINTS_DATABASE_URL=proxy.url),
        serve(*START, **SHORT, POINTS_DATABASE_URL=database_url),
    ]
    channels = [grpc.insecure_channel(one.address) for one in up]
    yield Server(channels[0]), Server(channels[1])
    for channel in channels:
        channel.close()


def case_of(kind: str, mark: str, server: Server) -> Case:
    """Two members with the same things, one of whom has the identifier."""
    shown = {"type": "external_id" if kind == "Enrol" else "card", "value": mark}
    found = []
    for links in ([shown], [{"type": "username", "value": mark}]):
        new = member_service_pb2.CreateMemberRequest(identifiers=links)
        member_id = server.ask("CreateMember", new).member.member_id
        earn = EarnRequest(program_id=469, member={"member_id": member_id}, amount={"value": "50"})
        earn.vendor_id = VENDOR_LOT
        server.ask("Earn", earn)
        found.append(member_id)
    return Case(kind, mark, *found, shown)


def owner_of(answer: Any) -> int:
    """Whose points an answer is about."""
    if hasattr(answer, "results"):
        (result,) = answer.results
        assert not result.HasField("error"), result
        of_one = result.moved.change if hasattr(result, "moved") else result.earn.transaction
        return int(of_one.member.member_id)
    return int(answer.transaction.member.member_id)


def as_first(answer: Any) -> Any:
    """The answer without the mark that it was given before."""
    same = type(answer)()
    same.CopyFrom(answer)
    for one in (same, *(getattr(r, r.WhichOneof("result")) for r in getattr(same, "results", ()))):
        if hasattr(one, "replayed"):
            one.replayed = False
    return same


def agree(case: Case, answers: Sequence[Any], owners: set[int], outcome: Outcome) -> None:
    """All are the same answer, about one of `owners`."""
    first = as_first(answers[0])
    assert all(as_first(answer) == first for answer in answers)
    assert owner_of(first) in owners
    outcome.acknowledged.add(case.mark)


def test_identifiers_relinked_before_a_retry(
    pair: tuple[Server, Server], proxy: Proxy, database_url: str, rounds: Callable[[int], range]
) -> None:
    """Request and retry have one effect and one answer, whomever their identifier names by then."""
    outcome = Outcome()
    for turn, kind in product(rounds(3), KINDS):
        answered(kind, turn, pair, outcome)
        raced(kind, turn, pair, outcome)
    for turn, failure, kind in product(rounds(1), LOST, KINDS):
        lost(kind, f"lost-{turn}-{failure.name}-{kind}", (failure, proxy), pair, outcome)
    judge(database_url, outcome)


def answered(kind: str, turn: int, pair: tuple[Server, Server], outcome: Outcome) -> None:
    """The first answer was lost on its way to the client alone."""
    one, other = pair[turn % 2], pair[1 - turn % 2]
    case = case_of(kind, f"told-{turn}-{kind}", other)
    answers = [one.ask(case.method, case.request)]
    case.relink(other)
    answers += [server.ask(case.method, case.request) for server in (other, one)]
    agree(case, answers, {case.first}, outcome)
    REPORT.faults["identifier relinked before a retry"] += 1


def raced(kind: str, turn: int, pair: tuple[Server, Server], outcome: Outcome) -> None:
    """The same request is at both servers at once, before and after a relink."""
    case = case_of(kind, f"raced-{turn}-{kind}", pair[1])
    calls = [server.send(case.method, case.request) for server in pair]
    case.relink(pair[turn % 2])
    calls += [server.send(case.method, case.request) for server in pair]
    answers = [server.ask(case.method, case.request) for server in pair]
    for call in calls:
        if call.exception() is None:
            answers.append(call.result())
        else:  # in the middle of the relink it is nobody's
            assert call.code() in {*NOT_NOW, grpc.StatusCode.NOT_FOUND}
    owners = {owner_of(answers[0])} if kind == "Enrol" else {case.first, case.second}
    agree(case, answers, owners, outcome)
    REPORT.faults["identifier relinked while its request runs twice"] += 1


def lost(
    kind: str,
    mark: str,
    fault: tuple[Failure, Proxy],
    pair: tuple[Server, Server],
    outcome: Outcome,
) -> None:
    """The COMMIT of the first attempt was cut off, or its answer, or it is still under way."""
    (failure, proxy), (far, near) = fault, pair
    case = case_of(kind, mark, far)
    proxy.fail_next_commit(failure, case.mark.encode())
    call = far.send(case.method, case.request)
    assert proxy.failed.wait(PATIENCE_SECONDS)
    if failure is Failure.HELD:
        proxy.refuse()
    else:
        proxy.stop()
    case.relink(near)
    answers = [] if failure is Failure.HELD else [near.ask(case.method, case.request)]
    again = near.send(case.method, case.request)
    proxy.release()
    proxy.start()
    answers += [server.ask(case.method, case.request) for server in pair]
    answers += [one.result() for one in (call, again) if one.exception() is None]
    # What was cut off before it arrived was never done: a retry asks for whom it names now.
    owners = {case.first} if failure is Failure.CUT else {case.first, owner_of(answers[0])}
    agree(case, answers, owners, outcome)
    REPORT.faults[f"identifier relinked, {LOST[failure]}"] += 1

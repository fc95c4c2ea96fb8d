"""Authentication, the log line, deadlines and shedding."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from points.dev.v1 import test_clock_pb2
from points.v1 import (
    earn_pb2,
    listing_pb2,
    lookup_pb2,
    member_service_pb2,
    points_service_pb2,
    program_service_pb2,
)
from points_grpc.clock import TestClock
from points_grpc.domain.auth import SCOPES, Grant
from points_grpc.domain.commands import Caller
from points_grpc.domain.queries import Page
from points_grpc.errors import LotNotFound, Overloaded, ScopeMissing, TokenInvalid
from points_grpc.metrics.counters import Counters
from points_grpc.rpc.auth import NoCredentials
from points_grpc.rpc.auth.development import DevAuthenticator
from points_grpc.rpc.interceptors.auth import Authentication, Authorization, declared_scopes
from points_grpc.rpc.interceptors.metrics import Metrics

METHODS = [
    method
    for file in (
        points_service_pb2.DESCRIPTOR,
        program_service_pb2.DESCRIPTOR,
        member_service_pb2.DESCRIPTOR,
        test_clock_pb2.DESCRIPTOR,
    )
    for service in file.services_by_name.values()
    for method in service.methods
]
NOW = datetime(2031, 5, 6, tzinfo=UTC)
CALLER = Caller(7, "demo", "dev", 469)
LOT = lookup_pb2.GetLotRequest(lot_id=2**46)


class Tokens:
    """An authenticator that knows two tokens."""

    def __init__(self, *scopes):
        self.scopes = frozenset(scopes or SCOPES)

    async def authenticate(self, context):
        metadata = dict(context.invocation_metadata())
        tenant = metadata.get("authorization", "").removeprefix("Bearer ")
        if tenant not in ("acme", "rival"):
            raise TokenInvalid
        return Grant(Caller(len(tenant), tenant, f"key of {tenant}"), self.scopes)


def earn(number):
    request = earn_pb2.EarnRequest(program_id=469)
    request.member.external_id = f"cust-{number}"
    request.amount.value = "1"
    return request


# Authentication


def test_dev_mode_needs_no_credential(serve, engine):
    """In dev mode a call without a credential is the demo tenant's."""
    serve(lambda served: served.points.Earn(earn(1)))
    assert (engine.writes[0].caller.tenant, engine.writes[0].caller.principal) == ("demo", "dev")


@pytest.mark.parametrize("credential", ["Bearer demo", "bearer demo"])
def test_dev_mode_takes_its_own_token(serve, engine, credential):
    """In dev mode the token demo is the demo tenant's, for those who cannot call without one."""

    async def scenario(served):
        await served.points.Earn(earn(1), metadata=(("authorization", credential),))

    serve(scenario)
    assert engine.writes[0].caller.tenant == "demo"


@pytest.mark.parametrize(
    "credentials",
    [["Bearer x"], ["Bearer"], ["Bearer Demo"], ["Basic demo"], ["demo"], ["Bearer demo", "x"]],
)
def test_dev_mode_refuses_a_credential_it_cannot_check(serve, engine, credentials):
    """A credential that nobody can check is not taken for a good one, nor is an empty one."""

    async def scenario(served):
        metadata = [("authorization", credential) for credential in credentials]
        return await served.refusal(served.points.Earn(earn(1), metadata=metadata))

    assert serve(scenario).reason == "TOKEN_INVALID"
    assert not engine.writes


def test_without_credentials_nobody_gets_in(serve):
    """Outside dev mode, without credentials to check, every call is UNAUTHENTICATED."""

    async def scenario(served):
        return await served.refusal(served.points.Earn(earn(1)))

    status = serve(scenario, authenticator=NoCredentials())
    assert (status.code, status.reason) == ("UNAUTHENTICATED", "TOKEN_INVALID")


def test_calls_at_once_keep_their_callers(serve, engine):
    """Calls that run at the same time each see their own caller."""
    both = asyncio.Barrier(2)
    engine.before = both.wait

    async def scenario(served):
        def call(tenant):
            return served.points.Earn(earn(1), metadata=(("authorization", f"Bearer {tenant}"),))

        return await asyncio.gather(call("acme"), call("rival"))

    answers = serve(scenario, authenticator=Tokens())
    assert [answer.account.tenant for answer in answers] == ["acme", "rival"]


# Scopes


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_every_method_declares_its_scopes(method):
    """Every method of the contract declares at least one scope, and only such as there are."""
    name = f"{method.containing_service.full_name}/{method.name}"
    declared = declared_scopes([method.containing_service])[name]
    assert declared and declared <= set(SCOPES)


def test_a_method_without_scopes_is_refused_to_all():
    """A method of which nothing is declared is nobody's to call."""

    async def answer(request, context):
        raise AssertionError("was called")

    async def scenario():
        context = SimpleNamespace(invocation_metadata=lambda: ())
        handle = Authorization({}).wrap("a.B/C", answer)
        return await Authentication(DevAuthenticator(CALLER)).wrap("a.B/C", handle)(None, context)

    with pytest.raises(ScopeMissing):
        asyncio.run(scenario())


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_call_needs_its_scope(serve, method, scope):
    """A method is refused without a scope of its own, whatever is wrong with the request besides.

    With one, the same malformed request is refused for its content.
    """
    service = method.containing_service.full_name
    sent = {"metadata": (("authorization", "Bearer acme"),)}

    async def scenario(served):
        call = served.channel.stream_unary(f"/{service}/{method.name}")
        return await served.refusal(call(iter([b"\xff"]), **sent))

    clock = TestClock(NOW) if service.startswith("points.dev.") else None
    status = serve(scenario, authenticator=Tokens(scope), backends={"test_clock": clock})
    may = scope in declared_scopes([method.containing_service])[f"{service}/{method.name}"]
    wanted = (
        ("INVALID_ARGUMENT", "INVALID_FIELD") if may else ("PERMISSION_DENIED", "SCOPE_MISSING")
    )
    assert (status.code, status.reason) == wanted


def test_health_needs_no_credential(serve):
    """Health answers whoever asks."""

    async def scenario(served):
        stub = health_pb2_grpc.HealthStub(served.channel)
        return await stub.Check(health_pb2.HealthCheckRequest())

    assert serve(scenario, authenticator=NoCredentials()).status


# The log


def test_each_call_is_one_line(serve, engine, samples):
    """One line per call: method, code, reason, duration, items and tenant, and nothing else."""
    engine.page = Page((samples.lot, samples.lot, samples.lot), ())
    lots = listing_pb2.ListLotsRequest()
    lots.member.external_id = "cust-1"

    async def scenario(served):
        await served.points.Earn(earn(1))
        await served.points.BatchEarn(earn_pb2.BatchEarnRequest(earns=[earn(1), earn(2)]))
        await served.points.ListLots(lots)
        engine.before = refuse
        await served.refusal(served.points.GetLot(LOT))

    async def refuse():
        raise LotNotFound("lot_id")

    with capture_logs() as lines:
        serve(scenario)
    known = {"event", "log_level", "method", "code", "reason", "duration_ms", "items", "tenant"}
    assert all(set(line) == known for line in lines)
    assert [
        (line["method"].rpartition("/")[2], line["code"], line["reason"], line["items"])
        for line in lines
    ] == [
        ("Earn", "OK", "", 1),
        ("BatchEarn", "OK", "", 2),
        ("ListLots", "OK", "", 3),
        ("GetLot", "NOT_FOUND", "LOT_NOT_FOUND", 1),
    ]
    assert {line["tenant"] for line in lines} == {"demo"}
    assert all(line["duration_ms"] >= 0 for line in lines)


def test_the_log_has_no_payload(serve):
    """Neither people's identifiers nor request ids nor texts get into the log."""
    request = earn(1)
    request.request_id = request.description = request.reference = "tell-tale"

    async def scenario(served):
        await served.points.Earn(request)
        request.amount.value = "tell-tale"
        await served.refusal(served.points.Earn(request))

    with capture_logs() as lines:
        serve(scenario)
    assert len(lines) == 2
    assert "tell-tale" not in str(lines) and "cust-1" not in str(lines)


def test_health_is_not_logged(serve):
    """Health checks leave no line."""

    async def scenario(served):
        stub = health_pb2_grpc.HealthStub(served.channel)
        await stub.Check(health_pb2.HealthCheckRequest())

    with capture_logs() as lines:
        serve(scenario)
    assert lines == []


# Metrics


def test_calls_are_counted_by_how_they_end():
    """Each call counts once under its method and code, those turned away as shed too."""
    counters = Counters()
    ends = iter([b"", LotNotFound(), Overloaded(), ZeroDivisionError()])
    seen = []

    async def inner(_, __):
        seen.append(counters.running)
        end = next(ends)
        if isinstance(end, Exception):
            raise end
        return end

    async def call_all():
        handle = Metrics(counters).wrap("s/M", inner)
        return await asyncio.gather(*(handle(None, None) for _ in range(4)), return_exceptions=True)

    outcomes = asyncio.run(call_all())
    counted = counters.snapshot()["methods"]["s/M"]
    assert [type(one) for one in outcomes] == [bytes, LotNotFound, Overloaded, ZeroDivisionError]
    assert counted["codes"] == {"OK": 1, "NOT_FOUND": 1, "RESOURCE_EXHAUSTED": 1, "INTERNAL": 1}
    assert counted["shed"] == 1
    assert sum(counted["seconds"]["counts"]) == 4
    assert (max(seen), counters.running) == (1, 0)

"""Every method of the contract, every field of it, every nasty value, over gRPC."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from tests.support.corpus.fixtures import stock
from tests.support.corpus.grpc_calls import Caller
from tests.support.corpus.requests import base, variants
from tests.support.corpus.values import INSTANTS
from tests.support.corpus.wire import malformed
from tests.support.gateway.live import Live, living

from points.dev.v1 import test_clock_pb2
from points_grpc.gateway.upstream import METHODS

CLOCK = "points.dev.v1.TestClockService/SetClock"
# POINTS_CORPUS=whole puts every value into every field.
STEP = 1 if os.environ.get("POINTS_CORPUS") == "whole" else 2
LASTING = [name for name in METHODS if name != CLOCK]
"""All but the one after which nothing is as it was: a clock never goes back."""


@pytest.fixture(scope="module")
def caller(live: Live) -> Iterator[Caller]:
    """A channel to the service."""
    with Caller(live.grpc_port) as channel:
        yield channel


@pytest.mark.parametrize("name", LASTING)
def test_whatever_a_field_holds_is_answered(name: str, caller: Caller, ids: dict[str, str]) -> None:
    """No value of any field makes a method break, hang, or tell of its insides."""
    begin = base(name, ids)
    assert caller.outcome(name, begin.SerializeToString())[0] in ("OK", "ALREADY_EXISTS"), begin
    count, faults = caller.unfit(name, variants(METHODS[name], begin, STEP))
    assert not faults, faults[:10]
    assert count >= len(METHODS[name].input_type.fields) - 1


@pytest.mark.parametrize("name", LASTING)
def test_bytes_that_are_no_message_are_answered(
    name: str, caller: Caller, ids: dict[str, str]
) -> None:
    """No bytes make a method break, hang, or tell of its insides."""
    count, faults = caller.unfit(name, malformed(METHODS[name], base(name, ids)))
    assert not faults, faults[:10]
    assert count


def test_a_clock_set_far_away_breaks_nothing(database_url: str) -> None:
    """Whatever the test clock is set to, every method still answers as of then."""
    faults = []
    with living(database_url) as server, Caller(server.grpc_port) as caller:
        ids = stock(server)
        for seconds, nanos in sorted(INSTANTS)[:: 2 * STEP - 1]:
            to = test_clock_pb2.SetClockRequest(time={"seconds": seconds, "nanos": nanos})
            faults += caller.unfit(CLOCK, [("time", to.SerializeToString())])[1]
            for name in LASTING:
                asked = [(f"{name} at {seconds}", base(name, ids).SerializeToString())]
                faults += caller.unfit(name, asked)[1]
        faults += caller.unfit(CLOCK, malformed(METHODS[CLOCK], base(CLOCK, ids)))[1]
    assert not faults, faults[:10]

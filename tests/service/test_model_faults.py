"""The ledger against the model while everything on a call's way fails; run by make model."""

from __future__ import annotations

import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.support.service.faulty_machine import NAMES, FaultyMachine
from tests.support.service.ledger_audit import audit
from tests.support.service.ledger_harness import LedgerHarness
from tests.support.service.ledger_machine import SettableClock
from tests.support.service.proxy import Proxy
from tests.support.service.sql_faults import Injected

from points_grpc.service.shared import retry

pytestmark = pytest.mark.model

SECONDS = float(os.environ.get("POINTS_MODEL_SECONDS") or 60)
ROUNDS = int(os.environ.get("POINTS_MODEL_ROUNDS") or 0)
"""At most so many rounds; as many as there is time for where it is 0."""
SEED = os.environ.get("POINTS_MODEL_SEED", "")
"""Of the first round, whose number it is; the next ones count on. Without one it is random."""
EXAMPLES, STEPS = 3, 25
"""In a round, and in each of those."""


@pytest.fixture
def machine(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FaultyMachine]]:
    """Machines on one database, and a network that fails when told to."""
    # A server is not to look for long for a database that is away.
    monkeypatch.setattr(retry, "LOST_SECONDS", 0.3)
    monkeypatch.setattr(retry, "IN_DOUBT_SECONDS", 0.3)

    class Machine(FaultyMachine):
        pass

    Machine.clock = SettableClock()
    Machine.harness = LedgerHarness(database_url, Machine.clock)
    Machine.harness.open_program()
    Machine.proxy = Proxy(database_url)
    Machine.injected = Injected(Machine.harness.database)
    Machine.met = Counter()
    yield Machine
    Machine.proxy.stop()
    Machine.harness.close()


def test_the_ledger_agrees_with_the_model_through_faults(
    machine: type[FaultyMachine], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever calls meet on their way, the ledger does each of them once, as the model does."""
    first = int(SEED) if SEED else random.SystemRandom().randrange(10**9)
    rounds, until = 0, time.monotonic() + SECONDS
    for number in count(first):
        try:
            play(machine, number)
        except BaseException as error:
            error.add_note(f"found by make model MODEL_ROUNDS=1 MODEL_SEED={number}")
            raise
        rounds += 1
        if rounds == ROUNDS or time.monotonic() >= until:
            break
    with capsys.disabled():
        met = ", ".join(f"{times} × {name}" for name, times in sorted(machine.met.items()))
        sys.stdout.write(f"\n{rounds} rounds from seed {first}: {met}\n")
    assert rounds < 20 or set(NAMES) <= machine.met.keys()


def play(machine: type[FaultyMachine], number: int) -> None:
    """A round of examples, the same for the same number; afterwards the tables agree."""
    run_state_machine_as_test(
        seed(number)(machine),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=(Phase.generate,),  # a failure is not worth minutes of shrinking here
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert audit(machine.harness.database) == []

"""The ledger against a simple model of lots, with random commands, clocks and sweeps."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.support.service.ledger_harness import LedgerHarness
from tests.support.service.ledger_machine import LedgerMachine, SettableClock


def test_the_ledger_agrees_with_a_simple_model(database_url: str) -> None:
    """Whatever is asked in whatever order, figures and lots are those of a list of lots."""
    clock = SettableClock()
    harness = LedgerHarness(database_url, clock)
    harness.open_program()

    class Machine(LedgerMachine):
        pass

    Machine.harness, Machine.clock = harness, clock
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=50,
            stateful_step_count=25,
            derandomize=True,
            deadline=None,
            database=None,
            phases=(Phase.generate,),  # a failure is not worth minutes of shrinking here
            suppress_health_check=list(HealthCheck),
        ),
    )
    harness.close()

"""How long request ids are remembered: the longest that was promised, whoever sweeps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.support.service.ledger_harness import START, LedgerHarness, earn

DAY = timedelta(days=1)
INSTANT = timedelta(microseconds=1)


def test_a_promise_is_only_lengthened(harness: LedgerHarness) -> None:
    """A longer promise replaces the one kept, a shorter one leaves it, and is told so."""
    assert [harness.promise(days) for days in (7, 30, 7, 29, 31)] == [7, 30, 30, 30, 31]


@pytest.mark.parametrize(("age", "is_known"), [(30 * DAY, True), (30 * DAY + INSTANT, False)])
def test_a_sweep_elsewhere_keeps_the_promise(
    open_ledger: Callable[..., LedgerHarness], age: timedelta, is_known: bool
) -> None:
    """A process that was told nothing forgets no id before the servers' promise has passed."""
    harness = open_ledger()
    harness.promise(30)
    harness.do(earn(5, request_id="r"))
    elsewhere = open_ledger()
    elsewhere.promise(7)
    elsewhere.clock.set(START + age)
    elsewhere.sweeper.purge()
    assert harness.do(earn(5, request_id="r")).replayed is is_known


def test_a_promise_holds_from_the_next_unit_of_work(harness: LedgerHarness) -> None:
    """A sweep that has run before knows of a promise that was lengthened since."""
    harness.promise(7)
    harness.do(earn(5, request_id="r"))
    harness.sweeper.purge()
    harness.promise(30)
    harness.clock.set(START + 8 * DAY)
    assert harness.sweeper.purge() == 0
    assert harness.do(earn(5, request_id="r")).replayed


def test_nothing_is_forgotten_without_a_promise(harness: LedgerHarness) -> None:
    """Where no server has said for how long, as before this was kept, a sweep forgets nothing."""
    harness.do(earn(5, request_id="r"))
    harness.clock.set(START + 4_000 * DAY)
    assert harness.sweeper.purge() == 0
    assert harness.do(earn(5, request_id="r")).replayed

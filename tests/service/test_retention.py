"""How long request ids are remembered: the longest that was promised, whoever sweeps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from till import START, Till, earn

DAY = timedelta(days=1)
INSTANT = timedelta(microseconds=1)


def test_a_promise_is_only_lengthened(till: Till) -> None:
    """A longer promise replaces the one kept, a shorter one leaves it, and is told so."""
    assert [till.promise(days) for days in (7, 30, 7, 29, 31)] == [7, 30, 30, 30, 31]


@pytest.mark.parametrize(("age", "is_known"), [(30 * DAY, True), (30 * DAY + INSTANT, False)])
def test_a_sweep_elsewhere_keeps_the_promise(
    open_till: Callable[..., Till], age: timedelta, is_known: bool
) -> None:
    """A process that was told nothing forgets no id before the servers' promise has passed."""
    till = open_till()
    till.promise(30)
    till.do(earn(5, request_id="r"))
    elsewhere = open_till()
    elsewhere.promise(7)
    elsewhere.clock.set(START + age)
    elsewhere.sweeper.purge()
    assert till.do(earn(5, request_id="r")).replayed is is_known


def test_a_promise_holds_from_the_next_unit_of_work(till: Till) -> None:
    """A sweep that has run before knows of a promise that was lengthened since."""
    till.promise(7)
    till.do(earn(5, request_id="r"))
    till.sweeper.purge()
    till.promise(30)
    till.clock.set(START + 8 * DAY)
    assert till.sweeper.purge() == 0
    assert till.do(earn(5, request_id="r")).replayed


def test_nothing_is_forgotten_without_a_promise(till: Till) -> None:
    """Where no server has said for how long, as before this was kept, a sweep forgets nothing."""
    till.do(earn(5, request_id="r"))
    till.clock.set(START + 4_000 * DAY)
    assert till.sweeper.purge() == 0
    assert till.do(earn(5, request_id="r")).replayed

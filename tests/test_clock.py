"""The test clock, alone and with the hand of several processes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from points_grpc.clock import SharedTime, TestClock

START = datetime(2022, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def two_clocks(start: datetime | None = START) -> tuple[TestClock, TestClock]:
    """Clocks that share memory as those of two processes do."""
    shared_time = SharedTime()
    return TestClock(start, shared_time), TestClock(None, SharedTime(shared_time.descriptor))


def test_a_shared_clock_is_set_for_all() -> None:
    """What one process sets, every other one shows to the microsecond."""
    one, other = two_clocks()
    assert other.now() == START
    assert one.set(START + TICK)
    assert (other.now(), other.frozen) == (START + TICK, True)


def test_a_shared_clock_only_moves_forward() -> None:
    """No process sets the clock back behind what another one has set."""
    one, other = two_clocks()
    assert one.set(START + TICK)
    assert not other.set(START)
    assert one.now() == START + TICK


def test_a_shared_clock_runs_until_it_is_set() -> None:
    """Without a start the clocks of all processes run with the machine's, until one is set."""
    one, other = two_clocks(None)
    assert not one.frozen
    assert not other.frozen
    to = one.now() + timedelta(days=1)
    assert other.set(to)
    assert one.now() == to


def test_racing_settings_leave_the_latest() -> None:
    """Whoever sets it at the same time, the clock stands at the latest instant that was taken."""
    clocks = two_clocks()
    instants = [START + n * TICK for n in range(1, 401)]
    with ThreadPoolExecutor(8) as pool:
        took = list(pool.map(lambda at: clocks[at.microsecond % 2].set(at), instants))
    latest = max(at for at, taken in zip(instants, took, strict=True) if taken)
    assert [clock.now() for clock in clocks] == [latest, latest]

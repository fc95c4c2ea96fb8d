"""Ledgers that overlap: who has the turn locks and writes, the others read names."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from branch import Branch, at_once, run
from till import Till, earn, move

from points_grpc.domain.policy import InDays
from points_grpc.service.lane import Bounds, Job, Lane, Remains
from points_grpc.service.turn import Turn

PATIENCE_SECONDS = 20.0


def test_one_has_the_turn_at_a_time() -> None:
    """Whoever asks while the turn is taken goes on when it has been given back."""
    turn = Turn(PATIENCE_SECONDS)
    order: list[str] = []
    taken, asked = threading.Event(), threading.Event()

    def second() -> None:
        taken.wait(PATIENCE_SECONDS)
        asked.set()
        with turn.taken():
            order.append("second")

    other = threading.Thread(target=second)
    other.start()
    with turn.taken():
        taken.set()
        assert asked.wait(PATIENCE_SECONDS)
        order.append("first")
    other.join(PATIENCE_SECONDS)
    assert order == ["first", "second"]


def test_who_waits_too_long_goes_on_without() -> None:
    """A turn that is not given back holds nobody up, and stays with whom it belongs to."""
    turn = Turn(0.01)
    went_on: list[int] = []
    with turn.taken():
        for n in range(2):
            with turn.taken():
                went_on.append(n)
    assert went_on == [0, 1]
    patient = Turn(PATIENCE_SECONDS)
    for _ in range(2):
        with patient.taken():
            pass


def test_large_calls_on_the_same_accounts_are_all_kept(
    till: Till, open_branch: Callable[..., Branch]
) -> None:
    """Calls for the bulk lane that share every account, at once, are each kept once."""
    branch = open_branch()
    names = [f"m{n}" for n in range(40)]
    lots = [till.do(earn(1, name)) for name in names]

    async def story() -> list[object]:
        works = []
        for n in range(6):
            earns = (earn(1, name, request_id=f"r{n}") for name in names)
            places = zip(names, lots, strict=True)
            moves = (move(lot, InDays(30 + n), member=name) for name, lot in places)
            works += [branch.do(*earns), branch.do(*moves)]
        return await at_once(*works)

    answers = run(story())
    assert not [a for a in answers if isinstance(a, BaseException)]
    assert [till.account(name).available for name in names] == [7] * len(names)
    assert {till.account(name).version for name in names} == {13}


def test_every_thread_of_a_lane_is_woken() -> None:
    """Jobs that come while threads are idle are executed beside each other, again and again."""
    together = threading.Barrier(2)

    def execute(_: Sequence[Job[int]]) -> Remains[int]:
        together.wait(PATIENCE_SECONDS)
        return Remains()

    lane = Lane("pair", execute, Bounds(batch_items=1), beside=[execute])
    lane.start()

    async def story() -> list[object]:
        return await at_once(*(lane.submit(Job(n, tenant_id=1)) for n in range(2)))

    for _ in range(3):
        assert run(story()) == [0, 1]
    lane.stop()

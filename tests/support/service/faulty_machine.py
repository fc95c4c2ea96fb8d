"""The machine of the model, with everything going wrong that may on a call's way."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.stateful import rule
from sqlalchemy import column, func, select, table
from tests.support.service.ledger_harness import LedgerHarness, outcomes
from tests.support.service.ledger_machine import START, DrawnCommand, LedgerMachine, Reply, wishes
from tests.support.service.proxy import Failure, Proxy
from tests.support.service.sql_faults import Injected, Raised

from points_grpc.domain.commands import Command
from points_grpc.domain.results import Earned, Expired, ExpiryUpdated, LotStateChanged, Redeemed
from points_grpc.errors import Overloaded, StorageUnavailable
from points_grpc.service.writes.work import Group, LedgerCall
from points_grpc.storage.core.database import Connection, Timeouts

# What a swallowed COMMIT takes until the client's own clock ends the wait for it.
BOUNDS = Timeouts(statement=400, lock=300, connect=5_000, grace=100)

WAITS_MAX = 20
PATIENCE_SECONDS = 20
AWAY = "the database goes away with "
DELAYED = "a COMMIT arrives after its retry"

_activity = table("pg_stat_activity", column("pid"), column("datname"), column("application_name"))


@dataclass(frozen=True)
class FaultDraw:
    """What a call meets.

    `times` is for errors, `pause` passes before the client tries again. `named` False: the calls
    have no request ids, where the server is to mend it alone.
    """

    name: str
    times: int
    pause: timedelta
    named: bool


MENDED = (
    *(failure.name for failure in (Failure.NOT_SENT, Failure.CUT, Failure.SWALLOWED)),
    *(what.name for what in Raised),
    "connections killed",
    "server replaced",
)
"""What the server mends alone, where it does not go on for long."""

NAMES = (*MENDED, *(AWAY + failure.name for failure in (Failure.NOT_SENT, Failure.CUT)), DELAYED)

troubles = st.builds(
    FaultDraw,
    name=st.sampled_from(NAMES),
    times=st.sampled_from((1, 2, 3, 12)),
    pause=st.builds(
        timedelta, days=st.sampled_from((0, 0, 0, 1, 29, 61)), seconds=st.sampled_from((0, 1))
    ),
    named=st.booleans(),
)


def terminate_others(connection: Connection) -> None:
    """Kill every other connection of ours to the database."""
    connection.execute(
        select(func.pg_terminate_backend(_activity.c.pid))
        .where(_activity.c.datname == func.current_database())
        .where(_activity.c.pid != func.pg_backend_pid())
    ).all()


class FaultyMachine(LedgerMachine):
    """Calls go to `far`, a server beyond a network that fails; a client that hears nothing of
    them tries again at `harness`, which also answers what is read."""

    proxy: Proxy
    injected: Injected
    met: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.far = self.open_server()
        self.trouble: FaultDraw | None = None
        self.held = False

    def open_server(self) -> LedgerHarness:
        return LedgerHarness(self.proxy.url, self.clock, BOUNDS)

    def replace_server(self) -> None:
        """A server that is killed keeps nothing; another one takes its place."""
        self.far.close()
        self.far = self.open_server()

    def teardown(self) -> None:
        """The round ends with an audit of all its examples."""
        self.far.close()

    # Steps

    @rule(
        drawn=st.lists(wishes, min_size=1, max_size=4),
        groups=st.sampled_from(("one", "each", "calls")),
        trouble=troubles,
    )
    def decide_in_trouble(self, drawn: list[DrawnCommand], groups: str, trouble: FaultDraw) -> None:
        """Commands that are carried out once, whatever their calls meet."""
        self.trouble = trouble
        self.act(drawn, groups)

    @rule(days=st.integers(-50, 10), seconds=st.sampled_from((-1, 0, 3600)))
    def step_the_clock(self, days: int, seconds: int) -> None:
        """The clock goes backwards, or jumps."""
        self.clock.at = max(START, self.clock.at + timedelta(days=days, seconds=seconds))
        self.met["clock stepped"] += 1
        self.compare()

    @rule(lane=st.sampled_from(("first", "bulk", "patient")))
    def go_on_in_a_lane(self, lane: str) -> None:
        """What comes next is written on other terms."""
        far = self.far
        lanes = {"first": far.ledger, "bulk": far.bulk, "patient": far.patient}
        far.ledger = lanes[lane]

    @rule(trouble=troubles)
    def sweep_in_trouble(self, trouble: FaultDraw) -> None:
        """A sweep that fails in the middle leaves what the next one records."""
        with self.meeting(trouble), suppress(StorageUnavailable):
            list(self.far.sweeper.sweep())
        self.release()
        until = time.monotonic() + PATIENCE_SECONDS
        while any(chunk.skipped for chunk in self.harness.sweeper.sweep()):
            assert time.monotonic() < until
        self.lapse_all()
        self.compare()

    # What happens to a call

    def signed(self, command: Command) -> Command:
        """Without a request id, where the trouble says so."""
        trouble = self.trouble
        if trouble is None or trouble.named or trouble.name not in MENDED or trouble.times > 3:
            return command
        return replace(command, request_id="")

    def carry_out(self, calls: Sequence[LedgerCall]) -> list[Reply]:
        """The calls meet the trouble that is due; whoever gets no answer asks again elsewhere."""
        trouble, self.trouble = self.trouble, None
        if trouble is None:
            self.far.ledger.execute(calls)
        else:
            with self.meeting(trouble):
                self.far.ledger.execute(calls)
        turns = [[int(answer is None) for answer in outcomes(call)] for call in calls]
        self.wait_for(calls)
        heard: list[Reply] = []
        doubtful = [call for call in calls if any(map(is_no_answer, outcomes(call)))]
        again = self.ask_again(doubtful, trouble)
        for call, places in zip(calls, turns, strict=True):
            answers = [Reply(*pair) for pair in zip(outcomes(call), places, strict=True)]
            if (later := again.get(id(call))) is not None:
                tries = zip(answers, *map(outcomes, later), strict=True)
                answers = [self.last_answer(*of_one) for of_one in tries]
            heard += answers
        return heard

    def last_answer(self, first: Reply, early: Any, answer: Any) -> Reply:
        """What a client knows who has asked again, and perhaps while its COMMIT was on the way."""
        assert answer is not None
        assert not is_no_answer(answer)
        if isinstance(early, Answered):
            # What is new there was not locked yet, and the COMMIT came to nothing.
            assert not early.replayed
            assert first.failed
            assert answer == replace(early, replayed=True)
            return Reply(answer, 2, self.clock.at)
        if isinstance(answer, Answered) and answer.replayed:
            assert not isinstance(first.answer, Overloaded), "nothing was to have happened"
            return Reply(answer, first.turn)
        assert first.failed, "what was answered before was done again"
        return Reply(answer, 3, self.clock.at)

    @contextmanager
    def meeting(self, trouble: FaultDraw) -> Iterator[None]:
        """While the block runs, the trouble is there."""
        self.met[trouble.name] += 1
        if trouble.name in Raised.__members__:
            what = Raised[trouble.name]
            self.injected.raise_next(what, trouble.times)
            yield
            self.injected.stop(what)
            return
        if trouble.name == "connections killed":
            self.harness.look(terminate_others)
            self.harness.hang_up()
        elif trouble.name == "server replaced":
            self.replace_server()
        elif trouble.name == DELAYED:
            self.proxy.fail_next_commit(Failure.HELD)
            self.proxy.refuse()
        elif trouble.name.startswith(AWAY):
            self.proxy.fail_next_commit(Failure[trouble.name.removeprefix(AWAY)])
            self.proxy.refuse()
        else:
            self.proxy.fail_next_commit(Failure[trouble.name])
        yield
        self.held = trouble.name == DELAYED and self.proxy.failed.is_set()
        self.proxy.fail_next_commit(Failure.NONE)
        self.proxy.start()

    def wait_for(self, calls: Sequence[LedgerCall]) -> None:
        """Calls that were left over for a lock are decided by who waits for it."""
        for _ in range(WAITS_MAX):
            left = [call for call in calls if not call.settled]
            if not left:
                return
            self.harness.patient.execute(left)
        raise AssertionError("the calls are never decided")

    def ask_again(
        self, doubtful: Sequence[LedgerCall], trouble: FaultDraw | None
    ) -> dict[int, tuple[LedgerCall, LedgerCall]]:
        """The same calls twice more, by the ids of the first: later, and at another server.

        The first time is for a COMMIT that is under way; else it comes to nothing.
        """
        if not doubtful:
            return {}
        # Nobody can tell what became of a call without an id that the server has given up on.
        assume(all(c.request_id for call in doubtful for g in call.groups for c in g.commands))
        self.clock.at += trouble.pause if trouble is not None else timedelta()
        early, again = [[same(call) for call in doubtful] for _ in range(2)]
        if self.held:
            self.harness.ledger.execute(early)
            self.release()
            self.replace_server()
        self.harness.ledger.execute(again)
        self.wait_for(again)
        pairs = zip(early, again, strict=True)
        return {id(call): pair for call, pair in zip(doubtful, pairs, strict=True)}

    def release(self) -> None:
        """The network delivers what it has kept."""
        self.proxy.release()
        self.held = False


Answered = Earned | Redeemed | Expired | ExpiryUpdated | LotStateChanged


def is_no_answer(answer: Any) -> bool:
    """Whether a client tries again."""
    return isinstance(answer, Overloaded | StorageUnavailable)


def same(call: LedgerCall) -> LedgerCall:
    """The call as a client sends it again."""
    groups = [Group(group.commands) for group in call.groups]
    return LedgerCall(call.caller, groups, one_request=call.one_request)

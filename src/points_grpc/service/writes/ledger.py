"""Gather, decide, apply: how a batch of calls becomes one unit of work.

Every call leaves with an outcome, or is handed back because an account it needs is locked
elsewhere (`locked_out`), or because it needs more lots than this ledger takes on, or was in a batch
that took too long (`oversized`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from points_grpc.clock import Clock
from points_grpc.domain.commands import Lapse
from points_grpc.errors import (
    CallTooLarge,
    InvalidField,
    Overloaded,
    StorageUnavailable,
    TimeInDoubt,
)
from points_grpc.service.shared.program_cache import ProgramCache
from points_grpc.service.shared.retry import run_with_retries
from points_grpc.service.writes.apply import apply
from points_grpc.service.writes.decide import Batch, Leftover, decide_all, left_of
from points_grpc.service.writes.former_request_ids import NamedIds
from points_grpc.service.writes.gather import Gatherer, Locking
from points_grpc.service.writes.idempotency import answer_known, assign_keys
from points_grpc.service.writes.resolve import NumberSource, WorkItem
from points_grpc.service.writes.work import Group, LedgerCall
from points_grpc.storage.core.database import Connection, Link
from points_grpc.storage.core.db_errors import Fault, Unreachable, fault_of, is_lock_timeout
from points_grpc.storage.core.ids import bucket_of_id

LOTS_MAX = 256
"""The most lots of an account for a ledger that decides many calls at once."""

WAITS_MAX = 3
"""How often a call may wait in vain, up to lock_timeout each time, for the same account."""

SLOW_MAX = 3
"""The most groups of a call that may each run into the timeout alone, one after the other."""

LARGE_FROM = 33
"""From how many commands on a group is large."""

_DIVISIBLE = frozenset((Fault.CONTENT, Fault.CONFLICT, Fault.OWN))
"""Faults that may be those of a single group: each half of the batch is tried by itself."""


@dataclass(frozen=True, slots=True)
class LedgerTerms:
    """How a ledger locks accounts, and how many of their lots it takes.

    An account that needs more than `lots_max` due lots, or more spendable ones of a stream, is
    left over, and so is a batch that takes too long; without `lots_max` the ledger has to see to
    them itself.
    """

    locking: Locking = Locking.SKIP
    lots_max: int | None = LOTS_MAX
    slow_max: int = SLOW_MAX


class Ledger:
    """Executes batches of calls on one connection; used by one thread."""

    def __init__(
        self,
        link: Link,
        programs: ProgramCache,
        ids: NumberSource,
        clock: Clock,
        terms: LedgerTerms,
    ) -> None:
        self._link = link
        self._programs = programs
        self._ids = ids
        self._clock = clock
        self._terms = terms
        self._slow = 0
        self._by_name = NamedIds()

    def execute(self, calls: Sequence[LedgerCall]) -> Leftover:
        """Decide every call that can be decided now; return those that cannot.

        A ledger that waits for accounts does so for one call at a time, after it has decided
        all that need not wait; so one account that stays locked does not hold up the others.
        """
        self._slow = 0
        leftover = self._round(calls, Locking.SKIP)
        if self._terms.locking is Locking.WAIT and leftover.locked_out:
            oversized = self._wait_for_one(leftover.locked_out)
            handed_on = set(map(id, oversized))
            leftover.oversized += oversized
            leftover.locked_out = [
                call
                for call in leftover.locked_out
                if not call.settled and id(call) not in handed_on
            ]
        return leftover

    def preview(self, connection: Connection, calls: Sequence[LedgerCall]) -> list[LedgerCall]:
        """Decide every call by itself, in the snapshot of `connection`, and change nothing.

        Returns those of crowded accounts, which are not decided or only in part.
        """
        oversized: list[LedgerCall] = []
        for call in calls:
            for group in call.groups:
                group.reset()
            ids = _Placeholders()
            gatherer = self._gatherer(connection, ids, Locking.NONE)
            items = _items_of([call])
            gathered = gatherer.lock(items, gatherer.names(items))
            gatherer.load(items, gathered)
            batch = Batch(items, gathered, gatherer)
            decide_all(batch, ids.new_id, self._by_name)
            oversized += left_of(batch).oversized
        return oversized

    def _wait_for_one(self, locked_out: Sequence[LedgerCall]) -> list[LedgerCall]:
        """Wait for the accounts of the call that has waited least; returns it if it is crowded."""
        first = min(locked_out, key=lambda call: call.waits)
        accounts = first.locked_out
        oversized = self._round([first], Locking.WAIT).oversized
        if first.settled or oversized:
            return oversized
        for call in locked_out:
            if call is first or not call.locked_out.isdisjoint(accounts):
                call.waits += 1
                if call.waits >= WAITS_MAX:
                    _fail(_pending(call), Overloaded())
        return []

    def _round(self, calls: Sequence[LedgerCall], locking: Locking) -> Leftover:
        """All that can be decided, in one unit of work or, after a fault, in several."""
        pending = [group for call in calls for group in _pending(call)]
        if not pending:
            return Leftover()
        try:
            return self._persist(calls, pending, locking)
        except Exception as error:
            for group in pending:
                group.reset()
            if is_lock_timeout(error) and (locking is Locking.WAIT or len(pending) == 1):
                return _put_off(calls, locking)
            fault = fault_of(error)
            if len(pending) > 1 and fault in _DIVISIBLE and not isinstance(error, TimeInDoubt):
                half = len(pending) // 2
                return self._split(calls, [pending[:half], pending[half:]], locking)
            if fault is Fault.SLOW:
                return self._slowed(calls, pending, locking)
            _fail(pending, error)
            return Leftover()

    def _slowed(
        self, calls: Sequence[LedgerCall], pending: Sequence[Group], locking: Locking
    ) -> Leftover:
        """Leave over what took too long together, or see which group of it is to blame.

        Halves would run into the timeout over and over; groups by themselves take a moment each.
        """
        if self._terms.lots_max is not None:
            return Leftover(oversized=list(calls))
        if len(pending) > 1:
            return self._split(calls, [[group] for group in pending], locking)
        self._slow += 1
        (call,) = calls
        commands = pending[0].commands
        is_large = (call.whole or call).heavy or len(commands) >= LARGE_FROM
        is_large |= isinstance(commands[0], Lapse)
        _fail(pending, CallTooLarge() if is_large else StorageUnavailable())
        return Leftover()

    def _persist(
        self, calls: Sequence[LedgerCall], pending: Sequence[Group], locking: Locking
    ) -> Leftover:
        """One unit of work for all, tried until its outcome is known."""

        def work(connection: Connection) -> Leftover:
            for group in pending:
                group.reset()
            return self._work(connection, calls, locking)

        return run_with_retries(self._link, self._clock, work)

    def _work(
        self, connection: Connection, calls: Sequence[LedgerCall], locking: Locking
    ) -> Leftover:
        items = _items_of(calls)
        gatherer = self._gatherer(connection, self._ids, locking)
        gatherer.ask_names(items)
        names = gatherer.names(items)
        assign_keys(items, names)
        is_named = self._by_name.assign(connection, items, self._clock)
        gatherer.ask_locks(items, names)
        # Under the locks: whoever held an account until now may have answered the same request.
        answer_known(connection, self._programs, items)
        if is_named:
            self._by_name.answer(connection, self._programs, items)
        gathered = gatherer.lock(items, names)
        gatherer.load(items, gathered)
        batch = Batch(items, gathered, gatherer)
        new_id = self._ids.new_id
        kept = decide_all(batch, lambda of: new_id(bucket_of_id(of)), self._by_name)
        apply(connection, gathered.batch_state, kept, gathered.now)
        return left_of(batch)

    def _gatherer(self, connection: Connection, ids: NumberSource, locking: Locking) -> Gatherer:
        lots_max = self._terms.lots_max
        return Gatherer(
            connection, self._programs, ids, clock=self._clock, locking=locking, lots_max=lots_max
        )

    def _split(
        self, calls: Sequence[LedgerCall], pieces: Sequence[Sequence[Group]], locking: Locking
    ) -> Leftover:
        """Execute one piece of the groups after the other, to find those that are refused."""
        leftover = Leftover()
        call_of = {id(group): call for call in calls for group in call.groups}
        for piece in pieces:
            if self._slow >= self._terms.slow_max:
                _fail(piece, StorageUnavailable())
                continue
            groups_of: dict[int, list[Group]] = {}
            for group in piece:
                groups_of.setdefault(id(call_of[id(group)]), []).append(group)
            parts = [call_of[id(groups[0])].part(groups) for groups in groups_of.values()]
            rest = self._round(parts, locking)
            leftover.locked_out += rest.locked_out
            leftover.oversized += rest.oversized
        return _whole(leftover, calls)


class _Placeholders:
    """Ids for what a preview would create; never positive."""

    def __init__(self) -> None:
        self._numbers = count(-1, -1)

    def new_id(self, _: int) -> int:
        """Another one, whatever the bucket or account."""
        return next(self._numbers)


def _pending(call: LedgerCall) -> list[Group]:
    return [group for group in call.groups if not group.settled]


def _put_off(calls: Sequence[LedgerCall], locking: Locking) -> Leftover:
    """Hand back every call: a lock could not be had, and nothing was decided."""
    for call in calls:
        if locking is Locking.SKIP:
            call.locked_out = frozenset()  # no account's: that of something both wanted to add
    return Leftover(locked_out=list(calls))


def _items_of(calls: Sequence[LedgerCall]) -> list[WorkItem]:
    return [
        WorkItem(call, group, command)
        for call in calls
        for group in _pending(call)
        for command in group.commands
    ]


def _whole(leftover: Leftover, calls: Sequence[LedgerCall]) -> Leftover:
    """Return the calls that the parts in `leftover` belong to."""
    oversized = {id(group) for part in leftover.oversized for group in part.groups}
    locked_out = {id(g): part.locked_out for part in leftover.locked_out for g in part.groups}
    result = Leftover()
    for call in calls:
        unsettled = _pending(call)
        if not unsettled:
            continue
        call.locked_out = frozenset().union(*(locked_out.get(id(g), ()) for g in unsettled))
        is_oversized = any(id(group) in oversized for group in unsettled)
        (result.oversized if is_oversized else result.locked_out).append(call)
    return result


def _fail(pending: Sequence[Group], error: Exception) -> None:
    fault = fault_of(error)
    for group in pending:
        if fault is Fault.CONFLICT or isinstance(error, Overloaded):
            group.fail(Overloaded())
        elif fault is Fault.LOST:
            in_doubt = isinstance(error, Unreachable) and error.in_doubt
            group.fail(StorageUnavailable(in_doubt=in_doubt))
        elif isinstance(error, TimeInDoubt):
            group.fail(TimeInDoubt())
        elif fault is Fault.CONTENT:
            group.fail(InvalidField("", "holds a value that cannot be kept"))
        else:
            group.fail(error)

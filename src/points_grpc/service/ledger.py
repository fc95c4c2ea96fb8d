"""Gather, decide, apply: how a batch of calls becomes one unit of work.

Every call leaves with an outcome, or is handed back because an account it needs is locked
elsewhere (`missed`) or has more due lots than this ledger takes on (`crowded`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count, groupby
from uuid import uuid4

from points_grpc.clock import Clock
from points_grpc.domain.answers import Answer
from points_grpc.domain.books import Draft, NeedMoreLots
from points_grpc.domain.commands import Lapse, MoveExpiry, MoveState, digest, fingerprint
from points_grpc.domain.decisions import decide
from points_grpc.errors import (
    InvalidField,
    Overloaded,
    Refusal,
    RequestIdReused,
    StorageUnavailable,
)
from points_grpc.service.apply import KeptAnswer, apply
from points_grpc.service.batch import Call, Group
from points_grpc.service.gather import Gathered, Gatherer, Locking
from points_grpc.service.naming import Item
from points_grpc.service.program_cache import ProgramCache
from points_grpc.service.replay import pack, rebuild
from points_grpc.storage import requests, units
from points_grpc.storage.database import Connection, Link
from points_grpc.storage.faults import Fault, fault_of
from points_grpc.storage.ids import IdSource, bucket_of_id, bucket_of_name
from points_grpc.storage.requests import RequestKey

CONFLICTS_MAX = 8
"""How often a batch is gathered again because another unit of work was first."""

LOST_SECONDS = 1.0
"""For how long a batch tries to reach the database again."""

IN_DOUBT_SECONDS = 5.0
"""For how long it tries that when its COMMIT was under way."""

RETRY_SECONDS = 0.05

Known = dict[RequestKey, tuple[bytes, Answer]]
"""Answers given so far in a batch, with their fingerprints, by the key of their request id."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How a ledger treats accounts: how it locks them, and how many due lots it takes on."""

    locking: Locking = Locking.SKIP
    due_max: int | None = 256


@dataclass(slots=True)
class Leftover:
    """Calls, or parts of calls, that were not decided."""

    missed: list[Call] = field(default_factory=list)
    crowded: list[Call] = field(default_factory=list)


class Ledger:
    """Executes batches of calls on one link; used by one thread."""

    def __init__(
        self, link: Link, programs: ProgramCache, ids: IdSource, clock: Clock, terms: Terms
    ) -> None:
        self._link = link
        self._programs = programs
        self._ids = ids
        self._clock = clock
        self._terms = terms

    def execute(self, calls: Sequence[Call]) -> Leftover:
        """Decide every call that can be decided now; returns those that cannot."""
        pending = [group for call in calls for group in call.groups if not group.settled]
        try:
            return self._persist(calls, pending)
        except Exception as error:
            if len(pending) > 1 and fault_of(error) is Fault.CONTENT:
                return self._split(calls, pending)
            _fail(pending, error)
            return Leftover()

    def preview(self, connection: Connection, calls: Sequence[Call]) -> None:
        """Decide every call by itself, in the snapshot of `connection`, and change nothing."""
        for call in calls:
            batch = self._batch(connection, _items_of([call]), self._clock.now(), Locking.NONE)
            _decide_all(batch, _placeholders())

    def _persist(self, calls: Sequence[Call], pending: Sequence[Group]) -> Leftover:
        """One unit of work for all, tried until its outcome is known."""
        unit_id = uuid4()
        conflicts = 0
        doubt = _Doubt()
        leftover = Leftover()
        while True:
            try:
                with self._link.unit() as connection:
                    now = self._clock.now()
                    if not units.open_unit(connection, unit_id, now):
                        return leftover
                    for group in pending:
                        group.reset()
                    doubt.in_flight = False
                    leftover = self._work(connection, calls, now)
                    doubt.in_flight = True
                return leftover
            except Exception as error:
                fault = fault_of(error)
                if fault is Fault.CONFLICT and conflicts < CONFLICTS_MAX:
                    conflicts += 1
                elif fault is not Fault.LOST or doubt.over():
                    raise

    def _work(self, connection: Connection, calls: Sequence[Call], now: datetime) -> Leftover:
        items = _items_of(calls)
        _give_keys(items)
        self._answer_known(connection, items)
        batch = self._batch(connection, items, now, self._terms.locking)
        kept = _decide_all(batch, self._new_id)
        apply(connection, batch.gathered.books, kept, now)
        return _leftover(batch)

    def _batch(
        self, connection: Connection, items: list[Item], now: datetime, locking: Locking
    ) -> _Batch:
        gatherer = Gatherer(
            connection,
            self._programs,
            self._ids,
            now=now,
            locking=locking,
            due_max=self._terms.due_max,
        )
        names = gatherer.names(items)
        gathered = gatherer.lock(items, names)
        if locking is not Locking.NONE:
            self._answer_known(connection, items)
        gatherer.load(items, gathered)
        return _Batch(items, gathered, gatherer)

    def _answer_known(self, connection: Connection, items: Sequence[Item]) -> None:
        """Give the first answer to every open item whose request id has been used."""
        asked = [(item, item.key) for item in items if item.open and item.key is not None]
        known = requests.find(connection, {key for _, key in asked})
        hits = [(item, known[key[0], key[2]]) for item, key in asked if (key[0], key[2]) in known]
        same = [(item, answer) for item, (mark, answer) in hits if mark == item.fingerprint]
        for item, (mark, _) in hits:
            if mark != item.fingerprint:
                _refuse_reuse(item, items)
        if same:
            rows = [(item.caller, answer) for item, answer in same]
            for (item, _), answer in zip(
                same, rebuild(connection, self._programs, rows), strict=True
            ):
                item.replay = answer

    def _new_id(self, account_id: int) -> int:
        return self._ids.new_id(bucket_of_id(account_id))

    def _split(self, calls: Sequence[Call], pending: Sequence[Group]) -> Leftover:
        """Execute one half of the groups after the other, to find those that are refused."""
        leftover = Leftover()
        first = {id(group) for group in pending[: len(pending) // 2]}
        for in_first in (True, False):
            half = [
                replace(call, groups=groups)
                for call in calls
                if (groups := [g for g in call.groups if (id(g) in first) is in_first])
            ]
            rest = self.execute(half)
            leftover.missed += rest.missed
            leftover.crowded += rest.crowded
        return _whole(leftover, calls)


@dataclass(slots=True)
class _Batch:
    items: list[Item]
    gathered: Gathered
    gatherer: Gatherer


def _placeholders() -> Callable[[int], int]:
    """Ids for what a preview would make; never positive."""
    numbers = count(-1, -1)
    return lambda _: next(numbers)


class _Doubt:
    """How long to go on when the connection was lost: longer if the COMMIT was under way."""

    def __init__(self) -> None:
        self.in_flight = False
        self._since: float | None = None

    def over(self) -> bool:
        """Whether to give up now; waits a moment where not."""
        now = time.monotonic()
        self._since = self._since or now
        if now - self._since > (IN_DOUBT_SECONDS if self.in_flight else LOST_SECONDS):
            return True
        time.sleep(RETRY_SECONDS)
        return False


def _items_of(calls: Sequence[Call]) -> list[Item]:
    return [
        Item(call, group, command)
        for call in calls
        for group in call.groups
        if not group.settled
        for command in group.commands
    ]


def _give_keys(items: Sequence[Item]) -> None:
    """Where the answer to each request id is kept: by tenant and member as named."""
    for item in items:
        command, tenant = item.command, item.caller.tenant_id
        if not command.request_id:
            continue
        if isinstance(command, MoveState):
            scope: tuple[object, ...] = ("transaction", command.transaction_id)
            bucket = bucket_of_id(command.transaction_id)
        elif isinstance(command, Lapse):
            continue
        else:
            member = command.member
            scope = ("member", member.type, member.value)
            bucket = bucket_of_name(tenant, member.type, member.value)
            if isinstance(command, MoveExpiry):
                scope = (*scope, command.index)
        item.key = (tenant, bucket, digest(tenant, scope, command.request_id))
        item.fingerprint = fingerprint(command)


def _refuse_reuse(item: Item, items: Sequence[Item]) -> None:
    for other in items if item.call.one_request else (item,):
        if other.call is item.call:
            other.replay = None
            other.refusal = RequestIdReused("request_id")


def _decide_all(batch: _Batch, new_id: Callable[[int], int]) -> list[KeptAnswer]:
    """Decide group after group, except those whose accounts cannot be had."""
    blocked = batch.gathered.missed | batch.gathered.crowded
    known: Known = {}
    kept: list[KeptAnswer] = []
    for _, run in groupby(batch.items, key=lambda item: id(item.group)):
        items = list(run)
        wanted = {item.account_id for item in items if item.open}
        if wanted & blocked:
            blocked |= wanted
            continue
        for item in items:
            if item.call.one_request and _was_other(item, known):
                _refuse_reuse(item, batch.items)
        kept += _decide_group(batch, items, new_id, known)
    return kept


def _was_other(item: Item, known: Known) -> bool:
    return item.key is not None and item.key in known and known[item.key][0] != item.fingerprint


def _decide_group(
    batch: _Batch, items: Sequence[Item], new_id: Callable[[int], int], known: Known
) -> list[KeptAnswer]:
    group = items[0].group
    books = batch.gathered.books
    while True:
        draft = Draft(books, new_id, items[0].caller.principal)
        fresh: Known = {}
        answers: list[Answer] = []
        try:
            for item in items:
                answers.append(_answer(batch, item, draft, known | fresh if fresh else known))
                if item.key is not None and not answers[-1].replayed:
                    fresh[item.key] = (item.fingerprint, answers[-1])
        except NeedMoreLots as more:
            draft.drop()
            batch.gatherer.load_all_spendable(books.holdings[more.account_id])
            continue
        except Refusal as refusal:
            draft.drop()
            group.fail(refusal, at=len(answers))
            return []
        except Exception as error:
            draft.drop()
            group.fail(error, at=len(answers))
            return []
        draft.keep()
        group.results = answers
        known.update(fresh)
        return [KeptAnswer(key, mark, pack(answer)) for key, (mark, answer) in fresh.items()]


def _answer(batch: _Batch, item: Item, draft: Draft, known: Known) -> Answer:
    if item.replay is not None:
        return item.replay
    if item.key is not None and item.key in known:
        mark, answer = known[item.key]
        if mark != item.fingerprint:
            raise RequestIdReused("request_id")
        return replace(answer, replayed=True)
    return decide(batch.gatherer.case(item, batch.gathered.books), draft)


def _leftover(batch: _Batch) -> Leftover:
    """The calls with groups that were not decided, each once, in order."""
    left: dict[int, Call] = {}
    crowded: set[int] = set()
    for item in batch.items:
        if not item.group.settled:
            left[id(item.call)] = item.call
            if item.account_id in batch.gathered.crowded:
                crowded.add(id(item.call))
    return Leftover(
        missed=[call for key, call in left.items() if key not in crowded],
        crowded=[call for key, call in left.items() if key in crowded],
    )


def _whole(leftover: Leftover, calls: Sequence[Call]) -> Leftover:
    """The calls that the parts in `leftover` are parts of."""
    crowded = {id(group) for part in leftover.crowded for group in part.groups}
    result = Leftover()
    for call in calls:
        unsettled = [group for group in call.groups if not group.settled]
        if unsettled:
            is_crowded = any(id(group) in crowded for group in unsettled)
            (result.crowded if is_crowded else result.missed).append(call)
    return result


def _fail(pending: Sequence[Group], error: Exception) -> None:
    fault = fault_of(error)
    for group in pending:
        if fault is Fault.CONFLICT:
            group.fail(Overloaded())
        elif fault is Fault.LOST:
            group.fail(StorageUnavailable())
        elif fault is Fault.CONTENT:
            group.fail(InvalidField("", "holds a value that cannot be kept"))
        else:
            group.fail(error)

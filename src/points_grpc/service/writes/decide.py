"""Deciding a gathered batch: group after group, each kept or dropped whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from points_grpc.domain.decisions import decide
from points_grpc.domain.results import Answer
from points_grpc.domain.state import ChangeSet, NeedMoreLots
from points_grpc.errors import CallTooLarge, Refusal, RequestIdReused
from points_grpc.service.writes.answer_rows import AnswerRows
from points_grpc.service.writes.apply import KeptAnswer
from points_grpc.service.writes.former_request_ids import NamedIds
from points_grpc.service.writes.gather import SPENDABLE_MAX, Gathered, Gatherer
from points_grpc.service.writes.idempotency import refuse_reuse
from points_grpc.service.writes.resolve import WorkItem
from points_grpc.service.writes.work import LedgerCall
from points_grpc.storage.core.db_errors import Fault, fault_of
from points_grpc.storage.ledger.requests import RequestKey

Known = dict[RequestKey, tuple[WorkItem, Answer]]
"""Items that got their first answer in this batch, by their own key."""


@dataclass(slots=True)
class Batch:
    """The items of a batch with everything that their decisions need."""

    items: list[WorkItem]
    gathered: Gathered
    gatherer: Gatherer


@dataclass(slots=True)
class Leftover:
    """Calls, or parts of calls, that were not decided."""

    locked_out: list[LedgerCall] = field(default_factory=list)
    oversized: list[LedgerCall] = field(default_factory=list)


def decide_all(batch: Batch, new_id: Callable[[int], int], by_name: NamedIds) -> list[KeptAnswer]:
    """Decide group after group, except those whose accounts are not available.

    A group behind one that is left over for an account is left over, too. So is one that needs
    more lots of an account than the gatherer takes on.
    """
    blocked = batch.gathered.locked_out | batch.gathered.oversized
    known: Known = {}
    answer_rows = AnswerRows(by_name)
    for _, items_of_call in groupby(batch.items, key=lambda item: item.call.identity):
        of_call = list(items_of_call)
        _refuse_other_content(of_call, answer_rows)
        first: list[tuple[WorkItem, Answer]] = []
        for _, items_of_group in groupby(of_call, key=lambda item: id(item.group)):
            items = list(items_of_group)
            wanted = {item.account_id for item in items if item.open}
            if not wanted & blocked:
                first += _decide_group(batch, items, new_id, known)
            if wanted & (blocked | batch.gathered.oversized):
                blocked |= wanted
        answer_rows.keep(first)
    return answer_rows.rows()


def left_of(batch: Batch) -> Leftover:
    """Return the calls with undecided groups, each once, in order."""
    left: dict[int, list[WorkItem]] = {}
    for item in batch.items:
        if not item.group.settled:
            left.setdefault(id(item.call), []).append(item)
    leftover = Leftover()
    for items in left.values():
        call = items[0].call
        accounts = {item.account_id for item in items}
        call.locked_out = frozenset(accounts & batch.gathered.locked_out)
        is_oversized = not accounts.isdisjoint(batch.gathered.oversized)
        if is_oversized:
            (call.whole or call).heavy = True
        (leftover.oversized if is_oversized else leftover.locked_out).append(call)
    return leftover


def _refuse_other_content(of_call: Sequence[WorkItem], answer_rows: AnswerRows) -> None:
    """Refuse items whose request id the batch has answered with other content."""
    for item in of_call:
        if item.replay is None and answer_rows.has_other_content(item):
            refuse_reuse(item, of_call)


def _decide_group(
    batch: Batch, items: Sequence[WorkItem], new_id: Callable[[int], int], known: Known
) -> list[tuple[WorkItem, Answer]]:
    """Decide a group; return its items with their answers, none if it was rolled back."""
    group = items[0].group
    batch_state = batch.gathered.batch_state
    while True:
        change_set = ChangeSet(batch_state, new_id, items[0].caller.principal)
        fresh: Known = {}
        answers: list[Answer] = []
        try:
            for item in items:
                answers.append(_answer(batch, item, change_set, known, fresh))
        except NeedMoreLots as more:
            change_set.rollback()
            if batch.gatherer.load_more_spendable(batch_state.account_states[more.account_id]):
                continue
            if batch.gatherer.hands_on:
                batch.gathered.oversized.add(more.account_id)
            else:
                group.fail(CallTooLarge("amount", lots_max=SPENDABLE_MAX), at=len(answers))
            return []
        except Exception as error:
            change_set.rollback()
            if not isinstance(error, Refusal) and fault_of(error) is not Fault.OWN:
                raise  # of the database's, for new ids come from there
            group.fail(error, at=len(answers))
            return []
        change_set.commit()
        group.results = answers
        known.update(fresh)
        return list(fresh.values())


def _answer(
    batch: Batch, item: WorkItem, change_set: ChangeSet, known: Known, fresh: Known
) -> Answer:
    """Return the stored answer if there is one, else decide the item and add it to `fresh`."""
    if item.replay is not None:
        return item.replay
    if item.key is not None and (first := fresh.get(item.key) or known.get(item.key)):
        earlier, answer = first
        if earlier.fingerprint != item.fingerprint:
            raise RequestIdReused("request_id")
        return replace(answer, replayed=True)
    answer = decide(batch.gatherer.resolve(item, batch.gathered.batch_state), change_set)
    if item.key is not None:
        fresh[item.key] = (item, answer)
    return answer

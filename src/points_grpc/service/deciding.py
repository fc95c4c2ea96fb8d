"""Deciding a gathered batch: group after group, each kept or dropped whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from points_grpc.domain.answers import Answer
from points_grpc.domain.books import Draft, NeedMoreLots
from points_grpc.domain.decisions import decide
from points_grpc.errors import CallTooLarge, Refusal, RequestIdReused
from points_grpc.service.apply import KeptAnswer
from points_grpc.service.batch import Call, SharedId
from points_grpc.service.gather import SPENDABLE_MAX, Gathered, Gatherer
from points_grpc.service.idempotency import place_of, refuse_reuse
from points_grpc.service.naming import Item
from points_grpc.service.replay import APART, pack, pack_together
from points_grpc.storage.faults import Fault, fault_of
from points_grpc.storage.requests import RequestKey

Known = dict[RequestKey, tuple[Item, Answer]]
"""Items that got their first answer in this batch, by the key of their request id."""


@dataclass(slots=True)
class Batch:
    """Items with all that their decisions need."""

    items: list[Item]
    gathered: Gathered
    gatherer: Gatherer


@dataclass(slots=True)
class Leftover:
    """Calls, or parts of calls, that were not decided."""

    missed: list[Call] = field(default_factory=list)
    crowded: list[Call] = field(default_factory=list)


def decide_all(batch: Batch, new_id: Callable[[int], int]) -> list[KeptAnswer]:
    """Decide group after group, except those whose accounts cannot be had.

    A group behind one that is left over for an account is left over, too. So is one that needs
    more lots of an account than the gatherer takes on.
    """
    blocked = batch.gathered.missed | batch.gathered.crowded
    known: Known = {}
    opened: dict[RequestKey, bytes] = {}
    kept: list[KeptAnswer] = []
    for _, items_of_call in groupby(batch.items, key=lambda item: item.call.identity):
        of_call = list(items_of_call)
        _refuse_other_content(of_call, opened)
        first: list[tuple[Item, Answer]] = []
        for _, items_of_group in groupby(of_call, key=lambda item: id(item.group)):
            items = list(items_of_group)
            wanted = {item.account_id for item in items if item.open}
            if not wanted & blocked:
                first += _decide_group(batch, items, new_id, known)
            if wanted & (blocked | batch.gathered.crowded):
                blocked |= wanted
        kept += _kept(first, opened)
    return kept


def _kept(
    first: Sequence[tuple[Item, Answer]], opened: dict[RequestKey, bytes]
) -> list[KeptAnswer]:
    """The rows that keep what items of one call were answered.

    Items that share a request id have one row together. Where they were not all answered at
    once, that row only says so, and each item has one of its own.
    """
    rows: list[KeptAnswer] = []
    sharing: dict[RequestKey, tuple[SharedId, list[tuple[Item, Answer]]]] = {}
    for item, answer in first:
        if item.shared is not None:
            _, pairs = sharing.setdefault(item.shared.key, (item.shared, []))
            pairs.append((item, answer))
        elif item.key is not None:
            rows.append(KeptAnswer(item.key, item.fingerprint, pack(answer)))
    for key, (shared, pairs) in sharing.items():
        is_new = shared.since is None and key not in opened
        opened[key] = shared.fingerprint
        if is_new and [place_of(item) for item, _ in pairs] == list(range(shared.size)):
            together = pack_together([answer for _, answer in pairs])
            rows.append(KeptAnswer(key, shared.fingerprint, together))
            continue
        if is_new:
            rows.append(KeptAnswer(key, shared.fingerprint, APART))
        rows += [
            KeptAnswer(item.key, item.fingerprint, pack(answer), shared.since)
            for item, answer in pairs
            if item.key is not None
        ]
    return rows


def left_of(batch: Batch) -> Leftover:
    """The calls with groups that were not decided, each once, in order."""
    left: dict[int, list[Item]] = {}
    for item in batch.items:
        if not item.group.settled:
            left.setdefault(id(item.call), []).append(item)
    leftover = Leftover()
    for items in left.values():
        call = items[0].call
        accounts = {item.account_id for item in items}
        call.missed = frozenset(accounts & batch.gathered.missed)
        is_crowded = not accounts.isdisjoint(batch.gathered.crowded)
        if is_crowded:
            (call.whole or call).heavy = True
        (leftover.crowded if is_crowded else leftover.missed).append(call)
    return leftover


def _refuse_other_content(of_call: Sequence[Item], opened: dict[RequestKey, bytes]) -> None:
    """Refuse a whole call where the batch has answered its request id for other content."""
    if not opened:
        return
    for item in of_call:
        if item.shared is not None and (
            opened.get(item.shared.key, item.fingerprint) != item.fingerprint
        ):
            refuse_reuse(item, of_call)
            return


def _decide_group(
    batch: Batch, items: Sequence[Item], new_id: Callable[[int], int], known: Known
) -> list[tuple[Item, Answer]]:
    """What was kept under request ids, with their items; nothing if the group was dropped."""
    group = items[0].group
    books = batch.gathered.books
    while True:
        draft = Draft(books, new_id, items[0].caller.principal)
        fresh: Known = {}
        answers: list[Answer] = []
        try:
            for item in items:
                answers.append(_answer(batch, item, draft, known, fresh))
        except NeedMoreLots as more:
            draft.drop()
            if batch.gatherer.load_more_spendable(books.holdings[more.account_id]):
                continue
            if batch.gatherer.hands_on:
                batch.gathered.crowded.add(more.account_id)
            else:
                group.fail(CallTooLarge("amount", lots_max=SPENDABLE_MAX), at=len(answers))
            return []
        except Exception as error:
            draft.drop()
            if not isinstance(error, Refusal) and fault_of(error) is not Fault.OWN:
                raise  # of the database's, for new ids come from there
            group.fail(error, at=len(answers))
            return []
        draft.keep()
        group.results = answers
        known.update(fresh)
        return list(fresh.values())


def _answer(batch: Batch, item: Item, draft: Draft, known: Known, fresh: Known) -> Answer:
    """The first answer where there is one; a new one otherwise, noted in `fresh`."""
    if item.replay is not None:
        return item.replay
    if item.key is not None and (first := fresh.get(item.key) or known.get(item.key)):
        earlier, answer = first
        if earlier.fingerprint != item.fingerprint:
            raise RequestIdReused("request_id")
        return replace(answer, replayed=True)
    answer = decide(batch.gatherer.case(item, batch.gathered.books), draft)
    if item.key is not None:
        fresh[item.key] = (item, answer)
    return answer

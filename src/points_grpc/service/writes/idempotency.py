"""Request ids: where the answer to each is kept, and what was answered before.

An id counts for the member as resolved, however the request names it, or for the transaction
where there is no member. The items of an UpdateExpiry that are about one member are known under
one row; where not all were kept at once, those that came later have rows of their own. A call
that names several members has the tenant as its scope besides, and a row that says so.

An identifier may have gone to another member between a request and its retry: its former members
are tried too, and what is then kept for one of them is kept for the others, so that the request
and its retry meet at one key even where both are under way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from points_grpc.domain.commands import (
    ChangeLotState,
    Command,
    Lapse,
    UpdateExpiry,
    digest,
    fingerprint,
)
from points_grpc.errors import RequestIdReused
from points_grpc.service.shared.program_cache import ProgramCache
from points_grpc.service.writes.replay import rebuild
from points_grpc.service.writes.resolve import ResolvedNames, WorkItem, member_key
from points_grpc.service.writes.work import CallId
from points_grpc.storage.core.database import Connection
from points_grpc.storage.core.ids import BUCKETS, bucket_of_id
from points_grpc.storage.ledger import requests
from points_grpc.storage.ledger.requests import RequestKey
from points_grpc.storage.ledger.stored_answers import unpack_places

Kept = dict[tuple[int, bytes], tuple[bytes, bytes, datetime]]
"""By tenant_id and key: fingerprint, answer, created_at."""


def assign_keys(items: Sequence[WorkItem], names: ResolvedNames) -> None:
    """Set the key of every item with a request id."""
    calls: dict[tuple[int, str], CallId] = {}
    rows: dict[tuple[int, str, int], RequestKey] = {}
    for item in items:
        command = item.command
        if not command.request_id or isinstance(command, Lapse):
            continue
        item.fingerprint = fingerprint(command)
        tenant = item.call.caller.tenant_id
        if isinstance(command, ChangeLotState):
            scope = ("transaction", command.transaction_id)
            key = digest(tenant, scope, command.request_id)
            item.key = item.home = (tenant, bucket_of_id(command.transaction_id), key)
            continue
        name = member_key(item.call.caller, command.member)
        member = names.members.get(name)
        member_id = 0 if member is None else member.label.member_id
        if member_id:
            item.home = _row_of(tenant, member_id, command, rows)
        if name in names.former:
            item.former = tuple(
                _row_of(tenant, other, command, rows)
                for other in names.former[name]
                if other != member_id
            )
        if isinstance(command, UpdateExpiry):
            of_call = (item.call.identity, command.request_id)
            item.call_id = calls.get(of_call)
            if item.call_id is None:
                item.call_id = calls[of_call] = _call_id(item, command)
            item.key = own_key(item.home, command) if item.home else None
        else:
            item.key = item.home


def own_key(home: RequestKey, move: UpdateExpiry) -> RequestKey:
    """Return the key of one item of an UpdateExpiry, within its member's row."""
    tenant, bucket, key = home
    return tenant, bucket, key + move.index.to_bytes(4, "big")


def answer_known(connection: Connection, programs: ProgramCache, items: Sequence[WorkItem]) -> None:
    """Set the stored answer of every item whose request id was used before.

    Items that name nothing any more get theirs too. An id that was used for other content is
    refused.
    """
    asked = [item for item in items if item.fingerprint]
    known: Kept = requests.find(connection, {key for item in asked for key in _keys(item)})
    if not known:
        return
    hits: list[tuple[WorkItem, bytes]] = []
    apart: list[WorkItem] = []
    pairs: dict[bytes, dict[int, bytes]] = {}
    for item in asked:
        if _is_refused(item):
            continue
        if _finds_other_content(item, known):
            refuse_reuse(item, items)
        elif (answer := _find_home(item, known)) is None:
            continue
        elif not isinstance(item.command, UpdateExpiry):
            hits.append((item, answer))
        else:
            of_row = pairs.get(answer)
            if of_row is None:
                of_row = pairs[answer] = unpack_places(answer)
            place = of_row.get(item.command.index)
            if place is None:
                apart.append(item)
            else:
                hits.append((item, place))
    later = requests.find(connection, {item.key for item in apart if item.key})
    for item in apart:
        if item.key is not None and (row := later.get((item.key[0], item.key[2]))) is not None:
            hits.append((item, row[1]))
    give_answers(connection, programs, hits)


def give_answers(
    connection: Connection, programs: ProgramCache, hits: Sequence[tuple[WorkItem, bytes]]
) -> None:
    """Set the items' stored answers, except those of calls that are refused."""
    same = [(item, answer) for item, answer in hits if not _is_refused(item)]
    answers = rebuild(connection, programs, [(item.caller, answer) for item, answer in same])
    for (item, _), replay in zip(same, answers, strict=True):
        item.replay = replay
        item.refusal = None


def refuse_reuse(item: WorkItem, items: Sequence[WorkItem]) -> None:
    """Refuse the item, and all of `items` that share its request id as one call."""
    for other in items if item.call.one_request else (item,):
        if other.call.identity == item.call.identity:
            other.replay = None
            other.refusal = RequestIdReused("request_id")


def _is_refused(item: WorkItem) -> bool:
    return isinstance(item.refusal, RequestIdReused)


def _row_of(
    tenant: int, member_id: int, command: Command, rows: dict[tuple[int, str, int], RequestKey]
) -> RequestKey:
    """Return the row of a request id in the scope of a member, whatever method wrote it."""
    asked = (tenant, command.request_id, member_id)
    row = rows.get(asked)
    if row is None:
        key = digest(tenant, "of", member_id, command.request_id)
        row = rows[asked] = (tenant, bucket_of_id(member_id), key)
    return row


def _call_id(item: WorkItem, first: UpdateExpiry) -> CallId:
    """Return the call's id in the scope of the tenant, for its members as it names them."""
    tenant = item.caller.tenant_id
    names_several = any(
        command.member != first.member
        for group in (item.call.whole or item.call).groups
        for command in group.commands
        if isinstance(command, UpdateExpiry) and command.request_id == first.request_id
    )
    key = digest(tenant, "of many", first.request_id)
    return CallId((tenant, key[0] % BUCKETS, key), names_several)


def _keys(item: WorkItem) -> Iterator[RequestKey]:
    if item.home is not None:
        yield item.home
    yield from item.former
    if item.call_id is not None:
        yield item.call_id.key


def _finds_other_content(item: WorkItem, known: Kept) -> bool:
    """Return whether the call's or member's row is another request's; note its own."""
    if item.call_id is not None:
        _, _, key = item.call_id.key
        if (row := known.get((item.caller.tenant_id, key))) is not None:
            if row[0] != item.fingerprint:
                return True
            item.call_id.since, item.call_id.is_kept = row[2], True
    if item.home is None:
        return False
    row = known.get((item.home[0], item.home[2]))
    return row is not None and row[0] != item.fingerprint


def _find_home(item: WorkItem, known: Kept) -> bytes | None:
    """Return the row of the item's request under its member or a former one; None if there is none.

    A former member's row of other content is that member's own business: it is left alone.
    """
    free = []
    for home in (item.home, *item.former):
        if home is None:
            continue
        row = known.get((home[0], home[2]))
        if row is None:
            free.append(home)
        elif row[0] == item.fingerprint:
            item.home = item.key = home
            item.is_kept = True
            if item.call_id is not None and isinstance(item.command, UpdateExpiry):
                item.key = own_key(home, item.command)
                item.call_id.since = item.call_id.since or row[2]
            return row[1]
    item.former = tuple(key for key in free if key != item.home)
    return None

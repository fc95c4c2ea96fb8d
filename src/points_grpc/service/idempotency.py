"""Request ids: where the answer to each is kept, and what was answered before.

Items of one call that share a request id (an UpdateExpiry's) are known under one row. It holds
the answers to all of them, or says that each has a row of its own, because they were not all
kept at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from points_grpc.domain.commands import (
    Command,
    Lapse,
    MoveExpiry,
    MoveState,
    digest,
    fingerprint,
)
from points_grpc.errors import RequestIdReused
from points_grpc.service.batch import SharedId
from points_grpc.service.naming import Item
from points_grpc.service.program_cache import ProgramCache
from points_grpc.service.replay import APART, rebuild, unpack_together
from points_grpc.storage import requests
from points_grpc.storage.database import Connection
from points_grpc.storage.ids import BUCKETS, bucket_of_id, bucket_of_name
from points_grpc.storage.requests import RequestKey


def give_keys(items: Sequence[Item]) -> None:
    """Where the answer to each request id is kept."""
    shared: dict[tuple[int, str], SharedId] = {}
    for item in items:
        command = item.command
        if not command.request_id or isinstance(command, Lapse):
            continue
        item.fingerprint = fingerprint(command)
        if isinstance(command, MoveExpiry):
            of_call = (item.call.identity, command.request_id)
            item.shared = shared.get(of_call)
            if item.shared is None:
                item.shared = shared[of_call] = _shared_id(item, command)
            tenant, bucket, key = item.shared.key
            item.key = (tenant, bucket, key + command.index.to_bytes(4, "big"))
        else:
            item.key = _own_key(item.caller.tenant_id, command)


def place_of(item: Item) -> int:
    """The item's place among those that share its request id."""
    return item.command.index if isinstance(item.command, MoveExpiry) else 0


def answer_known(connection: Connection, programs: ProgramCache, items: Sequence[Item]) -> None:
    """Give the first answer to every open item whose request id has been used."""
    asked = [(item, item.key) for item in items if item.key is not None and item.open]
    known = requests.find(
        connection, {item.shared.key if item.shared is not None else key for item, key in asked}
    )
    if not known:
        return
    hits: list[tuple[Item, bytes]] = []
    apart: list[tuple[Item, RequestKey]] = []
    together: dict[RequestKey, list[bytes]] = {}
    for item, own in asked:
        shared = item.shared
        key = shared.key if shared is not None else own
        if (row := known.get((key[0], key[2]))) is None or not item.open:
            continue
        mark, answer, since = row
        if mark != item.fingerprint:
            refuse_reuse(item, items)
        elif shared is None:
            hits.append((item, answer))
        elif answer == APART:
            shared.since = since
            apart.append((item, own))
        else:
            if key not in together:
                together[key] = unpack_together(answer)
            hits.append((item, together[key][place_of(item)]))
    of_items = requests.find(connection, {key for _, key in apart})
    hits += [(item, of_items[k[0], k[2]][1]) for item, k in apart if (k[0], k[2]) in of_items]
    same = [(item, answer) for item, answer in hits if item.refusal is None]
    answers = rebuild(connection, programs, [(item.caller, answer) for item, answer in same])
    for (item, _), replay in zip(same, answers, strict=True):
        item.replay = replay


def refuse_reuse(item: Item, items: Sequence[Item]) -> None:
    """Refuse the item, and all of `items` that share its request id as one call."""
    for other in items if item.call.one_request else (item,):
        if other.call.identity == item.call.identity:
            other.replay = None
            other.refusal = RequestIdReused("request_id")


def _own_key(tenant_id: int, command: Command) -> RequestKey:
    """By tenant and member as named, or the transaction where there is no member."""
    scope: tuple[object, ...]
    if isinstance(command, MoveState):
        scope = ("transaction", command.transaction_id)
        bucket = bucket_of_id(command.transaction_id)
    elif isinstance(command, Lapse):
        raise TypeError("a sweep has no request ids")
    else:
        member = command.member
        scope = ("member", member.type, member.value)
        bucket = bucket_of_name(tenant_id, member.type, member.value)
    return tenant_id, bucket, digest(tenant_id, scope, command.request_id)


def _shared_id(item: Item, first: MoveExpiry) -> SharedId:
    """By tenant and member as named where the call names one, else by tenant alone."""
    tenant = item.caller.tenant_id
    sharing = [
        command
        for group in (item.call.whole or item.call).groups
        for command in group.commands
        if isinstance(command, MoveExpiry) and command.request_id == first.request_id
    ]
    member = first.member
    if all(command.member == member for command in sharing):
        scope: tuple[str, ...] = ("moves of", member.type, member.value)
        bucket = bucket_of_name(tenant, member.type, member.value)
        name = digest(tenant, scope, first.request_id)
    else:
        name = digest(tenant, ("moves",), first.request_id)
        bucket = name[0] % BUCKETS
    return SharedId((tenant, bucket, name), fingerprint(first), len(sharing))

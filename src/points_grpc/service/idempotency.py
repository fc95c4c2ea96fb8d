"""Request ids: where the answer to each is kept, and what was answered before."""

from __future__ import annotations

from collections.abc import Sequence

from points_grpc.domain.commands import Lapse, MoveExpiry, MoveState, digest, fingerprint
from points_grpc.errors import RequestIdReused
from points_grpc.service.naming import Item
from points_grpc.service.program_cache import ProgramCache
from points_grpc.service.replay import rebuild
from points_grpc.storage import requests
from points_grpc.storage.database import Connection
from points_grpc.storage.ids import bucket_of_id, bucket_of_name


def give_keys(items: Sequence[Item]) -> None:
    """Where the answer to each request id is kept: by tenant and member as named."""
    for item in items:
        command, tenant = item.command, item.caller.tenant_id
        if not command.request_id or isinstance(command, Lapse):
            continue
        if isinstance(command, MoveState):
            scope: tuple[object, ...] = ("transaction", command.transaction_id)
            bucket = bucket_of_id(command.transaction_id)
        else:
            member = command.member
            scope = ("member", member.type, member.value)
            bucket = bucket_of_name(tenant, member.type, member.value)
            if isinstance(command, MoveExpiry):
                scope = (*scope, command.index)
        item.key = (tenant, bucket, digest(tenant, scope, command.request_id))
        item.fingerprint = fingerprint(command)


def answer_known(connection: Connection, programs: ProgramCache, items: Sequence[Item]) -> None:
    """Give the first answer to every open item whose request id has been used."""
    asked = [(item, item.key) for item in items if item.open and item.key is not None]
    known = requests.find(connection, {key for _, key in asked})
    hits = [(item, known[key[0], key[2]]) for item, key in asked if (key[0], key[2]) in known]
    for item, (mark, _) in hits:
        if mark != item.fingerprint:
            refuse_reuse(item, items)
    same = [(item, answer) for item, (_, answer) in hits if item.refusal is None]
    answers = rebuild(connection, programs, [(item.caller, answer) for item, answer in same])
    for (item, _), answer in zip(same, answers, strict=True):
        item.replay = answer


def refuse_reuse(item: Item, items: Sequence[Item]) -> None:
    """Refuse the item, and all of `items` that share its request id as one call."""
    for other in items if item.call.one_request else (item,):
        if other.call.identity == item.call.identity:
            other.replay = None
            other.refusal = RequestIdReused("request_id")

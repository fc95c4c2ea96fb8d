"""Request ids as the release before kept them: in the scope of a member as named.

Servers of both releases may run side by side while they are replaced: until a week after the
migration, answers are kept under both keys. After that the old ones are only looked for, until
what was promised of them has passed; and then neither. A database that was made by this release
knows none of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from points_grpc.clock import Clock
from points_grpc.domain.commands import (
    Earn,
    Expire,
    MemberName,
    Redeem,
    UpdateExpiry,
    digest,
)
from points_grpc.domain.results import Answer
from points_grpc.service.shared import retention
from points_grpc.service.shared.program_cache import ProgramCache
from points_grpc.service.writes.apply import KeptAnswer
from points_grpc.service.writes.idempotency import give_answers, own_key, refuse_reuse
from points_grpc.service.writes.resolve import NamedId, WorkItem
from points_grpc.storage.admin import settings
from points_grpc.storage.core.database import Connection
from points_grpc.storage.core.ids import BUCKETS, bucket_of_name
from points_grpc.storage.ledger import requests
from points_grpc.storage.ledger.requests import RequestKey
from points_grpc.storage.ledger.stored_answers import (
    APART,
    pack,
    pack_together,
    unpack_together,
)

UNTIL = "requests_by_name_until"
"""The setting with the instant until which servers of the release before may run."""


class NamedIds:
    """Request ids of the previous release that a ledger may meet; read once."""

    def __init__(self) -> None:
        self._is_asked = False
        self._kept_until: datetime | None = None
        self._known_until: datetime | None = None
        self.is_keeping = False
        """Whether servers of the release before may run."""
        self._opened: dict[RequestKey, bytes] = {}

    def assign(self, connection: Connection, items: Sequence[WorkItem], clock: Clock) -> bool:
        """Set the items' old keys while such rows may exist; return whether they may."""
        if not self._is_asked:
            self._ask(connection)
        if self._kept_until is None or self._known_until is None:
            return False
        now = clock.now()
        self.is_keeping = now < self._kept_until
        self._opened = {}
        if now >= self._known_until:
            return False
        shared: dict[tuple[int, str], NamedId] = {}
        for item in items:
            if item.fingerprint and isinstance(item.command, Earn | Redeem | Expire):
                member = item.command.member
                key = _key(item, ("member", member.type, member.value), member)
                item.by_name = NamedId(key)
            elif item.fingerprint and isinstance(item.command, UpdateExpiry):
                item.by_name = _of_move(item, item.command, shared)
        return True

    def answer(
        self, connection: Connection, programs: ProgramCache, items: Sequence[WorkItem]
    ) -> None:
        """Set the answers that are stored under old keys alone."""
        asked = [(i, i.by_name) for i in items if i.by_name is not None and i.replay is None]
        known = requests.find(connection, {of.shared or of.key for _, of in asked})
        if not known:
            return
        hits: list[tuple[WorkItem, bytes]] = []
        apart: list[tuple[WorkItem, RequestKey]] = []
        for item, of in asked:
            key = of.shared or of.key
            if (row := known.get((key[0], key[2]))) is None:
                continue
            mark, answer, since = row
            if mark != item.fingerprint:
                refuse_reuse(item, items)
            elif of.shared is None:
                hits.append((item, answer))
            elif answer == APART:
                of.since = since
                apart.append((item, of.key))
            elif isinstance(item.command, UpdateExpiry):
                of.since = since
                hits.append((item, unpack_together(answer)[item.command.index]))
        of_items = requests.find(connection, {key for _, key in apart})
        hits += [(item, of_items[k[0], k[2]][1]) for item, k in apart if (k[0], k[2]) in of_items]
        give_answers(connection, programs, hits)

    def rows(self, first: Iterable[tuple[WorkItem, Answer]]) -> list[KeptAnswer]:
        """Return the rows by which servers of the previous release find a call's first answers."""
        if not self.is_keeping:
            return []
        rows: list[KeptAnswer] = []
        shared: dict[RequestKey, list[tuple[WorkItem, NamedId, Answer]]] = {}
        for item, answer in first:
            of = item.by_name
            if of is not None and of.shared is None:
                rows.append(
                    KeptAnswer(of.key, item.fingerprint, pack(answer, for_release_before=True))
                )
            elif of is not None and of.shared is not None:
                shared.setdefault(of.shared, []).append((item, of, answer))
        for key, kept in shared.items():
            rows += self._shared(key, kept)
        return rows

    def _shared(
        self, key: RequestKey, kept: Sequence[tuple[WorkItem, NamedId, Answer]]
    ) -> list[KeptAnswer]:
        item, of, _ = kept[0]
        is_new = of.since is None and key not in self._opened
        self._opened[key] = item.fingerprint
        if is_new and len(kept) == of.size:
            together = pack_together([answer for _, _, answer in kept])
            return [KeptAnswer(key, item.fingerprint, together)]
        rows = [KeptAnswer(key, item.fingerprint, APART)] if is_new else []
        return rows + [
            KeptAnswer(one.key, of_item.fingerprint, pack(answer), one.since)
            for of_item, one, answer in kept
        ]

    def _ask(self, connection: Connection) -> None:
        until = settings.read(connection, UNTIL)
        if until is not None:
            self._kept_until = datetime.fromisoformat(until)
            promised = retention.promised(connection) or retention.LONGEST
            self._known_until = self._kept_until + promised
        self._is_asked = True


def _key(item: WorkItem, scope: tuple[str, ...], member: MemberName) -> RequestKey:
    tenant = item.caller.tenant_id
    bucket = bucket_of_name(tenant, member.type, member.value)
    return tenant, bucket, digest(tenant, scope, item.command.request_id)


def _of_move(item: WorkItem, move: UpdateExpiry, calls: dict[tuple[int, str], NamedId]) -> NamedId:
    """Return the key by the member as named if the call names one, else by the tenant alone."""
    asked = (item.call.identity, move.request_id)
    of_call = calls.get(asked)
    if of_call is None:
        sharing = [
            command
            for group in (item.call.whole or item.call).groups
            for command in group.commands
            if isinstance(command, UpdateExpiry) and command.request_id == move.request_id
        ]
        member = sharing[0].member
        if all(command.member == member for command in sharing):
            key = _key(item, ("moves of", member.type, member.value), member)
        else:
            tenant = item.caller.tenant_id
            name = digest(tenant, ("moves",), move.request_id)
            key = (tenant, name[0] % BUCKETS, name)
        of_call = calls[asked] = NamedId(key, key, len(sharing))
    return NamedId(own_key(of_call.key, move), of_call.key, of_call.size)

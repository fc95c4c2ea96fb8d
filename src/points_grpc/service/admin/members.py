"""The administration of members and of the identifiers by which they are known."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

from points_grpc.domain.admin.commands import (
    CreateMember,
    LinkIdentifier,
    MemberView,
    Outcome,
    UnlinkIdentifier,
)
from points_grpc.domain.commands import MEMBER_ID, VENDOR_ID, Caller, MemberName
from points_grpc.domain.identifiers import check_identifier, check_identifiers, first_name, label_of
from points_grpc.domain.limits import DEFAULT_QUOTAS, Quotas, check_room
from points_grpc.domain.results import MemberLabel
from points_grpc.errors import IdentifierTaken, InvalidField, LimitReached, MemberNotFound
from points_grpc.service.admin.audit_log import AdminRecorder
from points_grpc.service.admin.executor import AdminChange, AdminExecutor, AnswerCodec, Instant
from points_grpc.storage.admin.audit_events import EVENT_NUMBERS
from points_grpc.storage.core.database import Connection
from points_grpc.storage.core.ids import IdSource, bucket_of_name
from points_grpc.storage.ledger import members


class MemberService:
    """Creates and reads members, and links and unlinks their identifiers.

    Everything is scoped to the caller's tenant. Names and identifiers arrive normalised. Beside
    what each method names, all refuse with Overloaded and StorageUnavailable, and changes with
    InvalidField and RequestIdReused.
    """

    def __init__(
        self, admin: AdminExecutor, ids: IdSource, quotas: Quotas = DEFAULT_QUOTAS
    ) -> None:
        self._executor = admin
        self._ids = ids
        self._quotas = quotas
        self._event_ids = ids.of_series(EVENT_NUMBERS)

    async def create_member(self, caller: Caller, change: CreateMember) -> Outcome[MemberView]:
        """Create a member with any number of identifiers, including none.

        IdentifierTaken (`identifiers[i]`) where one of them is known already.
        """
        check_identifiers(change.identifiers)
        if len(set(change.identifiers)) > self._quotas.identifiers:
            raise LimitReached("identifiers", limit=self._quotas.identifiers)
        first = first_name(change.identifiers)
        scope = ("member", first.type, first.value) if first else ("members",)
        task = AdminChange(
            caller.tenant_id,
            scope,
            change,
            lambda at, now: _create(
                AdminRecorder(at, caller, change, now, self._event_ids), change, self._ids.new_id
            ),
            _MEMBER,
        )
        return await self._executor.run(task)

    async def get_member(self, caller: Caller, name: MemberName) -> MemberView:
        """Return a member. Raises MemberNotFound."""
        return await self._executor.read(lambda at: _find(at, caller.tenant_id, name))

    async def link_identifier(self, caller: Caller, change: LinkIdentifier) -> Outcome[MemberView]:
        """Add an identifier to a member; one that it already has changes nothing.

        MemberNotFound; IdentifierTaken (`identifier`) where it is another member's;
        InvalidField for a second vendor_id.
        """
        check_identifier(change.identifier, "identifier")

        def link(
            at: Connection, tenant_id: int, member: MemberView, name: MemberName, now: datetime
        ) -> MemberView:
            if name not in member.identifiers:
                check_room("identifier", len(member.identifiers), self._quotas.identifiers)
            return _link(at, tenant_id, member, name, now)

        return await self._change(caller, change, link)

    async def unlink_identifier(
        self, caller: Caller, change: UnlinkIdentifier
    ) -> Outcome[MemberView]:
        """Remove an identifier from a member; one that it does not have changes nothing.

        A member without any is still known by its member_id. A member that was shown by the
        identifier is shown by the first by value of its others of the type. MemberNotFound.
        """
        return await self._change(caller, change, _unlink)

    async def _change(
        self,
        caller: Caller,
        change: LinkIdentifier | UnlinkIdentifier,
        decide: Callable[[Connection, int, MemberView, MemberName, datetime], MemberView],
    ) -> Outcome[MemberView]:
        def decide_at(at: Connection, now: Instant) -> MemberView:
            member = _locked(at, caller.tenant_id, change.member)
            after = decide(at, caller.tenant_id, member, change.identifier, now())
            if after != member:
                added = tuple(name for name in after.identifiers if name not in member.identifiers)
                gone = tuple(name for name in member.identifiers if name not in after.identifiers)
                recorder = AdminRecorder(at, caller, change, now, self._event_ids)
                recorder.member(after.member_id, added, gone)
            return after

        scope = ("member", change.member.type, change.member.value)
        task = AdminChange(caller.tenant_id, scope, change, decide_at, _MEMBER)
        return await self._executor.run(task)


def _find(connection: Connection, tenant_id: int, name: MemberName) -> MemberView:
    member_id = _member_id(connection, tenant_id, name)
    member = members.view(connection, tenant_id, member_id) if member_id else None
    if member is None:
        raise MemberNotFound("member")
    return member


def _member_id(connection: Connection, tenant_id: int, name: MemberName) -> int | None:
    if name.type == MEMBER_ID:
        return int(name.value)
    key = (tenant_id, name.type, name.value)
    return members.resolve(connection, [key]).get(key)


def _locked(connection: Connection, tenant_id: int, name: MemberName) -> MemberView:
    """Lock the member; return it as it is under the lock."""
    found = _find(connection, tenant_id, name)
    members.lock(connection, tenant_id, found.member_id)
    locked = _find(connection, tenant_id, name)
    if locked.member_id != found.member_id:
        return _locked(connection, tenant_id, name)
    return locked


def _create(
    recorder: AdminRecorder, change: CreateMember, new_id: Callable[[int], int]
) -> MemberView:
    connection, tenant_id = recorder.connection, recorder.caller.tenant_id
    names = tuple(dict.fromkeys(change.identifiers))
    _refuse_known(connection, tenant_id, change.identifiers)
    now = recorder.now()
    number = new_id(0)
    first = first_name(names) or MemberName(MEMBER_ID, str(number))
    member_id = number + bucket_of_name(tenant_id, first.type, first.value)
    label = label_of(names, MemberLabel(member_id))
    members.insert_identifiers(connection, [(tenant_id, n.type, n.value, member_id) for n in names])
    row = (tenant_id, member_id, label.vendor_id or None, label.external_id or None, now)
    members.insert_members(connection, [row])
    recorder.member(member_id, names)
    return _view(label, names, now)


def _refuse_known(connection: Connection, tenant_id: int, names: tuple[MemberName, ...]) -> None:
    known = members.resolve(connection, [(tenant_id, name.type, name.value) for name in names])
    for index, name in enumerate(names):
        if (tenant_id, name.type, name.value) in known:
            raise IdentifierTaken(f"identifiers[{index}]")


def _link(
    connection: Connection, tenant_id: int, member: MemberView, name: MemberName, _: datetime
) -> MemberView:
    if name in member.identifiers:
        return member
    if _member_id(connection, tenant_id, name) is not None:
        raise IdentifierTaken("identifier")
    if name.type == VENDOR_ID and member.vendor_id:
        raise InvalidField("identifier", "the member has a vendor_id already")
    members.link(connection, tenant_id, member.member_id, name)
    return _relabel(connection, tenant_id, member, (*member.identifiers, name))


def _unlink(
    connection: Connection, tenant_id: int, member: MemberView, name: MemberName, now: datetime
) -> MemberView:
    if name not in member.identifiers:
        return member
    members.unlink(connection, tenant_id, member.member_id, name, now)
    left = tuple(other for other in member.identifiers if other != name)
    return _relabel(connection, tenant_id, member, left)


def _relabel(
    connection: Connection, tenant_id: int, member: MemberView, names: tuple[MemberName, ...]
) -> MemberView:
    before = MemberLabel(member.member_id, member.vendor_id, member.external_id)
    label = label_of(names, before)
    if label != before:
        members.set_label(connection, tenant_id, label)
    return _view(label, names, member.created_at)


def _view(label: MemberLabel, names: tuple[MemberName, ...], created_at: datetime) -> MemberView:
    ordered = tuple(sorted(names, key=lambda name: (name.type, name.value)))
    return MemberView(label.member_id, label.vendor_id, label.external_id, ordered, created_at)


def _pack(member: MemberView) -> bytes:
    names = [[name.type, name.value] for name in member.identifiers]
    parts = [member.member_id, member.vendor_id, member.external_id, names]
    return json.dumps([*parts, member.created_at.isoformat()], separators=(",", ":")).encode()


def _unpack(_: Connection, __: int, packed: bytes) -> MemberView:
    member_id, vendor_id, external_id, names, created_at = json.loads(packed)
    identifiers = tuple(MemberName(kind, value) for kind, value in names)
    created = datetime.fromisoformat(created_at)
    return MemberView(member_id, vendor_id, external_id, identifiers, created)


_MEMBER = AnswerCodec(_pack, _unpack)

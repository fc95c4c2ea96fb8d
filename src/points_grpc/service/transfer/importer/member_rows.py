"""Rows of members, and whom lots name for the first time: who they are, and by which names.

The steadiest type of identifier in a row says who the member is: its external_id, else its
member_vendor_id, e-mail, phone, user name, then others. Whoever is not known by that is somebody
new, and whatever else the row gives may then be nobody's yet: people share phones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from points_grpc.domain.commands import VENDOR_ID, MemberName
from points_grpc.domain.identifiers import EXTERNAL_ID, first_name, label_of
from points_grpc.domain.results import MemberLabel
from points_grpc.errors import InvalidField
from points_grpc.service.transfer.importer.fast_path import PlainLot
from points_grpc.service.transfer.importer.lookup import Scope
from points_grpc.service.transfer.importer.new_ids import NewIds
from points_grpc.service.transfer.importer.parsing import Parsed, ParsedLot, ParsedMember
from points_grpc.service.transfer.importer.parts import field_of
from points_grpc.service.transfer.importer.prepared import Prepared
from points_grpc.service.transfer.importer.report import merged_into
from points_grpc.storage.core.ids import bucket_of_name

_OF_SEVERAL = "are those of several members"
_LOTS = (PlainLot, ParsedLot)


class MemberRows:
    """Adds to `done` what the rows of one chunk make of members."""

    def __init__(self, scope: Scope, ids: NewIds, now: datetime, done: Prepared) -> None:
        self._scope = scope
        self._ids = ids
        self._now = now
        self._done = done
        self._lookup = done.lookup

    def decide(self, row: ParsedMember) -> bool:
        """Find or create the row's member and add its identifiers; return whether anything changed.

        Refuses (InvalidField) names of several members, and more names than a member may have.
        """
        known = self._lookup.members
        owners = {
            name: known[key] for name in row.names if (key := (name.type, name.value)) in known
        }
        if not owners:
            self._add(row.names, row.created_at)
            return True
        steady = _steadiest(row.names)
        members = {owner for name, owner in owners.items() if name.type == steady}
        by = "" if members else self._check_merge(owners)
        members = members or set(owners.values())
        if len(members) > 1:
            raise InvalidField("identifiers", _OF_SEVERAL)
        (member,) = members
        for name, owner in owners.items():
            if owner != member:
                raise _of_another(name)
        fresh = [name for name in row.names if name not in owners]
        if fresh:
            self._link(member, fresh)
        if by:
            self._done.merged.append((row.number, merged_into(member, by)))
        return bool(fresh)

    def enrol(self, rows: Iterable[Parsed]) -> None:
        """Create the members that lots name for the first time, if the program enrols."""
        if not self._scope.program.auto_enroll:
            return
        for row in rows:
            if isinstance(row, _LOTS) and row.name not in self._lookup.members:
                kind, value = row.name
                if kind == EXTERNAL_ID:
                    self._add([MemberName(kind, value)], self._now)

    def _check_merge(self, owners: Mapping[MemberName, int]) -> str:
        """Return the types by which a new name merges into the member. InvalidField."""
        for name in owners:
            if name.type not in self._scope.merge_by:
                raise _of_another(name)
        return ", ".join(dict.fromkeys(field_of(name.type) for name in owners))

    def _add(self, names: Sequence[MemberName], at: datetime) -> None:
        tenant = self._scope.tenant_id
        self._check_room(0, names)
        first = first_name(names)
        assert first is not None, "a row without identifiers is refused before"  # noqa: S101
        member = self._ids.new_id(bucket_of_name(tenant, first.type, first.value))
        label = label_of(names, MemberLabel(member))
        row = (tenant, member, label.vendor_id or None, label.external_id or None, at)
        self._done.members.append(row)
        self._lookup.fresh.add(member)
        self._lookup.labels[member] = label
        self._lookup.names_held[member] = 0
        self._name(member, names)

    def _check_room(self, held: int, names: Sequence[MemberName]) -> None:
        """Refuse (InvalidField) identifiers beyond the bound for a member."""
        most = self._scope.identifiers_max
        if held + len(names) > most:
            raise InvalidField("identifiers", f"a member has at most {most}")

    def _link(self, member: int, names: Sequence[MemberName]) -> None:
        before, held = self._lookup.labels[member], self._lookup.names_held[member]
        self._check_room(held, names)
        if before.vendor_id and any(name.type == VENDOR_ID for name in names):
            raise InvalidField("member_vendor_id", "is not the one that the member has")
        kept = [MemberName(VENDOR_ID, str(before.vendor_id))] if before.vendor_id else []
        if before.external_id:
            kept.append(MemberName(EXTERNAL_ID, before.external_id))
        label = label_of([*kept, *names], before)
        if member in self._lookup.fresh:
            self._relabel_fresh(label)
        else:
            self._done.labels.setdefault(member, before)
            self._done.names_held.setdefault(member, held)
            self._done.relabelled.append(label)
        self._lookup.labels[member] = label
        self._name(member, names)

    def _relabel_fresh(self, label: MemberLabel) -> None:
        for place, row in enumerate(self._done.members):
            if row[1] == label.member_id:
                values = (label.vendor_id or None, label.external_id or None)
                self._done.members[place] = (*row[:2], *values, row[4])

    def _name(self, member: int, names: Iterable[MemberName]) -> None:
        for name in names:
            self._lookup.members[name.type, name.value] = member
            self._lookup.names_held[member] += 1
            row = (self._scope.tenant_id, name.type, name.value, member)
            self._done.identifiers.append(row)


def _steadiest(names: Sequence[MemberName]) -> str:
    first = first_name(names)
    return "" if first is None else first.type


def _of_another(name: MemberName) -> InvalidField:
    field = field_of(name.type)
    return InvalidField(field, "belongs to another member")

"""The rules of members' identifiers."""

from __future__ import annotations

from collections.abc import Sequence

from points_grpc.domain.answers import MemberLabel
from points_grpc.domain.commands import MEMBER_ID, VENDOR_ID, VENDOR_ID_END, MemberName
from points_grpc.errors import InvalidField

EXTERNAL_ID = "external_id"

_PLACING = {
    kind: place for place, kind in enumerate((EXTERNAL_ID, VENDOR_ID, "email", "phone", "username"))
}


def check_identifiers(names: Sequence[MemberName]) -> None:
    """Refuse (InvalidField, `identifiers[i]`) what together cannot be one member's."""
    for index, name in enumerate(names):
        check_identifier(name, f"identifiers[{index}]")
    vendor_ids = {name for name in names if name.type == VENDOR_ID}
    if len(vendor_ids) > 1:
        raise InvalidField("identifiers", "must have at most one vendor_id")


def check_identifier(name: MemberName, field: str) -> None:
    """Refuse (InvalidField) what cannot be an identifier: our ids, and vendor ids out of range."""
    if name.type == MEMBER_ID:
        raise InvalidField(field, "must not be of the type member_id")
    if name.type == VENDOR_ID and not is_vendor_id(name.value):
        raise InvalidField(field, "must be a number from 1 to 2^46 - 1")


def is_vendor_id(value: str) -> bool:
    """Whether `value` writes a vendor's id in its one normal form."""
    digits = value.isascii() and value.isdecimal() and len(value) <= len(str(VENDOR_ID_END))
    return digits and value[0] != "0" and int(value) < VENDOR_ID_END


def first_name(names: Sequence[MemberName]) -> MemberName | None:
    """The identifier that stands for a new member: it places the member and its request ids."""
    return min(
        names, key=lambda n: (_PLACING.get(n.type, len(_PLACING)), n.type, n.value), default=None
    )


def label_of(names: Sequence[MemberName], before: MemberLabel) -> MemberLabel:
    """How a member with these identifiers is shown.

    By the vendor_id and external_id that it was shown by before, as long as it has them, else
    by the first in `names` of each type.
    """
    vendor_ids = [int(name.value) for name in names if name.type == VENDOR_ID]
    external_ids = [name.value for name in names if name.type == EXTERNAL_ID]
    vendor_id, external_id = before.vendor_id, before.external_id
    if vendor_id not in vendor_ids:
        vendor_id = vendor_ids[0] if vendor_ids else 0
    if external_id not in external_ids:
        external_id = external_ids[0] if external_ids else ""
    return MemberLabel(before.member_id, vendor_id, external_id)

"""Members and their identifiers."""

from __future__ import annotations

from points.v1 import member_pb2, member_service_pb2
from points_grpc.domain.admin.commands import (
    CreateMember,
    LinkIdentifier,
    MemberView,
    UnlinkIdentifier,
)
from points_grpc.domain.commands import VENDOR_ID, MemberName
from points_grpc.domain.identifiers import IDENTIFIERS_MAX, normal_form
from points_grpc.domain.limits import read_request_id
from points_grpc.errors import InvalidField
from points_grpc.rpc.codec.identifiers import read_identifier, read_member, read_vendor_id
from points_grpc.rpc.codec.instants import put_instant, required

_OWN_FIELDS = ("external_id", "email", "phone", "username")


def read_create_member(
    message: member_service_pb2.CreateMemberRequest,
) -> tuple[CreateMember, list[str]]:
    """The change, and for each of its identifiers the path of its field. Raises InvalidField."""
    names: dict[str, MemberName] = {}
    if message.vendor_id:
        vendor_id = read_vendor_id(message.vendor_id, VENDOR_ID)
        names[VENDOR_ID] = MemberName(VENDOR_ID, str(vendor_id))
    for kind in _OWN_FIELDS:
        if value := getattr(message, kind):
            names[kind] = MemberName(kind, normal_form(kind, value, kind))
    if len(message.identifiers) > IDENTIFIERS_MAX:
        raise InvalidField("identifiers", f"must not have more than {IDENTIFIERS_MAX} items")
    for index, identifier in enumerate(message.identifiers):
        path = f"identifiers[{index}]"
        names[path] = read_identifier(identifier, path)
    if not names:
        raise InvalidField("identifiers", "must have an item where no other identifier is set")
    request_id = read_request_id(message.request_id)
    return CreateMember(tuple(names.values()), request_id), list(names)


def read_link(message: member_service_pb2.LinkIdentifierRequest) -> LinkIdentifier:
    """The change. Raises InvalidField."""
    required(message, "identifier")
    return LinkIdentifier(
        member=read_member(message),
        identifier=read_identifier(message.identifier, "identifier"),
        request_id=read_request_id(message.request_id),
    )


def read_unlink(message: member_service_pb2.UnlinkIdentifierRequest) -> UnlinkIdentifier:
    """The change. Raises InvalidField."""
    required(message, "identifier")
    return UnlinkIdentifier(
        member=read_member(message),
        identifier=read_identifier(message.identifier, "identifier"),
        request_id=read_request_id(message.request_id),
    )


def put_member(message: member_pb2.Member, view: MemberView) -> None:
    """Show a member."""
    message.member_id = view.member_id
    message.vendor_id = view.vendor_id
    for name in view.identifiers:
        message.identifiers.add(type=name.type, value=name.value)
    put_instant(message.create_time, view.created_at)

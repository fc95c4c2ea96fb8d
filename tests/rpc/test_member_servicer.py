"""MemberService before a service that remembers what it was asked."""

from __future__ import annotations

import pytest

from points.v1 import (
    member_pb2,
    member_service_pb2,
)
from points_grpc.domain.admin.commands import (
    CreateMember,
    LinkIdentifier,
    MemberView,
    Outcome,
    UnlinkIdentifier,
)
from points_grpc.domain.commands import MemberName
from points_grpc.errors import IdentifierTaken, InvalidField

# Members
CREATE = member_service_pb2.CreateMemberRequest(
    vendor_id=77,
    external_id="cust-1",
    email=" A@b ",
    identifiers=[
        member_pb2.Identifier(type="profile_id", value="p"),
        {"type": "phone", "value": "1"},
    ],
    request_id="r",
)


NAMES = (
    MemberName("vendor_id", "77"),
    MemberName("external_id", "cust-1"),
    MemberName("email", "a@b"),
    MemberName("profile_id", "p"),
    MemberName("phone", "1"),
)


@pytest.fixture
def member(samples):
    """A member."""
    return MemberView(2**46 + 2, 77, "cust-1", NAMES[:2], samples.now)


def test_a_member_is_created_with_all_its_identifiers(serve, book, member):
    """The fields of a CreateMemberRequest are the member's identifiers, normalised."""
    book.answers = {"create_member": Outcome(member, True)}

    async def scenario(served):
        return await served.members.CreateMember(CREATE)

    response = serve(scenario, backends={"members": book})
    assert book.asked == [("create_member", CreateMember(NAMES, "r"))]
    assert response.replayed
    assert (response.member.member_id, response.member.vendor_id) == (2**46 + 2, 77)
    shown = [(one.type, one.value) for one in response.member.identifiers]
    assert shown == [("vendor_id", "77"), ("external_id", "cust-1")]


@pytest.mark.parametrize(
    ("index", "field"),
    [(0, "vendor_id"), (1, "external_id"), (2, "email"), (3, "identifiers[0]")],
)
def test_a_refused_identifier_has_the_path_of_its_field(serve, book, index, field):
    """What the service says of an identifier is told of the field that it came in."""
    book.answers = {"create_member": IdentifierTaken(f"identifiers[{index}]")}

    async def scenario(served):
        return await served.refusal(served.members.CreateMember(CREATE))

    status = serve(scenario, backends={"members": book})
    assert (status.reason, status.metadata) == ("IDENTIFIER_TAKEN", {"field": field})


def test_a_refusal_of_all_identifiers_keeps_its_path(serve, book):
    """What the service says of the identifiers together is told as it is."""
    book.answers = {"create_member": InvalidField("identifiers", "must not")}

    async def scenario(served):
        return await served.refusal(served.members.CreateMember(CREATE))

    assert serve(scenario, backends={"members": book}).metadata == {"field": "identifiers"}


def test_identifiers_are_linked_and_unlinked(serve, book, member):
    """Link and unlink name the member and the identifier, normalised."""
    book.answers = {
        "link_identifier": Outcome(member),
        "unlink_identifier": Outcome(member, True),
        "get_member": member,
    }
    fields = {
        "member": {"external_id": "cust-1"},
        "identifier": {"type": "email", "value": " A@b"},
    }

    async def scenario(served):
        stub = served.members
        link = await stub.LinkIdentifier(member_service_pb2.LinkIdentifierRequest(**fields))
        unlink = await stub.UnlinkIdentifier(member_service_pb2.UnlinkIdentifierRequest(**fields))
        get = await stub.GetMember(member_service_pb2.GetMemberRequest(member={"member_id": 77}))
        return link, unlink, get

    link, unlink, get = serve(scenario, backends={"members": book})
    assert (link.replayed, unlink.replayed) == (False, True)
    assert get.member == link.member == unlink.member
    assert book.asked == [
        ("link_identifier", LinkIdentifier(NAMES[1], NAMES[2])),
        ("unlink_identifier", UnlinkIdentifier(NAMES[1], NAMES[2])),
        ("get_member", NAMES[0]),
    ]

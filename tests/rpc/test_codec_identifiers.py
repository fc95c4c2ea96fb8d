"""How members and currencies are named."""

from __future__ import annotations

import pytest

from points.v1 import lookup_pb2, member_pb2
from points_grpc.domain.commands import MemberName
from points_grpc.rpc.codec.identifiers import read_identifier, read_member, read_optional_member


def message(**ref):
    """A message that names a member."""
    return lookup_pb2.GetAccountRequest(member=member_pb2.MemberRef(**ref))


@pytest.mark.parametrize(
    ("ref", "name"),
    [
        ({"member_id": 1}, MemberName("vendor_id", "1")),
        ({"member_id": 2**46 - 1}, MemberName("vendor_id", str(2**46 - 1))),
        ({"member_id": 2**46}, MemberName("member_id", str(2**46))),
        ({"member_id": 2**53 - 1}, MemberName("member_id", str(2**53 - 1))),
        ({"external_id": " Cust-1 "}, MemberName("external_id", " Cust-1 ")),
        ({"external_id": "é" * 256}, MemberName("external_id", "é" * 256)),
        ({"email": "  Anna@EXAMPLE.com\n"}, MemberName("email", "anna@example.com")),
        ({"email": "STRASSE@x"}, MemberName("email", "strasse@x")),
        ({"email": "straße@x"}, MemberName("email", "straße@x")),
        ({"phone": "+49 (0)170-1234"}, MemberName("phone", "4901701234")),
        ({"phone": "٣12"}, MemberName("phone", "312")),
        ({"username": "Anna"}, MemberName("username", "Anna")),
    ],
)
def test_members_are_named_in_normal_form(ref, name):
    """Emails are trimmed and in lower case, phones are their digits, all else is exact."""
    assert read_member(message(**ref)) == name


@pytest.mark.parametrize(
    ("identifier", "name"),
    [
        (("email", " A@B "), MemberName("email", "a@b")),
        (("phone", "1-2"), MemberName("phone", "12")),
        (("external_id", "X"), MemberName("external_id", "X")),
        (("vendor_id", "0012"), MemberName("vendor_id", "12")),
        (("twitter_user_id", " 7 "), MemberName("twitter_user_id", " 7 ")),
        (("a" + "b" * 39, "v"), MemberName("a" + "b" * 39, "v")),
    ],
)
def test_identifiers_normalise_like_the_ways_of_their_type(identifier, name):
    """An identifier means the same as the way of naming that its type has."""
    kind, value = identifier
    one = member_pb2.Identifier(type=kind, value=value)
    assert read_identifier(one, "identifier") == name
    assert read_member(message(identifier=one)) == name


@pytest.mark.parametrize(
    ("ref", "field"),
    [
        ({"member_id": 0}, "member.member_id"),
        ({"member_id": -1}, "member.member_id"),
        ({"member_id": 2**53}, "member.member_id"),
        ({"external_id": ""}, "member.external_id"),
        ({"external_id": "x" * 257}, "member.external_id"),
        ({"external_id": "a\0"}, "member.external_id"),
        ({"email": " \t"}, "member.email"),
        ({"email": "x" * 257}, "member.email"),
        ({"email": "a@-ü.de"}, "member.email"),
        ({"phone": "none"}, "member.phone"),
        ({"phone": " - "}, "member.phone"),
        ({"username": ""}, "member.username"),
        ({}, "member"),
    ],
)
def test_members_that_cannot_be_named(field_at_fault, ref, field):
    """Empty, over-long and unprintable names, and ids out of range, are refused by their path."""
    assert field_at_fault(read_member, message(**ref)) == field


@pytest.mark.parametrize(
    ("kind", "value", "field"),
    [
        ("member_id", "5", "type"),
        ("", "5", "type"),
        ("Twitter", "5", "type"),
        ("9lives", "5", "type"),
        ("a" * 41, "5", "type"),
        ("profile_id\n", "5", "type"),
        ("profile_id", "", "value"),
        ("profile_id", "x" * 257, "value"),
        ("phone", "-", "value"),
        ("vendor_id", "0", "value"),
        ("vendor_id", str(2**46), "value"),
        ("vendor_id", "-5", "value"),
        ("vendor_id", "٣", "value"),
        ("vendor_id", "9" * 200, "value"),
    ],
)
def test_identifiers_that_cannot_be(field_at_fault, kind, value, field):
    """A type must have its form and not be member_id; a value must be one of its type."""
    one = member_pb2.Identifier(type=kind, value=value)
    path = f"member.identifier.{field}"
    assert field_at_fault(read_member, message(identifier=one)) == path


def test_a_member_may_be_optional(field_at_fault):
    """Where a member is optional none is none, but one that names nobody is refused."""
    assert read_optional_member(lookup_pb2.GetAccountRequest()) is None
    assert field_at_fault(read_optional_member, message()) == "member"

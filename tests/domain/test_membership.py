"""What can be a member's identifiers, which of them places a member, and which show it."""

from __future__ import annotations

import pytest

from points_grpc.domain.answers import MemberLabel
from points_grpc.domain.commands import MEMBER_ID, VENDOR_ID, MemberName
from points_grpc.domain.membership import check_identifiers, first_name, is_vendor_id, label_of
from points_grpc.errors import InvalidField

ANNA = MemberName("external_id", "anna")
BERTA = MemberName("external_id", "berta")
SEVEN, EIGHT = MemberName(VENDOR_ID, "7"), MemberName(VENDOR_ID, "8")
EMAIL, PHONE = MemberName("email", "a@example.com"), MemberName("phone", "4912")
USER, CARD = MemberName("username", "anna"), MemberName("card", "1")


def refused_path(*names: MemberName) -> str | None:
    """The path that identifiers are refused with; None where they may be one member's."""
    try:
        check_identifiers(names)
    except InvalidField as refusal:
        assert refusal.problem
        return refusal.field
    return None


def test_any_number_of_identifiers_may_be_one_members() -> None:
    """A member may have several identifiers, also of one type, and the same one twice."""
    assert refused_path() is None
    assert refused_path(ANNA, BERTA, SEVEN, EMAIL, PHONE, USER, CARD, SEVEN) is None


def test_our_ids_are_no_identifiers() -> None:
    """A member_id cannot be linked; the refusal says which of the identifiers it is."""
    assert refused_path(MemberName(MEMBER_ID, "5")) == "identifiers[0]"
    assert refused_path(ANNA, SEVEN, MemberName(MEMBER_ID, "5")) == "identifiers[2]"


def test_a_member_comes_from_one_vendor_id() -> None:
    """Two different vendor ids are never one member's."""
    assert refused_path(SEVEN, ANNA, EIGHT) == "identifiers"


@pytest.mark.parametrize("value", ["1", "9", "10", "70368744177663"])
def test_a_vendor_id_is_from_1_to_2_to_the_46(value: str) -> None:
    """A vendor's id is a number from 1 to 2^46 - 1."""
    assert is_vendor_id(value)
    assert refused_path(MemberName(VENDOR_ID, value)) is None


@pytest.mark.parametrize(
    "value",
    ["", "0", "-1", "+1", "01", "1.0", "1e3", " 1", "x", "１", "70368744177664", "9" * 5000],
)
def test_what_is_no_vendor_id(value: str) -> None:
    """Another range, another way of writing or other digits make no vendor id."""
    assert not is_vendor_id(value)
    assert refused_path(EMAIL, MemberName(VENDOR_ID, value)) == "identifiers[1]"


def test_the_steadiest_identifier_places_a_member() -> None:
    """external_id, vendor_id, email, phone, username, then other types; then by their values."""
    other = MemberName("twitter_user_id", "0")
    ordered = [ANNA, BERTA, SEVEN, EIGHT, EMAIL, PHONE, USER, CARD, other]
    for place in range(len(ordered)):
        assert first_name(ordered[place:][::-1]) == ordered[place]
    assert first_name([]) is None


def test_a_member_is_shown_by_the_first_of_each_type() -> None:
    """A member is shown by its first vendor id and external id, and without them by neither."""
    nobody = MemberLabel(5)
    assert label_of([EMAIL, BERTA, ANNA, EIGHT, SEVEN], nobody) == MemberLabel(5, 8, "berta")
    assert label_of([ANNA], nobody) == MemberLabel(5, 0, "anna")
    assert label_of([SEVEN, EMAIL], nobody) == MemberLabel(5, 7, "")


def test_a_member_is_shown_as_before_for_as_long_as_that_is_so() -> None:
    """Further identifiers change nothing in how a member is shown; losing the shown one does."""
    before = MemberLabel(5, 7, "anna")
    assert label_of([EIGHT, BERTA, SEVEN, ANNA], before) == before
    assert label_of([EIGHT, BERTA], before) == MemberLabel(5, 8, "berta")
    assert label_of([PHONE], before) == MemberLabel(5, 0, "")

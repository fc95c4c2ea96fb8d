"""The administration of members: who is known by what."""

from __future__ import annotations

from typing import Any

import pytest

from points_grpc.domain.admin.commands import (
    CreateMember,
    LinkIdentifier,
    MemberView,
    Outcome,
    UnlinkIdentifier,
)
from points_grpc.domain.commands import MEMBER_ID, VENDOR_ID, VENDOR_ID_END, Caller, MemberName
from points_grpc.errors import IdentifierTaken, InvalidField, MemberNotFound, RequestIdReused
from points_grpc.storage.core.ids import bucket_of_id, bucket_of_name

ANNA = MemberName("external_id", "anna")
MAIL = MemberName("email", "anna@example.org")
PHONE = MemberName("phone", "4930123")
USER = MemberName("username", "anna1")
CUSTOM = MemberName("profile_id", "p-1")
OLD = MemberName(VENDOR_ID, "77")


def own_id(member: MemberView) -> MemberName:
    """The name of a member that needs no identifier."""
    return MemberName(MEMBER_ID, str(member.member_id))


def create(
    admin_harness: Any, *names: MemberName, request_id: str = "", caller: Caller | None = None
) -> MemberView:
    """A new member, of acme unless said otherwise."""
    change = CreateMember(names, request_id)
    outcome: Outcome[MemberView] = admin_harness.ask(
        admin_harness.members.create_member(caller or admin_harness.acme, change)
    )
    return outcome.answer


def get(admin_harness: Any, name: MemberName, caller: Caller | None = None) -> MemberView:
    """The member of that name."""
    member: MemberView = admin_harness.ask(
        admin_harness.members.get_member(caller or admin_harness.acme, name)
    )
    return member


def link(
    admin_harness: Any, member: MemberName, name: MemberName, request_id: str = ""
) -> Outcome[MemberView]:
    """Link an identifier to a member of acme."""
    change = LinkIdentifier(member, name, request_id)
    outcome: Outcome[MemberView] = admin_harness.ask(
        admin_harness.members.link_identifier(admin_harness.acme, change)
    )
    return outcome


def unlink(
    admin_harness: Any, member: MemberName, name: MemberName, request_id: str = ""
) -> Outcome[MemberView]:
    """Unlink an identifier from a member of acme."""
    change = UnlinkIdentifier(member, name, request_id)
    outcome: Outcome[MemberView] = admin_harness.ask(
        admin_harness.members.unlink_identifier(admin_harness.acme, change)
    )
    return outcome


def test_a_member_is_known_by_each_of_its_identifiers(admin_harness: Any) -> None:
    """Every identifier given at creation finds the member, and so does its own id."""
    names = (MAIL, OLD, ANNA, PHONE, USER, CUSTOM)
    member = create(admin_harness, *names)
    assert member.vendor_id == 77
    assert member.external_id == "anna"
    assert member.created_at == admin_harness.clock.now()
    assert member.identifiers == tuple(sorted(names, key=lambda n: (n.type, n.value)))
    for name in (*names, own_id(member)):
        assert get(admin_harness, name) == member


@pytest.mark.parametrize("count", range(1, 7))
def test_a_member_is_placed_by_its_first_identifier(admin_harness: Any, count: int) -> None:
    """The bucket is that of the first of external_id, vendor_id, email, phone, username, custom."""
    ranking = (CUSTOM, USER, PHONE, MAIL, OLD, ANNA)
    member = create(admin_harness, *ranking[:count])
    first = ranking[count - 1]
    assert bucket_of_id(member.member_id) == bucket_of_name(1, first.type, first.value)


def test_a_member_needs_no_identifier(admin_harness: Any) -> None:
    """A member without identifiers is known by its own id, from 2^46 on."""
    member = create(admin_harness)
    assert get(admin_harness, own_id(member)) == member
    assert (member.vendor_id, member.external_id, member.identifiers) == (0, "", ())
    assert VENDOR_ID_END <= member.member_id < 2**53


def test_an_identifier_given_twice_counts_once(admin_harness: Any) -> None:
    """Repeating an identifier in one creation changes nothing."""
    assert create(admin_harness, ANNA, ANNA).identifiers == (ANNA,)


def test_of_several_external_ids_the_first_given_is_shown(admin_harness: Any) -> None:
    """A member is shown by the external id that comes first in the request."""
    other = MemberName("external_id", "aaa")
    assert create(admin_harness, ANNA, other).external_id == "anna"


@pytest.mark.parametrize("value", ["0", str(VENDOR_ID_END), "007", "x", "", "-1", "٣"])
def test_a_vendor_id_outside_its_range_is_refused(admin_harness: Any, value: str) -> None:
    """A vendor_id is a decimal number from 1 to 2^46 - 1 in its normal form."""
    with pytest.raises(InvalidField) as refusal:
        create(admin_harness, ANNA, MemberName(VENDOR_ID, value))
    assert refusal.value.field == "identifiers[1]"


@pytest.mark.parametrize("number", [1, VENDOR_ID_END - 1])
def test_a_vendor_id_at_the_ends_of_its_range_is_accepted(admin_harness: Any, number: int) -> None:
    """1 and 2^46 - 1 are vendor ids."""
    assert create(admin_harness, MemberName(VENDOR_ID, str(number))).vendor_id == number


def test_our_own_ids_cannot_be_given(admin_harness: Any) -> None:
    """An identifier of the type member_id is refused, at creation and when linking."""
    ours = MemberName(MEMBER_ID, str(VENDOR_ID_END))
    with pytest.raises(InvalidField):
        create(admin_harness, ours)
    create(admin_harness, ANNA)
    with pytest.raises(InvalidField):
        link(admin_harness, ANNA, ours)


def test_two_vendor_ids_are_refused(admin_harness: Any) -> None:
    """A member has at most one vendor_id, from the start and later."""
    second = MemberName(VENDOR_ID, "78")
    with pytest.raises(InvalidField):
        create(admin_harness, OLD, second)
    create(admin_harness, OLD)
    with pytest.raises(InvalidField) as refusal:
        link(admin_harness, OLD, second)
    assert refusal.value.field == "identifier"
    assert unlink(admin_harness, OLD, OLD).answer.vendor_id == 0


def test_a_known_identifier_cannot_create(admin_harness: Any) -> None:
    """A creation with one known identifier is refused whole, naming the identifier's place."""
    create(admin_harness, ANNA)
    with pytest.raises(IdentifierTaken) as refusal:
        create(admin_harness, MAIL, ANNA)
    assert refusal.value.field == "identifiers[1]"
    with pytest.raises(MemberNotFound):
        get(admin_harness, MAIL)


def test_an_unknown_member_is_not_found(admin_harness: Any) -> None:
    """Reading, linking and unlinking refuse a name and an id that the tenant does not have."""
    for name in (ANNA, OLD, MemberName(MEMBER_ID, str(2**52))):
        with pytest.raises(MemberNotFound):
            get(admin_harness, name)
        with pytest.raises(MemberNotFound):
            link(admin_harness, name, MAIL)
        with pytest.raises(MemberNotFound):
            unlink(admin_harness, name, MAIL)


def test_another_tenants_members_are_invisible(admin_harness: Any) -> None:
    """The same identifiers are free in another tenant, whose members are not found by any name."""
    member = create(admin_harness, ANNA, OLD)
    for name in (ANNA, OLD, own_id(member)):
        with pytest.raises(MemberNotFound):
            get(admin_harness, name, admin_harness.rival)
    theirs = create(admin_harness, ANNA, OLD, caller=admin_harness.rival)
    assert theirs.member_id != member.member_id
    unlink(admin_harness, ANNA, OLD)
    assert get(admin_harness, OLD, admin_harness.rival) == theirs


def test_linking_makes_a_member_known_by_one_more(admin_harness: Any) -> None:
    """A linked identifier finds the member, and the labels follow."""
    member = create(admin_harness, MAIL)
    linked = link(admin_harness, MAIL, ANNA).answer
    assert linked.identifiers == (MAIL, ANNA)
    assert linked.external_id == "anna"
    assert link(admin_harness, ANNA, OLD).answer.vendor_id == 77
    assert get(admin_harness, ANNA) == get(admin_harness, own_id(member))
    assert get(admin_harness, ANNA).vendor_id == 77


def test_linking_a_second_external_id_keeps_the_first_shown(admin_harness: Any) -> None:
    """Of several external ids the one linked first is shown, until it is unlinked."""
    create(admin_harness, ANNA)
    second, third = MemberName("external_id", "zoe"), MemberName("external_id", "abe")
    link(admin_harness, ANNA, second)
    assert link(admin_harness, ANNA, third).answer.external_id == "anna"
    assert unlink(admin_harness, ANNA, ANNA).answer.external_id == "abe"
    assert get(admin_harness, second).external_id == "abe"


def test_linking_what_the_member_has_changes_nothing(admin_harness: Any) -> None:
    """Linking an identifier to the member that has it succeeds without effect."""
    member = create(admin_harness, ANNA)
    assert link(admin_harness, ANNA, ANNA).answer == member


def test_linking_another_members_identifier_is_refused(admin_harness: Any) -> None:
    """An identifier belongs to one member of the tenant at a time."""
    create(admin_harness, ANNA)
    create(admin_harness, MAIL)
    with pytest.raises(IdentifierTaken) as refusal:
        link(admin_harness, ANNA, MAIL)
    assert refusal.value.field == "identifier"
    assert get(admin_harness, ANNA).identifiers == (ANNA,)


def test_unlinking_frees_the_identifier(admin_harness: Any) -> None:
    """An unlinked identifier finds nobody and may be linked to another member."""
    member = create(admin_harness, ANNA, MAIL)
    assert unlink(admin_harness, ANNA, MAIL).answer.identifiers == (ANNA,)
    with pytest.raises(MemberNotFound):
        get(admin_harness, MAIL)
    other = create(admin_harness, MAIL)
    assert other.member_id != member.member_id


def test_unlinking_what_the_member_lacks_changes_nothing(admin_harness: Any) -> None:
    """Unlinking an identifier that is nobody's or another's succeeds without effect."""
    member = create(admin_harness, ANNA)
    other = create(admin_harness, MAIL)
    assert unlink(admin_harness, ANNA, MAIL).answer == member
    assert unlink(admin_harness, ANNA, PHONE).answer == member
    assert get(admin_harness, MAIL) == other


def test_a_member_without_its_last_identifier_keeps_its_id(admin_harness: Any) -> None:
    """After its last identifier is unlinked a member is still known by its member_id."""
    member = create(admin_harness, ANNA)
    unlink(admin_harness, ANNA, ANNA)
    assert get(admin_harness, own_id(member)).identifiers == ()


def test_a_repeated_request_gets_the_first_answer(admin_harness: Any) -> None:
    """The same request id and content has one effect, also after the member has changed since."""
    first = create(admin_harness, ANNA, MAIL, request_id="r1")
    unlink(admin_harness, ANNA, MAIL, "r2")
    again = admin_harness.ask(
        admin_harness.members.create_member(admin_harness.acme, CreateMember((ANNA, MAIL), "r1"))
    )
    assert again == Outcome(first, replayed=True)
    assert get(admin_harness, ANNA).identifiers == (ANNA,)


def test_an_unlinked_name_still_finds_its_answer(admin_harness: Any) -> None:
    """A retry that names the member by what the first try unlinked gets the first answer."""
    create(admin_harness, ANNA)
    first = unlink(admin_harness, ANNA, ANNA, "r1")
    assert unlink(admin_harness, ANNA, ANNA, "r1") == Outcome(first.answer, replayed=True)


def test_a_request_id_cannot_serve_other_content(admin_harness: Any) -> None:
    """The same id with another identifier or for another method is refused."""
    create(admin_harness, ANNA, request_id="r1")
    with pytest.raises(RequestIdReused):
        create(admin_harness, ANNA, MAIL, request_id="r1")
    with pytest.raises(RequestIdReused):
        link(admin_harness, ANNA, MAIL, "r1")
    with pytest.raises(MemberNotFound):
        get(admin_harness, MAIL)


def test_request_ids_are_the_members_and_the_tenants_own(admin_harness: Any) -> None:
    """The same request id is free for another member and for another tenant."""
    create(admin_harness, ANNA, request_id="r1")
    assert create(admin_harness, MAIL, request_id="r1").identifiers == (MAIL,)
    assert create(admin_harness, ANNA, request_id="r1", caller=admin_harness.rival).identifiers == (
        ANNA,
    )


def test_a_refused_request_may_be_repeated(admin_harness: Any) -> None:
    """A refusal is not kept: the same request succeeds once its cause is gone."""
    create(admin_harness, ANNA)
    create(admin_harness, MAIL)
    with pytest.raises(IdentifierTaken):
        link(admin_harness, ANNA, MAIL, "r1")
    unlink(admin_harness, MAIL, MAIL)
    assert link(admin_harness, ANNA, MAIL, "r1").answer.identifiers == (MAIL, ANNA)


def test_of_two_links_at_once_one_wins(open_admin: Any) -> None:
    """When two processes link one identifier to two members, one succeeds and one is refused."""
    one, two = open_admin(), open_admin()
    create(one, ANNA)
    create(one, MAIL)
    for index in range(20):
        name = MemberName("card", str(index))
        answers = one.ask_at_once(
            one.members.link_identifier(one.acme, LinkIdentifier(ANNA, name)),
            two.members.link_identifier(two.acme, LinkIdentifier(MAIL, name)),
        )
        refused = [answer for answer in answers if isinstance(answer, IdentifierTaken)]
        (linked,) = [answer for answer in answers if isinstance(answer, Outcome)]
        assert len(refused) == 1
        assert get(one, name) == linked.answer


def test_one_request_at_two_processes_at_once_has_one_effect(open_admin: Any) -> None:
    """The same request sent to two processes at once is done by one and replayed by the other."""
    one, two = open_admin(), open_admin()
    for index in range(20):
        change = CreateMember((MemberName("external_id", str(index)),), "r1")
        answers = one.ask_at_once(
            one.members.create_member(one.acme, change),
            two.members.create_member(two.acme, change),
        )
        assert sorted(answer.replayed for answer in answers) == [False, True]
        assert answers[0].answer == answers[1].answer

"""What commands name: members, lots and programs, within a batch and across tenants."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.support.service.days import DAY
from tests.support.service.ledger_harness import (
    PROGRAM,
    START,
    LedgerHarness,
    approve,
    earn,
    expire,
    move,
    named,
    redeem,
    update_status,
)
from tests.support.service.ledgers import contents, count

from points_grpc.domain.admin.commands import CreateMember
from points_grpc.domain.commands import MemberName, member_by_id
from points_grpc.domain.model import AwardKind, LotCategory, LotState
from points_grpc.domain.queries import GetAccount
from points_grpc.domain.results import Earned, ExpiryUpdated, Redeemed
from points_grpc.errors import (
    AccountNotFound,
    CurrencyNotFound,
    IdentifierTaken,
    InsufficientPoints,
    LotNotFound,
    MemberNotFound,
    PolicyNotFound,
    ProgramNotFound,
    Refusal,
    TransactionNotFound,
    TransactionNotOpen,
)
from points_grpc.storage.tables import accounts, members

OURS = 2**46 + 64 * 12345


# Enrolment
def test_two_earns_of_one_batch_enrol_a_member_once(harness: LedgerHarness) -> None:
    """The first Earn enrols the member, the second finds it, in another currency as well."""
    harness.execute(
        harness.call(earn(1, "new")),
        harness.call(earn(2, "new")),
        harness.call(earn("0.25", "new", currency="EUR")),
    )
    assert (count(harness, members), count(harness, accounts)) == (1, 2)
    assert harness.account("new").available == 3
    assert harness.account("new", "EUR").available == 25


def test_a_refused_enrolment_leaves_nothing(harness: LedgerHarness) -> None:
    """An Earn that is refused enrols nobody; a later one of the batch may."""
    before = contents(harness)
    harness.refusal(earn(1, "new", policy="nix"))
    assert contents(harness) == before
    results = harness.execute(
        harness.call(earn(1, "new", policy="nix")),
        harness.call(earn(1, "new")),
        harness.call(redeem(1, "new")),
    )
    assert [type(r[0]) for r in results] == [PolicyNotFound, Earned, Redeemed]
    assert count(harness, members) == 1


def test_commands_before_an_enrolment_do_not_see_it(harness: LedgerHarness) -> None:
    """In a batch a Redeem before the enrolling Earn finds nobody, one after it the points."""
    results = harness.execute(
        harness.call(redeem(1, "new")), harness.call(earn(5, "new")), harness.call(redeem(2, "new"))
    )
    assert [type(r[0]) for r in results] == [MemberNotFound, Earned, Redeemed]


def test_a_group_sees_its_own_enrolment(harness: LedgerHarness) -> None:
    """Within a group the same holds, and what is refused later takes the enrolment with it."""
    (result,) = harness.execute(harness.call(earn(5, "new"), redeem(2, "new")))
    assert isinstance(result[1], Redeemed)
    (result,) = harness.execute(harness.call(earn(5, "newer"), redeem(6, "newer")))
    assert isinstance(result[1], InsufficientPoints)
    assert count(harness, members) == 1


def test_only_programs_that_say_so_enrol(harness: LedgerHarness) -> None:
    """Without auto-enrolment, and by other identifiers, an Earn finds nobody."""
    harness.open_program(program_id=123, auto_enroll=False)
    assert isinstance(harness.refusal(earn(1, "new", program_id=123)), MemberNotFound)
    by_mail = earn(1, name=MemberName("email", "a@b.example"))
    assert isinstance(harness.refusal(by_mail), MemberNotFound)
    assert count(harness, members) == 0


# Names
def test_what_is_missing_is_told_apart(harness: LedgerHarness) -> None:
    """Unknown programs, currencies, policies, members and accounts have their own refusals."""
    harness.do(earn(1))
    cases: list[tuple[Any, type[Refusal]]] = [
        (replace(earn(1), program_id=7), ProgramNotFound),
        (earn(1, currency="XYZ"), CurrencyNotFound),
        (earn(1, currency=99), CurrencyNotFound),
        (earn(1, policy="nix"), PolicyNotFound),
        (redeem(1, "nobody"), MemberNotFound),
        (redeem(1, name=member_by_id(OURS)), MemberNotFound),
        (redeem(1, name=member_by_id(17)), MemberNotFound),
        (redeem(1, currency="EUR"), AccountNotFound),
        (expire(1, currency="EUR"), AccountNotFound),
        (move(OURS), LotNotFound),
        (move(17), LotNotFound),
        (move(OURS, member="nobody"), MemberNotFound),
        (update_status(harness.do(earn(1)), LotState.CLOSED), TransactionNotOpen),
    ]
    for command, refusal in cases:
        assert type(harness.refusal(command)) is refusal, command
    results = harness.execute(*(harness.call(command) for command, _ in cases))
    assert [type(r[0]) for r in results] == [refusal for _, refusal in cases]


def test_program_0_is_the_callers_default(harness: LedgerHarness) -> None:
    """Program 0 and no currency mean the caller's and the program's default."""
    answer = harness.do(earn(1, program_id=0, currency=None))
    assert (answer.account.owner.program_id, answer.account.owner.currency.code) == (PROGRAM, "PTS")


def test_any_identifier_names_the_member(harness: LedgerHarness) -> None:
    """Ours, the vendor's and linked identifiers all reach the same account."""
    names = (MemberName("vendor_id", "77"), MemberName("email", "a@b.example"), named("ann"))
    harness.administrate(lambda _, book: book.create_member(harness.acme, CreateMember(names)))
    answer = harness.do(earn(1))
    label = answer.account.owner.member
    assert (label.vendor_id, label.external_id) == (77, "ann")
    for name in (*names, member_by_id(label.member_id), member_by_id(77)):
        harness.do(earn(1, name=name))
    assert harness.account().available == 6
    assert count(harness, accounts) == 1


def test_a_lot_is_found_by_the_vendors_id(harness: LedgerHarness) -> None:
    """A migrated lot answers to the id that it had, for its member alone."""
    lot = harness.do(earn(10, vendor_id=5))
    harness.do(earn(10, "bob", vendor_id=6))
    moved = harness.do(move(5, START + DAY))
    assert (moved.change.lot_id, moved.change.lot_vendor_id) == (lot.lot.lot_id, 5)
    assert isinstance(harness.refusal(move(6)), LotNotFound)
    assert harness.do(move(6, member="bob")).change.lot_vendor_id == 6


def test_a_lot_of_the_same_batch_is_found_by_the_vendors_id(harness: LedgerHarness) -> None:
    """A vendor's lot can be moved in the batch that makes it, but not before it is made."""
    results = harness.execute(
        harness.call(move(5, START + DAY)),
        harness.call(earn(10, vendor_id=5)),
        harness.call(move(5, START + DAY, currency="EUR")),
        harness.call(move(5, START + DAY, currency="PTS")),
        harness.call(redeem(10)),
    )
    assert [type(r[0]) for r in results] == [
        LotNotFound,
        Earned,
        LotNotFound,
        ExpiryUpdated,
        Redeemed,
    ]


def test_a_vendors_lot_id_is_taken_once(harness: LedgerHarness) -> None:
    """A member's second lot with a vendor's id is refused, in the batch and after it."""
    results = harness.execute(
        harness.call(earn(1, vendor_id=5)),
        harness.call(earn(1, vendor_id=5)),
        harness.call(earn(1, vendor_id=5, currency="EUR")),
        harness.call(earn(1, "bob", vendor_id=5)),
    )
    assert [type(r[0]) for r in results] == [Earned, IdentifierTaken, IdentifierTaken, Earned]
    assert isinstance(harness.refusal(earn(1, vendor_id=5, currency="EUR")), IdentifierTaken)


def test_a_refused_lot_leaves_the_vendors_id_free(harness: LedgerHarness) -> None:
    """A vendor's lot id of a dropped group can be used by the next."""
    first, second = harness.execute(
        harness.call(earn(1, vendor_id=5), redeem(2)), harness.call(earn(1, vendor_id=5))
    )
    assert (type(first[0]), type(second[0])) == (InsufficientPoints, Earned)


def test_the_checks_of_an_update_must_match(harness: LedgerHarness) -> None:
    """A lot of another kind, currency, category, member or program is not found."""
    harness.open_program(program_id=123)
    lot = harness.do(earn(10, kind=AwardKind.POINT_AWARDED_LINEITEM))
    harness.do(earn(10, "bob"))
    soon = START + DAY
    for wrong in (
        move(lot, soon, kind=AwardKind.POINT_AWARDED),
        move(lot, soon, currency="EUR"),
        move(lot, soon, category=LotCategory.PROMISED),
        move(lot, soon, member="bob"),
        replace(move(lot, soon), program_id=123),
    ):
        assert isinstance(harness.refusal(wrong), LotNotFound)
    right = move(lot, soon, kind=lot.lot.kind, currency="PTS", category=LotCategory.REGULAR)
    assert harness.do(right).change.new_expires_at == soon


# Tenants
def test_other_tenants_things_are_not_found(harness: LedgerHarness) -> None:
    """A tenant neither reaches nor learns of another's members, lots and transactions."""
    mine = harness.do(earn(10, initial_state=LotState.OPEN, vendor_id=5))
    harness.do(earn(10))
    spent = harness.do(redeem(1))
    harness.open_program(harness.rival)
    harness.do(earn(1), harness.rival)
    spent_id = spent.transaction.transaction_id
    member = member_by_id(mine.account.owner.member.member_id)
    for command, refusal in (
        (approve(mine), TransactionNotFound),
        (replace(approve(mine), transaction_id=spent_id), TransactionNotFound),
        (move(mine), LotNotFound),
        (move(5), LotNotFound),
        (move(mine, name=member), MemberNotFound),
        (redeem(1, name=member), MemberNotFound),
        (earn(1, name=member), MemberNotFound),
    ):
        assert type(harness.refusal(command, harness.rival)) is refusal


def test_two_tenants_naming_one_thing_in_a_batch_stay_apart(harness: LedgerHarness) -> None:
    """A tenant gains nothing from sharing a batch with the owner of what it names."""
    mine = harness.do(earn(10, initial_state=LotState.OPEN))
    harness.do(earn(10))
    spent = harness.do(redeem(1))
    other = replace(approve(mine), transaction_id=spent.transaction.transaction_id)
    harness.open_program(harness.rival)
    harness.do(earn(1), harness.rival)
    results = harness.execute(
        harness.call(approve(mine), caller=harness.rival),
        harness.call(other, caller=harness.rival),
        harness.call(move(mine, START + DAY), caller=harness.rival),
        harness.call(update_status(mine, LotState.PENDING)),
        harness.call(other),
        harness.call(move(mine, START + DAY)),
        harness.call(approve(mine), caller=harness.rival),
    )
    assert [type(r[0]).__name__ for r in results] == [
        "TransactionNotFound",
        "TransactionNotFound",
        "LotNotFound",
        "LotStateChanged",
        "TransactionNotOpen",
        "ExpiryUpdated",
        "TransactionNotFound",
    ]


def test_an_external_id_belongs_to_its_tenant(harness: LedgerHarness) -> None:
    """The same external id in two tenants is two members, in one batch as well."""
    harness.open_program(harness.rival)
    harness.execute(harness.call(earn(1)), harness.call(earn(2), caller=harness.rival))
    assert harness.account().available == 1
    assert harness.read(GetAccount(PROGRAM, named("ann"), "PTS"), harness.rival).available == 2

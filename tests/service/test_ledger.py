"""Commands through the database: names, groups, batches, previews."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.support.service.ledger_harness import (
    IDLE_DAYS,
    PROGRAM,
    START,
    LedgerHarness,
    approve,
    earn,
    expire,
    move,
    moves,
    named,
    outcomes,
    redeem,
    update_status,
)

from points_grpc.domain.admin.commands import CreateMember, UpdatePolicy, UpdateProgram
from points_grpc.domain.commands import MemberName, member_by_id
from points_grpc.domain.model import AwardKind, LotCategory, LotState, Period, PolicyKind
from points_grpc.domain.policy import InDays, Never
from points_grpc.domain.queries import GetAccount, GetLot
from points_grpc.domain.results import Earned, ExpiryUpdated, Redeemed
from points_grpc.errors import (
    AccountNotFound,
    CurrencyNotFound,
    IdentifierTaken,
    InsufficientPoints,
    InvalidField,
    LotNotFound,
    LotNotLive,
    MemberNotFound,
    PolicyNotFound,
    ProgramNotFound,
    Refusal,
    TransactionNotFound,
    TransactionNotOpen,
)
from points_grpc.service.writes.ledger import LedgerTerms
from points_grpc.storage.tables import accounts, lots, members, metadata

DAY = timedelta(days=1)
OURS = 2**46 + 64 * 12345


def count(harness: LedgerHarness, table: Any) -> int:
    return harness.look(lambda at: at.scalar(select(func.count()).select_from(table)))


def contents(harness: LedgerHarness) -> dict[str, int]:
    """How many rows each table has, apart from the numbers and the units of work."""
    aside = ("id_blocks", "units")
    return {t.name: count(harness, t) for t in metadata.tables.values() if t.name not in aside}


# Groups


def test_a_group_is_dropped_whole(harness: LedgerHarness) -> None:
    """What came before the refused command of a group is undone with it."""
    before = contents(harness)
    (result,) = harness.execute(
        harness.call(earn(100), earn(50, "bob"), redeem(101), earn(1, "cyd"))
    )
    assert {type(outcome) for outcome in result} == {InsufficientPoints}
    assert contents(harness) == before


def test_the_refused_command_of_a_group_is_told(harness: LedgerHarness) -> None:
    """A dropped group says which of its commands was refused."""
    call = harness.call(earn(100), earn(50), redeem(151), redeem(152))
    harness.execute(call)
    assert call.groups[0].refused_at == 2


def test_a_dropped_group_does_not_harm_its_neighbours(harness: LedgerHarness) -> None:
    """Groups before and after a refused one in the batch are kept, on its account, too."""
    results = harness.execute(
        harness.call(earn(100)),
        harness.call(redeem(60), redeem(60)),
        harness.call(redeem(70)),
        harness.call(earn(5, "bob")),
    )
    assert [[type(o) for o in result] for result in results] == [
        [Earned],
        [InsufficientPoints, InsufficientPoints],
        [Redeemed],
        [Earned],
    ]
    assert harness.account().available == 30


def test_items_of_a_partial_call_stand_alone(harness: LedgerHarness) -> None:
    """Each item of a partial call is kept or refused for itself."""
    call = harness.call(earn(100), redeem(150), earn(100, policy="nix"), redeem(40), partial=True)
    (result,) = harness.execute(call)
    assert [type(o) for o in result] == [Earned, InsufficientPoints, PolicyNotFound, Redeemed]
    assert harness.account().available == 60


def test_an_error_in_one_decision_fails_its_group_alone(
    harness: LedgerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unforeseen error while a group is decided leaves the rest of the batch alone."""
    from points_grpc.service.writes import decide  # noqa: PLC0415  # patched below

    real = decide.decide

    def stumble(case: Any, draft: Any) -> Any:
        answer = real(case, draft)
        if case.command.reference == "stumble":
            raise ZeroDivisionError
        return answer

    monkeypatch.setattr(decide, "decide", stumble)
    first, second, third = harness.execute(
        harness.call(earn(1)), harness.call(earn(2, reference="stumble")), harness.call(earn(4))
    )
    assert isinstance(second[0], ZeroDivisionError)
    assert (type(first[0]), type(third[0])) == (Earned, Earned)
    assert harness.account().available == 5


def test_an_error_in_gathering_is_narrowed_down(
    harness: LedgerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unforeseen error while a batch is gathered or applied fails only who caused it."""
    from points_grpc.service.writes import ledger  # noqa: PLC0415  # patched below

    real = ledger.apply

    def stumble(connection: Any, batch_state: Any, *rest: Any) -> None:
        if any(row.reference == "stumble" for row in batch_state.entries.transactions):
            raise ZeroDivisionError
        real(connection, batch_state, *rest)

    monkeypatch.setattr(ledger, "apply", stumble)
    calls = [harness.call(earn(1, reference="stumble" if n == 3 else "")) for n in range(7)]
    results = harness.execute(*calls)
    assert [type(r[0]) for r in results].count(Earned) == 6
    assert isinstance(results[3][0], ZeroDivisionError)
    assert harness.account().available == 6


def test_lapses_are_written_with_kept_groups_only(harness: LedgerHarness) -> None:
    """A refused command records no lapse, and the next kept one does."""
    harness.do(earn(100, policy="month"))
    harness.clock.set(START + 31 * DAY)
    harness.refusal(redeem(1))
    assert harness.look(lambda at: at.scalar(select(accounts.c.version))) == 1
    answer = harness.do(earn(1))
    assert (answer.account.available, answer.account.total_expired) == (1, 100)


def test_what_a_dropped_group_lapsed_is_lapsed_by_the_next(harness: LedgerHarness) -> None:
    """Lapses of a dropped group are not lost on later groups of the batch."""
    harness.do(earn(100, policy="month"))
    harness.clock.set(START + 31 * DAY)
    results = harness.execute(
        harness.call(earn(7), redeem(8)),
        harness.call(redeem(100)),
        harness.call(expire(5)),
        harness.call(earn(3)),
    )
    assert [type(r[-1]).__name__ for r in results] == [
        "InsufficientPoints",
        "InsufficientPoints",
        "Expired",
        "Earned",
    ]
    view = harness.account()
    assert (view.available, view.total_expired, view.total_earned) == (3, 100, 103)


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


# Spending and states


def test_spending_reaches_beyond_the_lots_loaded_first(harness: LedgerHarness) -> None:
    """With many lots under several rules, spending order holds across what is loaded when."""
    commands = [
        earn(10, policy=policy, expiration=InDays(40 + n % 7) if policy == "month" else None)
        for n in range(45)
        for policy in ("month", "idle", "idle-first", "never")
    ]
    harness.execute(harness.call(*commands))
    assert harness.do(redeem(450)).account.available == 1350
    priorities = harness.do(redeem(1)).transaction.allocations
    assert len(priorities) == 1
    shown = [
        harness.read(GetLot(lot_id))
        for lot_id, _ in harness.do(redeem(700)).transaction.allocations
    ]
    assert "never" not in {lot.policy for lot in shown}
    assert {lot.policy for lot in shown} == {"month", "idle"}
    taken = harness.do(redeem(649)).transaction.allocations
    assert sum(part for _, part in taken) == 649
    assert harness.account().available == 0


def test_one_batch_spends_an_account_down(harness: LedgerHarness) -> None:
    """Many spends in a batch see what those before them took, beyond what was loaded."""
    harness.execute(harness.call(*(earn(1, policy="month") for _ in range(100))))
    calls = [harness.call(redeem(9)) for _ in range(12)]
    results = harness.execute(*calls)
    assert [type(r[0]) for r in results] == [Redeemed] * 11 + [InsufficientPoints]
    assert harness.account().available == 1


def test_lots_are_moved_from_state_to_state(harness: LedgerHarness) -> None:
    """Open to pending, pending to approved; then it is earned, and can be spent."""
    lot = harness.do(earn(10, initial_state=LotState.OPEN))
    assert (lot.account.available, lot.account.pending) == (0, 10)
    assert harness.do(update_status(lot, LotState.PENDING)).lot.state is LotState.PENDING
    assert isinstance(harness.refusal(update_status(lot, LotState.CLOSED)), TransactionNotOpen)
    approved = harness.do(approve(lot))
    assert (approved.account.available, approved.account.pending) == (10, 0)
    assert approved.transaction.state is LotState.APPROVED
    assert isinstance(harness.refusal(approve(lot)), TransactionNotOpen)
    harness.do(redeem(10))


def test_states_move_within_one_batch(harness: LedgerHarness) -> None:
    """Several moves of one lot in a batch follow each other."""
    lot = harness.do(earn(10, initial_state=LotState.OPEN))
    results = harness.execute(
        harness.call(update_status(lot, LotState.PENDING)),
        harness.call(redeem(1)),
        harness.call(approve(lot)),
        harness.call(redeem(4)),
        harness.call(approve(lot)),
    )
    assert [type(r[0]).__name__ for r in results] == [
        "LotStateChanged",
        "InsufficientPoints",
        "LotStateChanged",
        "Redeemed",
        "TransactionNotOpen",
    ]


def test_a_lapsed_lot_comes_back_when_reinstated(harness: LedgerHarness) -> None:
    """A lapse that the sweep recorded is reversed, also twice in one batch and in one group."""
    lot = harness.do(earn(10, policy="month"))
    harness.do(redeem(4))
    harness.clock.set(START + 31 * DAY)
    list(harness.sweeper.sweep())
    assert isinstance(harness.refusal(move(lot, START + 40 * DAY)), LotNotLive)
    again = move(lot, START + 40 * DAY, reinstate=True)
    (result,) = harness.execute(harness.call(again, move(lot), again))
    assert [type(o) for o in result] == [ExpiryUpdated] * 3
    view = harness.account()
    assert (view.available, view.total_expired) == (6, 0)


def test_an_earn_that_lapses_at_once_hides_no_other_lot(harness: LedgerHarness) -> None:
    """A backdated earn that has lapsed leaves the account's other expiries where they are."""
    harness.do(earn(10, expiration=InDays(5)))
    past = START - 90 * DAY
    harness.execute(
        harness.call(earn(7, policy="month", earn_at=past)),
        harness.call(earn(1)),
        harness.call(earn(7, policy="idle-first", earn_at=past)),
        harness.call(earn(1)),
    )
    harness.clock.set(START + 6 * DAY)
    assert isinstance(harness.refusal(redeem(3)), InsufficientPoints)
    assert harness.do(redeem(2)).account.available == 0


# Crowded accounts


def test_a_crowded_account_is_for_the_bulk_lane(harness: LedgerHarness) -> None:
    """An account with more due lots than a ledger takes on is handed on, untouched."""
    harness.execute(harness.call(*(earn(1, policy="month") for _ in range(8)), earn(5)))
    harness.do(earn(5, "bob"))
    harness.clock.set(START + 31 * DAY)
    ledger = harness.ledger_on(LedgerTerms(lots_max=7))
    oversized, free = harness.call(redeem(5)), harness.call(redeem(5, "bob"))
    behind = harness.call(earn(1), earn(1, "cyd"))
    leftover = ledger.execute([oversized, free, behind])
    assert (leftover.oversized, leftover.locked_out) == ([oversized, behind], [])
    assert free.settled
    assert harness.bulk.execute([oversized, behind]).locked_out == []
    assert outcomes(oversized)[0].account.total_expired == 8


def test_a_preview_of_a_crowded_account_is_for_another_lane(harness: LedgerHarness) -> None:
    """A preview goes where a write would: handed on, and answered where all lots are taken on."""
    harness.execute(harness.call(*(earn(1, policy="month") for _ in range(300)), earn(5)))
    harness.clock.set(START + 31 * DAY)
    oversized, free = harness.call(redeem(5)), harness.call(earn(1, "bob"))
    with harness.snapshot.unit() as connection:
        assert harness.ledger.preview(connection, [oversized, free]) == [oversized]
    assert (oversized.settled, free.settled) == (False, True)
    (answer,) = harness.preview(redeem(5))
    assert (answer.account.available, answer.account.total_expired) == (0, 300)


# Previews


def without_ids(answer: Any) -> Any:
    """An answer without what is made for it."""
    account = replace(answer.account, owner=None)
    transaction = replace(answer.transaction, owner=None, transaction_id=0, lot_id=0)
    if isinstance(answer, Earned):
        lot = replace(answer.lot, owner=None, lot_id=0)
        return replace(answer, account=account, transaction=transaction, lot=lot)
    return replace(answer, account=account, transaction=transaction)


def test_a_preview_changes_nothing(harness: LedgerHarness) -> None:
    """A preview gives what the write then gives, and leaves every table as it was."""
    lot = harness.do(earn(100, policy="month"))
    harness.do(earn(100, initial_state=LotState.OPEN))
    harness.clock.set(START + 31 * DAY)
    commands = (earn(50, request_id="r"), redeem(30, request_id="s"), expire(1000), earn(1, "new"))
    before = contents(harness)
    previewed = harness.preview(*commands)
    back = harness.preview(move(lot, START + 40 * DAY, reinstate=True))
    assert contents(harness) == before
    (written,) = harness.execute(harness.call(*commands))
    shown = [answer.account.available for answer in written]
    assert [answer.account.available for answer in previewed] == shown == [50, 20, 0, 1]
    assert without_ids(previewed[0]) == without_ids(written[0])
    assert isinstance(back[0], ExpiryUpdated)


def test_a_previewed_id_is_nobodys(harness: LedgerHarness) -> None:
    """Ids that a write would make are not positive in a preview: member, account, lot."""
    (answer,) = harness.preview(earn(1, "new"))
    owner = answer.account.owner
    ids = (owner.member.member_id, owner.account_id, answer.lot.lot_id)
    assert max(ids) < 0
    assert answer.transaction.transaction_id == answer.lot.lot_id


def test_a_preview_ignores_request_ids(harness: LedgerHarness) -> None:
    """A preview with a used request id decides anew, whatever its content."""
    harness.do(earn(100, request_id="r"))
    answers = harness.preview(earn(7, request_id="r"), earn(100, request_id="r"))
    assert [(a.account.available, a.replayed) for a in answers] == [(107, False), (207, False)]


def test_a_preview_refuses_as_the_write_would(harness: LedgerHarness) -> None:
    """A partial preview has the refusals in place, an all-or-nothing one in all places."""
    harness.do(earn(10))
    commands = (redeem(6), redeem(6), redeem(4), earn(1, policy="nix"))
    partial = harness.preview(*commands, partial=True)
    assert [type(o).__name__ for o in partial] == [
        "Redeemed",
        "InsufficientPoints",
        "Redeemed",
        "PolicyNotFound",
    ]
    whole = harness.preview(*commands)
    assert {type(o) for o in whole} == {InsufficientPoints}
    (written,) = harness.execute(harness.call(*commands, partial=True))
    assert [type(o) for o in written] == [type(o) for o in partial]


def test_a_preview_repeated_in_its_batch_starts_over(harness: LedgerHarness) -> None:
    """A preview that was half decided when the snapshot was lost is decided afresh."""
    harness.do(earn(10))
    call = harness.call(redeem(6), redeem(4), partial=True)
    for _ in range(2):
        with harness.snapshot.unit() as connection:
            harness.ledger.preview(connection, [call])
    assert [type(o) for o in outcomes(call)] == [Redeemed, Redeemed]


# Settings


def test_settings_changed_elsewhere_hold_for_the_next_batch(
    open_till: Callable[..., LedgerHarness],
) -> None:
    """A policy changed in another process counts for the very next batch here."""
    here, there = open_till(), open_till()
    first = here.do(earn(1, policy="month"))

    async def shorten(book: Any, _: Any) -> None:
        newest = replace(first_policy(here), period=Period(days=3))
        await book.update_policy(there.acme, UpdatePolicy(PROGRAM, "PTS", newest))
        await book.update_program(there.acme, UpdateProgram(PROGRAM, auto_enroll=False))

    there.administrate(shorten)
    second = here.do(earn(1, policy="month"))
    assert (first.lot.policy_version, second.lot.policy_version) == (1, 2)
    assert second.lot.expires_at == START + 3 * DAY
    assert isinstance(here.refusal(earn(1, "new")), MemberNotFound)
    assert here.do(redeem(2)).account.available == 0


def first_policy(harness: LedgerHarness) -> Any:
    key = (1, PROGRAM)
    program = harness.look(lambda at: harness.cache.current(at, {key}))[key]
    return program.currencies[program.default_currency_id].policies["month"]


def test_a_policy_born_between_naming_and_locking_is_known(
    open_till: Callable[..., LedgerHarness], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lots of a policy version that is newer than the batch's first look can be spent."""
    from points_grpc.service.writes.gather import Gatherer  # noqa: PLC0415  # patched below

    here, there = open_till(), open_till()
    here.do(earn(1))
    real = Gatherer.lock

    def interrupt(self: Gatherer, *rest: Any) -> Any:
        monkeypatch.setattr(Gatherer, "lock", real)

        async def lengthen(book: Any, _: Any) -> None:
            idle = replace(first_policy(there), code="idle", period=Period(days=90))
            idle = replace(idle, kind=PolicyKind.INACTIVITY)
            await book.update_policy(there.acme, UpdatePolicy(PROGRAM, "PTS", idle))

        there.administrate(lengthen)
        there.do(earn(10, policy="idle"))
        return real(self, *rest)

    monkeypatch.setattr(Gatherer, "lock", interrupt)
    assert here.do(redeem(11)).account.available == 0


# The database's refusals


def test_content_that_cannot_be_kept_is_refused_alone(harness: LedgerHarness) -> None:
    """Text that the database cannot hold fails its own group only, in the middle of a batch."""
    calls = [harness.call(earn(1, reference="a\0b" if n == 2 else "ab")) for n in range(5)]
    results = harness.execute(*calls)
    assert [type(r[0]) for r in results] == [Earned, Earned, InvalidField, Earned, Earned]
    assert harness.account().available == 4


def test_a_violated_check_is_narrowed_down_within_a_partial_call(harness: LedgerHarness) -> None:
    """A row that breaks a check fails its own item, and the rest of the call is kept."""
    lot = harness.do(earn(10, "bad"))
    # The lot pretends to be smaller than the account believes.
    harness.look(
        lambda at: at.execute(
            lots.update().where(lots.c.lot_id == lot.lot.lot_id).values(remaining=4, redeemed=6)
        )
    )
    harness.do(earn(100))
    call = harness.call(*(redeem(5, m) for m in ("ann", "ann", "bad", "ann")), partial=True)
    (result,) = harness.execute(call)
    assert [type(o) for o in result] == [Redeemed, Redeemed, RuntimeError, Redeemed]
    harness.look(
        lambda at: at.execute(
            lots.update().where(lots.c.lot_id == lot.lot.lot_id).values(remaining=10, redeemed=0)
        )
    )


def test_an_update_in_halves_still_stands_or_falls_as_one(harness: LedgerHarness) -> None:
    """A partial update that shares a batch with refused content is answered item by item."""
    one, two = harness.do(earn(10)), harness.do(earn(10, "bob"))
    bad = harness.call(earn(1, reference="\0"))
    soon = START + DAY
    items = moves("u", b"first", move(one, soon), move(two, soon, member="bob"))
    call = harness.call(*items, partial=True)
    harness.execute(bad, call)
    assert [type(o) for o in outcomes(call)] == [ExpiryUpdated] * 2
    others = moves("u", b"other", move(two, soon, member="cyd"), move(two, soon, member="bob"))
    third = harness.call(*others, partial=True)
    harness.execute(
        harness.call(earn(1, reference="\0")), third, harness.call(earn(1, reference="\0"))
    )
    assert [type(o).__name__ for o in outcomes(third)] == ["RequestIdReused"] * 2


def test_inactivity_is_prolonged_within_a_batch(harness: LedgerHarness) -> None:
    """An earn of the batch keeps alive what the account's inactivity would have ended."""
    harness.do(earn(10, policy="idle"))
    harness.clock.set(START + (IDLE_DAYS - 1) * DAY)
    harness.execute(harness.call(earn(1)), harness.call(earn(1, policy="idle")))
    harness.clock.set(START + (2 * IDLE_DAYS - 2) * DAY)
    assert harness.account().available == 12
    harness.clock.set(START + 2 * IDLE_DAYS * DAY)
    assert harness.do(earn(1)).account.available == 2


def test_no_expiry_is_moved_to_never(harness: LedgerHarness) -> None:
    """An update to never takes the lot out of what is due."""
    lot = harness.do(earn(10, policy="month"))
    harness.execute(harness.call(move(lot, Never())), harness.call(earn(1)))
    harness.clock.set(START + 400 * DAY)
    assert harness.do(redeem(11)).account.available == 0

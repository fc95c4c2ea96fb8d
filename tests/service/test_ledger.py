"""Commands through the database: names, groups, batches, previews."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select
from tests.support.service.days import DAY
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
    outcomes,
    redeem,
    update_status,
)
from tests.support.service.ledgers import contents

from points_grpc.domain.admin.commands import UpdatePolicy, UpdateProgram
from points_grpc.domain.model import LotState, Period, PolicyKind
from points_grpc.domain.policy import InDays, Never
from points_grpc.domain.queries import GetLot
from points_grpc.domain.results import Earned, ExpiryUpdated, Redeemed
from points_grpc.errors import (
    InsufficientPoints,
    InvalidField,
    LotNotLive,
    MemberNotFound,
    PolicyNotFound,
    TransactionNotOpen,
)
from points_grpc.service.writes.ledger import LedgerTerms
from points_grpc.storage.tables import accounts, lots


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


# Settings
def test_settings_changed_elsewhere_hold_for_the_next_batch(
    open_ledger: Callable[..., LedgerHarness],
) -> None:
    """A policy changed in another process counts for the very next batch here."""
    here, there = open_ledger(), open_ledger()
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
    open_ledger: Callable[..., LedgerHarness], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lots of a policy version that is newer than the batch's first look can be spent."""
    from points_grpc.service.writes.gather import Gatherer  # noqa: PLC0415  # patched below

    here, there = open_ledger(), open_ledger()
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

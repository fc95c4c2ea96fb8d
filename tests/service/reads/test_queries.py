"""Reads: everything is shown as of now, whatever has been recorded."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.service.queries import ANN, account, just_before, schedule
from tests.support.service.read_harness import (
    IDLE,
    YEAR,
    ReadHarness,
    instant,
    named,
)

from points_grpc.domain.commands import MEMBER_ID, ChangeLotState, MemberName
from points_grpc.domain.model import LotState
from points_grpc.domain.queries import (
    GetAccount,
    GetExpiring,
    GetLot,
    GetSchedule,
    GetTransaction,
)
from points_grpc.errors import (
    AccountNotFound,
    CurrencyNotFound,
    InvalidField,
    LotNotFound,
    MemberNotFound,
    ProgramNotFound,
    TransactionNotFound,
)


def expiring(reader: ReadHarness, start: str, end: str, member: str = "ann") -> tuple[int, int]:
    """Points and lots that expire in a period."""
    report = reader.ask(GetExpiring(0, named(member), None, instant(start), instant(end)))
    return report.points, report.lot_count


# Accounts
def test_points_are_available_up_to_their_expiry(reader: ReadHarness) -> None:
    """A microsecond before its expiry a lot is available; from it on it is expired, unrecorded."""
    reader.earn(70, expires="2021-02-01")
    reader.earn(30, expires="2021-03-01")
    reader.at(just_before("2021-02-01"))
    view = account(reader)
    assert (view.available, view.total_expired) == (100, 0)
    assert view.next_expires_at == instant("2021-02-01")
    reader.at("2021-02-01")
    view = account(reader)
    assert (view.available, view.total_expired, view.total_earned) == (30, 70, 100)
    assert view.next_expires_at == instant("2021-03-01")


def test_recording_a_lapse_changes_no_figure(reader: ReadHarness) -> None:
    """An account reads the same before and after its lapses are recorded."""
    reader.earn(70, expires="2021-02-01")
    reader.earn(30, expires="2021-03-01")
    reader.at("2021-02-05")
    before = account(reader)
    reader.redeem(10)
    after = account(reader)
    assert (before.available, before.total_expired) == (after.available + 10, after.total_expired)
    assert before.next_expires_at == after.next_expires_at


def test_pending_points_leave_at_their_expiry(reader: ReadHarness) -> None:
    """An unapproved lot is pending until its expiry, then closed, and never expired points."""
    lot_id = reader.earn(50, expires="2021-02-01", initial_state=LotState.PENDING)
    reader.at(just_before("2021-02-01"))
    view = account(reader)
    assert (view.available, view.pending, view.next_expires_at) == (0, 50, None)
    assert reader.ask(GetLot(lot_id)).state is LotState.PENDING
    reader.at("2021-02-01")
    view = account(reader)
    assert (view.available, view.pending, view.total_expired) == (0, 0, 0)
    lot = reader.ask(GetLot(lot_id))
    assert (lot.state, lot.remaining, lot.amount) == (LotState.CLOSED, 0, 50)
    shown = reader.ask(GetTransaction(lot_id))
    assert (shown.state, shown.updated_at) == (LotState.CLOSED, instant("2021-02-01"))


def test_the_next_expiry_is_that_of_points_that_are_left(reader: ReadHarness) -> None:
    """Used-up lots have no say in when the account's points expire next."""
    reader.earn(10, expires="2021-02-01")
    reader.earn(10, expires="2021-03-01")
    reader.earn(10, expires="never")
    reader.redeem(10)
    assert account(reader).next_expires_at == instant("2021-03-01")
    reader.redeem(10)
    assert account(reader).next_expires_at is None


def test_an_account_never_goes_back_in_time(reader: ReadHarness, module_database_url: str) -> None:
    """A server whose clock is behind reads an account as of the account's last change."""
    reader.at("2021-01-20")
    reader.earn(10, expires="2021-02-01")
    reader.at("2021-02-10")
    reader.earn(1, expires="2021-12-01")
    behind = ReadHarness(module_database_url)
    behind.acme = reader.acme
    try:
        behind.at("2021-01-25")
        assert account(behind).total_expired == 10
        assert expiring(behind, "2021-01-01", "2021-03-01") == (0, 0)
        assert schedule(behind).as_of == instant("2021-02-10")
    finally:
        behind.close()


def test_an_account_by_its_id(reader: ReadHarness) -> None:
    """An account that is asked for by id says whose it is."""
    reader.earn(10, expires="2021-02-01")
    by_name = account(reader)
    by_id = reader.ask(GetAccount(account_id=by_name.owner.account_id))
    assert by_id == by_name
    assert by_id.owner.member.external_id == "ann"
    assert by_id.owner.currency.code == "PTS"


def test_a_member_without_an_account_reads_zeros(reader: ReadHarness) -> None:
    """Where a member has no account everything is zero, and nothing is refused."""
    reader.earn(10, expires="2021-02-01")
    reader.open_program(YEAR, program_id=123)
    view = reader.ask(GetAccount(program_id=123, member=ANN))
    assert (view.owner.account_id, view.available, view.version) == (0, 0, 0)
    assert (view.created_at, view.updated_at, view.next_expires_at) == (None, None, None)
    assert view.owner.member == account(reader).owner.member
    start, end = instant("2021-01-01"), instant("2022-01-01")
    assert reader.ask(GetExpiring(123, ANN, None, start, end)).points == 0
    months = reader.ask(GetSchedule(123, ANN, None)).months
    assert len(months) == 10
    assert not any(
        (m.expired, m.expiring, m.redeemed, m.expires_at) != (0, 0, 0, None) for m in months
    )


# Lots and transactions
def test_nothing_is_left_of_a_lapsed_lot(reader: ReadHarness) -> None:
    """A lot shows what is left until its expiry and nothing from then on, and stays approved."""
    lot_id = reader.earn(10, expires="2021-02-01", reference="order-1", source="shop")
    reader.at(just_before("2021-02-01"))
    assert reader.ask(GetLot(lot_id)).remaining == 10
    reader.at("2021-02-01")
    lot = reader.ask(GetLot(lot_id))
    assert (lot.remaining, lot.state) == (0, LotState.APPROVED)
    assert (lot.reference, lot.source, lot.policy) == ("order-1", "shop", "year")


def test_a_vendors_lot_is_found_by_its_member(reader: ReadHarness) -> None:
    """A vendor's lot id names the lot of one member; without a member it names none."""
    of_ann = reader.earn(10, "ann", vendor_id=7)
    of_ben = reader.earn(20, "ben", vendor_id=7)
    answers = reader.ask_all(
        (reader.acme, GetLot(7, named("ann"))),
        (reader.acme, GetLot(7, named("ben"))),
        (reader.acme, GetLot(8, named("ben"))),
        (reader.acme, GetLot(7)),
    )
    assert [a.lot_id for a in answers[:2]] == [of_ann, of_ben]
    assert [type(a) for a in answers[2:]] == [LotNotFound, InvalidField]


def test_a_named_member_must_be_the_lots_own(reader: ReadHarness) -> None:
    """With a member, only that member's lots are found."""
    lot_id = reader.earn(10, "ann")
    reader.earn(10, "ben")
    assert reader.ask(GetLot(lot_id, named("ann"))).lot_id == lot_id
    with pytest.raises(LotNotFound):
        reader.ask(GetLot(lot_id, named("ben")))


def test_a_transaction_has_its_allocations(reader: ReadHarness) -> None:
    """A debit names the lots it took from, in the amounts it took."""
    first = reader.earn(10, expires="2021-02-01")
    second = reader.earn(10, expires="2021-03-01")
    spent = reader.redeem(15, reference="order-2").transaction
    shown = reader.ask(GetTransaction(spent.transaction_id))
    assert shown == spent
    assert shown.allocations == ((first, 10), (second, 5))
    assert (shown.balance_before, shown.balance_after) == (20, 5)


def test_an_earn_shows_the_state_of_its_lot(reader: ReadHarness) -> None:
    """An EARN has its lot's present state, and changed when that did."""
    lot_id = reader.earn(10, initial_state=LotState.OPEN)
    assert reader.ask(GetTransaction(lot_id)).state is LotState.OPEN
    reader.at("2021-01-02")
    reader.do(ChangeLotState(lot_id, LotState.APPROVED, approving=True))
    shown = reader.ask(GetTransaction(lot_id))
    assert (shown.state, shown.updated_at) == (LotState.APPROVED, instant("2021-01-02"))
    assert shown.created_at == instant("2021-01-01")


# Refusals
def test_each_read_is_refused_on_its_own(reader: ReadHarness) -> None:
    """A read that names nothing is refused with its reason, and the others are answered."""
    lot_id = reader.earn(10)
    start, end = instant("2021-01-01"), instant("2022-01-01")
    nobody = named("nobody")
    answers = reader.ask_all(
        (reader.acme, GetAccount(member=ANN)),
        (reader.acme, GetAccount(member=nobody)),
        (reader.acme, GetAccount(member=MemberName(MEMBER_ID, str(2**46 + 1)))),
        (reader.acme, GetAccount(program_id=5, member=ANN)),
        (reader.acme, GetAccount(member=ANN, currency="GOLD")),
        (reader.acme, GetAccount(member=ANN, currency=99)),
        (reader.acme, GetAccount(account_id=2**46 + 1)),
        (reader.acme, GetExpiring(0, nobody, None, start, end)),
        (reader.acme, GetSchedule(0, nobody, None)),
        (reader.acme, GetLot(2**46 + 1)),
        (reader.acme, GetLot(lot_id, nobody)),
        (reader.acme, GetTransaction(2**46 + 1)),
        (reader.acme, GetTransaction(1)),
        (reader.acme, GetTransaction(lot_id)),
    )
    assert answers[0].available == 10
    assert answers[-1].amount == 10
    assert [(type(a), a.field) for a in answers[1:-1]] == [
        (MemberNotFound, "member"),
        (MemberNotFound, "member"),
        (ProgramNotFound, "program_id"),
        (CurrencyNotFound, "currency_code"),
        (CurrencyNotFound, "currency_id"),
        (AccountNotFound, "account_id"),
        (MemberNotFound, "member"),
        (MemberNotFound, "member"),
        (LotNotFound, "lot_id"),
        (MemberNotFound, "member"),
        (TransactionNotFound, "transaction_id"),
        (TransactionNotFound, "transaction_id"),
    ]


def test_tenants_do_not_see_each_other(reader: ReadHarness) -> None:
    """Another tenant's ids are unknown, also where both ask for them in one batch."""
    reader.open_program(YEAR, caller=reader.rival)
    lot_id = reader.earn(10, vendor_id=7)
    view = account(reader)
    own_id = MemberName(MEMBER_ID, str(view.owner.member.member_id))
    reads = [
        GetAccount(account_id=view.owner.account_id),
        GetLot(lot_id),
        GetTransaction(lot_id),
        GetAccount(member=ANN),
        GetAccount(member=own_id),
        GetLot(7, own_id),
        GetExpiring(0, own_id, None, instant("2021-01-01"), instant("2023-01-01")),
        GetSchedule(0, own_id, None),
    ]
    batch = [(caller, read) for read in reads for caller in (reader.acme, reader.rival)]
    answers = reader.ask_all(*batch)
    assert not any(isinstance(a, Exception) for a in answers[::2])
    assert [type(a) for a in answers[1::2]] == [
        AccountNotFound,
        LotNotFound,
        TransactionNotFound,
        *[MemberNotFound] * 5,
    ]
    assert reader.ask_all(*batch[1::2])[0].field == "account_id"


# What expires in a period
def test_a_period_includes_its_start_and_not_its_end(reader: ReadHarness) -> None:
    """A lot counts in the period that its expiry lies in, start included, end excluded."""
    reader.earn(10, expires="2021-02-01")
    reader.earn(5, expires="2021-02-01")
    assert expiring(reader, "2021-02-01", "2021-03-01") == (15, 2)
    assert expiring(reader, "2021-01-05", "2021-02-01") == (0, 0)
    assert expiring(reader, "2021-02-01T00:00:00.000001", "2021-03-01") == (0, 0)
    assert expiring(reader, "2021-01-31", "2021-02-01T00:00:00.000001") == (15, 2)


def test_the_past_part_of_a_period_counts_nothing(reader: ReadHarness) -> None:
    """A lot that has lapsed expires no more, recorded or not; one that is live does."""
    reader.earn(10, expires="2021-02-01")
    reader.at(just_before("2021-02-01"))
    assert expiring(reader, "2021-01-01", "2021-03-01") == (10, 1)
    reader.at("2021-02-01")
    assert expiring(reader, "2021-01-01", "2021-03-01") == (0, 0)


def test_only_what_remains_of_approved_lots_expires(reader: ReadHarness) -> None:
    """Spent points and unapproved lots are not counted."""
    reader.earn(10, expires="2021-02-01")
    reader.earn(10, expires="2021-02-02")
    reader.earn(10, expires="2021-02-02", initial_state=LotState.OPEN)
    reader.redeem(13)
    assert expiring(reader, "2021-01-01", "2021-03-01") == (7, 1)


def test_inactivity_lots_expire_at_their_projected_instant(
    new_bank: Callable[..., ReadHarness],
) -> None:
    """An inactivity lot counts where it would lapse, which later activity moves."""
    reader = new_bank(IDLE)
    reader.earn(10)
    assert expiring(reader, "2022-01-01", "2022-01-02") == (10, 1)
    reader.at("2021-01-11")
    reader.earn(5)
    assert expiring(reader, "2022-01-01", "2022-01-02") == (10, 1)
    assert expiring(reader, "2022-01-11", "2022-01-12") == (5, 1)
    reader.at("2021-02-01")
    reader.redeem(1)
    assert expiring(reader, "2022-01-01", "2022-01-12") == (0, 0)
    assert expiring(reader, "2022-02-01", "2022-02-02") == (14, 2)


def test_many_periods_of_one_account_are_answered_apart(reader: ReadHarness) -> None:
    """Reads of the same account in one batch do not mix."""
    reader.earn(10, expires="2021-02-01")
    reader.earn(20, expires="2021-03-01")
    reads = [
        GetExpiring(0, ANN, None, instant(f"2021-0{n}-01"), instant(f"2021-0{n + 1}-01"))
        for n in (2, 3, 4)
    ]
    answers = reader.ask_all(*((reader.acme, read) for read in reads))
    assert [a.points for a in answers] == [10, 20, 0]


def test_a_mixed_batch_is_one_snapshot(reader: ReadHarness) -> None:
    """Reads of every kind are answered together, in order, each in its own form."""
    lot_id = reader.earn(10, expires="2021-02-01")
    start, end = instant("2021-01-01"), instant("2022-01-01")
    reads = [
        GetSchedule(0, ANN, None),
        GetLot(lot_id),
        GetExpiring(0, ANN, None, start, end),
        GetAccount(member=ANN),
        GetTransaction(lot_id),
    ]
    answers = reader.ask_all(*((reader.acme, read) for read in reads))
    assert [type(a).__name__ for a in answers] == [
        "Schedule",
        "LotView",
        "Expiring",
        "AccountView",
        "TransactionView",
    ]


def test_no_reads_no_answers(reader: ReadHarness) -> None:
    """An empty batch has no answers."""
    assert reader.ask_all() == []

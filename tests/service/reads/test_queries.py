"""Reads: everything is shown as of now, whatever has been recorded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from bank import IDLE, IDLE_MONTHLY, NEVER, YEAR, Bank, instant, named

from points_grpc.domain.commands import MEMBER_ID, ChangeLotState, MemberName, UpdateExpiry
from points_grpc.domain.model import LotState
from points_grpc.domain.policy import ExpireAt, Immediate
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
    ExpirationNotConfigured,
    InvalidField,
    LotNotFound,
    MemberNotFound,
    ProgramNotFound,
    TransactionNotFound,
)

ANN = named("ann")
TICK = timedelta(microseconds=1)


def account(bank: Bank, member: str = "ann") -> Any:
    """The member's account as read now."""
    return bank.ask(GetAccount(member=named(member)))


def expiring(bank: Bank, start: str, end: str, member: str = "ann") -> tuple[int, int]:
    """Points and lots that expire in a period."""
    report = bank.ask(GetExpiring(0, named(member), None, instant(start), instant(end)))
    return report.points, report.lot_count


def schedule(bank: Bank, trailing: int = 3, forward: int = 6) -> Any:
    """Ann's schedule."""
    return bank.ask(GetSchedule(0, ANN, None, trailing, forward))


def month(bank: Bank, text: str, **window: int) -> Any:
    """One month of Ann's schedule."""
    first = date.fromisoformat(text + "-01")
    return next(m for m in schedule(bank, **window).months if m.first == first)


def just_before(text: str) -> str:
    """The last microsecond before an instant."""
    return (instant(text) - TICK).isoformat()


# The vendor's sample


def vendor_story(bank: Bank) -> None:
    """The sample's lots: earned in January, one of them partly redeemed."""
    bank.at("2022-01-10")
    bank.earn(3133, expires="2022-06-30T11:00")
    bank.redeem(120)
    for amount, expires in (
        (100, "2022-02-28"),
        (200, "2022-04-30"),
        (1000, "2022-05-31"),
        (2000, "2022-07-31"),
        (1000, "2022-10-31"),
    ):
        bank.earn(amount, expires=expires)
    bank.at("2022-05-25T12:00")


SAMPLE = [
    # month, expired, expiring, redeemed from the month's lots, expiry
    ("2022-02", 100, 0, 0, "2022-02-28"),
    ("2022-03", 0, 0, 0, None),
    ("2022-04", 200, 0, 0, "2022-04-30"),
    ("2022-05", 0, 1000, 0, "2022-05-31"),
    ("2022-06", 0, 3013, 120, "2022-06-30T11:00"),
    ("2022-07", 0, 2000, 0, "2022-07-31"),
    ("2022-08", 0, 0, 0, None),
    ("2022-09", 0, 0, 0, None),
    ("2022-10", 0, 1000, 0, "2022-10-31"),
    ("2022-11", 0, 0, 0, None),
]


@pytest.mark.parametrize("recorded", [False, True])
def test_ten_months_have_the_vendors_figures(bank: Bank, recorded: bool) -> None:
    """The vendor's ten-month sample comes out with its figures, lapses recorded or not."""
    vendor_story(bank)
    if recorded:
        bank.expire(1)
        bank.earn(1, expires="2022-05-31")
    shown = [
        (f"{m.first:%Y-%m}", m.expired, m.expiring, m.redeemed_from_lots, m.expires_at)
        for m in schedule(bank).months
    ]
    expected = [(*m[:4], m[4] and instant(m[4])) for m in SAMPLE]
    if recorded:
        may = expected[3]
        expected[3] = (may[0], 1, 1000, 0, may[4])
    assert shown == expected


def test_redeemed_counts_in_the_month_of_redemption(bank: Bank) -> None:
    """What was redeemed counts in its own month, whichever month's lots it came out of."""
    vendor_story(bank)
    assert month(bank, "2022-01", trailing=4).redeemed == 120
    assert month(bank, "2022-06").redeemed == 0
    assert [m.redeemed for m in schedule(bank).months] == [0] * 10


def test_a_month_ends_with_its_last_day(bank: Bank) -> None:
    """A schedule's months are whole calendar months, the present one in its place."""
    vendor_story(bank)
    months = schedule(bank, trailing=0, forward=1).months
    assert [(m.first, m.last) for m in months] == [
        (date(2022, 5, 1), date(2022, 5, 31)),
        (date(2022, 6, 1), date(2022, 6, 30)),
    ]


# Accounts


def test_points_are_available_up_to_their_expiry(bank: Bank) -> None:
    """A microsecond before its expiry a lot is available; from it on it is expired, unrecorded."""
    bank.earn(70, expires="2021-02-01")
    bank.earn(30, expires="2021-03-01")
    bank.at(just_before("2021-02-01"))
    view = account(bank)
    assert (view.available, view.total_expired) == (100, 0)
    assert view.next_expires_at == instant("2021-02-01")
    bank.at("2021-02-01")
    view = account(bank)
    assert (view.available, view.total_expired, view.total_earned) == (30, 70, 100)
    assert view.next_expires_at == instant("2021-03-01")


def test_recording_a_lapse_changes_no_figure(bank: Bank) -> None:
    """An account reads the same before and after its lapses are recorded."""
    bank.earn(70, expires="2021-02-01")
    bank.earn(30, expires="2021-03-01")
    bank.at("2021-02-05")
    before = account(bank)
    bank.redeem(10)
    after = account(bank)
    assert (before.available, before.total_expired) == (after.available + 10, after.total_expired)
    assert before.next_expires_at == after.next_expires_at


def test_pending_points_leave_at_their_expiry(bank: Bank) -> None:
    """An unapproved lot is pending until its expiry, then closed, and never expired points."""
    lot_id = bank.earn(50, expires="2021-02-01", initial_state=LotState.PENDING)
    bank.at(just_before("2021-02-01"))
    view = account(bank)
    assert (view.available, view.pending, view.next_expires_at) == (0, 50, None)
    assert bank.ask(GetLot(lot_id)).state is LotState.PENDING
    bank.at("2021-02-01")
    view = account(bank)
    assert (view.available, view.pending, view.total_expired) == (0, 0, 0)
    lot = bank.ask(GetLot(lot_id))
    assert (lot.state, lot.remaining, lot.amount) == (LotState.CLOSED, 0, 50)
    shown = bank.ask(GetTransaction(lot_id))
    assert (shown.state, shown.updated_at) == (LotState.CLOSED, instant("2021-02-01"))


def test_the_next_expiry_is_that_of_points_that_are_left(bank: Bank) -> None:
    """Used-up lots have no say in when the account's points expire next."""
    bank.earn(10, expires="2021-02-01")
    bank.earn(10, expires="2021-03-01")
    bank.earn(10, expires="never")
    bank.redeem(10)
    assert account(bank).next_expires_at == instant("2021-03-01")
    bank.redeem(10)
    assert account(bank).next_expires_at is None


def test_an_account_never_goes_back_in_time(bank: Bank, module_database_url: str) -> None:
    """A server whose clock is behind reads an account as of the account's last change."""
    bank.at("2021-01-20")
    bank.earn(10, expires="2021-02-01")
    bank.at("2021-02-10")
    bank.earn(1, expires="2021-12-01")
    behind = Bank(module_database_url)
    behind.acme = bank.acme
    try:
        behind.at("2021-01-25")
        assert account(behind).total_expired == 10
        assert expiring(behind, "2021-01-01", "2021-03-01") == (0, 0)
        assert schedule(behind).as_of == instant("2021-02-10")
    finally:
        behind.close()


def test_an_account_by_its_id(bank: Bank) -> None:
    """An account that is asked for by id says whose it is."""
    bank.earn(10, expires="2021-02-01")
    by_name = account(bank)
    by_id = bank.ask(GetAccount(account_id=by_name.owner.account_id))
    assert by_id == by_name
    assert by_id.owner.member.external_id == "ann"
    assert by_id.owner.currency.code == "PTS"


def test_a_member_without_an_account_reads_zeros(bank: Bank) -> None:
    """Where a member has no account everything is zero, and nothing is refused."""
    bank.earn(10, expires="2021-02-01")
    bank.open_program(YEAR, program_id=123)
    view = bank.ask(GetAccount(program_id=123, member=ANN))
    assert (view.owner.account_id, view.available, view.version) == (0, 0, 0)
    assert (view.created_at, view.updated_at, view.next_expires_at) == (None, None, None)
    assert view.owner.member == account(bank).owner.member
    start, end = instant("2021-01-01"), instant("2022-01-01")
    assert bank.ask(GetExpiring(123, ANN, None, start, end)).points == 0
    months = bank.ask(GetSchedule(123, ANN, None)).months
    assert len(months) == 10
    assert not any(
        (m.expired, m.expiring, m.redeemed, m.expires_at) != (0, 0, 0, None) for m in months
    )


# Lots and transactions


def test_nothing_is_left_of_a_lapsed_lot(bank: Bank) -> None:
    """A lot shows what is left until its expiry and nothing from then on, and stays approved."""
    lot_id = bank.earn(10, expires="2021-02-01", reference="order-1", source="shop")
    bank.at(just_before("2021-02-01"))
    assert bank.ask(GetLot(lot_id)).remaining == 10
    bank.at("2021-02-01")
    lot = bank.ask(GetLot(lot_id))
    assert (lot.remaining, lot.state) == (0, LotState.APPROVED)
    assert (lot.reference, lot.source, lot.policy) == ("order-1", "shop", "year")


def test_a_vendors_lot_is_found_by_its_member(bank: Bank) -> None:
    """A vendor's lot id names the lot of one member; without a member it names none."""
    of_ann = bank.earn(10, "ann", vendor_id=7)
    of_ben = bank.earn(20, "ben", vendor_id=7)
    answers = bank.ask_all(
        (bank.acme, GetLot(7, named("ann"))),
        (bank.acme, GetLot(7, named("ben"))),
        (bank.acme, GetLot(8, named("ben"))),
        (bank.acme, GetLot(7)),
    )
    assert [a.lot_id for a in answers[:2]] == [of_ann, of_ben]
    assert [type(a) for a in answers[2:]] == [LotNotFound, InvalidField]


def test_a_named_member_must_be_the_lots_own(bank: Bank) -> None:
    """With a member, only that member's lots are found."""
    lot_id = bank.earn(10, "ann")
    bank.earn(10, "ben")
    assert bank.ask(GetLot(lot_id, named("ann"))).lot_id == lot_id
    with pytest.raises(LotNotFound):
        bank.ask(GetLot(lot_id, named("ben")))


def test_a_transaction_has_its_allocations(bank: Bank) -> None:
    """A debit names the lots it took from, in the amounts it took."""
    first = bank.earn(10, expires="2021-02-01")
    second = bank.earn(10, expires="2021-03-01")
    spent = bank.redeem(15, reference="order-2").transaction
    shown = bank.ask(GetTransaction(spent.transaction_id))
    assert shown == spent
    assert shown.allocations == ((first, 10), (second, 5))
    assert (shown.balance_before, shown.balance_after) == (20, 5)


def test_an_earn_shows_the_state_of_its_lot(bank: Bank) -> None:
    """An EARN has its lot's present state, and changed when that did."""
    lot_id = bank.earn(10, initial_state=LotState.OPEN)
    assert bank.ask(GetTransaction(lot_id)).state is LotState.OPEN
    bank.at("2021-01-02")
    bank.do(ChangeLotState(lot_id, LotState.APPROVED, approving=True))
    shown = bank.ask(GetTransaction(lot_id))
    assert (shown.state, shown.updated_at) == (LotState.APPROVED, instant("2021-01-02"))
    assert shown.created_at == instant("2021-01-01")


# Refusals


def test_each_read_is_refused_on_its_own(bank: Bank) -> None:
    """A read that names nothing is refused with its reason, and the others are answered."""
    lot_id = bank.earn(10)
    start, end = instant("2021-01-01"), instant("2022-01-01")
    nobody = named("nobody")
    answers = bank.ask_all(
        (bank.acme, GetAccount(member=ANN)),
        (bank.acme, GetAccount(member=nobody)),
        (bank.acme, GetAccount(member=MemberName(MEMBER_ID, str(2**46 + 1)))),
        (bank.acme, GetAccount(program_id=5, member=ANN)),
        (bank.acme, GetAccount(member=ANN, currency="GOLD")),
        (bank.acme, GetAccount(member=ANN, currency=99)),
        (bank.acme, GetAccount(account_id=2**46 + 1)),
        (bank.acme, GetExpiring(0, nobody, None, start, end)),
        (bank.acme, GetSchedule(0, nobody, None)),
        (bank.acme, GetLot(2**46 + 1)),
        (bank.acme, GetLot(lot_id, nobody)),
        (bank.acme, GetTransaction(2**46 + 1)),
        (bank.acme, GetTransaction(1)),
        (bank.acme, GetTransaction(lot_id)),
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


def test_tenants_do_not_see_each_other(bank: Bank) -> None:
    """Another tenant's ids are unknown, also where both ask for them in one batch."""
    bank.open_program(YEAR, caller=bank.rival)
    lot_id = bank.earn(10, vendor_id=7)
    view = account(bank)
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
    batch = [(caller, read) for read in reads for caller in (bank.acme, bank.rival)]
    answers = bank.ask_all(*batch)
    assert not any(isinstance(a, Exception) for a in answers[::2])
    assert [type(a) for a in answers[1::2]] == [
        AccountNotFound,
        LotNotFound,
        TransactionNotFound,
        *[MemberNotFound] * 5,
    ]
    assert bank.ask_all(*batch[1::2])[0].field == "account_id"


# What expires in a period


def test_a_period_includes_its_start_and_not_its_end(bank: Bank) -> None:
    """A lot counts in the period that its expiry lies in, start included, end excluded."""
    bank.earn(10, expires="2021-02-01")
    bank.earn(5, expires="2021-02-01")
    assert expiring(bank, "2021-02-01", "2021-03-01") == (15, 2)
    assert expiring(bank, "2021-01-05", "2021-02-01") == (0, 0)
    assert expiring(bank, "2021-02-01T00:00:00.000001", "2021-03-01") == (0, 0)
    assert expiring(bank, "2021-01-31", "2021-02-01T00:00:00.000001") == (15, 2)


def test_the_past_part_of_a_period_counts_nothing(bank: Bank) -> None:
    """A lot that has lapsed expires no more, recorded or not; one that is live does."""
    bank.earn(10, expires="2021-02-01")
    bank.at(just_before("2021-02-01"))
    assert expiring(bank, "2021-01-01", "2021-03-01") == (10, 1)
    bank.at("2021-02-01")
    assert expiring(bank, "2021-01-01", "2021-03-01") == (0, 0)


def test_only_what_remains_of_approved_lots_expires(bank: Bank) -> None:
    """Spent points and unapproved lots are not counted."""
    bank.earn(10, expires="2021-02-01")
    bank.earn(10, expires="2021-02-02")
    bank.earn(10, expires="2021-02-02", initial_state=LotState.OPEN)
    bank.redeem(13)
    assert expiring(bank, "2021-01-01", "2021-03-01") == (7, 1)


def test_inactivity_lots_expire_at_their_projected_instant(
    new_bank: Callable[..., Bank],
) -> None:
    """An inactivity lot counts where it would lapse, which later activity moves."""
    bank = new_bank(IDLE)
    bank.earn(10)
    assert expiring(bank, "2022-01-01", "2022-01-02") == (10, 1)
    bank.at("2021-01-11")
    bank.earn(5)
    assert expiring(bank, "2022-01-01", "2022-01-02") == (10, 1)
    assert expiring(bank, "2022-01-11", "2022-01-12") == (5, 1)
    bank.at("2021-02-01")
    bank.redeem(1)
    assert expiring(bank, "2022-01-01", "2022-01-12") == (0, 0)
    assert expiring(bank, "2022-02-01", "2022-02-02") == (14, 2)


def test_many_periods_of_one_account_are_answered_apart(bank: Bank) -> None:
    """Reads of the same account in one batch do not mix."""
    bank.earn(10, expires="2021-02-01")
    bank.earn(20, expires="2021-03-01")
    reads = [
        GetExpiring(0, ANN, None, instant(f"2021-0{n}-01"), instant(f"2021-0{n + 1}-01"))
        for n in (2, 3, 4)
    ]
    answers = bank.ask_all(*((bank.acme, read) for read in reads))
    assert [a.points for a in answers] == [10, 20, 0]


# Schedules


def test_a_lapse_counts_in_its_month_recorded_or_not(bank: Bank) -> None:
    """What lapsed counts as expired in the month of its expiry, the same once recorded."""
    bank.earn(10, expires="2021-02-28T23:59:59")
    bank.at(just_before("2021-02-28T23:59:59"))
    assert (month(bank, "2021-02").expired, month(bank, "2021-02").expiring) == (0, 10)
    bank.at("2021-02-28T23:59:59")
    assert (month(bank, "2021-02").expired, month(bank, "2021-02").expiring) == (10, 0)
    bank.at("2021-03-05")
    unrecorded = schedule(bank).months
    bank.earn(1, expires="never")
    assert schedule(bank).months == unrecorded


def test_points_expired_on_demand_count_in_the_month_of_the_act(bank: Bank) -> None:
    """Expire and an immediate expiry count where they took effect, not at the lot's expiry."""
    lot_id = bank.earn(10, expires="2021-06-15")
    bank.earn(10, expires="2021-06-15")
    bank.at("2021-02-10")
    bank.expire(3)
    bank.at("2021-03-10")
    bank.do(UpdateExpiry(0, ANN, lot_id, Immediate()))
    shown = {f"{m.first:%m}": (m.expired, m.expiring) for m in schedule(bank).months}
    assert (shown["02"], shown["03"], shown["06"]) == ((3, 0), (7, 0), (0, 10))


def test_a_reinstated_lot_is_taken_back_from_its_month(bank: Bank) -> None:
    """A reinstatement undoes the lapse in the month of the lapse; the lot expires anew."""
    lot_id = bank.earn(10, expires="2021-02-15")
    bank.earn(4, expires="2021-02-15")
    bank.at("2021-04-01")
    assert month(bank, "2021-02").expired == 14
    bank.do(UpdateExpiry(0, ANN, lot_id, ExpireAt(instant("2021-05-15")), reinstate=True))
    assert month(bank, "2021-02").expired == 4
    assert month(bank, "2021-05").expiring == 10


def test_a_moved_lot_takes_its_redemptions_along(bank: Bank) -> None:
    """What was redeemed out of a lot is shown in the month that it expires in now."""
    lot_id = bank.earn(10, expires="2021-02-15")
    bank.redeem(4)
    assert month(bank, "2021-02").redeemed_from_lots == 4
    bank.do(UpdateExpiry(0, ANN, lot_id, ExpireAt(instant("2021-05-15"))))
    assert month(bank, "2021-02").redeemed_from_lots == 0
    assert month(bank, "2021-05").redeemed_from_lots == 4
    assert month(bank, "2021-05").expires_at == instant("2021-05-15")


def test_a_month_shows_its_latest_expiry(bank: Bank) -> None:
    """The latest expiry among a month's approved lots counts, used up or not."""
    bank.earn(10, expires="2021-02-10")
    bank.earn(10, expires="2021-02-20")
    bank.earn(10, expires="2021-02-25", initial_state=LotState.PENDING)
    assert month(bank, "2021-02").expires_at == instant("2021-02-20")
    bank.redeem(20)
    assert month(bank, "2021-02").expires_at == instant("2021-02-20")


def test_months_are_those_of_the_programs_zone(new_bank: Callable[..., Bank]) -> None:
    """A month begins and ends at local midnight, on both sides of a change of clocks."""
    bank = new_bank(YEAR, zone="Europe/Berlin")
    bank.earn(1, expires="2021-03-31T21:59:59.999999")
    bank.earn(2, expires="2021-03-31T22:00:00")
    bank.earn(4, expires="2021-10-31T22:59:59.999999")
    bank.earn(8, expires="2021-10-31T23:00:00")
    shown = {m.first.month: m.expiring for m in schedule(bank, 0, 11).months}
    assert {n: shown[n] for n in (3, 4, 10, 11)} == {3: 1, 4: 2, 10: 4, 11: 8}


def test_inactivity_has_an_entry_per_version_and_instant(new_bank: Callable[..., Bank]) -> None:
    """Lots that would lapse together are one entry, the soonest first."""
    bank = new_bank(IDLE, IDLE_MONTHLY)
    bank.earn(10)
    bank.earn(5)
    bank.earn(7, policy="idle-monthly")
    bank.at("2021-01-11")
    bank.earn(1)
    bank.earn(2, policy="idle-monthly")
    report = schedule(bank)
    assert report.months == ()
    assert [
        (e.policy, e.expires_at.isoformat(), e.last_qualified_at.day, e.expiring)
        for e in report.inactivity
    ] == [
        ("idle-monthly", "2021-07-31T23:59:59+00:00", 11, 9),
        ("idle", "2022-01-01T00:00:00+00:00", 1, 15),
        ("idle", "2022-01-11T00:00:00+00:00", 11, 1),
    ]
    assert [e.days_until_expiry for e in report.inactivity] == [201, 355, 365]


def test_inactivity_entries_end_at_their_instant(new_bank: Callable[..., Bank]) -> None:
    """An inactivity lot is an entry until it lapses, then expired in its month, unrecorded."""
    bank = new_bank(IDLE, YEAR)
    bank.earn(10)
    bank.at(just_before("2022-01-01"))
    assert [e.expiring for e in schedule(bank).inactivity] == [10]
    assert account(bank).available == 10
    assert account(bank).next_expires_at == instant("2022-01-01")
    bank.at("2022-01-01")
    assert schedule(bank).inactivity == ()
    assert month(bank, "2022-01").expired == 10
    view = account(bank)
    assert (view.available, view.total_expired, view.next_expires_at) == (0, 10, None)
    bank.at("2022-02-01")
    bank.earn(1)
    assert month(bank, "2022-01").expired == 10


def test_an_unapproved_inactivity_lot_leaves_pending(new_bank: Callable[..., Bank]) -> None:
    """Inactivity closes an unapproved lot at its instant: pending no more, expired never."""
    bank = new_bank(IDLE)
    lot_id = bank.earn(10, initial_state=LotState.PENDING)
    bank.at(just_before("2022-01-01"))
    assert account(bank).pending == 10
    assert schedule(bank).inactivity == ()
    bank.at("2022-01-01")
    assert (account(bank).pending, account(bank).total_expired) == (0, 0)
    assert bank.ask(GetLot(lot_id)).state is LotState.CLOSED


def test_an_ended_inactivity_lot_keeps_its_instant(new_bank: Callable[..., Bank]) -> None:
    """A lot that inactivity has ended shows when, whatever the account does later."""
    bank = new_bank(IDLE)
    spent = bank.earn(10)
    pending = bank.earn(5, initial_state=LotState.PENDING)
    bank.at("2022-06-01")
    bank.earn(7)
    bank.redeem(3)
    for lot_id in (spent, pending):
        assert bank.ask(GetLot(lot_id)).expires_at == instant("2022-01-01")


def test_without_dates_a_schedule_has_no_months(new_bank: Callable[..., Bank]) -> None:
    """Months are shown for a policy with dates, or a fixed lot in the window; else not."""
    bank = new_bank(IDLE)
    bank.earn(10)
    assert schedule(bank).months == ()
    bank.earn(10, expires="2021-08-01")
    assert schedule(bank, forward=6).months == ()
    assert len(schedule(bank, forward=7).months) == 11


def test_a_currency_without_expiry_has_no_schedule(new_bank: Callable[..., Bank]) -> None:
    """With only NEVER policies and no lot that will expire, a schedule is refused."""
    bank = new_bank(NEVER)
    bank.earn(10)
    with pytest.raises(ExpirationNotConfigured):
        schedule(bank)
    bank.earn(10, expires="2025-01-01")
    assert (schedule(bank).months, schedule(bank).inactivity) == ((), ())
    bank.at("2025-01-01")
    assert len(schedule(bank).months) == 10
    bank.at("2026-01-01")
    with pytest.raises(ExpirationNotConfigured):
        schedule(bank)


def test_the_schedule_has_as_many_months_as_asked(bank: Bank) -> None:
    """Trailing and forward months are counted from the present one, which is always there."""
    bank.earn(10, expires="2021-01-31")
    assert len(schedule(bank, 0, 0).months) == 1
    assert len(schedule(bank, 60, 60).months) == 121


def test_a_mixed_batch_is_one_snapshot(bank: Bank) -> None:
    """Reads of every kind are answered together, in order, each in its own form."""
    lot_id = bank.earn(10, expires="2021-02-01")
    start, end = instant("2021-01-01"), instant("2022-01-01")
    reads = [
        GetSchedule(0, ANN, None),
        GetLot(lot_id),
        GetExpiring(0, ANN, None, start, end),
        GetAccount(member=ANN),
        GetTransaction(lot_id),
    ]
    answers = bank.ask_all(*((bank.acme, read) for read in reads))
    assert [type(a).__name__ for a in answers] == [
        "Schedule",
        "LotView",
        "Expiring",
        "AccountView",
        "TransactionView",
    ]


def test_no_reads_no_answers(bank: Bank) -> None:
    """An empty batch has no answers."""
    assert bank.ask_all() == []

"""Schedules: what expires, expired and was redeemed month by month, and what inactivity ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from tests.support.service.queries import ANN, account, just_before, schedule
from tests.support.service.read_harness import (
    IDLE,
    IDLE_MONTHLY,
    NEVER,
    YEAR,
    ReadHarness,
    instant,
)

from points_grpc.domain.commands import UpdateExpiry
from points_grpc.domain.model import LotState
from points_grpc.domain.policy import ExpireAt, Immediate
from points_grpc.domain.queries import (
    GetLot,
)
from points_grpc.errors import (
    ExpirationNotConfigured,
)


def month(reader: ReadHarness, text: str, **window: int) -> Any:
    """One month of Ann's schedule."""
    first = date.fromisoformat(text + "-01")
    return next(m for m in schedule(reader, **window).months if m.first == first)


# The vendor's sample
def vendor_story(reader: ReadHarness) -> None:
    """The sample's lots: earned in January, one of them partly redeemed."""
    reader.at("2022-01-10")
    reader.earn(3133, expires="2022-06-30T11:00")
    reader.redeem(120)
    for amount, expires in (
        (100, "2022-02-28"),
        (200, "2022-04-30"),
        (1000, "2022-05-31"),
        (2000, "2022-07-31"),
        (1000, "2022-10-31"),
    ):
        reader.earn(amount, expires=expires)
    reader.at("2022-05-25T12:00")


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
def test_ten_months_have_the_vendors_figures(reader: ReadHarness, recorded: bool) -> None:
    """The vendor's ten-month sample comes out with its figures, lapses recorded or not."""
    vendor_story(reader)
    if recorded:
        reader.expire(1)
        reader.earn(1, expires="2022-05-31")
    shown = [
        (f"{m.first:%Y-%m}", m.expired, m.expiring, m.redeemed_from_lots, m.expires_at)
        for m in schedule(reader).months
    ]
    expected = [(*m[:4], m[4] and instant(m[4])) for m in SAMPLE]
    if recorded:
        may = expected[3]
        expected[3] = (may[0], 1, 1000, 0, may[4])
    assert shown == expected


def test_redeemed_counts_in_the_month_of_redemption(reader: ReadHarness) -> None:
    """What was redeemed counts in its own month, whichever month's lots it came out of."""
    vendor_story(reader)
    assert month(reader, "2022-01", trailing=4).redeemed == 120
    assert month(reader, "2022-06").redeemed == 0
    assert [m.redeemed for m in schedule(reader).months] == [0] * 10


def test_a_month_ends_with_its_last_day(reader: ReadHarness) -> None:
    """A schedule's months are whole calendar months, the present one in its place."""
    vendor_story(reader)
    months = schedule(reader, trailing=0, forward=1).months
    assert [(m.first, m.last) for m in months] == [
        (date(2022, 5, 1), date(2022, 5, 31)),
        (date(2022, 6, 1), date(2022, 6, 30)),
    ]


# Schedules
def test_a_lapse_counts_in_its_month_recorded_or_not(reader: ReadHarness) -> None:
    """What lapsed counts as expired in the month of its expiry, the same once recorded."""
    reader.earn(10, expires="2021-02-28T23:59:59")
    reader.at(just_before("2021-02-28T23:59:59"))
    assert (month(reader, "2021-02").expired, month(reader, "2021-02").expiring) == (0, 10)
    reader.at("2021-02-28T23:59:59")
    assert (month(reader, "2021-02").expired, month(reader, "2021-02").expiring) == (10, 0)
    reader.at("2021-03-05")
    unrecorded = schedule(reader).months
    reader.earn(1, expires="never")
    assert schedule(reader).months == unrecorded


def test_points_expired_on_demand_count_in_the_month_of_the_act(reader: ReadHarness) -> None:
    """Expire and an immediate expiry count where they took effect, not at the lot's expiry."""
    lot_id = reader.earn(10, expires="2021-06-15")
    reader.earn(10, expires="2021-06-15")
    reader.at("2021-02-10")
    reader.expire(3)
    reader.at("2021-03-10")
    reader.do(UpdateExpiry(0, ANN, lot_id, Immediate()))
    shown = {f"{m.first:%m}": (m.expired, m.expiring) for m in schedule(reader).months}
    assert (shown["02"], shown["03"], shown["06"]) == ((3, 0), (7, 0), (0, 10))


def test_a_reinstated_lot_is_taken_back_from_its_month(reader: ReadHarness) -> None:
    """A reinstatement undoes the lapse in the month of the lapse; the lot expires anew."""
    lot_id = reader.earn(10, expires="2021-02-15")
    reader.earn(4, expires="2021-02-15")
    reader.at("2021-04-01")
    assert month(reader, "2021-02").expired == 14
    reader.do(UpdateExpiry(0, ANN, lot_id, ExpireAt(instant("2021-05-15")), reinstate=True))
    assert month(reader, "2021-02").expired == 4
    assert month(reader, "2021-05").expiring == 10


def test_a_moved_lot_takes_its_redemptions_along(reader: ReadHarness) -> None:
    """What was redeemed out of a lot is shown in the month that it expires in now."""
    lot_id = reader.earn(10, expires="2021-02-15")
    reader.redeem(4)
    assert month(reader, "2021-02").redeemed_from_lots == 4
    reader.do(UpdateExpiry(0, ANN, lot_id, ExpireAt(instant("2021-05-15"))))
    assert month(reader, "2021-02").redeemed_from_lots == 0
    assert month(reader, "2021-05").redeemed_from_lots == 4
    assert month(reader, "2021-05").expires_at == instant("2021-05-15")


def test_a_month_shows_its_latest_expiry(reader: ReadHarness) -> None:
    """The latest expiry among a month's approved lots counts, used up or not."""
    reader.earn(10, expires="2021-02-10")
    reader.earn(10, expires="2021-02-20")
    reader.earn(10, expires="2021-02-25", initial_state=LotState.PENDING)
    assert month(reader, "2021-02").expires_at == instant("2021-02-20")
    reader.redeem(20)
    assert month(reader, "2021-02").expires_at == instant("2021-02-20")


def test_months_are_those_of_the_programs_zone(new_bank: Callable[..., ReadHarness]) -> None:
    """A month begins and ends at local midnight, on both sides of a change of clocks."""
    reader = new_bank(YEAR, zone="Europe/Berlin")
    reader.earn(1, expires="2021-03-31T21:59:59.999999")
    reader.earn(2, expires="2021-03-31T22:00:00")
    reader.earn(4, expires="2021-10-31T22:59:59.999999")
    reader.earn(8, expires="2021-10-31T23:00:00")
    shown = {m.first.month: m.expiring for m in schedule(reader, 0, 11).months}
    assert {n: shown[n] for n in (3, 4, 10, 11)} == {3: 1, 4: 2, 10: 4, 11: 8}


def test_inactivity_has_an_entry_per_version_and_instant(
    new_bank: Callable[..., ReadHarness],
) -> None:
    """Lots that would lapse together are one entry, the soonest first."""
    reader = new_bank(IDLE, IDLE_MONTHLY)
    reader.earn(10)
    reader.earn(5)
    reader.earn(7, policy="idle-monthly")
    reader.at("2021-01-11")
    reader.earn(1)
    reader.earn(2, policy="idle-monthly")
    report = schedule(reader)
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


def test_inactivity_entries_end_at_their_instant(new_bank: Callable[..., ReadHarness]) -> None:
    """An inactivity lot is an entry until it lapses, then expired in its month, unrecorded."""
    reader = new_bank(IDLE, YEAR)
    reader.earn(10)
    reader.at(just_before("2022-01-01"))
    assert [e.expiring for e in schedule(reader).inactivity] == [10]
    assert account(reader).available == 10
    assert account(reader).next_expires_at == instant("2022-01-01")
    reader.at("2022-01-01")
    assert schedule(reader).inactivity == ()
    assert month(reader, "2022-01").expired == 10
    view = account(reader)
    assert (view.available, view.total_expired, view.next_expires_at) == (0, 10, None)
    reader.at("2022-02-01")
    reader.earn(1)
    assert month(reader, "2022-01").expired == 10


def test_an_unapproved_inactivity_lot_leaves_pending(new_bank: Callable[..., ReadHarness]) -> None:
    """Inactivity closes an unapproved lot at its instant: pending no more, expired never."""
    reader = new_bank(IDLE)
    lot_id = reader.earn(10, initial_state=LotState.PENDING)
    reader.at(just_before("2022-01-01"))
    assert account(reader).pending == 10
    assert schedule(reader).inactivity == ()
    reader.at("2022-01-01")
    assert (account(reader).pending, account(reader).total_expired) == (0, 0)
    assert reader.ask(GetLot(lot_id)).state is LotState.CLOSED


def test_an_ended_inactivity_lot_keeps_its_instant(new_bank: Callable[..., ReadHarness]) -> None:
    """A lot that inactivity has ended shows when, whatever the account does later."""
    reader = new_bank(IDLE)
    spent = reader.earn(10)
    pending = reader.earn(5, initial_state=LotState.PENDING)
    reader.at("2022-06-01")
    reader.earn(7)
    reader.redeem(3)
    for lot_id in (spent, pending):
        assert reader.ask(GetLot(lot_id)).expires_at == instant("2022-01-01")


def test_without_dates_a_schedule_has_no_months(new_bank: Callable[..., ReadHarness]) -> None:
    """Months are shown for a policy with dates, or a fixed lot in the window; else not."""
    reader = new_bank(IDLE)
    reader.earn(10)
    assert schedule(reader).months == ()
    reader.earn(10, expires="2021-08-01")
    assert schedule(reader, forward=6).months == ()
    assert len(schedule(reader, forward=7).months) == 11


def test_a_currency_without_expiry_has_no_schedule(new_bank: Callable[..., ReadHarness]) -> None:
    """With only NEVER policies and no lot that will expire, a schedule is refused."""
    reader = new_bank(NEVER)
    reader.earn(10)
    with pytest.raises(ExpirationNotConfigured):
        schedule(reader)
    reader.earn(10, expires="2025-01-01")
    assert (schedule(reader).months, schedule(reader).inactivity) == ((), ())
    reader.at("2025-01-01")
    assert len(schedule(reader).months) == 10
    reader.at("2026-01-01")
    with pytest.raises(ExpirationNotConfigured):
        schedule(reader)


def test_the_schedule_has_as_many_months_as_asked(reader: ReadHarness) -> None:
    """Trailing and forward months are counted from the present one, which is always there."""
    reader.earn(10, expires="2021-01-31")
    assert len(schedule(reader, 0, 0).months) == 1
    assert len(schedule(reader, 60, 60).months) == 121

"""UpdateExpiry: which lots can be moved, where to, and what a move leaves behind."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from tests.support.domain.account_scenario import TICK, AccountScenario, instant

from points_grpc.domain.model import AwardKind, LotCategory, LotState, ReasonType
from points_grpc.domain.policy import ExpireAt, ExpireOn, Immediate, InDays, InMonths, Never
from points_grpc.domain.results import ExpiryUpdated
from points_grpc.errors import (
    ExpiryInPast,
    ExpiryNotEarlier,
    ExpiryNotLater,
    InvalidField,
    LotNotFound,
    LotNotLive,
    Refusal,
)

EARLY, EXTEND = ReasonType
OPEN, PENDING, APPROVED, CLOSED = LotState
END = "2025-02-01"
BEFORE, AFTER = "2025-01-31 23:59:59.999999", "2025-02-01 00:00:00.000001"


def with_lot(state: LotState = APPROVED, **more: object) -> AccountScenario:
    """A story with one lot that expires on 2025-02-01."""
    return AccountScenario().earn(10, "a", expires=END, initial_state=state, **more)


@pytest.mark.parametrize(
    ("expiration", "expected"),
    [
        (ExpireAt(instant("2025-01-01 00:00:00.000001")), "2025-01-01 00:00:00.000001"),
        (ExpireOn(date(2025, 6, 30)), "2025-06-30 23:59:59"),
        (InDays(0), "2025-01-01 23:59:59"),
        (InDays(3), "2025-01-04 23:59:59"),
        (InMonths(1), "2025-02-01 23:59:59"),
        (Never(), None),
    ],
)
@pytest.mark.parametrize("state", [OPEN, PENDING, APPROVED])
def test_new_expiry(state: LotState, expiration: object, expected: str | None) -> None:
    """A live lot of any state takes any future expiry, or none; its bound comes along."""
    scenario = with_lot(state).move("a", expiration)  # type: ignore[arg-type]
    assert scenario.expiry("a") == expected
    assert scenario.due == min(expected or END, END)


def test_change() -> None:
    """A move leaves an ExpiryChange with old, new, reason, note, metas, who and when."""
    scenario = with_lot(vendor_id=7, kind=AwardKind.POINT_AWARDED_LINEITEM).at("2025-01-05")
    texts = {"reason_note": "note", "custom_meta": "{}", "request_id": "r1"}
    metas = ("raised", "approved", "trigger")
    scenario.move("a", "2025-03-01", reason_type=EXTEND, standard_meta=metas, **texts)
    answer = scenario.answer
    assert isinstance(answer, ExpiryUpdated)
    change = answer.change
    assert (change.lot_id, change.lot_vendor_id) == (scenario.names["a"], 7)
    assert change.kind is AwardKind.POINT_AWARDED_LINEITEM
    assert change.old_expires_at == instant(END)
    assert change.new_expires_at == instant("2025-03-01")
    assert (change.reason_type, change.reason_note) == (EXTEND, "note")
    assert (change.standard_meta, change.custom_meta) == (metas, "{}")
    assert (change.principal, change.event_at) == ("tester", instant("2025-01-05"))
    assert change.request_id == "r1"
    assert [row.event_id for row in scenario.entries.changes] == [change.event_id]
    assert (scenario.entries.changes[0].request_id, scenario.account.version) == ("r1", 2)
    assert scenario.account.last_at == instant("2025-01-05")


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
def test_from_today_in_the_programs_zone(zone: str) -> None:
    """Days count from today's date in the program's zone, across daylight saving."""
    scenario = AccountScenario(zone).at("2025-03-08 23:30").earn(10, "a").move("a", InDays(21))
    assert (
        scenario.expiry("a")
        == {
            "Europe/Berlin": "2025-03-30 21:59:59",
            "America/New_York": "2025-03-30 03:59:59",
        }[zone]
    )


@pytest.mark.parametrize("expiry", ["2025-01-10", "2025-01-09 23:59:59.999999", "0001-01-01"])
def test_not_in_the_past(expiry: str) -> None:
    """A new expiry must lie in the future, now is too early."""
    scenario = with_lot().at("2025-01-10")
    with scenario.refused(ExpiryInPast) as refusal:
        scenario.move("a", expiry)
    assert refusal.value.field == "expire_time"
    soonest = instant("2025-01-10") + TICK
    assert scenario.move("a", soonest).lot("a").expires_at == soonest


def test_todays_last_second() -> None:
    """Zero days means the end of today, which its last second is past."""
    scenario = with_lot().at("2025-01-10 23:59:58.999999").move("a", InDays(0))
    assert scenario.expiry("a") == "2025-01-10 23:59:59"
    scenario = with_lot().at("2025-01-10 23:59:59")
    with scenario.refused(ExpiryInPast) as refusal:
        scenario.move("a", InDays(0))
    assert refusal.value.field == "days"
    with scenario.refused(ExpiryInPast) as refusal:
        scenario.move("a", ExpireOn(date(2025, 1, 10)))
    assert refusal.value.field == "expire_date"


def test_beyond_the_calendar() -> None:
    """An expiry that the calendar does not have is refused with its field."""
    scenario = AccountScenario("America/New_York").at("9999-12-15").earn(10, "a")
    for field, expiration in (
        ("days", InDays(17)),
        ("months", InMonths(1)),
        ("expire_date", ExpireOn(date(9999, 12, 31))),
    ):
        with scenario.refused(InvalidField) as refusal:
            scenario.move("a", expiration)
        assert (refusal.value.field, bool(refusal.value.problem)) == (field, True)


@pytest.mark.parametrize(
    ("reason", "to", "refusal"),
    [
        (EARLY, BEFORE, None),
        (EARLY, END, ExpiryNotEarlier),
        (EARLY, AFTER, ExpiryNotEarlier),
        (EARLY, Never(), ExpiryNotEarlier),
        (EARLY, Immediate(), None),
        (EXTEND, BEFORE, ExpiryNotLater),
        (EXTEND, END, ExpiryNotLater),
        (EXTEND, AFTER, None),
        (EXTEND, Never(), None),
        (EXTEND, Immediate(), ExpiryNotLater),
        (None, BEFORE, None),
        (None, END, None),
        (None, AFTER, None),
        (None, Never(), None),
    ],
)
def test_direction(reason: ReasonType | None, to: object, refusal: type | None) -> None:
    """EARLY_EXPIRY must be earlier and EXTEND_EXPIRY later; without a reason either way goes."""
    scenario = with_lot()
    if refusal is None:
        scenario.move("a", to, reason_type=reason)  # type: ignore[arg-type]
        assert len(scenario.entries.changes) == 1
    else:
        with scenario.refused(refusal):
            scenario.move("a", to, reason_type=reason)  # type: ignore[arg-type]
        assert scenario.expiry("a") == END


@pytest.mark.parametrize(
    ("reason", "to", "field"),
    [
        (EARLY, END, "expire_time"),
        (EARLY, ExpireOn(date(2025, 2, 1)), "expire_date"),
        (EARLY, Never(), "never"),
        (EXTEND, InDays(30), "days"),
        (EXTEND, InMonths(0), "months"),
        (EXTEND, Immediate(), "immediate"),
    ],
)
def test_the_wrong_way_is_told_its_field(reason: ReasonType, to: Any, field: str) -> None:
    """A move the wrong way names the field that the new expiry came in."""
    scenario = with_lot()
    with scenario.refused(ExpiryNotEarlier if reason is EARLY else ExpiryNotLater) as refusal:
        scenario.move("a", to, reason_type=reason)
    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("to", "expiry"),
    [
        ("9999-12-31 23:59:59.999999", "9999-12-31 23:59:59.999999"),
        (Immediate(), "2025-01-01"),
    ],
)
def test_any_instant_is_earlier_than_never(to: Any, expiry: str) -> None:
    """A lot that never expires can be given any expiry as an EARLY_EXPIRY."""
    assert AccountScenario().earn(10, "a").move("a", to, reason_type=EARLY).expiry("a") == expiry


@pytest.mark.parametrize(
    ("reason", "to", "refused"),
    [
        (EARLY, Never(), ExpiryNotEarlier),
        (EXTEND, "9999-12-31 23:59:59.999999", ExpiryNotLater),
        (EXTEND, Never(), ExpiryNotLater),
        (EXTEND, Immediate(), ExpiryNotLater),
    ],
)
def test_nothing_is_later_than_never(reason: ReasonType, to: Any, refused: type[Refusal]) -> None:
    """A lot that never expires cannot be extended, and never is no earlier than never."""
    scenario = AccountScenario().earn(10, "a")
    with scenario.refused(refused):
        scenario.move("a", to, reason_type=reason)
    assert scenario.expiry("a") is None


def test_inactivity_becomes_fixed() -> None:
    """A date makes an inactivity lot fixed; the projected expiry is its old one."""
    scenario = AccountScenario().earn(10, "a", policy="idle").at("2025-01-10").earn(1)
    with scenario.refused(ExpiryNotLater) as refusal:
        scenario.move("a", "2025-02-09", reason_type=EXTEND)
    assert refusal.value.field == "expire_time"
    scenario.move("a", "2025-02-10", reason_type=EXTEND)
    assert scenario.entries.changes[0].old_expires_at == instant("2025-02-09")
    scenario.at("2025-01-20").redeem(1)
    assert (scenario.lot("a").rule, scenario.expiry("a")) == (0, "2025-02-10")
    assert scenario.lot("a").policy_version_id == 3


def test_inactivity_becomes_never() -> None:
    """An inactivity lot moved to never stays for good."""
    scenario = (
        AccountScenario().earn(10, "a", policy="idle").move("a", Never()).at("2035-01-01").lapse()
    )
    assert (scenario.left("a"), scenario.due) == ([10], None)


def test_only_what_is_unspent() -> None:
    """A move takes along what is unspent and leaves what was spent."""
    scenario = with_lot().redeem(4).move("a", Immediate())
    assert scenario.ledger[-1] == "2025-01-01 EXPIRE 6 a:6"


def test_immediate() -> None:
    """An immediate expiry expires what remains, now, as a lapse of this instant."""
    scenario = with_lot().at("2025-01-10 12:00").move("a", Immediate(), request_id="r1")
    assert scenario.ledger[-1] == "2025-01-10 12:00:00 EXPIRE 10 a:10"
    assert scenario.expiry("a") == "2025-01-10 12:00:00"
    change, row = scenario.entries.changes[0], scenario.entries.transactions[-1]
    assert change.new_expires_at == scenario.now
    assert (row.request_id, row.transaction_id) == ("r1", scenario.lot("a").lapse_id)
    assert (row.version, change.version) == (2, 3)


@pytest.mark.parametrize("state", [OPEN, PENDING])
def test_immediate_unapproved(state: LotState) -> None:
    """An unapproved lot moved to immediate closes, and nothing expires."""
    scenario = with_lot(state).at("2025-01-10").move("a", Immediate(), request_id="r1")
    assert scenario.ledger[-1] == "2025-01-10 CLOSE 10"
    assert scenario.entries.transactions[-1].request_id == "r1"
    assert (scenario.lot("a").state, scenario.pending) == (CLOSED, 0)
    assert scenario.account.total_expired == 0
    assert scenario.entries.changes[0].new_expires_at == scenario.now


@pytest.mark.parametrize("policy", ["idle", "never"])
@pytest.mark.parametrize("state", [OPEN, APPROVED])
def test_immediate_of_any_rule(state: LotState, policy: str) -> None:
    """Immediate ends inactivity lots and those that never expire as well."""
    scenario = (
        AccountScenario().earn(10, "a", policy=policy, initial_state=state).move("a", Immediate())
    )
    assert (scenario.left("a"), scenario.lot("a").rule) == ([0], 0)


@pytest.mark.parametrize("reinstate", [False, True])
def test_used_up(reinstate: bool) -> None:
    """A lot that was spent or expired on demand cannot be moved, not even reinstated."""
    for use, ended in (("redeem", "USED_UP"), ("expire", "EXPIRED")):
        scenario = getattr(with_lot(), use)(10)
        with scenario.refused(LotNotLive) as refusal:
            scenario.move("a", "2025-03-01", reinstate=reinstate)
        assert (refusal.value.field, refusal.value.facts) == ("lot_id", {"ended": ended})


@pytest.mark.parametrize("reinstate", [False, True])
def test_closed(reinstate: bool) -> None:
    """A cancelled lot cannot be moved, and one that closed at its expiry not either."""
    cancelled = with_lot(OPEN).update("a", CLOSED)
    lapsed = with_lot(OPEN).at(END).lapse()
    just_lapsing = with_lot(OPEN).at(END)
    for scenario in (cancelled, lapsed, just_lapsing):
        with scenario.refused(LotNotLive) as refusal:
            scenario.move("a", "2025-03-01", reinstate=reinstate)
        assert (refusal.value.field, refusal.value.facts) == ("lot_id", {"ended": "CLOSED"})


def test_lapsed() -> None:
    """A lot can be moved until a microsecond before its expiry, then only reinstated."""
    assert with_lot().at(BEFORE).move("a", "2025-03-01").expiry("a") == "2025-03-01"
    scenario = with_lot().at(END)
    with scenario.refused(LotNotLive) as refusal:
        scenario.move("a", "2025-03-01")
    assert refusal.value.field == "lot_id"
    scenario.lapse()
    with scenario.refused(LotNotLive) as refusal:
        scenario.move("a", Immediate())
    assert (refusal.value.field, refusal.value.facts) == ("lot_id", {"ended": "LAPSED"})
    assert scenario.move("a", "2025-03-01", reinstate=True).expiry("a") == "2025-03-01"


def test_reinstate_of_a_live_lot() -> None:
    """Asking to reinstate a live lot only moves it."""
    scenario = with_lot().move("a", "2025-03-01", reinstate=True)
    assert scenario.ledger == ["2025-01-01 EARN 10"]


@pytest.mark.parametrize("kind", list(AwardKind))
def test_kind(kind: AwardKind) -> None:
    """A kind that is not the lot's finds no lot."""
    scenario = with_lot(kind=AwardKind.POINT_AWARDED)
    if kind is AwardKind.POINT_AWARDED:
        assert scenario.move("a", "2025-03-01", kind=kind).expiry("a") == "2025-03-01"
    else:
        with scenario.refused(LotNotFound) as refusal:
            scenario.move("a", "2025-03-01", kind=kind)
        assert refusal.value.field == "lot_id"


@pytest.mark.parametrize("state", [OPEN, PENDING, APPROVED])
@pytest.mark.parametrize("category", [LotCategory.REGULAR, LotCategory.PROMISED, None])
def test_category(state: LotState, category: LotCategory | None) -> None:
    """REGULAR finds approved lots, PROMISED open and pending ones, none any."""
    scenario = with_lot(state)
    regular = category is LotCategory.REGULAR
    if category is None or regular is (state is APPROVED):
        assert scenario.move("a", "2025-03-01", category=category).expiry("a") == "2025-03-01"
    else:
        with scenario.refused(LotNotFound) as refusal:
            scenario.move("a", "2025-03-01", category=category)
        assert refusal.value.field == "lot_id"


@pytest.mark.parametrize("category", list(LotCategory))
def test_closed_has_no_category(category: LotCategory) -> None:
    """A closed lot is of no category."""
    scenario = with_lot(OPEN).update("a", CLOSED)
    with scenario.refused(LotNotFound) as refusal:
        scenario.move("a", "2025-03-01", category=category)
    assert refusal.value.field == "lot_id"


def test_unknown_lot() -> None:
    """A lot that the account does not have is not found."""
    scenario = with_lot()
    with scenario.refused(LotNotFound) as refusal:
        scenario.move("other", "2025-03-01")
    assert refusal.value.field == "lot_id"


def test_lot_of_this_batch() -> None:
    """A vendor's lot that an Earn of the same batch makes can be moved in that batch."""
    scenario = AccountScenario()
    with scenario.together():
        scenario.earn(10, "a", vendor_id=999).move("by vendor id", "2025-03-01")
    assert scenario.expiry("a") == "2025-03-01"

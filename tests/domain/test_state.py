"""A group's draft: kept, its work joins the batch's; dropped, it has never been."""

from __future__ import annotations

import pytest
from tests.support.domain.account_scenario import MEMBER_ID, TICK, AccountScenario, instant

from points_grpc.domain.model import LotState, ReasonType, TransactionType
from points_grpc.domain.state import Account, BatchState, ChangeSet
from points_grpc.errors import (
    IdentifierTaken,
    InsufficientPoints,
    LotNotFound,
    LotNotLive,
    MemberNotFound,
)


def busy() -> AccountScenario:
    """A story with a lot of every sort, of which `due` lapses on 2025-02-01."""
    scenario = AccountScenario().earn(100, "due", expires="2025-02-01").earn(50, "forever")
    scenario.earn(7, "open", initial_state=LotState.OPEN, expires="2025-03-01")
    return scenario.earn(20, "idle", policy="idle", vendor_id=5).at("2025-01-20")


def everything(scenario: AccountScenario) -> None:
    """One step of every kind."""
    scenario.earn(5, "new", vendor_id=77, expires="2025-01-25").redeem(10).expire(5)
    scenario.move("forever", "2025-06-01", reason_type=ReasonType.EARLY_EXPIRY).approve("open")
    scenario.move("idle", "2025-05-01").earn(3, initial_state=LotState.PENDING)


@pytest.mark.parametrize("day", ["2025-01-20", "2025-02-01", "2025-03-01"])
def test_dropped_group(day: str) -> None:
    """A dropped group leaves accounts, lots, vendor ids and facts as they were, lapses included."""
    scenario = busy().at(day)
    with scenario.together():
        before = scenario.snapshot()
        with scenario.grouped(keep=False):
            scenario.earn(5, vendor_id=77).redeem(30).expire(10).move("forever", "2025-06-01")
            scenario.lapse()
            assert scenario.snapshot() != before
        assert scenario.snapshot() == before


def test_kept_group() -> None:
    """A kept group's facts join those of the batch, in order."""
    scenario = busy()
    known = len(scenario.ledger)
    with scenario.together(), scenario.grouped():
        everything(scenario)
    assert [line.split()[1] for line in scenario.ledger[known:]] == [
        *("EARN", "REDEEM", "EXPIRE", "APPROVE", "EARN")
    ]
    assert [change.lot_id for change in scenario.entries.changes] == [
        *(scenario.names["forever"], scenario.names["idle"])
    ]


def test_groups_of_a_batch() -> None:
    """A dropped group takes nothing from the groups around it."""
    scenario = busy()
    with scenario.together():
        scenario.redeem(5)
        with scenario.grouped(keep=False):
            everything(scenario)
        scenario.redeem(30)
    assert scenario.left("due", "forever", "open", "idle") == [70, 50, 7, 15]
    assert scenario.expiry("forever") is None


def test_second_group_dropped() -> None:
    """A dropped group goes back to what the kept group before it left, not to the start."""
    scenario = busy()
    with scenario.together():
        scenario.earn(5, "new", vendor_id=77)
        before = scenario.snapshot()
        with scenario.grouped(keep=False):
            scenario.redeem(30).move("new", "2025-06-01").expire(10)
        assert scenario.snapshot() == before
    assert scenario.left("new") == [5]


def test_dropped_vendor_id_is_free() -> None:
    """A vendor's lot id that a dropped group used can be used again in the same batch."""
    scenario = AccountScenario()
    with scenario.together():
        with scenario.grouped(keep=False):
            scenario.earn(5, vendor_id=77)
        scenario.earn(6, "kept", vendor_id=77)
        with pytest.raises(IdentifierTaken), scenario.grouped():
            scenario.earn(7, vendor_id=77)
    assert scenario.left("kept") == [6]


def test_dropped_activity() -> None:
    """Activity of a dropped group moves no inactivity lot."""
    scenario = AccountScenario().earn(20, "idle", policy="idle")
    with scenario.at("2025-01-20").together(), scenario.grouped(keep=False):
        scenario.redeem(1)
        assert scenario.expiry("idle") == "2025-02-19"
    assert scenario.expiry("idle") == "2025-01-31"


def test_dropped_lapse() -> None:
    """A lapse is recorded only with a group that is kept, and again found due by the next."""
    scenario = busy().at("2025-02-01")
    with scenario.refused(InsufficientPoints):
        scenario.redeem(1000)
    assert scenario.left("due", "idle") == [100, 20]
    assert scenario.due == "2025-01-31"
    scenario.redeem(1)
    assert scenario.left("due", "idle") == [0, 0]


def test_lapse_dropped_then_kept_in_one_batch() -> None:
    """What a dropped group lapsed is lapsed by the next group of the batch, once."""
    scenario = busy().at("2025-02-01")
    with scenario.together():
        with scenario.refused(InsufficientPoints), scenario.grouped():
            scenario.redeem(1000)
        scenario.redeem(1).redeem(1)
    assert [line for line in scenario.ledger if "EXPIRE" in line] == [
        "2025-01-31 EXPIRE 20 idle:20",
        "2025-02-01 EXPIRE 100 due:100",
    ]


def test_refused_move_records_no_lapse() -> None:
    """Moving a lot that has just lapsed is refused, and its lapse stays unrecorded with it."""
    scenario = busy().at("2025-02-01")
    with scenario.refused(LotNotLive):
        scenario.move("due", "2025-06-01")
    assert scenario.left("due") == [100]


def test_dropped_enrolment() -> None:
    """A member that only a dropped group enrolled is not found by the next."""
    scenario = AccountScenario(enrolled=False)
    with scenario.together():
        with scenario.grouped(keep=False):
            scenario.earn(5)
            scenario.redeem(1)
        assert not scenario.member.exists
        with pytest.raises(MemberNotFound):
            scenario.redeem(1)
        scenario.earn(5).redeem(1)
        assert scenario.member.exists


def test_lot_of_a_dropped_group() -> None:
    """A lot that a dropped group earned cannot be moved."""
    scenario = AccountScenario()
    with scenario.together():
        with scenario.grouped(keep=False):
            scenario.earn(5, vendor_id=77)
        with pytest.raises(LotNotFound):
            scenario.move("unknown", "2025-06-01")


def test_touched() -> None:
    """Only a kept draft's things count as touched, each once."""
    at = instant("2025-01-01")
    account = Account(1, 7, 1, MEMBER_ID, 3, at, at)
    batch_state = BatchState()
    dropped, kept = (ChangeSet(batch_state, lambda _: 1, "tester") for _ in range(2))
    dropped.track(account)
    account.available = 5
    dropped.rollback()
    assert (batch_state.tracked, account.available) == ({}, 0)
    kept.track(account)
    account.available = 6
    kept.track(account)
    kept.commit()
    assert list(batch_state.tracked.values()) == [account]
    kept.rollback()
    assert account.available == 0


def test_last_qualified() -> None:
    """The last qualified activity is the latest of the policy's types, None without any."""
    scenario = (
        AccountScenario()
        .earn(10, policy="idle")
        .at("2025-01-05")
        .redeem(1)
        .at("2025-01-09")
        .expire(1)
    )
    account_state = scenario.account_state
    assert account_state.last_qualified_at(3) == instant("2025-01-05")
    assert account_state.last_qualified_at(4) == instant("2025-01-05")
    scenario.account.activity = {TransactionType.EARN: instant("2025-01-01")}
    assert account_state.last_qualified_at(4) is None


def test_projection_never_before_own_earn() -> None:
    """A lot earned after the last activity counts from its own earn."""
    account_state = AccountScenario().earn(10, policy="idle").account_state
    later = instant("2025-01-10")
    assert account_state.projected_expiry(3, later) == instant("2025-02-09")
    assert account_state.projected_expiry(3, instant("2025-01-01") - TICK) == instant("2025-01-31")


@pytest.mark.parametrize("move_first", [True, False])
def test_dropped_move(move_first: bool) -> None:
    """A dropped group's change of an expiry is undone, whatever else it did before or after."""
    scenario = busy().at("2025-01-20")
    with scenario.together():
        scenario.move("idle", "2025-05-01")
        before = scenario.snapshot()
        with scenario.grouped(keep=False):
            if move_first:
                scenario.move("due", "2025-06-01").move("idle", "2025-07-01").redeem(130)
            else:
                scenario.redeem(30).move("forever", "2025-06-01").move("idle", "2025-07-01")
            assert scenario.snapshot() != before
        assert scenario.snapshot() == before


def test_dates_alone() -> None:
    """What only changed its dates is told from what changed in more, and both are undone."""
    batch_state, account = BatchState(), busy().account
    version, available = account.version, account.available
    change_set = ChangeSet(batch_state, lambda _: 1, "anna")
    change_set.track_dates(account)
    account.version += 1
    change_set.commit()
    assert list(batch_state.tracked_dates.values()) == [account] and not batch_state.tracked
    for redate_first in (True, False):
        change_set = ChangeSet(batch_state, lambda _: 1, "anna")
        (change_set.track_dates if redate_first else change_set.track)(account)
        account.version += 1
        (change_set.track if redate_first else change_set.track_dates)(account)
        account.available += 5
        change_set.rollback()
        assert (account.version, account.available) == (version + 1, available)

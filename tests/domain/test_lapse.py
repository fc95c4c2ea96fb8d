"""Expiries that have happened are recorded before anything else is decided."""

from __future__ import annotations

import pytest
from tests.support.domain.account_scenario import TICK, AccountScenario, instant

from points_grpc.domain.lapse import lapse_due, may_be_due
from points_grpc.domain.model import LotState
from points_grpc.domain.policy import LAST_INSTANT
from points_grpc.domain.results import Lapsed
from points_grpc.domain.state import BatchState, ChangeSet
from points_grpc.errors import InsufficientPoints

END = "2025-02-01"


def test_live_until_its_expiry() -> None:
    """A lot can be spent a microsecond before its expiry."""
    scenario = AccountScenario().earn(10, "a", expires=END).at(instant(END) - TICK).redeem(10)
    assert scenario.ledger[-1] == "2025-01-31 23:59:59.999999 REDEEM 10 a:10"


def test_lapsed_from_its_expiry_on() -> None:
    """A lot is lapsed at its expiry, whether or not anything recorded it."""
    scenario = AccountScenario().earn(10, "a", expires=END).at(END)
    with scenario.refused(InsufficientPoints):
        scenario.redeem(1)
    scenario.lapse()
    assert scenario.ledger[-1] == "2025-02-01 EXPIRE 10 a:10"


@pytest.mark.parametrize(
    ("bound", "due"),
    [
        (None, False),
        ("2025-01-31 23:59:59.999999", True),
        (END, True),
        ("2025-02-01 00:00:00.000001", False),
    ],
)
def test_may_be_due(bound: str | None, due: bool) -> None:
    """An account may be due from its bound on."""
    assert may_be_due(bound and instant(bound), instant(END)) is due  # type: ignore[arg-type]


def test_one_expire_per_instant() -> None:
    """Lots of one instant share one EXPIRE, instants come in order, each at its own time."""
    scenario = AccountScenario().earn(1, "late", expires="2025-03-01").earn(2, "a", expires=END)
    scenario.earn(3, "b", expires=END).earn(4, "live", expires="2025-05-01").at(
        "2025-04-01"
    ).lapse()
    assert scenario.ledger[4:] == [
        "2025-02-01 EXPIRE 5 a:2 b:3",
        "2025-03-01 EXPIRE 1 late:1",
    ]
    assert scenario.answer == Lapsed(1, scenario.account_state.owner, 3, 6, 0)
    assert {row.created_at for row in scenario.entries.transactions[4:]} == {instant("2025-04-01")}


def test_only_what_remains() -> None:
    """What was spent of a lot does not lapse, and a used-up lot leaves no trace."""
    scenario = (
        AccountScenario().earn(10, "used", expires=END).earn(10, "half", expires=END).redeem(15)
    )
    scenario.at(END).lapse()
    assert scenario.ledger[-1] == "2025-02-01 EXPIRE 5 half:5"
    assert scenario.lot("used").lapse_id == 0
    assert scenario.lot("half").lapse_id == scenario.entries.transactions[-1].transaction_id


@pytest.mark.parametrize("state", [LotState.OPEN, LotState.PENDING])
def test_unapproved_close(state: LotState) -> None:
    """An unapproved lot gets a CLOSE at its expiry, a lot each, and no EXPIRE."""
    scenario = AccountScenario().earn(10, "a", expires=END, initial_state=state)
    scenario.earn(5, "b", expires=END, initial_state=state).at("2025-02-02").lapse()
    assert scenario.ledger[2:] == ["2025-02-01 CLOSE 10", "2025-02-01 CLOSE 5"]
    assert [row.related_id for row in scenario.entries.transactions[2:]] == [
        *(scenario.names["a"], scenario.names["b"])
    ]
    assert scenario.lot("a").state is LotState.CLOSED
    assert scenario.lot("a").state_at == instant("2025-02-02")
    assert scenario.answer == Lapsed(1, scenario.account_state.owner, 2, 0, 15)


def test_unapproved_until_its_expiry() -> None:
    """An unapproved lot is left alone a microsecond before its expiry."""
    scenario = (
        AccountScenario().earn(10, expires=END, initial_state=LotState.OPEN).at(instant(END) - TICK)
    )
    assert scenario.lapse().pending == 10


def test_approved_and_unapproved_at_one_instant() -> None:
    """At one instant approved lots expire together and the others close."""
    scenario = AccountScenario().earn(1, "open", expires=END, initial_state=LotState.OPEN)
    scenario.earn(2, "a", expires=END).at(END).lapse()
    assert scenario.ledger[2:] == ["2025-02-01 EXPIRE 2 a:2", "2025-02-01 CLOSE 1"]


@pytest.mark.parametrize("state", [LotState.OPEN, LotState.PENDING, LotState.APPROVED])
def test_inactivity(state: LotState) -> None:
    """An inactivity lot lapses at its projected instant, in any state, and then for good."""
    scenario = AccountScenario().earn(10, "idle", policy="idle", initial_state=state)
    scenario.at("2025-01-30 23:59:59.999999").lapse()
    assert scenario.left("idle") == [10]
    scenario.at("2025-03-01").earn(1)
    assert scenario.left("idle") == [0]
    assert scenario.lot("idle").expires_at == instant("2025-01-31")
    assert scenario.ledger[1].startswith("2025-01-31 ")
    scenario.lapse()
    assert len(scenario.ledger) == 3


def test_late_activity_revives_nothing() -> None:
    """Activity at the very instant of the lapse comes too late."""
    scenario = (
        AccountScenario()
        .earn(10, "idle", policy="idle")
        .earn(10, "never")
        .at("2025-01-31")
        .redeem(1)
    )
    assert scenario.left("idle", "never") == [0, 9]


def test_activity_in_time() -> None:
    """Activity a microsecond before the lapse moves it a whole period on."""
    scenario = AccountScenario().at("2025-01-01 12:00").earn(10, "idle", policy="idle")
    scenario.at(instant("2025-01-31 12:00") - TICK).redeem(1)
    assert scenario.expiry("idle") == "2025-03-02 11:59:59.999999"
    assert scenario.at(instant("2025-03-02 12:00") - 2 * TICK).lapse().left("idle") == [9]
    assert scenario.at(instant("2025-03-02 12:00") - TICK).lapse().left("idle") == [0]


def test_lapse_is_no_activity() -> None:
    """Neither lapsing, nor closing at expiry, nor expiring on demand keeps other lots alive."""
    scenario = (
        AccountScenario()
        .earn(9, "idle", policy="idle")
        .earn(9, expires="2025-01-15", policy="first")
    )
    scenario.earn(9, expires="2025-01-15", initial_state=LotState.OPEN)
    scenario.at("2025-01-20").expire(1)
    assert scenario.expiry("idle") == "2025-01-31"


def test_nothing_due() -> None:
    """Where nothing is due nothing is posted."""
    scenario = AccountScenario().earn(10, expires=END)
    with scenario.at("2025-01-31").together():
        scenario.lapse()
    assert len(scenario.ledger) == 1
    assert scenario.answer == Lapsed(1, scenario.account_state.owner, 0, 0, 0)


def test_a_sweep_tells_what_it_recorded_itself() -> None:
    """What a lapse says to have expired and closed is its own part, not all that ever did."""
    scenario = (
        AccountScenario()
        .earn(5, expires="2025-01-02")
        .earn(4, expires=END)
        .earn(9)
        .at("2025-01-02")
    )
    scenario.earn(3, expires=END, initial_state=LotState.OPEN).earn(8, initial_state=LotState.OPEN)
    scenario.at(END).lapse()
    assert scenario.answer == Lapsed(1, scenario.account_state.owner, 2, 4, 3)


def test_bound_exact_afterwards() -> None:
    """A lapse leaves the bound at the soonest expiry of what is live, loaded or not."""
    scenario = AccountScenario().earn(1, expires=END).earn(1, expires="2025-04-01").earn(1)
    scenario.earn(1, expires="2025-03-01", initial_state=LotState.OPEN)
    assert scenario.due == END
    assert scenario.at(END).lapse().due == "2025-03-01"
    assert scenario.at("2025-03-01").lapse().due == "2025-04-01"
    assert scenario.at("2025-04-01").lapse().due is None


def test_stale_bound_raised() -> None:
    """A bound that activity or spending left too early is raised without a transaction."""
    scenario = AccountScenario().earn(10, "idle", policy="idle").at("2025-01-20").redeem(5)
    assert scenario.due == "2025-01-31"
    scenario.at("2025-01-31").lapse()
    assert (scenario.due, len(scenario.ledger)) == ("2025-02-19", 2)
    scenario.redeem(5).at("2025-03-02").lapse()
    assert (scenario.due, len(scenario.ledger)) == (None, 3)


def test_writes_only_lower() -> None:
    """Other writes never raise the bound."""
    scenario = AccountScenario().earn(1, "a", expires="2025-03-01")
    assert scenario.earn(1, "b", expires="2025-04-01").due == "2025-03-01"
    assert scenario.earn(1, "c", expires=END).due == END
    assert scenario.move("c", "2025-05-01").due == END
    assert scenario.move("a", "2025-01-15").redeem(1).due == "2025-01-15"


def test_beyond_the_calendar() -> None:
    """Activity whose inactivity period ends beyond the calendar leaves the last instant."""
    scenario = (
        AccountScenario()
        .at("9999-12-01")
        .earn(10, "idle", policy="idle")
        .at("9999-12-20")
        .redeem(1)
    )
    assert scenario.expiry("idle") == "9999-12-31 23:59:59"
    assert scenario.lot("idle").rule
    assert instant("9999-12-31 23:59:59") == LAST_INSTANT


def test_nothing_hides_a_due_lot() -> None:
    """A due lot is found behind lots that are used up or that never expire."""
    scenario = (
        AccountScenario()
        .earn(1, "used", expires=END)
        .redeem(1)
        .earn(1, "never")
        .earn(1, "due", expires=END)
    )
    account_state = scenario.at(END).account_state
    assert [scenario.names[name] for name in ("used", "never", "due")] == list(account_state.lots)
    assert lapse_due(ChangeSet(BatchState(), lambda _: 1, "tester"), account_state) == 1
    assert scenario.left("used", "never", "due") == [0, 1, 0]


def test_lapse_id_of_each() -> None:
    """Each lapsed lot names the EXPIRE that ended it, and keeps its expiry."""
    scenario = AccountScenario().earn(1, "a", expires=END).earn(1, "b", expires="2025-02-02")
    scenario.at("2025-03-01").lapse()
    ended = [row.transaction_id for row in scenario.entries.transactions[2:]]
    assert [scenario.lot(name).lapse_id for name in "ab"] == ended
    assert [scenario.expiry(name) for name in "ab"] == [END, "2025-02-02"]

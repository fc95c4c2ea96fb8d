"""Expiring on demand: what there is, in spending order, up to the amount."""

from __future__ import annotations

from tests.support.domain.account_scenario import AccountScenario

from points_grpc.domain.model import LotState
from points_grpc.domain.results import Expired
from points_grpc.errors import InsufficientPoints, InvalidField

END = "2025-02-01"


def answer_of(scenario: AccountScenario) -> Expired:
    """The last answer, which is an Expire's."""
    assert isinstance(scenario.answer, Expired)
    return scenario.answer


def test_less_than_there_is() -> None:
    """Points expire in spending order, and the answer says from which lots."""
    scenario = AccountScenario().earn(10, "b").earn(10, "a", expires=END)
    scenario.expire(15, reason="fraud", description="text", request_id="r1")
    assert scenario.ledger[-1] == "2025-01-01 EXPIRE 15 a:10 b:5"
    answer = answer_of(scenario)
    assert (answer.requested, answer.settled, answer.account.available) == (15, 15, 5)
    row = answer.transaction
    assert row is not None
    assert row.allocations == ((scenario.names["a"], 10), (scenario.names["b"], 5))
    assert (row.reason, row.description, row.request_id) == ("fraud", "text", "r1")


def test_more_than_there_is() -> None:
    """Asking for more settles what there is."""
    scenario = AccountScenario().earn(10).expire(11)
    assert (answer_of(scenario).requested, answer_of(scenario).settled) == (11, 10)
    assert (scenario.available, scenario.account.total_expired) == (0, 10)


def test_nothing_left() -> None:
    """Where nothing is left the call succeeds without a transaction."""
    scenario = AccountScenario().earn(10).redeem(10).expire(5)
    assert (answer_of(scenario).transaction, answer_of(scenario).settled) == (None, 0)
    assert len(scenario.ledger) == 2


def test_require_full() -> None:
    """With require_full a shortfall of one unit is refused and changes nothing."""
    scenario = AccountScenario().earn(10)
    with scenario.refused(InsufficientPoints) as refusal:
        scenario.expire(11, require_full=True)
    assert refusal.value.field == "amount"
    scenario.expire(10, require_full=True)
    assert answer_of(scenario).settled == 10
    with scenario.refused(InsufficientPoints):
        scenario.expire(1, require_full=True)


def test_only_live_approved() -> None:
    """Unapproved points do not expire on demand, and lapsed ones not twice."""
    scenario = AccountScenario().earn(10, "lapsed", expires=END).earn(5, "live")
    scenario.earn(7, "open", initial_state=LotState.OPEN).at(END).expire(100)
    assert answer_of(scenario).settled == 5
    assert scenario.ledger[3:] == ["2025-02-01 EXPIRE 10 lapsed:10", "2025-02-01 EXPIRE 5 live:5"]
    assert scenario.pending == 7


def test_nothing_settled_still_lapses() -> None:
    """An Expire that settles nothing records what has lapsed all the same."""
    scenario = AccountScenario().earn(10, "a", expires=END).at("2025-03-01").expire(1)
    assert answer_of(scenario).settled == 0
    assert scenario.ledger[-1] == "2025-02-01 EXPIRE 10 a:10"


def test_is_no_lapse() -> None:
    """A lot that was expired on demand is used up: it has no lapse to be reinstated from."""
    scenario = AccountScenario().earn(10, "a").expire(10)
    assert (scenario.lot("a").lapse_id, scenario.lot("a").expired) == (0, 10)


def test_amounts() -> None:
    """Amounts that nothing can be are refused, whatever there is."""
    scenario = AccountScenario(scale=1).earn(10)
    for amount in ("0", "-1", "0.01", "1e15"):
        with scenario.refused(InvalidField) as refusal:
            scenario.expire(amount)
        assert refusal.value.field == "amount"

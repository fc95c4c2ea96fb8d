"""Why points expired, and where expiries come from, as it is read."""

from __future__ import annotations

import pytest
from tests.support.service.read_harness import IDLE, NEVER, YEAR, ReadHarness, instant, named

from points_grpc.domain.commands import ChangeLotState, UpdateExpiry
from points_grpc.domain.model import ExpirationCause, ExpirationSource, LotState, TransactionType
from points_grpc.domain.policy import ExpireAt, Immediate
from points_grpc.domain.queries import GetLot, GetTransaction, ListLots, ListTransactions, Order

ANN = named("ann")
LAPSE, ON_DEMAND, IMMEDIATE = ExpirationCause
POLICY, EARN, UPDATE = ExpirationSource
OF_ANN = ListTransactions(0, ANN, None, order=Order.OLDEST)


def causes(reader: ReadHarness) -> list[ExpirationCause | None]:
    """Of each EXPIRE of ann, the oldest first; one that is read alone has the same."""
    rows = reader.page(OF_ANN).rows
    alone = [reader.ask(GetTransaction(row.transaction_id)) for row in rows]
    assert [row.expiration_cause for row in rows] == [row.expiration_cause for row in alone]
    assert all(
        (row.expiration_cause is not None) is (row.type is TransactionType.EXPIRE) for row in rows
    )
    return [row.expiration_cause for row in rows if row.type is TransactionType.EXPIRE]


def move(reader: ReadHarness, lot_id: int, to: str | None, **more: bool) -> None:
    """Move a lot's expiry; to None: expire it immediately."""
    expiration = Immediate() if to is None else ExpireAt(instant(to))
    reader.do(UpdateExpiry(0, ANN, lot_id, expiration, **more))


def test_each_cause(reader: ReadHarness) -> None:
    """A lapse, an Expire and an immediate UpdateExpiry are told apart."""
    reader.earn(10, expires="2021-02-01")
    ended = reader.earn(10, expires="2021-03-01")
    reader.earn(10, expires="2021-04-01")
    answer = reader.expire(5)
    assert answer.transaction.expiration_cause is ON_DEMAND
    move(reader, ended, None)
    reader.at("2021-06-01").earn(1)
    assert causes(reader) == [ON_DEMAND, IMMEDIATE, LAPSE, LAPSE]


def test_causes_at_the_very_instant(reader: ReadHarness) -> None:
    """A lapse that is recorded at its instant is one, also right before another lot is moved."""
    reader.earn(10, expires="2021-02-01")
    other = reader.earn(10, expires="2021-03-01")
    reader.at("2021-02-01")
    move(reader, other, "2021-03-05")
    move(reader, other, None)
    reader.earn(3, expires="2021-02-02")
    reader.expire(3)
    assert causes(reader) == [LAPSE, IMMEDIATE, ON_DEMAND]


def test_a_lapse_that_was_undone_is_still_one(reader: ReadHarness) -> None:
    """A reinstated lot leaves its lapse a lapse and an immediate end an immediate one."""
    first = reader.earn(10, expires="2021-02-01")
    reader.earn(10, expires="2021-02-01")
    reader.at("2021-02-02")
    move(reader, first, "2021-03-01", reinstate=True)
    move(reader, first, None)
    move(reader, first, "2021-03-02", reinstate=True)
    assert causes(reader) == [LAPSE, IMMEDIATE]


def sources(reader: ReadHarness, *lots: int) -> list[ExpirationSource]:
    """Where the expiries of ann's lots come from; alone and in a listing it is the same."""
    listed = {row.lot_id: row.expiration_source for row in reader.page(ListLots(0, ANN, None)).rows}
    alone = [reader.ask(GetLot(lot)).expiration_source for lot in lots]
    assert alone == [listed[lot] for lot in lots]
    return alone


@pytest.fixture
def mixed(new_bank) -> ReadHarness:
    """A harness with policies of several kinds."""
    return new_bank(YEAR, NEVER, IDLE)


def test_each_source(mixed: ReadHarness) -> None:
    """The policy's, the earn's and an update's expiry are told apart, whatever follows."""
    by_policy = [mixed.earn(10, policy=code) for code in ("year", "never", "idle")]
    given = [mixed.earn(10, policy=code, expires="2021-05-01") for code in ("year", "idle")]
    moved = mixed.earn(10)
    back = mixed.earn(10)
    move(mixed, moved, "2021-06-01")
    move(mixed, back, "2021-06-01")
    move(mixed, back, "2022-01-01")
    expected = [*[POLICY] * 3, *[EARN] * 2, UPDATE, UPDATE]
    assert sources(mixed, *by_policy, *given, moved, back) == expected
    mixed.at("2023-07-01").earn(1)
    assert sources(mixed, *by_policy, *given, moved, back) == expected


def test_the_source_of_an_approved_lot(mixed: ReadHarness) -> None:
    """What an approval answers has the lot's source, moved or not."""
    lots = [mixed.earn(10, initial_state=LotState.OPEN) for _ in range(2)]
    move(mixed, lots[0], "2021-06-01")
    approved = [mixed.do(ChangeLotState(lot, LotState.APPROVED, approving=True)) for lot in lots]
    assert [answer.lot.expiration_source for answer in approved] == [UPDATE, POLICY]
    assert sources(mixed, *lots) == [UPDATE, POLICY]

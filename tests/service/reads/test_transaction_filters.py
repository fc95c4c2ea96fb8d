"""Which transactions a listing by types and states has."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import chain, combinations
from typing import TypeVar

import pytest
from tests.support.service.read_harness import ReadHarness, named

from points_grpc.domain.commands import ChangeLotState, UpdateExpiry
from points_grpc.domain.model import LotState, TransactionType
from points_grpc.domain.policy import ExpireAt
from points_grpc.domain.queries import ListTransactions, Order
from points_grpc.domain.results import TransactionView

T = TypeVar("T")

ANN = named("ann")


def subsets(things: Collection[T]) -> Iterator[frozenset[T]]:
    """Every subset, the empty one included."""
    sizes = range(len(things) + 1)
    return map(frozenset, chain.from_iterable(combinations(things, size) for size in sizes))


def one_of_each(reader: ReadHarness) -> None:
    """Ann's transactions are of every type that there is, her EARNs in every state."""
    lots = [reader.earn(10, initial_state=state) for state in LotState if state < LotState.CLOSED]
    closed = reader.earn(10, initial_state=LotState.OPEN)
    reader.do(ChangeLotState(closed, LotState.CLOSED, approving=False))
    reader.redeem(2)
    lapses = reader.earn(3, expires="2021-02-01")
    reader.at("2021-02-02").expire(1)
    later = ExpireAt(reader.clock.now().replace(year=2022))
    reader.do(UpdateExpiry(0, ANN, lapses, later, reinstate=True))
    assert len(lots) == 3


def is_wanted(
    row: TransactionView, types: frozenset[TransactionType], states: frozenset[LotState]
) -> bool:
    return (not types or row.type in types) and (not states or row.state in states)


@pytest.mark.parametrize(
    "listing",
    [
        ListTransactions(0, ANN, None, page_size=100),
        ListTransactions(0, ANN, None, page_size=100, order=Order.OLDEST),
        ListTransactions(0, None, None, page_size=100),
    ],
)
def test_types_and_states_have_to_match_together(
    reader: ReadHarness, listing: ListTransactions
) -> None:
    """Each choice of types and states lists what a filter over everything lets through."""
    one_of_each(reader)
    everything = reader.page(listing).rows
    present = {row.type for row in everything}
    assert {row.state for row in everything} == set(LotState)
    assert len(present) >= 4
    for types in subsets(present):
        for states in subsets(LotState):
            page = reader.page(replace(listing, types=types, states=states))
            assert list(page.rows) == [r for r in everything if is_wanted(r, types, states)]
            assert page.cursor == ()

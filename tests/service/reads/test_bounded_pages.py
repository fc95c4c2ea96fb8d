"""Pages bounded in bytes: each ends early, and together they list everything once, in order."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.support.service.read_harness import NEVER, YEAR, ReadHarness, named

from points_grpc.domain.commands import UpdateExpiry
from points_grpc.domain.model import TransactionType
from points_grpc.domain.policy import InDays
from points_grpc.domain.queries import (
    ListAllocations,
    ListExpiryChanges,
    Listing,
    ListLots,
    ListTransactions,
    Order,
)
from points_grpc.domain.results import size_of
from points_grpc.errors import InvalidPageToken, TransactionNotFound
from points_grpc.service.reads.listings import paging
from points_grpc.storage.reads import change_pages, transaction_pages

ANN = named("ann")
EARNS = frozenset((TransactionType.EARN,))
PAGE, READ = 6000, 9000
LISTINGS: tuple[Listing, ...] = (
    ListTransactions(0, ANN, None, page_size=1000),
    ListTransactions(0, ANN, None, order=Order.OLDEST, page_size=1000),
    ListTransactions(0, ANN, None, types=EARNS, order=Order.LARGEST, page_size=1000),
    ListTransactions(0, ANN, None, types=frozenset((TransactionType.REDEEM,)), page_size=1000),
    ListTransactions(0, ANN, None, reference="even", page_size=1000),
    ListTransactions(0, None, None, page_size=1000),
    ListTransactions(0, None, None, types=EARNS, order=Order.LARGEST, page_size=1000),
    ListTransactions(0, None, None, reference="even", page_size=1000),
    ListLots(0, ANN, None, page_size=1000),
    ListLots(0, ANN, None, order=Order.EXPIRY, reference="even", page_size=1000),
    ListLots(0, ANN, None, order=Order.LATEST_LOT, page_size=1000),
    ListExpiryChanges(0, ANN, None, page_size=1000),
    ListExpiryChanges(0, ANN, None, order=Order.OLDEST, page_size=1000),
)


@pytest.fixture
def wordy(new_bank: Callable[..., ReadHarness]) -> ReadHarness:
    """Earns, redemptions and changes of two members, with texts of any length."""
    reader, source = new_bank(YEAR, NEVER), random.Random(21)
    for number in range(40):
        reader.change_server()
        member = source.choice(("ann", "ann", "ben"))
        lot = reader.earn(
            source.randrange(10, 100),
            member,
            description="d" * source.randrange(1000),
            reference="even" if number % 2 == 0 else "odd",
            policy=source.choice(("year", "never")),
        )
        meta = '{"a":"' + "m" * source.randrange(4000) + '"}'
        reader.do(UpdateExpiry(0, named(member), lot, InDays(900 + number), custom_meta=meta))
        reader.redeem(5, member, description="r" * source.randrange(1000))
    return reader


@pytest.mark.parametrize("listing", LISTINGS)
def test_bounded_pages_list_everything_once(
    wordy: ReadHarness, monkeypatch: pytest.MonkeyPatch, listing: Listing
) -> None:
    """Pages keep their bound, read little more than that, and are together what is listed."""
    (whole,) = wordy.pages(lambda cursor: replace(listing, cursor=cursor))
    assert len(whole) > 5
    monkeypatch.setattr(paging, "PAGE_BYTES_MAX", PAGE)
    for module in (paging, transaction_pages, change_pages):
        monkeypatch.setattr(module, "READ_BYTES_MAX", READ)
    pages = wordy.pages(lambda cursor: replace(listing, cursor=cursor))
    assert [row for page in pages for row in page] == whole
    assert len(pages) > 2
    for page in pages:
        assert len(page) <= 1 or sum(map(size_of, page)) <= PAGE
    sizes = list(map(size_of, whole))
    assert len(pages) <= 4 * len(whole) and sum(sizes) > PAGE


@pytest.mark.parametrize("ascending", [False, True])
def test_little_more_is_read_than_a_page_holds(
    wordy: ReadHarness, monkeypatch: pytest.MonkeyPatch, ascending: bool
) -> None:
    """A run of changes ends with the one whose texts pass the bound, however many are asked for."""
    monkeypatch.setattr(change_pages, "READ_BYTES_MAX", READ)
    (change, *_) = wordy.page(ListExpiryChanges(0, ANN, None)).rows
    with wordy.snapshot.unit() as connection:
        run = change_pages.changes(
            connection,
            wordy.acme.tenant_id,
            (change.owner.account_id, 0),
            (None, None),
            after=0 if ascending else transaction_pages.ID_END,
            quota=1000,
            ascending=ascending,
        )
    lengths = [len(row.custom_meta) + transaction_pages.ROW_BYTES for row in run.changes]
    assert run.cut_at == run.changes[-1]
    assert sum(lengths[:-1]) <= READ < sum(lengths) == run.text_bytes


def test_allocations_are_listed_once(reader: ReadHarness) -> None:
    """The allocations of a transaction are listed by lot id, and those of an EARN are none."""
    lots = [reader.earn(10) for _ in range(25)]
    spent = reader.redeem(245).transaction
    for size in (1, 7, 24, 25, 26, 1000):
        listing = ListAllocations(spent.transaction_id, page_size=size)
        pages = reader.pages(lambda cursor, of=listing: replace(of, cursor=cursor))
        assert [len(page) for page in pages[:-1]] == [size] * (len(pages) - 1)
        assert [(row.lot_id, row.amount) for page in pages for row in page] == sorted(
            spent.allocations
        )
    assert reader.page(ListAllocations(lots[0])).rows == ()


def test_allocations_of_others_are_not_found(reader: ReadHarness) -> None:
    """What is another tenant's, or not there, is TRANSACTION_NOT_FOUND."""
    reader.earn(10)
    spent = reader.redeem(5).transaction.transaction_id
    for number, caller in ((spent, reader.rival), (spent + 64, reader.acme)):
        with pytest.raises(TransactionNotFound):
            reader.page(ListAllocations(number), caller)
    with pytest.raises(InvalidPageToken):
        reader.page(ListAllocations(spent, cursor=("x",)))

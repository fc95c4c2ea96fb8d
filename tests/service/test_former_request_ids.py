"""Request ids of the release before, which were those of a member as named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, select
from tests.support.service.ledger_harness import (
    PROGRAM,
    START,
    LedgerHarness,
    approve,
    earn,
    expire,
    move,
    moves,
    named,
    redeem,
)

from points_grpc.domain.admin.commands import UpdateCurrency
from points_grpc.domain.commands import digest
from points_grpc.domain.model import LotState
from points_grpc.errors import LotNotFound, RequestIdReused
from points_grpc.service.writes.former_request_ids import UNTIL
from points_grpc.storage.admin import settings
from points_grpc.storage.core.ids import bucket_of_name
from points_grpc.storage.ledger.stored_answers import pack
from points_grpc.storage.tables import requests

DAY = timedelta(days=1)
INSTANT = timedelta(microseconds=1)
WEEK = 7 * DAY


@pytest.fixture
def upgraded(open_ledger: Callable[..., LedgerHarness]) -> LedgerHarness:
    """A harness whose database was migrated at START, beside servers of the last release."""
    harness = open_ledger()
    harness.promise(7)
    until = (START + WEEK).isoformat()
    harness.look(lambda at: settings.put(at, UNTIL, until, START))
    return harness


def rows(harness: LedgerHarness) -> int:
    return int(harness.look(lambda at: at.scalar(select(func.count()).select_from(requests))))


def forget_new_rows(harness: LedgerHarness, request_id: str, *answers: Any) -> None:
    """Leave what the release before would have kept."""
    owners = {answer.account.owner.member.member_id for answer in answers}
    keys = [digest(1, "of", member_id, request_id) for member_id in owners]
    keys.append(digest(1, "of many", request_id))
    places = [key + place.to_bytes(4, "big") for key in keys for place in range(4)]
    harness.look(lambda at: at.execute(delete(requests).where(requests.c.key.in_(keys + places))))


def test_a_fresh_database_has_none(harness: LedgerHarness) -> None:
    """Where no other release ever ran, an id has one row."""
    harness.do(earn(5, request_id="r"))
    assert rows(harness) == 1


def test_the_release_before_finds_what_this_one_kept(upgraded: LedgerHarness) -> None:
    """Beside servers of the release before, answers are kept where those look for them."""
    first = upgraded.do(earn(5, request_id="r"))
    key = digest(1, ("member", "external_id", "ann"), "r")
    query = select(requests.c.bucket, requests.c.answer).where(requests.c.key == key)
    kept = upgraded.look(lambda at: at.execute(query).one())
    row = pack(first, for_release_before=True)
    assert tuple(kept) == (bucket_of_name(1, "external_id", "ann"), row)
    upgraded.clock.set(START + WEEK - INSTANT)
    upgraded.do(earn(5, request_id="s"))
    assert rows(upgraded) == 4
    upgraded.clock.set(START + WEEK)
    upgraded.do(earn(5, request_id="t"))
    assert rows(upgraded) == 5


@pytest.mark.parametrize("is_beside", [True, False])
def test_a_row_of_either_release_is_read_by_both(upgraded: LedgerHarness, is_beside: bool) -> None:
    """While servers of the release before may run, a state move is kept in the form they read.

    Its replay then shows the currency's settings of now.
    """
    lot = upgraded.do(earn(5, initial_state=LotState.OPEN, policy="month"))
    upgraded.clock.set(START + WEEK - (INSTANT if is_beside else 0 * INSTANT))
    first = upgraded.do(approve(lot, request_id="r"))
    key = digest(1, ("transaction", lot.lot.lot_id), "r")
    kept = upgraded.look(
        lambda at: at.scalar(select(requests.c.answer).where(requests.c.key == key))
    )
    assert kept == pack(first, for_release_before=is_beside)
    change = UpdateCurrency(PROGRAM, "PTS", points_type="other", exchange_rate=7)
    upgraded.administrate(lambda programs, _: programs.update_currency(upgraded.acme, change))
    again = upgraded.do(approve(lot, request_id="r"))
    shown = again.account.owner.currency
    assert (shown.points_type == "other", shown.exchange_rate == 7) == (is_beside, is_beside)
    assert again.lot.expiration_source is first.lot.expiration_source


@pytest.mark.parametrize("command", [earn(5), redeem(5), expire(5)])
def test_answers_of_the_release_before_are_found(
    upgraded: LedgerHarness, open_ledger: Callable[..., LedgerHarness], command: Any
) -> None:
    """Until the last promise of the release before has passed, its answers are given again."""
    lot = upgraded.do(earn(50))
    command = replace(command, request_id="r")
    upgraded.clock.set(START + WEEK - INSTANT)
    first = upgraded.do(command)
    forget_new_rows(upgraded, "r", lot)
    upgraded.clock.set(START + 2 * WEEK - INSTANT)
    again = open_ledger()
    assert again.do(command) == replace(first, replayed=True)
    assert isinstance(again.refusal(replace(command, amount=command.amount + 1)), RequestIdReused)
    upgraded.clock.set(START + 2 * WEEK)
    assert not again.do(command).replayed


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("several", [False, True])
def test_changes_of_the_release_before_are_found(
    upgraded: LedgerHarness, open_ledger: Callable[..., LedgerHarness], partial: bool, several: bool
) -> None:
    """An UpdateExpiry is replayed item by item, however its members were named and kept."""
    other = "bob" if several else "ann"
    one, two = upgraded.do(earn(5)), upgraded.do(earn(5, other))
    items = [move(one, START + DAY), move(two, START + DAY, member=other)]
    if partial:
        items.append(move(77, START + DAY))
    call = moves("r", b"mark", *items)
    (first,) = upgraded.execute(upgraded.call(*call, partial=partial))
    forget_new_rows(upgraded, "r", one, two)
    again = open_ledger()
    (replays,) = again.execute(again.call(*call, partial=partial))
    assert replays[:2] == [replace(answer, replayed=True) for answer in first[:2]]
    assert [type(outcome) for outcome in replays[2:]] == [LotNotFound] * partial
    different = moves("r", b"other", *items)
    (refused,) = again.execute(again.call(*different, partial=partial))
    assert {type(outcome) for outcome in refused} == {RequestIdReused}


def test_both_releases_meet_at_one_member(upgraded: LedgerHarness) -> None:
    """An id kept by name is refused to other content of that name, also after a relink."""
    first = upgraded.do(earn(5, name=named("ann"), request_id="r"))
    forget_new_rows(upgraded, "r", first)
    assert isinstance(upgraded.refusal(earn(6, request_id="r")), RequestIdReused)

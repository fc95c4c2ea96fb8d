"""Previews: what a write would answer, and no effect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.support.service.days import DAY
from tests.support.service.ledger_harness import (
    START,
    LedgerHarness,
    earn,
    expire,
    move,
    outcomes,
    redeem,
)
from tests.support.service.ledgers import contents

from points_grpc.domain.model import LotState
from points_grpc.domain.results import Earned, ExpiryUpdated, Redeemed
from points_grpc.errors import (
    InsufficientPoints,
)


def test_a_preview_of_a_crowded_account_is_for_another_lane(harness: LedgerHarness) -> None:
    """A preview goes where a write would: handed on, and answered where all lots are taken on."""
    harness.execute(harness.call(*(earn(1, policy="month") for _ in range(300)), earn(5)))
    harness.clock.set(START + 31 * DAY)
    oversized, free = harness.call(redeem(5)), harness.call(earn(1, "bob"))
    with harness.snapshot.unit() as connection:
        assert harness.ledger.preview(connection, [oversized, free]) == [oversized]
    assert (oversized.settled, free.settled) == (False, True)
    (answer,) = harness.preview(redeem(5))
    assert (answer.account.available, answer.account.total_expired) == (0, 300)


# Previews
def without_ids(answer: Any) -> Any:
    """An answer without what is made for it."""
    account = replace(answer.account, owner=None)
    transaction = replace(answer.transaction, owner=None, transaction_id=0, lot_id=0)
    if isinstance(answer, Earned):
        lot = replace(answer.lot, owner=None, lot_id=0)
        return replace(answer, account=account, transaction=transaction, lot=lot)
    return replace(answer, account=account, transaction=transaction)


def test_a_preview_changes_nothing(harness: LedgerHarness) -> None:
    """A preview gives what the write then gives, and leaves every table as it was."""
    lot = harness.do(earn(100, policy="month"))
    harness.do(earn(100, initial_state=LotState.OPEN))
    harness.clock.set(START + 31 * DAY)
    commands = (earn(50, request_id="r"), redeem(30, request_id="s"), expire(1000), earn(1, "new"))
    before = contents(harness)
    previewed = harness.preview(*commands)
    back = harness.preview(move(lot, START + 40 * DAY, reinstate=True))
    assert contents(harness) == before
    (written,) = harness.execute(harness.call(*commands))
    shown = [answer.account.available for answer in written]
    assert [answer.account.available for answer in previewed] == shown == [50, 20, 0, 1]
    assert without_ids(previewed[0]) == without_ids(written[0])
    assert isinstance(back[0], ExpiryUpdated)


def test_a_previewed_id_is_nobodys(harness: LedgerHarness) -> None:
    """Ids that a write would make are not positive in a preview: member, account, lot."""
    (answer,) = harness.preview(earn(1, "new"))
    owner = answer.account.owner
    ids = (owner.member.member_id, owner.account_id, answer.lot.lot_id)
    assert max(ids) < 0
    assert answer.transaction.transaction_id == answer.lot.lot_id


def test_a_preview_ignores_request_ids(harness: LedgerHarness) -> None:
    """A preview with a used request id decides anew, whatever its content."""
    harness.do(earn(100, request_id="r"))
    answers = harness.preview(earn(7, request_id="r"), earn(100, request_id="r"))
    assert [(a.account.available, a.replayed) for a in answers] == [(107, False), (207, False)]


def test_a_preview_refuses_as_the_write_would(harness: LedgerHarness) -> None:
    """A partial preview has the refusals in place, an all-or-nothing one in all places."""
    harness.do(earn(10))
    commands = (redeem(6), redeem(6), redeem(4), earn(1, policy="nix"))
    partial = harness.preview(*commands, partial=True)
    assert [type(o).__name__ for o in partial] == [
        "Redeemed",
        "InsufficientPoints",
        "Redeemed",
        "PolicyNotFound",
    ]
    whole = harness.preview(*commands)
    assert {type(o) for o in whole} == {InsufficientPoints}
    (written,) = harness.execute(harness.call(*commands, partial=True))
    assert [type(o) for o in written] == [type(o) for o in partial]


def test_a_preview_repeated_in_its_batch_starts_over(harness: LedgerHarness) -> None:
    """A preview that was half decided when the snapshot was lost is decided afresh."""
    harness.do(earn(10))
    call = harness.call(redeem(6), redeem(4), partial=True)
    for _ in range(2):
        with harness.snapshot.unit() as connection:
            harness.ledger.preview(connection, [call])
    assert [type(o) for o in outcomes(call)] == [Redeemed, Redeemed]

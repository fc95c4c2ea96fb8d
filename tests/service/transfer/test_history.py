"""History that a file brings: replayed row by row, refused where it does not follow."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select
from tests.support.service.ledger_harness import move, redeem

from points_grpc.domain.policy import InDays
from points_grpc.storage.tables import lots

LOT = {"external_id": "ann", "vendor_id": 1, "amount": 100, "earned_at": "2031-01-02T12:00:00Z"}
AT = "2031-02-03T12:00:00Z"


def lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def transaction(kind: str, number: str, **more: Any) -> dict[str, Any]:
    row = {"type": "transaction", "external_id": "ann", "transaction": kind, "import_id": number}
    return {**row, "effective_at": AT, **more}


def taken(kind: str, number: str, *parts: tuple[int, int], **more: Any) -> dict[str, Any]:
    allocations = [{"lot_vendor_id": lot, "amount": str(part)} for lot, part in parts]
    return transaction(kind, number, allocations=allocations, **more)


def change(number: str, new: str, **more: Any) -> dict[str, Any]:
    row = {"type": "expiry_change", "external_id": "ann", "lot_vendor_id": 1, "import_id": number}
    return {**row, "old_expires_at": "never", "new_expires_at": new, "recorded_at": AT, **more}


def test_history_moves_points(counter, harness) -> None:
    """Each row has the effect that it records, on the lots that it names."""
    path = counter.file(
        lines(
            {**LOT, "state": "OPEN"},
            {**LOT, "vendor_id": 2, "amount": 50},
            transaction("SUBMIT", "t1", lot_vendor_id=1),
            transaction("APPROVE", "t2", lot_vendor_id=1),
            taken("REDEEM", "t3", (1, 60), (2, 10)),
            taken("EXPIRE", "t4", (2, 40), lapse=True),
            taken("REVERSE", "t5", (2, 40), reverses="t4"),
            taken("EXPIRE", "t6", (1, 5)),
            change("c1", "2032-01-31", custom_meta={"a": 1.5}),
            change("c2", "2032-01-31", lot_vendor_id=2),
        ),
        ".jsonl",
    )
    assert counter.counts(path, chunk=2) == (10, 0, 0)
    account = harness.account()
    figures = (account.total_earned, account.total_redeemed, account.total_expired)
    assert figures == (150, 70, 5)
    assert account.available == 75
    assert counter.counts(path, chunk=3) == (0, 10, 0)
    harness.do(redeem(75))


def test_a_closed_lot(counter, harness) -> None:
    """A CLOSE cancels what is pending; the lot takes no further history."""
    rows = ({**LOT, "state": "PENDING"}, transaction("CLOSE", "t1", lot_vendor_id=1))
    path = counter.file(lines(*rows, transaction("APPROVE", "t2", lot_vendor_id=1)), ".jsonl")
    assert counter.counts(path) == (2, 0, 1)
    assert (harness.account().pending, harness.account().available) == (0, 0)
    assert counter.refused(path) == {3: "transaction: cannot follow: the lot is CLOSED"}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (transaction("SUBMIT", "t", lot_vendor_id=1), "transaction: cannot follow"),
        (transaction("APPROVE", "t", lot_vendor_id=9), "lot: is none of the member's"),
        (transaction("APPROVE", "t"), "lot_vendor_id: or import_id must name the lot"),
        (taken("REDEEM", "t", (1, 101)), "allocations: must be what the lots have left"),
        (taken("REDEEM", "t", (1, 1), (1, 1)), "allocations: must not name a lot twice"),
        (taken("REDEEM", "t", (1, 1), amount=2), "allocations: must add up"),
        (taken("REDEEM", "t"), "allocations: must be a list"),
        (taken("EXPIRE", "t", (1, 99), lapse=True), "allocations: must be what the lots have"),
        (taken("REVERSE", "t", (1, 1)), "reverses: must be given"),
        (taken("REVERSE", "t", (1, 1), reverses="x"), "reverses: is no transaction"),
        (taken("REDEEM", "t", (1, 1), effective_at="2032-01-01"), "effective_at: must not lie"),
        (taken("REDEEM", "", (1, 1)), "import_id: is required"),
        (change("c", "2032-01-31", reason_type="WHIM"), "reason_type: must be one of"),
        (change("c", "2032-01-31", lot_vendor_id=9), "lot: is none"),
    ],
)
def test_history_that_does_not_follow(counter, harness, row: dict[str, Any], reason: str) -> None:
    """A row that the lots cannot have seen is refused and changes nothing."""
    path = counter.file(lines(LOT, row), ".jsonl")
    assert counter.counts(path) == (1, 0, 1)
    assert counter.refused(path)[2].startswith(reason)
    assert harness.account().available == 100


def test_history_of_a_later_chunk_or_file(counter, harness) -> None:
    """History finds lots of earlier chunks and files, also those of which more has changed."""
    counter.take(counter.file(lines(LOT, {**LOT, "vendor_id": 2}), ".jsonl"))
    harness.do(redeem(30))
    later = lines(*(taken("REDEEM", f"t{n}", (2, 10)) for n in range(4)))
    assert counter.counts(counter.file(later, ".jsonl"), chunk=1) == (4, 0, 0)
    assert harness.account().available == 130


def test_an_expiry_change_is_one_of_the_lot(counter, harness) -> None:
    """A change gives the lot its new expiry, from which the engine goes on."""
    counter.take(counter.file(lines(LOT, change("c1", "2031-06-30")), ".jsonl"))
    assert harness.account().next_expires_at is not None
    moved = harness.do(move(1, InDays(5)))
    assert moved.change.old_expires_at.isoformat() == "2031-06-30T23:59:59+00:00"
    (expiry,) = harness.look(lambda at: at.execute(select(lots.c.expires_at)).all())
    assert expiry[0] == moved.change.new_expires_at

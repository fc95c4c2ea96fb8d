"""What rows are estimated to take in an answer is never less than what they do."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from tests.support.rpc.sample_engine import Samples

from points.v1.expiry_change_pb2 import ExpiryChange
from points.v1.lot_pb2 import Lot
from points.v1.transaction_pb2 import Allocation, Transaction
from points_grpc.domain.results import AllocationView, MemberLabel, size_of
from points_grpc.rpc.codec.answers import (
    put_allocation,
    put_expiry_change,
    put_lot,
    put_transaction,
)

HEAD = 6
"""The tag and length of a row in its page."""
ID = 2**53 - 1
LARGEST = 10**18
CHARACTERS = "a", "\u00e9", "\u6f22", "\U0001f600"


def wide(of: Any, text: str) -> Any:
    """The view with the largest numbers, and every text so long."""
    owner = replace(
        of.owner,
        account_id=ID,
        program_id=ID,
        currency=replace(of.owner.currency, currency_id=ID, code=text, scale=6),
        member=MemberLabel(ID, ID, text),
    )
    more: dict[str, Any] = {"owner": owner}
    for name in of.__dataclass_fields__:
        held = getattr(of, name)
        if isinstance(held, str) and name != "custom_meta":
            more[name] = text
        elif type(held) is int:
            more[name] = ID if name.endswith("id") else LARGEST
    return replace(of, **more)


@pytest.mark.parametrize("character", CHARACTERS)
@pytest.mark.parametrize("length", [0, 1, 64, 256, 1024])
def test_rows_of_texts(character: str, length: int) -> None:
    """Texts of any alphabet count for their bytes."""
    text, samples = character * length, Samples()
    view = replace(
        wide(samples.transaction, text),
        allocations=tuple((ID - n, LARGEST) for n in range(100)),
        allocation_count=50_000,
    )
    transaction, lot, change = Transaction(), Lot(), ExpiryChange()
    put_transaction(transaction, view)
    assert transaction.ByteSize() + HEAD <= size_of(view)
    of_lot = replace(wide(samples.lot, text), policy_version=2**31 - 1)
    put_lot(lot, of_lot)
    assert lot.ByteSize() + HEAD <= size_of(of_lot)
    moved = replace(wide(samples.change, text), standard_meta=(text, text, text))
    put_expiry_change(change, moved)
    assert change.ByteSize() + HEAD <= size_of(moved)


def test_an_allocation() -> None:
    """An allocation has one size."""
    view, message = AllocationView(Samples().owner.currency, ID, LARGEST), Allocation()
    put_allocation(message, view)
    assert message.ByteSize() + HEAD <= size_of(view)


def value(source: random.Random, depth: int) -> Any:
    """Any JSON."""
    kinds = 4 if depth == 0 else 6
    match source.randrange(kinds):
        case 0:
            return source.choice(CHARACTERS) * source.randrange(200)
        case 1:
            return source.randrange(10)
        case 2:
            return source.random()
        case 3:
            return source.choice((None, True, ""))
        case 4:
            return [value(source, depth - 1) for _ in range(source.randrange(6))]
        case _:
            return {str(n): value(source, depth - 1) for n in range(source.randrange(6))}


def test_metas() -> None:
    """A Struct takes more than its JSON: no meta takes more than it is taken for."""
    source = random.Random(21)
    metas = [{"": value(source, 6)} for _ in range(500)]
    metas += [{"a": [0] * 4000}, {"a": [[]] * 2700}, {"a": [{}] * 2700}, {"a": [""] * 2700}]
    metas += [{chr(n): 0 for n in range(256, 1400)}, {"a": "x" * 8000}]
    samples = Samples()
    for meta in metas:
        text = json.dumps(meta, ensure_ascii=False, separators=(",", ":"))
        view, message = replace(samples.change, custom_meta=text), ExpiryChange()
        bare = ExpiryChange()
        put_expiry_change(message, view)
        put_expiry_change(bare, replace(view, custom_meta=""))
        least = size_of(view) - size_of(replace(view, custom_meta=""))
        assert message.ByteSize() - bare.ByteSize() <= least + 16, text[:80]
        assert message.ByteSize() + HEAD <= size_of(view)

"""How much an answer may hold: clients of gRPC receive 4 MiB by default.

Sizes of rows are estimates in bytes that are never below what the row takes in an answer.
"""

from __future__ import annotations

from points_grpc.domain.answers import (
    AllocationView,
    ExpiryChangeView,
    LotView,
    Owner,
    TransactionView,
)

PAGE_BYTES_MAX = 3 * 2**20
"""What the rows of a page may take together, unless it has a single one."""

READ_BYTES_MAX = 4 * 2**20
"""How many bytes of texts are read for a page before it ends with what there is."""

ALLOCATIONS_MAX = 1000
"""How many allocations are shown within a transaction."""

LISTED_ALLOCATIONS_MAX = 100
"""How many allocations are shown within a transaction of a list."""

INACTIVITY_MAX = 1000
"""How many instants of inactivity a schedule shows."""

_ROW = 512
_ALLOCATION = 64
_VALUE = 16


def size_of(view: TransactionView | LotView | ExpiryChangeView | AllocationView) -> int:
    """Return the most bytes that a row takes."""
    match view:
        case TransactionView():
            texts = [view.source, view.reason, view.description, view.reference]
            texts += [view.request_id, view.principal]
            return _owned(view.owner) + _texts(texts) + len(view.allocations) * _ALLOCATION
        case LotView():
            texts = [view.policy, view.reference, view.description, view.source]
            return _owned(view.owner) + _texts(texts)
        case ExpiryChangeView():
            texts = [view.reason_note, view.principal, view.request_id, *view.standard_meta]
            return _owned(view.owner) + _texts(texts) + _meta(view.custom_meta)
        case _:
            return _ALLOCATION


def _owned(owner: Owner) -> int:
    return _ROW + _texts([owner.currency.code, owner.member.external_id])


def _texts(texts: list[str]) -> int:
    return sum(len(text) if text.isascii() else len(text.encode()) for text in texts)


def _meta(text: str) -> int:
    """The most that JSON takes as a Struct: each value has a head, a member a key as well."""
    values = text.count(",") + text.count("[") + text.count("{") + 1
    return _texts([text]) + _VALUE * values

"""Answers to many items without the texts that their requests gave."""

from __future__ import annotations

from typing import TypeAlias

from points.v1 import (
    earn_pb2,
    expiry_change_pb2,
    lot_pb2,
    transaction_pb2,
    transaction_status_pb2,
    update_expiry_pb2,
)
from points_grpc.domain.results import PAGE_BYTES_MAX

Response: TypeAlias = (
    earn_pb2.BatchEarnResponse
    | update_expiry_pb2.UpdateExpiryResponse
    | transaction_status_pb2.ApproveTransactionsResponse
)
_OF_TRANSACTION = ("reference", "description", "source", "reason", "request_id")
_OF_LOT = ("reference", "description", "source")
_OF_CHANGE = ("reason_note", "standard_meta", "custom_meta", "request_id")


def shorten(response: Response) -> None:
    """Clear in the results what the request gave, if they take more than PAGE_BYTES_MAX.

    Refusals have nothing of it.
    """
    if response.ByteSize() <= PAGE_BYTES_MAX:
        return
    if isinstance(response, update_expiry_pb2.UpdateExpiryResponse):
        for update in response.results:
            if update.HasField("moved"):
                _clear(update.moved.change, _OF_CHANGE)
    elif isinstance(response, earn_pb2.BatchEarnResponse):
        for earn in response.results:
            if earn.HasField("earn"):
                _clear_all(earn.earn)
    else:
        for state in response.results:
            if state.HasField("moved"):
                _clear_all(state.moved)
    response.texts_omitted = True


def _clear_all(done: earn_pb2.EarnResponse | transaction_status_pb2.StateMoved) -> None:
    _clear(done.transaction, _OF_TRANSACTION)
    _clear(done.lot, _OF_LOT)
    done.account.member.ClearField("external_id")


def _clear(
    shown: transaction_pb2.Transaction | lot_pb2.Lot | expiry_change_pb2.ExpiryChange,
    fields: tuple[str, ...],
) -> None:
    shown.member.ClearField("external_id")
    for field in fields:
        shown.ClearField(field)

"""Expiry changes in pages: each statement reads a bounded run of an index."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, select

from points_grpc.domain.results import READ_BYTES_MAX
from points_grpc.domain.state import ExpiryChange
from points_grpc.storage.core.ids import bucket_of_id
from points_grpc.storage.core.unnest import BIGINT, INT
from points_grpc.storage.ledger.expiry_changes import EXPIRY_CHANGE_COLUMNS, to_expiry_change
from points_grpc.storage.reads.transaction_pages import BEGINNING, END, is_kept, measured
from points_grpc.storage.tables import INSTANT, expiry_changes

_TENANT = bindparam("of_tenant", type_=INT)
_BUCKET = bindparam("of_bucket", type_=INT)
_ACCOUNT = bindparam("of_account", type_=BIGINT)
_AFTER = bindparam("after", type_=BIGINT)
_QUOTA = bindparam("quota", type_=BIGINT)
_LOT = bindparam("of_lot", type_=BIGINT)
_version = expiry_changes.c.version
_TEXTS = tuple(
    expiry_changes.c[name]
    for name in (
        "reason_note",
        "who_raised",
        "who_approved",
        "reason_for_trigger",
        "custom_meta",
        "request_id",
    )
)


def _in_time(row: Any) -> ColumnElement[bool]:
    in_time: ColumnElement[bool] = (row.created_at >= bindparam("start_at", type_=INSTANT)) & (
        row.created_at < bindparam("end_at", type_=INSTANT)
    )
    return in_time


def _changes(ascending: bool, of_lot: bool) -> Select[Any]:
    """A lot's changes are named by the lot alone, whose index is the shorter way to them."""
    order = _version.asc() if ascending else _version.desc()
    whose = expiry_changes.c.lot_id == _LOT if of_lot else expiry_changes.c.account_id == _ACCOUNT
    run = (
        select(*EXPIRY_CHANGE_COLUMNS, *measured(_TEXTS, order))
        .where(
            expiry_changes.c.bucket == _BUCKET,
            expiry_changes.c.tenant_id == _TENANT,
            whose,
            _version > _AFTER if ascending else _version < _AFTER,
        )
        .order_by(order)
        .limit(_QUOTA)
        .subquery("run")
    )
    by_version = run.c.version.asc() if ascending else run.c.version.desc()
    is_wanted = _in_time(run.c)
    shown = (run.c[column.name] for column in EXPIRY_CHANGE_COLUMNS)
    return (
        select(*shown, run.c.text_bytes, run.c.examined, is_wanted.label("is_wanted"))
        .where(is_kept(run.c, is_wanted))
        .order_by(by_version)
    )


_CHANGES = {
    (ascending, of_lot): _changes(ascending, of_lot)
    for ascending in (True, False)
    for of_lot in (True, False)
}


@dataclass(frozen=True, slots=True)
class ChangeRun:
    """Matching changes of one run; `cut_at` is the last examined one if there are more.

    `text_bytes` is how long the texts are that were read.
    """

    changes: list[ExpiryChange]
    cut_at: ExpiryChange | None
    text_bytes: int


def changes(
    connection: Connection,
    tenant_id: int,
    whose: tuple[int, int],
    period: tuple[datetime | None, datetime | None],
    *,
    after: int,
    quota: int,
    ascending: bool = False,
) -> ChangeRun:
    """Read `quota` expiry changes of (account_id, lot_id) after a version; keep a period's.

    lot_id 0 means all of the account. Newest first, or oldest with `ascending`.
    """
    account_id, lot_id = whose
    params = {
        "of_bucket": bucket_of_id(account_id),
        "of_tenant": tenant_id,
        "after": after,
        "quota": quota,
        "most_text": READ_BYTES_MAX,
        "start_at": period[0] or BEGINNING,
        "end_at": period[1] or END,
    }
    params |= {"of_lot": lot_id} if lot_id else {"of_account": account_id}
    matching: list[ExpiryChange] = []
    cut_at, read = None, 0
    for *columns, read, examined, is_wanted in connection.execute(
        _CHANGES[ascending, bool(lot_id)], params
    ):
        change = to_expiry_change(columns)
        if is_wanted:
            matching.append(change)
        if examined == quota or read > READ_BYTES_MAX:
            cut_at = change
    return ChangeRun(matching, cut_at, read)

"""Lapses of plain accounts, recorded by statement: what the core decides, set by set.

An account is plain where everything that is due was approved, has a fixed expiry and nothing
held, and no unfinished lot follows an inactivity policy. The core says what a lapse is; these
statements must leave the same rows. They only see accounts that the unit of work has locked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, insert, literal, or_, select, true, update

from points_grpc.domain.model import LotState, TransactionType
from points_grpc.domain.state import Account
from points_grpc.storage.core.database import Connection
from points_grpc.storage.core.ids import BUCKETS, bucket_of_id
from points_grpc.storage.core.unnest import BIGINT, INT, SMALL, TEXT, fill, rows
from points_grpc.storage.ledger.transactions import ALLOCATION
from points_grpc.storage.tables import INSTANT, allocations, lots, transactions

PRINCIPAL = "sweep"
"""Who records these lapses."""


@dataclass(frozen=True, slots=True)
class DueLapse:
    """What is due in an account: so many lots at so many instants, amounts in smallest units.

    `needs_engine`: the account is not plain. `next_at` is the soonest fixed expiry after now.
    """

    lots: int
    instants: int
    amount: int
    needs_engine: bool
    next_at: datetime | None


_APPROVED = int(LotState.APPROVED)

_checked = rows("checked", bucket=INT, tenant_id=INT, account_id=BIGINT, now=INSTANT)
_is_due = lots.c.expires_at <= _checked.c.now
_of_account = (
    select(
        func.count().filter(_is_due).label("lots"),
        func.count(lots.c.expires_at.distinct()).filter(_is_due).label("instants"),
        func.coalesce(func.sum(lots.c.remaining).filter(_is_due), 0).cast(BIGINT).label("amount"),
        func.coalesce(
            func.bool_or(
                or_(
                    lots.c.rule != 0,
                    and_(_is_due, or_(lots.c.state != _APPROVED, lots.c.held != 0)),
                )
            ),
            False,
        ).label("needs_engine"),
        func.min(lots.c.expires_at).filter(lots.c.expires_at > _checked.c.now).label("next_at"),
    )
    .where(
        lots.c.unfinished,
        lots.c.bucket == _checked.c.bucket,
        lots.c.tenant_id == _checked.c.tenant_id,
        lots.c.account_id == _checked.c.account_id,
    )
    .lateral("of_account")
)
_survey = (
    select(
        _checked.c.account_id,
        _of_account.c.lots,
        _of_account.c.instants,
        _of_account.c.amount,
        _of_account.c.needs_engine,
        _of_account.c.next_at,
    )
    .select_from(_checked)
    .join(_of_account, true())
)

_CHECKED = ("bucket", "tenant_id", "account_id", "now")
_PLAIN = (
    "bucket",
    "tenant_id",
    "account_id",
    "now",
    "currency_id",
    "number",
    "available",
    "pending",
    "held",
    "version",
)
_plain = rows(
    "plain",
    bucket=INT,
    tenant_id=INT,
    account_id=BIGINT,
    now=INSTANT,
    currency_id=BIGINT,
    number=BIGINT,
    available=BIGINT,
    pending=BIGINT,
    held=BIGINT,
    version=BIGINT,
)
_account = (_plain.c.bucket, _plain.c.tenant_id, _plain.c.account_id)
_place = func.dense_rank().over(partition_by=_account, order_by=lots.c.expires_at)
# Of a plain account, what is approved, fixed and due is all that is due.
_due = (
    select(
        _plain,
        lots.c.lot_id,
        lots.c.remaining,
        lots.c.expires_at,
        _place.cast(BIGINT).label("place"),
        ((_plain.c.number + _place - 1) * BUCKETS + _plain.c.bucket).label("lapse_id"),
    )
    .select_from(_plain)
    .join(
        lots,
        and_(
            lots.c.unfinished,
            lots.c.bucket == _plain.c.bucket,
            lots.c.tenant_id == _plain.c.tenant_id,
            lots.c.account_id == _plain.c.account_id,
            lots.c.state == _APPROVED,
            lots.c.rule == 0,
            lots.c.expires_at <= _plain.c.now,
        ),
    )
    .cte("due")
)
_one_each = [column for column in _due.c if column.name not in ("lot_id", "remaining")]
_amount = func.sum(_due.c.remaining)
_gone = func.sum(_amount).over(
    partition_by=(_due.c.bucket, _due.c.tenant_id, _due.c.account_id), order_by=_due.c.place
)
_add_transactions = (
    insert(transactions)
    .from_select(
        [
            "bucket",
            "tenant_id",
            "transaction_id",
            "account_id",
            "currency_id",
            "version",
            "type",
            "amount",
            "available_after",
            "pending_after",
            "held_after",
            "principal",
            "effective_at",
            "created_at",
        ],
        select(
            _due.c.bucket,
            _due.c.tenant_id,
            _due.c.lapse_id,
            _due.c.account_id,
            _due.c.currency_id,
            _due.c.version + _due.c.place,
            literal(int(TransactionType.EXPIRE), SMALL),
            _amount.cast(BIGINT),
            (_due.c.available - _gone).cast(BIGINT),
            _due.c.pending,
            _due.c.held,
            literal(PRINCIPAL, TEXT),
            _due.c.expires_at,
            _due.c.now,
        ).group_by(*_one_each),
    )
    .cte("added_transactions")
)
_add_allocations = (
    insert(allocations)
    .from_select(
        ALLOCATION,
        select(_due.c.bucket, _due.c.tenant_id, _due.c.lapse_id, _due.c.lot_id, _due.c.remaining),
    )
    .cte("added_allocations")
)
_record = (
    update(lots)
    .where(
        lots.c.bucket == _due.c.bucket,
        lots.c.tenant_id == _due.c.tenant_id,
        lots.c.lot_id == _due.c.lot_id,
    )
    .values(
        remaining=0,
        expired=lots.c.expired + _due.c.remaining,
        unfinished=False,
        lapse_id=_due.c.lapse_id,
    )
    .add_cte(_add_transactions, _add_allocations)
)


def summarise(
    connection: Connection, asked: Sequence[tuple[Account, datetime]]
) -> dict[int, DueLapse]:
    """By account, what is due at its `now` of each of these locked accounts."""
    if not asked:
        return {}
    values = [(bucket_of_id(a.account_id), a.tenant_id, a.account_id, now) for a, now in asked]
    found = connection.execute(_survey, fill("checked", _CHECKED, values)).all()
    return {account_id: DueLapse(*figures) for account_id, *figures in found}


def record(connection: Connection, plain: Sequence[tuple[Account, datetime, int]]) -> int:
    """Record what is due at its `now` of each plain account; returns how many lots that ended.

    The accounts' figures are those from before. The EXPIRE of an account's first instant gets
    the id with the number that comes with it, each later one the next. The accounts themselves
    are the caller's to update.
    """
    if not plain:
        return 0
    values = [
        (
            bucket_of_id(a.account_id),
            a.tenant_id,
            a.account_id,
            now,
            a.currency_id,
            number,
            a.available,
            a.pending,
            a.held,
            a.version,
        )
        for a, now, number in plain
    ]
    return connection.execute(_record, fill("plain", _PLAIN, values)).rowcount

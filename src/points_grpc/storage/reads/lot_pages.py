"""An account's lots in pages: each statement reads bounded runs of an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    SmallInteger,
    bindparam,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.sql.selectable import TableValuedAlias

from points_grpc.domain.state import Lot
from points_grpc.storage.core.ids import bucket_of_id
from points_grpc.storage.core.unnest import BIGINT, INT, SMALL, fill, rows
from points_grpc.storage.ledger.lots import LOT_COLUMNS, to_lot
from points_grpc.storage.reads.transaction_pages import BEGINNING, END
from points_grpc.storage.tables import INSTANT, lots, transactions

_BUCKET = bindparam("of_bucket", type_=INT)
_TENANT = bindparam("of_tenant", type_=INT)
_ACCOUNT = bindparam("of_account", type_=BIGINT)
_QUOTA = bindparam("quota", type_=BIGINT)
_EXPIRES_AT = bindparam("after_expires_at", type_=INSTANT)
_EARNED_AT = bindparam("after_earned_at", type_=INSTANT)
_LOT = bindparam("after_lot", type_=BIGINT)

Place = tuple[datetime, datetime, int]
"""Where a run ended: expires_at (not looked at without dates), earned_at, lot_id."""

START: Place = (BEGINNING, BEGINNING, 0)


class Stream(NamedTuple):
    """Unfinished lots that the spending index has in one run: with a fixed expiry, or without.

    `rule` is an inactivity policy version, or 0 for lots that no policy moves.
    """

    state: int
    rule: int
    priority: int
    is_dated: bool


_of_account = (
    (lots.c.bucket == _BUCKET) & (lots.c.tenant_id == _TENANT) & (lots.c.account_id == _ACCOUNT)
)
_in_order = (lots.c.expires_at, lots.c.earned_at, lots.c.lot_id)
_in_range = (lots.c.expires_at >= bindparam("start_at", type_=INSTANT)) & (
    lots.c.expires_at < bindparam("end_at", type_=INSTANT)
)

_STREAMS = ("stream", "state", "rule", "priority", "expires_at", "earned_at", "lot_id")
_streams = rows(
    "streams",
    stream=INT,
    state=SMALL,
    rule=BIGINT,
    priority=INT,
    expires_at=INSTANT,
    earned_at=INSTANT,
    lot_id=BIGINT,
)


def _run(source: TableValuedAlias, *where: ColumnElement[bool]) -> Any:
    run = (
        select(*LOT_COLUMNS)
        .where(
            _of_account,
            lots.c.state == source.c.state,
            lots.c.rule == source.c.rule,
            lots.c.priority == source.c.priority,
            lots.c.unfinished,
            *where,
        )
        .order_by(*_in_order)
        .limit(_QUOTA)
        .lateral("run")
    )
    return select(source.c.stream, *run.c).select_from(source).join(run, true())


_dated = _run(
    _streams,
    tuple_(*_in_order) > tuple_(_streams.c.expires_at, _streams.c.earned_at, _streams.c.lot_id),
    _in_range,
)
_undated = _run(
    _streams,
    lots.c.expires_at.is_(None),
    tuple_(lots.c.earned_at, lots.c.lot_id) > tuple_(_streams.c.earned_at, _streams.c.lot_id),
)

# The lower bound says no more than the comparison of the whole place, but the index has only
# the expiry: it is what keeps the pages before from being read again.
_finished = (
    select(*LOT_COLUMNS)
    .where(
        _of_account,
        lots.c.expires_at >= _EXPIRES_AT,
        tuple_(*_in_order) > tuple_(_EXPIRES_AT, _EARNED_AT, _LOT),
        _in_range,
        ~lots.c.unfinished,
    )
    .order_by(*_in_order)
    .limit(_QUOTA)
)

_WALKS = ("walk", "rule", "earned_at", "lot_id")
_walks = rows("walks", walk=INT, rule=BIGINT, earned_at=INSTANT, lot_id=BIGINT)
_EARN = literal(1, SmallInteger, literal_execute=True)
_in_effect = (transactions.c.effective_at, transactions.c.transaction_id)
_after_walk = (_walks.c.earned_at, _walks.c.lot_id)

# No index has finished lots without an expiry in order of their earn, but one has their EARNs.
_walked = (
    select(
        transactions.c.effective_at,
        transactions.c.transaction_id,
        transactions.c.type,
        func.row_number().over(order_by=_in_effect).label("examined"),
    )
    .where(
        transactions.c.bucket == _BUCKET,
        transactions.c.tenant_id == _TENANT,
        transactions.c.account_id == _ACCOUNT,
        transactions.c.effective_at >= _walks.c.earned_at,
        tuple_(*_in_effect) > tuple_(*_after_walk),
    )
    .order_by(*_in_effect)
    .limit(_QUOTA)
    .lateral("run")
)
_ended = (
    select(*LOT_COLUMNS)
    .where(
        lots.c.bucket == _BUCKET,
        lots.c.tenant_id == _TENANT,
        lots.c.lot_id == _walked.c.transaction_id,
        lots.c.rule == _walks.c.rule,
        lots.c.expires_at.is_(None),
        ~lots.c.unfinished,
        _walked.c.type == _EARN,
    )
    .limit(1)  # keeps the planner from joining with all lots of the bucket
    .lateral("ended")
)
_ended_undated = (
    select(
        _walks.c.walk,
        _walked.c.effective_at,
        _walked.c.transaction_id,
        _walked.c.examined,
        *_ended.c,
    )
    .select_from(_walks)
    .join(_walked, true())
    .outerjoin(_ended, true())
    .where(or_(_ended.c.lot_id.is_not(None), _walked.c.examined == _QUOTA))
)

_ids = select(transactions.c.transaction_id).where(
    transactions.c.bucket == _BUCKET,
    transactions.c.tenant_id == _TENANT,
    transactions.c.account_id == _ACCOUNT,
    transactions.c.version > 0,
    transactions.c.type == _EARN,
)
_earned = _ids.subquery("earned")
_mark = (
    select(
        lots.c.lot_id,
        lots.c.rule,
        lots.c.priority,
        lots.c.earned_at,
        lots.c.expires_at,
        lots.c.unfinished,
    )
    .where(
        lots.c.bucket == _BUCKET,
        lots.c.tenant_id == _TENANT,
        lots.c.lot_id == _earned.c.transaction_id,
    )
    .limit(1)  # keeps the planner from joining with all lots of the bucket
    .lateral("mark")
)
_marks = select(*_mark.c).select_from(_earned).join(_mark, true())
_of_bucket = (
    select(
        lots.c.lot_id,
        lots.c.account_id,
        func.row_number().over(order_by=lots.c.lot_id.desc()).label("examined"),
    )
    .where(lots.c.bucket == _BUCKET, lots.c.tenant_id == _TENANT, lots.c.lot_id < _LOT)
    .order_by(lots.c.lot_id.desc())
    .limit(_QUOTA)
    .subquery("run")
)
_ids_of_bucket = (
    select(_of_bucket.c.lot_id, _of_bucket.c.account_id, _of_bucket.c.examined)
    .where(or_(_of_bucket.c.account_id == _ACCOUNT, _of_bucket.c.examined == _QUOTA))
    .order_by(_of_bucket.c.lot_id.desc())
)


def unfinished(
    connection: Connection,
    account: tuple[int, int],
    streams: Sequence[tuple[Stream, Place]],
    period: tuple[datetime | None, datetime | None],
    quota: int,
) -> list[tuple[Stream, Lot]]:
    """Return the first `quota` lots of each stream of the account after its place.

    Dated streams have only the lots that expire in the period, half open; undated ones run by
    earn, then lot id.
    """
    found: list[tuple[Stream, Lot]] = []
    for is_dated, statement in ((True, _dated), (False, _undated)):
        values = [
            (number, stream.state, stream.rule, stream.priority, *place)
            for number, (stream, place) in enumerate(streams)
            if stream.is_dated is is_dated
        ]
        if not values:
            continue
        params = _of(account, quota) | fill("streams", _STREAMS, values)
        if is_dated:
            params |= _within(period)
        for number, *lot in connection.execute(statement, params):
            found.append((streams[number][0], to_lot(lot)))
    return found


def finished(
    connection: Connection,
    account: tuple[int, int],
    place: Place,
    period: tuple[datetime | None, datetime | None],
    quota: int,
) -> list[Lot]:
    """The (tenant_id, account_id)'s first `quota` finished lots with a date after a place.

    Only those that expire in the period, half open; by expiry, earn and lot id. Lots that share
    their expiry with the place are read again.
    """
    params = _of(account, quota) | _within(period)
    params |= dict(zip(("after_expires_at", "after_earned_at", "after_lot"), place, strict=True))
    return [to_lot(row) for row in connection.execute(_finished, params)]


@dataclass(frozen=True, slots=True)
class Walked:
    """An EARN that a walk has come to; `lot` None if it is only the last one examined."""

    walk: int
    earned_at: datetime
    lot_id: int
    examined: int
    lot: Lot | None


def ended_undated(
    connection: Connection,
    account: tuple[int, int],
    walks: Sequence[tuple[int, datetime, int]],
    quota: int,
) -> list[Walked]:
    """Return finished lots without an expiry of their own, by earn and lot id.

    A walk is (rule, earned_at, lot_id): the lots of that rule after that place. Each walk
    examines `quota` rows of the account's history; the last of them comes in any case.
    """
    values = [(number, *walk) for number, walk in enumerate(walks)]
    params = _of(account, quota) | fill("walks", _WALKS, values)
    return [
        Walked(walk, at, number, examined, None if lot[0] is None else to_lot(lot))
        for walk, at, number, examined, *lot in connection.execute(_ended_undated, params)
    ]


def lot_ids(connection: Connection, account: tuple[int, int]) -> list[int]:
    """Return the ids of all lots of the (tenant_id, account_id), the highest first."""
    found = connection.execute(_ids, _of(account, 0))
    return sorted((row[0] for row in found), reverse=True)


class Mark(NamedTuple):
    """What sorts a lot."""

    lot_id: int
    rule: int
    priority: int
    earned_at: datetime
    expires_at: datetime | None
    unfinished: bool


def marks(connection: Connection, account: tuple[int, int]) -> list[Mark]:
    """Return what sorts each lot of the (tenant_id, account_id), in no order."""
    return [Mark(*row) for row in connection.execute(_marks, _of(account, 0))]


def lot_ids_of_bucket(
    connection: Connection, account: tuple[int, int], after: int, quota: int
) -> tuple[list[tuple[int, bool]], bool]:
    """Return the account's lots among the bucket's `quota` lots below an id, the highest first.

    Each comes with whether it is the account's own: the last one that was examined comes in any
    case. The second result tells whether there may be more.
    """
    params = _of(account, quota) | {"after_lot": after}
    found = connection.execute(_ids_of_bucket, params).all()
    ids = [(lot_id, account_id == account[1]) for lot_id, account_id, _ in found]
    return ids, bool(found) and found[-1][2] == quota


def _of(account: tuple[int, int], quota: int) -> dict[str, Any]:
    tenant_id, account_id = account
    return {
        "of_bucket": bucket_of_id(account_id),
        "of_tenant": tenant_id,
        "of_account": account_id,
        "quota": quota,
    }


def _within(period: tuple[datetime | None, datetime | None]) -> dict[str, Any]:
    return {"start_at": period[0] or BEGINNING, "end_at": period[1] or END}

"""The lots that accounts can spend, in spending order: the first of each stream, then the next.

A stream is what an account has under one rule: its fixed lots, or those of one inactivity policy
version. Its lots come by index in the order in which they are spent.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Select, select, true, tuple_, union_all

from points_grpc.domain.model import LotState
from points_grpc.domain.state import Lot, LotCursor
from points_grpc.storage.core.ids import bucket_of_id
from points_grpc.storage.core.unnest import BIGINT, INT, rows
from points_grpc.storage.ledger.lots import fetch, statement_of, unfinished_of, with_bucket
from points_grpc.storage.tables import INSTANT, lots

_APPROVED = int(LotState.APPROVED)
_STREAM = ("bucket", "tenant_id", "account_id", "rule")
_ORDER = ("priority", "expires_at", "earned_at", "lot_id")
_ALWAYS = datetime.min.replace(tzinfo=UTC)

_streams = rows("streams", bucket=INT, tenant_id=INT, account_id=BIGINT, rule=BIGINT)


def _first_statement(limit: int | None) -> Select[Any]:
    first = (
        unfinished_of(_streams)
        .where(lots.c.state == _APPROVED, lots.c.rule == _streams.c.rule)
        .order_by(lots.c.priority, lots.c.expires_at, lots.c.earned_at, lots.c.lot_id)
        .limit(limit)
        .lateral("first")
    )
    return select(*first.c).select_from(_streams).join(first, true())


_after = rows(
    "after",
    bucket=INT,
    tenant_id=INT,
    account_id=BIGINT,
    rule=BIGINT,
    priority=INT,
    expires_at=INSTANT,
    earned_at=INSTANT,
    lot_id=BIGINT,
    undated_at=INSTANT,
)


def _following_statement(limit: int) -> Select[Any]:
    """The next of each stream, in three parts that the index gives in order, one after the other.

    No comparison of rows goes from dates to those without one: these come last.
    """
    same_priority = lots.c.priority == _after.c.priority
    beyond = (
        same_priority
        & (
            tuple_(lots.c.expires_at, lots.c.earned_at, lots.c.lot_id)
            > tuple_(_after.c.expires_at, _after.c.earned_at, _after.c.lot_id)
        ),
        same_priority
        & lots.c.expires_at.is_(None)
        & (tuple_(lots.c.earned_at, lots.c.lot_id) > tuple_(_after.c.undated_at, _after.c.lot_id)),
        lots.c.priority > _after.c.priority,
    )
    parts = [
        unfinished_of(_after)
        .where(lots.c.state == _APPROVED, lots.c.rule == _after.c.rule, is_beyond)
        .order_by(*(lots.c[name] for name in _ORDER))
        .limit(limit)
        .correlate(_after)
        .subquery()
        for is_beyond in beyond
    ]
    every = union_all(*(select(*part.c) for part in parts)).subquery()
    following = (
        select(*every.c)
        .order_by(*(every.c[name] for name in _ORDER))
        .limit(limit)
        .correlate(_after)
        .lateral("next")
    )
    return select(*following.c).select_from(_after).join(following, true())


def first(
    connection: Connection, streams: Sequence[tuple[int, int, int]], limit: int | None
) -> dict[int, Lot]:
    """Return for each (tenant_id, account_id, rule) the first `limit` lots in spending order."""
    statement = statement_of("spendable", limit, _first_statement)
    return fetch(connection, statement, "streams", _STREAM, with_bucket(streams))


def following(
    connection: Connection, streams: Sequence[tuple[int, int, int, LotCursor]], limit: int
) -> dict[int, Lot]:
    """Return for each (tenant_id, account_id, rule, key) the next `limit` lots after the key."""
    statement = statement_of("spendable_after", limit, _following_statement)
    values = [
        (bucket_of_id(account), tenant, account, rule, *key, key[2] if key[1] is None else _ALWAYS)
        for tenant, account, rule, key in streams
    ]
    names = (*_STREAM, *_ORDER, "undated_at")
    return fetch(connection, statement, "after", names, values)

"""The ids of committed units of work, by which a lost COMMIT can be told from a failed one."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert

from points_grpc.storage.core.pipeline import enqueue, execute
from points_grpc.storage.core.statements import Params
from points_grpc.storage.core.unnest import BIGINT
from points_grpc.storage.tables import INSTANT, units

_FOREVER_AGO = datetime(1, 1, 1, tzinfo=UTC)

_open = insert(units).on_conflict_do_nothing().returning(units.c.unit_id)

# The lower bound is what makes the planner see a short range, for which it uses the BRIN index.
_old = (
    select(units.c.bucket, units.c.unit_id)
    .where(units.c.created_at >= bindparam("since", type_=INSTANT))
    .where(units.c.created_at < bindparam("before", type_=INSTANT))
    .limit(bindparam("most", type_=BIGINT))
    .with_for_update(skip_locked=True)
    .cte("old")
)
_delete_old = delete(units).where(
    units.c.bucket == _old.c.bucket, units.c.unit_id == _old.c.unit_id
)


def open_unit(connection: Connection, unit_id: UUID, now: datetime, bucket: int = 0) -> bool:
    """Put the id into its unit of work, as the first statement; False: it was committed before.

    Where the first attempt's COMMIT is still under way, this waits for it, up to lock_timeout.
    """
    return bool(execute(connection, _open, _row(unit_id, now, bucket)))


def open_first(connection: Connection, unit_id: UUID, now: datetime, bucket: int = 0) -> None:
    """The same for an id that was never used: sent with what is asked first."""
    enqueue(connection, _open, _row(unit_id, now, bucket))


def _row(unit_id: UUID, now: datetime, bucket: int) -> Params:
    return {"bucket": bucket, "unit_id": unit_id, "created_at": now}


def delete_older_than(connection: Connection, before: datetime, limit: int) -> int:
    """Delete at most `limit` ids recorded before `before`; how many they were."""
    bounds = {"since": _FOREVER_AGO, "before": before, "most": limit}
    return connection.execute(_delete_old, bounds).rowcount

"""UpdateExpiry's work as a client of the database would do it by hand: the yardstick.

The UPDATE and the INSERT that the work cannot do without, over `unnest`, one commit per batch;
no checks, no request ids, no account figures, and whatever can be prepared is.
"""

from __future__ import annotations

import random
import time
from array import array
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import psycopg
from benchmarks.calls import BATCH, POOL, Load

from points_grpc.storage.core.ids import BUCKETS

_UPDATE = (
    "UPDATE lots SET expires_at = u.expires_at"
    " FROM unnest(%s::int[], %s::int[], %s::bigint[], %s::timestamptz[])"
    " AS u (bucket, tenant_id, lot_id, expires_at)"
    " WHERE lots.bucket = u.bucket AND lots.tenant_id = u.tenant_id AND lots.lot_id = u.lot_id"
)
_INSERT = (
    "INSERT INTO expiry_changes (bucket, tenant_id, lot_id, new_expires_at, account_id,"
    " currency_id, old_expires_at, reason_note, who_raised, who_approved, reason_for_trigger,"
    " custom_meta, principal, event_id, version, created_at)"
    " SELECT u.bucket, u.tenant_id, u.lot_id, u.new, u.account_id, u.currency_id, u.old, u.note,"
    " u.raised, u.approved, u.reason, u.meta, u.principal, u.event_id, %s, %s"
    " FROM unnest(%s::int[], %s::int[], %s::bigint[], %s::timestamptz[], %s::bigint[],"
    " %s::bigint[], %s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::text[],"
    " %s::text[], %s::text[], %s::bigint[])"
    " AS u (bucket, tenant_id, lot_id, new, account_id, currency_id, old, note, raised, approved,"
    " reason, meta, principal, event_id)"
)
_FIRST_VERSION = 10**9  # beyond those of the service
_FIRST_NUMBER = 2**46  # the numbers of our events, beyond those of the service
_TEXTS = (
    "Customer made a purchase above $100",
    "Naman",
    "Admin",
    "Extend points expiry",
    '{\\"abc\\":\\"xyz\\"}',
    "dev",
)


class Mover:
    """Moves expiries on a connection of its own."""

    def __init__(self, conninfo: str, load: Load) -> None:
        self._connection = psycopg.connect(conninfo, prepare_threshold=0)
        self._versions = count(_FIRST_VERSION)
        self._events = count(_FIRST_NUMBER)
        lots = array("q", Path(load.lots).read_bytes())
        self._pool = [self._batch(load, lots) for _ in range(POOL)]

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def run(self, seconds: float) -> list[int]:
        """Go on for that long; how many microseconds each batch took."""
        latencies = []
        until = time.perf_counter() + seconds
        number = 0
        while (began := time.perf_counter()) < until:
            self._move(self._pool[number % POOL])
            latencies.append(int((time.perf_counter() - began) * 1e6))
            number += 1
        return latencies

    def _move(self, batch: tuple[list[int], list[str]]) -> None:
        buckets, columns = batch
        events = [next(self._events) * BUCKETS + bucket for bucket in buckets]
        version, now = next(self._versions), datetime.now(UTC)
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.execute(_UPDATE, columns[:4])
            cursor.execute(_INSERT, (version, now, *columns, _array(events)))

    def _batch(self, load: Load, lots: array[int]) -> tuple[list[int], list[str]]:
        """The buckets of a batch's lots, and its columns as PostgreSQL's own text."""
        asked = [
            lots[n] for n in random.sample(range(load.first, load.first + load.members), BATCH)
        ]
        wanted = sorted((lot % BUCKETS, lot) for lot in asked)
        found = self._connection.execute(
            "SELECT bucket, tenant_id, lot_id, expires_at, account_id, currency_id FROM lots"
            " WHERE bucket = ANY(%s) AND lot_id = ANY(%s) ORDER BY bucket, tenant_id, lot_id",
            ([b for b, _ in wanted], [lot for _, lot in wanted]),
        ).fetchall()
        self._connection.rollback()
        today = datetime.now(UTC).replace(hour=23, minute=59, second=59, microsecond=0)
        new = [today + timedelta(days=random.randrange(31, 700)) for _ in found]
        columns = [
            _array([row[0] for row in found]),
            _array([row[1] for row in found]),
            _array([row[2] for row in found]),
            _array([at.isoformat() for at in new]),
            _array([row[4] for row in found]),
            _array([row[5] for row in found]),
            _array([row[3].isoformat() for row in found]),
            *(_array([f'"{text}"'] * len(found)) for text in _TEXTS),
        ]
        return [row[0] for row in found], columns


def _array(values: list[int] | list[str]) -> str:
    return "{" + ",".join(map(str, values)) + "}"

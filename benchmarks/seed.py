"""Filling a database with SQL of our own: members with live lots, and closed history.

What it writes is what the service itself would have written: every lot has its EARN, every
closed lot was spent by a REDEEM with an allocation, and the sums of each account agree.
"""

from __future__ import annotations

import time
from array import array
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import psycopg
from benchmarks.calls import member_name

from points_grpc.storage.core.ids import BUCKETS, bucket_of_name

AMOUNT = 1_000_000
"""Of each live lot: enough for any number of small redemptions."""

SPENT = 100
"""Of each closed lot."""

TABLES = (
    *("members", "identifiers", "member_identifiers", "accounts"),
    *("lots", "transactions", "allocations"),
)

WRITERS = 2
"""Connections that write at once."""

PER_REDEEM = 10
"""How many closed lots a REDEEM of the history has spent."""


@dataclass(frozen=True)
class Filling:
    """So many members, each with so many live, closed, and overdue lots.

    Overdue ones have lapsed, at three instants, and nothing has recorded it. The last `apart`
    members are those whose lapses a sweep does not see.
    """

    members: int
    live: int = 1
    closed: int = 0
    overdue: int = 0
    apart: int = 0

    @property
    def lots(self) -> int:
        """In all."""
        return self.members * (self.live + self.closed + self.overdue)


def fill(conninfo: str, filling: Filling, lots_file: Path) -> float:
    """Write it, and the id of each member's first live lot into `lots_file`; the time it took.

    By several connections at once, each with some of the buckets. If it fails the database is of no
    use any more.
    """
    began = time.perf_counter()
    with _connection(conninfo) as connection:
        _settings(connection, filling)
        _members(connection, filling)
        indexes = _take_indexes(connection)
        with ThreadPoolExecutor(WRITERS) as writers:
            list(writers.map(_write, repeat(conninfo), range(WRITERS)))
            list(writers.map(_execute, repeat(conninfo), indexes))
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT member_lot * 64 + bucket FROM (SELECT s.bucket,"
                " f.base + 2::bigint * f.members + s.n::bigint * f.per_member"
                " + f.closed + f.overdue AS member_lot, s.n FROM seed s, filling f) x ORDER BY n"
            )
            lots_file.write_bytes(array("q", [row[0] for row in cursor]).tobytes())
        connection.execute("DROP TABLE seed, filling")
        # The others stay as the server made them: found empty, they would be planned for as such.
        connection.execute(f"VACUUM (FREEZE, ANALYZE) {', '.join(TABLES)}")
        connection.execute("CHECKPOINT")
    return time.perf_counter() - began


def _connection(conninfo: str) -> psycopg.Connection:
    connection = psycopg.connect(conninfo, autocommit=True)
    # The filling alone need not be durable; the service's own connections are.
    connection.execute("SET synchronous_commit = off; SET maintenance_work_mem = '512MB'")
    return connection


def _write(conninfo: str, part: int) -> None:
    """Every table's rows for some of the buckets."""
    with _connection(conninfo) as connection:
        connection.execute(
            "CREATE TEMP TABLE seed AS SELECT * FROM public.seed"
            f" WHERE bucket %% {WRITERS} = %s ORDER BY bucket, n",
            (part,),
        )
        for statement in _STATEMENTS:
            connection.execute(statement)


def _execute(conninfo: str, statement: str) -> None:
    with _connection(conninfo) as connection:
        connection.execute(statement)


def _settings(connection: psycopg.Connection, filling: Filling) -> None:
    """One row with what every statement needs to know."""
    redeems = -(-filling.closed // PER_REDEEM)
    per_member = filling.live + filling.closed + filling.overdue + redeems
    numbers = filling.members * (2 + per_member)
    connection.execute(
        "CREATE UNLOGGED TABLE filling AS"
        " SELECT t.tenant_id, p.program_id, c.currency_id, o.policy_version_id,"
        " i.next AS base, %(members)s::bigint AS members, %(live)s::int AS live,"
        " %(closed)s::int AS closed, %(overdue)s::int AS overdue, %(redeems)s::int AS redeems,"
        " %(seen)s::int AS seen,"
        " %(per_member)s::int AS per_member, now() AS at"
        " FROM tenants t"
        " JOIN programs p ON p.tenant_id = t.tenant_id AND p.program_id = t.default_program_id"
        " JOIN currencies c ON c.tenant_id = t.tenant_id"
        " AND c.currency_id = p.default_currency_id"
        " JOIN policies o ON o.tenant_id = t.tenant_id AND o.currency_id = c.currency_id"
        " AND o.code = c.default_policy AND o.version = 1,"
        " id_blocks i WHERE i.name = 'number' AND t.name = 'demo'",
        {
            "members": filling.members,
            "live": filling.live,
            "closed": filling.closed,
            "overdue": filling.overdue,
            "seen": filling.members - filling.apart,
            "redeems": redeems,
            "per_member": per_member,
        },
    )
    connection.execute(
        "UPDATE id_blocks SET next = next + %s WHERE name = 'number'",
        (-(-numbers // 8192) * 8192,),
    )


def _members(connection: psycopg.Connection, filling: Filling) -> None:
    tenant = connection.execute("SELECT tenant_id FROM filling").fetchone()
    assert tenant is not None, "the demo's programs are not there"
    connection.execute("CREATE UNLOGGED TABLE seed (n int, bucket int, name text)")
    with connection.cursor().copy("COPY seed FROM STDIN") as copy:
        for n in range(filling.members):
            name = member_name(n)
            copy.write_row((n, bucket_of_name(tenant[0], "external_id", name), name))


def _take_indexes(connection: psycopg.Connection) -> list[str]:
    """Drop the large tables' indexes beside their keys; the statements that make them again."""
    found = connection.execute(
        "SELECT indexname, indexdef FROM pg_indexes"
        " WHERE tablename IN ('lots', 'transactions') AND indexname NOT IN"
        " (SELECT conname FROM pg_constraint)"
    ).fetchall()
    for name, _ in found:
        connection.execute(f'DROP INDEX "{name}"')
    return [definition for _, definition in found]


_MEMBER = f"(f.base + s.n) * {BUCKETS} + s.bucket"
_ACCOUNT = f"(f.base + f.members + s.n) * {BUCKETS} + s.bucket"
# A member's numbers: its closed lots, its overdue lots, its live lots, then its redemptions.
_NUMBER = "(f.base + 2 * f.members + s.n::bigint * f.per_member"
_LOT = f"{_NUMBER} + k.k) * {BUCKETS} + s.bucket"
_REDEEM = f"{_NUMBER} + f.closed + f.overdue + f.live + r.r) * {BUCKETS} + s.bucket"

_CLOSED = "k.k < f.closed"
_LIVE = "k.k >= f.closed + f.overdue"
_LOTS = "generate_series(0, f.closed + f.overdue + f.live - 1) AS k (k)"
_EARNED_AT = (
    f"CASE WHEN {_LIVE} THEN f.at - interval '6 days' - interval '1 minute' * (1000 - k.k % 1000)"
    " ELSE f.at - interval '699 days' + interval '1 hour' * k.k END"
)
# Of the closed lots some have an expiry behind them and most one that is still to come.
_EXPIRES_AT = (
    f"CASE WHEN {_LIVE} THEN f.at + interval '1 day' * (30 + (s.n + k.k * 37) % 300)"
    f" WHEN {_CLOSED} THEN f.at + interval '1 day' * ((s.n + k.k * 37) % 330 - 30)"
    " ELSE f.at - interval '1 day' * (1 + k.k % 3) END"
)
_LOT_AMOUNT = f"CASE WHEN {_LIVE} THEN {AMOUNT} ELSE {SPENT} END"
_SPENT_BY_THEN = f"least({PER_REDEEM} * (r.r + 1), f.closed)"

_STATEMENTS = (
    (
        "INSERT INTO members (bucket, tenant_id, member_id, external_id, created_at)"
        f" SELECT s.bucket, f.tenant_id, {_MEMBER}, s.name, f.at"
        " FROM seed s, filling f ORDER BY 1, 3"
    ),
    (
        "INSERT INTO identifiers (bucket, tenant_id, type, value, member_id)"
        f" SELECT s.bucket, f.tenant_id, 'external_id', s.name, {_MEMBER}"
        " FROM seed s, filling f ORDER BY 1, 4"
    ),
    (
        "INSERT INTO member_identifiers (bucket, tenant_id, member_id, type, value)"
        f" SELECT s.bucket, f.tenant_id, {_MEMBER}, 'external_id', s.name"
        " FROM seed s, filling f ORDER BY 1, 3"
    ),
    (
        "INSERT INTO accounts (bucket, tenant_id, account_id, program_id, member_id, currency_id,"
        " state, available, pending, held, total_earned, total_redeemed, total_expired, version,"
        " created_at, last_at, last_earn_at, last_redeem_at, next_due_at)"
        f" SELECT s.bucket, f.tenant_id, {_ACCOUNT}, f.program_id, {_MEMBER}, f.currency_id,"
        f" 1, f.live * {AMOUNT}::bigint + f.overdue * {SPENT}, 0, 0,"
        f" f.live * {AMOUNT}::bigint + (f.closed + f.overdue) * {SPENT}, f.closed * {SPENT}, 0,"
        " f.closed + f.overdue + f.live + f.redeems, f.at - interval '700 days',"
        " f.at - interval '5 days', f.at - interval '5 days',"
        " CASE WHEN f.closed > 0 THEN f.at - interval '5 days' END,"
        " CASE WHEN f.overdue = 0 THEN f.at + interval '30 days'"
        " WHEN s.n < f.seen THEN f.at - interval '3 days' END"
        " FROM seed s, filling f ORDER BY 1, 3"
    ),
    (
        "INSERT INTO lots (bucket, tenant_id, lot_id, account_id, member_id, currency_id, kind,"
        " state, policy_version_id, rule, priority, amount, remaining, held, redeemed, expired,"
        " unfinished, earned_at, expires_at, state_at)"
        f" SELECT s.bucket, f.tenant_id, {_LOT}, {_ACCOUNT}, {_MEMBER}, f.currency_id, 1,"
        f" 3, f.policy_version_id, 0, 0, {_LOT_AMOUNT},"
        f" CASE WHEN {_CLOSED} THEN 0 ELSE {_LOT_AMOUNT} END,"
        f" 0, CASE WHEN {_CLOSED} THEN {SPENT} ELSE 0 END, 0,"
        f" NOT {_CLOSED}, {_EARNED_AT}, {_EXPIRES_AT}, {_EARNED_AT}"
        f" FROM filling f, (SELECT * FROM seed ORDER BY bucket, n) s, LATERAL {_LOTS}"
    ),
    (
        "INSERT INTO transactions (bucket, tenant_id, transaction_id, account_id, currency_id,"
        " version, type, amount, available_after, pending_after, held_after, principal,"
        " first_state, expires_at, effective_at, created_at)"
        f" SELECT s.bucket, f.tenant_id, {_LOT}, {_ACCOUNT}, f.currency_id, k.k + 1, 1,"
        f" {_LOT_AMOUNT}, least(k.k + 1, f.closed + f.overdue) * {SPENT}"
        f" + greatest(k.k + 1 - f.closed - f.overdue, 0) * {AMOUNT}::bigint, 0, 0, 'dev',"
        f" 3, {_EXPIRES_AT}, {_EARNED_AT}, {_EARNED_AT}"
        f" FROM filling f, (SELECT * FROM seed ORDER BY bucket, n) s, LATERAL {_LOTS}"
    ),
    (
        "INSERT INTO transactions (bucket, tenant_id, transaction_id, account_id, currency_id,"
        " version, type, amount, available_after, pending_after, held_after, principal,"
        " effective_at, created_at)"
        f" SELECT s.bucket, f.tenant_id, {_REDEEM}, {_ACCOUNT}, f.currency_id,"
        " f.closed + f.overdue + f.live + 1 + r.r, 5,"
        f" ({_SPENT_BY_THEN} - {PER_REDEEM} * r.r) * {SPENT},"
        f" f.live * {AMOUNT}::bigint + (f.closed + f.overdue - {_SPENT_BY_THEN}) * {SPENT},"
        " 0, 0, 'dev',"
        " f.at - interval '5 days', f.at - interval '5 days'"
        " FROM filling f, (SELECT * FROM seed ORDER BY bucket, n) s,"
        " LATERAL generate_series(0, f.redeems - 1) AS r (r)"
    ),
    (
        "INSERT INTO allocations (bucket, tenant_id, transaction_id, lot_id, amount)"
        f" SELECT s.bucket, f.tenant_id, {_REDEEM}, {_LOT}, {SPENT}"
        " FROM filling f, (SELECT * FROM seed ORDER BY bucket, n) s,"
        " LATERAL generate_series(0, f.closed - 1) AS k (k),"
        f" LATERAL (SELECT k.k / {PER_REDEEM}) AS r (r)"
    ),
)

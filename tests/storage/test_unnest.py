"""Arrays as parameters, ids, and what failures mean."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from points_grpc.storage.core.database import Database
from points_grpc.storage.core.db_errors import Fault, Unreachable, fault_of, is_lock_timeout
from points_grpc.storage.core.ids import (
    BLOCK,
    BUCKETS,
    FIRST_NUMBER,
    IdSource,
    bucket_of_id,
    bucket_of_name,
)
from points_grpc.storage.core.unnest import (
    BIGINT,
    BYTES,
    FLAG,
    INT,
    SMALL,
    TEXT,
    fill,
    insert_rows,
    rows,
    update_rows,
)
from points_grpc.storage.tables import INSTANT, requests

VALUES: list[tuple[TypeEngine[Any], list[Any]]] = [
    (INT, [0, -1, 2**31 - 1, None]),
    (BIGINT, [0, -(2**63), 2**63 - 1, None]),
    (SMALL, [0, -(2**15), 2**15 - 1, None]),
    (FLAG, [True, False, None]),
    (BYTES, [b"", b"\x00\xff\\\"{},'", None, bytes(range(256))]),
    (
        INSTANT,
        [
            datetime(1, 1, 1, tzinfo=UTC),
            datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
            datetime(1850, 1, 1, tzinfo=timezone(timedelta(minutes=53, seconds=28))),
            datetime(2031, 5, 6, 7, 8, 9, 1, tzinfo=timezone(timedelta(hours=-9, minutes=-30))),
            None,
        ],
    ),
    (
        TEXT,
        [
            "",
            " ",
            "NULL",
            "null",
            None,
            'a"b',
            "a\\b",
            '\\"',
            "\\\\",
            "{a,b}",
            "},{",
            "a,b",
            "'; --",
            "%s %(x)s :y",
            "line\nfeed\ttab\r",
            "é€😀\u202e",
            "\u007f\u0001",
            "x" * 100_000,
        ],
    ),
]


def back(connection: Connection, kind: TypeEngine[Any], values: Sequence[Any]) -> list[Any]:
    table = rows("sent", place=INT, value=kind)
    found = connection.execute(
        select(table.c.value).order_by(table.c.place),
        fill("sent", ("place", "value"), list(enumerate(values))),
    )
    return [bytes(v) if isinstance(v, memoryview) else v for (v,) in found]


@pytest.mark.parametrize(("kind", "values"), VALUES)
def test_values_come_back_as_they_were_sent(
    database: Database, kind: TypeEngine[Any], values: list[Any]
) -> None:
    """Every value of every type survives the way through an array, alone and with others."""

    def work(connection: Connection) -> None:
        assert back(connection, kind, values) == values
        for value in values:
            assert back(connection, kind, [value]) == [value]
            assert back(connection, kind, [value] * 3) == [value] * 3

    database.run(work)


def test_no_rows_are_no_rows(database: Database) -> None:
    """An empty batch is an empty table."""
    assert database.run(lambda at: back(at, TEXT, [])) == []


def test_rows_are_inserted_and_updated_by_key(database: Database) -> None:
    """Set-based inserts and updates write each row's own values, and no other rows."""
    names = ("bucket", "tenant_id", "key", "fingerprint", "answer", "created_at")
    at = datetime(2031, 5, 6, tzinfo=UTC)
    new = [(n % 4, 1, bytes([n]), b"f", bytes([n]), at) for n in range(10)]
    key = ("bucket", "tenant_id", "key")

    def work(connection: Connection) -> None:
        connection.execute(insert_rows(requests, names), fill("new", names, new))
        changed = [(n % 4, 1, bytes([n]), bytes([n + 100])) for n in (2, 3, 7)]
        connection.execute(
            update_rows(requests, key, ("answer",)), fill("new", (*key, "answer"), changed)
        )
        found = connection.execute(select(requests.c.key, requests.c.answer))
        answers = {k[0]: a[0] for k, a in found}
        assert answers == {n: n + 100 if n in (2, 3, 7) else n for n in range(10)}

    database.run(work)


# Ids


def test_ids_carry_their_bucket_and_are_ours(database: Database) -> None:
    """An id tells its bucket, lies between the vendors' range and 2^53, and comes once."""
    ids = IdSource(database.run)
    other = IdSource(database.run)
    made = [source.new_id(n % BUCKETS) for n in range(100) for source in (ids, other)]
    assert len(set(made)) == 200
    assert all(2**46 <= one < 2**53 for one in made)
    assert [bucket_of_id(one) for one in made[::2]] == [n % BUCKETS for n in range(100)]


def test_blocks_follow_each_other(database: Database) -> None:
    """A source that has used its block takes the next free one."""
    ids, other = IdSource(database.run), IdSource(database.run)
    first = [ids.new_id(0) // BUCKETS for _ in range(BLOCK)]
    assert first == list(range(FIRST_NUMBER, FIRST_NUMBER + BLOCK))
    assert other.new_id(0) // BUCKETS == FIRST_NUMBER + BLOCK
    assert ids.new_id(0) // BUCKETS == FIRST_NUMBER + 2 * BLOCK


def test_buckets_are_spread_and_fixed() -> None:
    """Names fall into all buckets, and always into the same one."""
    buckets = [bucket_of_name(1, "external_id", f"m{n}") for n in range(2000)]
    assert set(buckets) == set(range(BUCKETS))
    assert buckets[:8] == [bucket_of_name(1, "external_id", f"m{n}") for n in range(8)]
    assert bucket_of_name(1, "external_id", "m0") == 61
    other = [bucket_of_name(2, "external_id", f"m{n}") for n in range(2000)]
    assert other != buckets


# Faults


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("SELECT 1/0", Fault.CONTENT),
        ("SELECT pg_terminate_backend(pg_backend_pid())", Fault.LOST),
        ("SELECT nothing", Fault.OTHER),
    ],
)
def test_failed_statements_are_told_apart(database: Database, statement: str, fault: Fault) -> None:
    """A failed statement says whether to split, to reconnect or to give up."""
    with pytest.raises(DBAPIError) as error:
        database.run(lambda at: at.execute(text(statement)))
    assert fault_of(error.value) is fault


def test_faults_without_a_state() -> None:
    """Errors of the driver and of ours are told apart, too."""
    assert fault_of(Unreachable()) is Fault.LOST
    assert fault_of(psycopg.OperationalError("gone")) is Fault.LOST
    assert fault_of(psycopg.DataError("no NUL")) is Fault.CONTENT
    assert fault_of(psycopg.ProgrammingError("odd")) is Fault.OTHER
    assert fault_of(ZeroDivisionError()) is Fault.OWN
    assert not is_lock_timeout(ZeroDivisionError())


@pytest.mark.parametrize(
    ("error", "fault", "is_lock"),
    [
        (psycopg.errors.UniqueViolation, Fault.CONFLICT, False),
        (psycopg.errors.SerializationFailure, Fault.CONFLICT, False),
        (psycopg.errors.DeadlockDetected, Fault.CONFLICT, False),
        (psycopg.errors.LockNotAvailable, Fault.CONFLICT, True),
        (psycopg.errors.CheckViolation, Fault.CONTENT, False),
        (psycopg.errors.NumericValueOutOfRange, Fault.CONTENT, False),
        (psycopg.errors.AdminShutdown, Fault.LOST, False),
        (psycopg.errors.CannotConnectNow, Fault.LOST, False),
        (psycopg.errors.ConnectionException, Fault.LOST, False),
        (psycopg.errors.IdleInTransactionSessionTimeout, Fault.LOST, False),
        (psycopg.errors.QueryCanceled, Fault.SLOW, False),
        (psycopg.errors.ReadOnlySqlTransaction, Fault.LOST, False),
        (psycopg.errors.DiskFull, Fault.LOST, False),
        (psycopg.errors.OutOfMemory, Fault.LOST, False),
        (psycopg.errors.IoError, Fault.LOST, False),
        (psycopg.errors.NotNullViolation, Fault.OTHER, False),
    ],
)
def test_each_state_has_its_fault(error: type[psycopg.Error], fault: Fault, is_lock: bool) -> None:
    """What the design says of each SQLSTATE."""
    assert fault_of(error()) is fault
    assert is_lock_timeout(error()) is is_lock

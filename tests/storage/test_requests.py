"""Idempotency rows and the ids of units of work."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from psycopg.errors import UniqueViolation
from sqlalchemy import Connection, NullPool, create_engine, func, insert, select, text

from points_grpc.storage.core import pipeline, unit_ids
from points_grpc.storage.core.database import Database
from points_grpc.storage.core.db_errors import Fault, fault_of
from points_grpc.storage.ledger import requests
from points_grpc.storage.tables import requests as requests_table
from points_grpc.storage.tables import units as units_table

NOW = datetime(2031, 5, 6, tzinfo=UTC)


def row(number: int, tenant_id: int = 1, at: datetime = NOW) -> requests.RequestRow:
    """An idempotency row."""
    return number % 64, tenant_id, number.to_bytes(16, "big"), b"print", b'\x00"\\{', at


def key(number: int, tenant_id: int = 1) -> requests.RequestKey:
    """The key of a row."""
    return tenant_id, number % 64, number.to_bytes(16, "big")


def test_an_answer_is_found_under_its_key(database: Database) -> None:
    """What was kept is found byte for byte, by its tenant alone; unknown keys are absent."""

    def work(connection: Connection) -> None:
        requests.insert(connection, [row(1), row(2)])
        requests.insert(connection, [])
        found = requests.find(connection, [key(1), key(3), key(2, tenant_id=2)])
        assert found == {(1, key(1)[2]): (b"print", b'\x00"\\{', NOW)}
        assert requests.find(connection, []) == {}

    database.run(work)


def test_plans_grow_with_their_table(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look-up planned while the table was known to be empty does not read all of it later."""
    monkeypatch.setattr(pipeline, "REPLAN_SECONDS", 0.0)
    engine = create_engine(database_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"VACUUM ANALYZE {requests_table.name}")
    link = database.link()
    with link.unit() as connection:
        requests.find(connection, [key(1)])
    database.run(lambda at: requests.insert(at, [row(n) for n in range(5_000)]))
    with link.unit() as connection:
        requests.find(connection, [key(1)])
        read = connection.execute(
            text("SELECT idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = :name"),
            {"name": requests_table.name},
        ).scalar_one()
    link.close()
    assert read == 1


def test_a_key_is_taken_once(database: Database) -> None:
    """Adding a key that is there already fails as a race would."""
    database.run(lambda at: requests.insert(at, [row(1)]))
    database.run(lambda at: requests.insert(at, [row(1, tenant_id=2)]))
    with pytest.raises(UniqueViolation) as error:
        database.run(lambda at: requests.insert(at, [row(1)]))
    assert fault_of(error.value) is Fault.CONFLICT


def test_old_rows_go_in_bounded_chunks(database: Database) -> None:
    """Only rows older than the limit are deleted, at most as many as asked for at a time."""
    rows = [row(n, at=NOW + timedelta(seconds=n)) for n in range(10)]
    before = NOW + timedelta(seconds=5)

    def work(connection: Connection) -> None:
        requests.insert(connection, rows)
        assert requests.delete_older_than(connection, before, 3) == 3
        assert requests.delete_older_than(connection, before, 3) == 2
        assert requests.delete_older_than(connection, before, 3) == 0
        left = requests.find(connection, [key(n) for n in range(10)])
        assert {k[1] for k in left} == {key(n)[2] for n in range(5, 10)}

    database.run(work)


def test_a_unit_is_opened_once(database: Database) -> None:
    """The id of a committed unit cannot be opened again, that of one rolled back can."""
    unit_id = UUID(int=1)

    def fail(connection: Connection) -> None:
        assert unit_ids.open_unit(connection, unit_id, NOW)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        database.run(fail)
    assert database.run(lambda at: unit_ids.open_unit(at, unit_id, NOW))
    assert not database.run(lambda at: unit_ids.open_unit(at, unit_id, NOW))
    assert database.run(lambda at: unit_ids.open_unit(at, unit_id, NOW, bucket=1))


def test_old_units_go_in_bounded_chunks(database: Database) -> None:
    """Only ids older than the limit are deleted, at most as many as asked for at a time."""

    def work(connection: Connection) -> None:
        for n in range(5):
            unit_ids.open_unit(connection, UUID(int=n), NOW + timedelta(seconds=n))
        before = NOW + timedelta(seconds=3)
        assert unit_ids.delete_older_than(connection, before, 2) == 2
        assert unit_ids.delete_older_than(connection, before, 2) == 1
        assert unit_ids.delete_older_than(connection, before, 2) == 0
        assert not unit_ids.open_unit(connection, UUID(int=3), NOW)

    database.run(work)


def test_rows_are_found_and_deleted_by_index(
    database: Database, plans: Callable[[Connection, Callable[[], object]], str]
) -> None:
    """Neither finding answers nor deleting old rows scans a table."""

    def work(connection: Connection) -> None:
        many = [(n, NOW + timedelta(seconds=n)) for n in range(40_000)]
        requests.insert(connection, [row(n, at=at) for n, at in many])
        ids = [{"bucket": 0, "unit_id": UUID(int=n), "created_at": at} for n, at in many]
        connection.execute(insert(units_table), ids)
        connection.exec_driver_sql("ANALYZE requests")
        connection.exec_driver_sql("ANALYZE units")

        def read() -> None:
            requests.find(connection, [key(1)])
            requests.delete_older_than(connection, NOW, 10)
            unit_ids.delete_older_than(connection, NOW, 10)

        assert "Seq Scan" not in plans(connection, read)
        assert connection.scalar(select(func.count()).select_from(requests_table)) == 40_000

    database.run(work)

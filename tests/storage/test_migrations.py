"""The migrations make the tables that the code knows, can be undone, and only ever add."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import DDL, Connection, create_engine
from sqlalchemy.pool import NullPool
from tests.support.storage.migrated_schema import described, stumbles

from points_grpc.storage.core import migrate
from points_grpc.storage.core.database import Database
from points_grpc.storage.tables import metadata

REVISIONS = tuple(f"{number:04}" for number in range(1, int(migrate.head() or 0) + 1))

STUMBLING = (
    "DROP TABLE tokens",
    "ALTER TABLE lots DROP COLUMN vendor_id",
    "ALTER TABLE lots RENAME COLUMN vendor_id TO their_id",
    "ALTER TABLE lots ALTER COLUMN kind TYPE integer",
    "ALTER TABLE lots ALTER COLUMN vendor_id SET NOT NULL",
    "ALTER TABLE lots ADD COLUMN colour text NOT NULL",
    "ALTER TABLE lots ADD CHECK (amount < 1000)",
    "ALTER TABLE accounts ADD UNIQUE (bucket, tenant_id, account_id, state)",
    "ALTER TABLE lots ADD FOREIGN KEY (bucket, tenant_id, account_id) REFERENCES accounts",
    "CREATE UNIQUE INDEX once ON transactions (bucket, tenant_id, reference)",
    "DROP INDEX lots_finished",
)
ADDING = (
    "CREATE TABLE colours (name text PRIMARY KEY)",
    "ALTER TABLE lots ADD COLUMN colour text",
    "ALTER TABLE lots ADD COLUMN weight bigint NOT NULL DEFAULT 0",
    "CREATE INDEX by_reason ON transactions (bucket, tenant_id, reason)",
)


def carry_out(url: str, statement: str) -> None:
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as at:
        at.execute(DDL(statement))


def test_migrations_make_the_tables_that_the_code_knows(database: Database) -> None:
    """Alembic finds no difference between the migrated schema and the definitions."""

    def compare(at: Connection) -> list[Any]:
        return compare_metadata(MigrationContext.configure(at), metadata)

    assert database.run(compare) == []


def test_migrations_make_all_that_the_definitions_would(
    empty_database_url: str, database_url: str
) -> None:
    """Columns, defaults, keys, checks, indexes with predicates, fill factors are all the same."""
    engine = create_engine(empty_database_url, poolclass=NullPool)
    metadata.create_all(engine)
    assert described(database_url) == described(empty_database_url)


def test_migrations_can_be_undone_and_done_again(empty_database_url: str) -> None:
    """Every step down is as it was before that step up, to nothing; up again, all is there."""
    assert migrate.current(empty_database_url) is None
    schemas = [described(empty_database_url)]
    for revision in REVISIONS:
        migrate.upgrade(empty_database_url, revision)
        assert migrate.current(empty_database_url) == revision
        schemas.append(described(empty_database_url))
    for schema in reversed(schemas[:-1]):
        migrate.downgrade(empty_database_url, "-1")
        assert described(empty_database_url) == schema
    assert schemas[0]["columns"] == {}
    migrate.upgrade(empty_database_url)
    assert described(empty_database_url) == schemas[-1]
    migrate.upgrade(empty_database_url)


def test_migrations_only_add(empty_database_url: str) -> None:
    """After each migration the statements of every release before it still work."""
    schemas = []
    for revision in REVISIONS:
        migrate.upgrade(empty_database_url, revision)
        schemas.append(described(empty_database_url))
    found = [stumbles(before, after) for before, after in pairwise(schemas)]
    assert found == [[]] * (len(REVISIONS) - 1)


@pytest.mark.parametrize("statement", STUMBLING)
def test_what_older_releases_stumble_over_is_seen(database_url: str, statement: str) -> None:
    """A migration that took something away, or asked for more than before, would be found."""
    before = described(database_url)
    carry_out(database_url, statement)
    assert stumbles(before, described(database_url))


@pytest.mark.parametrize("statement", ADDING)
def test_what_older_releases_need_not_know_is_allowed(database_url: str, statement: str) -> None:
    """New tables, columns that need not be given, and indexes that refuse nothing may be added."""
    before = described(database_url)
    carry_out(database_url, statement)
    assert described(database_url) != before
    assert stumbles(before, described(database_url)) == []


def test_a_later_schema_stays_as_it_is(database_url: str) -> None:
    """A release works on what a later one has made and leaves it alone; not on what is older."""
    carry_out(database_url, "UPDATE alembic_version SET version_num = '9999'")
    migrate.upgrade(database_url)
    assert migrate.current(database_url) == "9999"
    assert migrate.serves("9999")
    assert migrate.serves(REVISIONS[-1])
    assert not any(migrate.serves(other) for other in (None, "", "0001", "branch", "9999x"))

"""The migrations make the tables that the code knows, and can be undone."""

from __future__ import annotations

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, column, create_engine, inspect, select, table
from sqlalchemy.pool import NullPool

from points_grpc.storage import migrate
from points_grpc.storage.database import Database
from points_grpc.storage.tables import metadata

_classes = table("pg_class", column("relname"), column("reloptions"))
_indexes = table(
    "pg_indexes", column("schemaname"), column("tablename"), column("indexname"), column("indexdef")
)


def described(url: str) -> dict[str, Any]:
    """Everything about the schema that matters, in comparable form."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as at:
        seen = inspect(at)
        tables = [t for t in seen.get_table_names() if t != "alembic_version"]
        indexes = at.execute(
            select(_indexes.c.tablename, _indexes.c.indexname, _indexes.c.indexdef)
            .where(_indexes.c.schemaname == "public")
            .where(_indexes.c.tablename != "alembic_version")
        )
        options = at.execute(select(_classes.c.relname, _classes.c.reloptions))
        return {
            "columns": {
                t: sorted(
                    (c["name"], str(c["type"]), c["nullable"], c["default"])
                    for c in seen.get_columns(t)
                )
                for t in tables
            },
            "indexes": sorted(tuple(row) for row in indexes),
            "checks": {
                t: sorted((c["name"], c["sqltext"]) for c in seen.get_check_constraints(t))
                for t in tables
            },
            "keys": {t: (seen.get_pk_constraint(t)["constrained_columns"]) for t in tables},
            "unique": {
                t: sorted(tuple(u["column_names"]) for u in seen.get_unique_constraints(t))
                for t in tables
            },
            "options": {name: opts for name, opts in options if opts and name in tables},
        }


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
    """Down to nothing, nothing is left; up again, all is as it was."""
    assert migrate.current(empty_database_url) is None
    migrate.upgrade(empty_database_url)
    assert migrate.current(empty_database_url) == migrate.head()
    first = described(empty_database_url)
    migrate.downgrade(empty_database_url, "base")
    assert described(empty_database_url)["columns"] == {}
    migrate.upgrade(empty_database_url)
    assert described(empty_database_url) == first
    migrate.upgrade(empty_database_url)

"""What a database's schema is, and what of a change to it an older release would stumble over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import column, create_engine, inspect, select, table
from sqlalchemy.pool import NullPool

_classes = table("pg_class", column("relname"), column("reloptions"))
_indexes = table(
    "pg_indexes", column("schemaname"), column("tablename"), column("indexname"), column("indexdef")
)

Schema = dict[str, Any]


def described(url: str) -> Schema:
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
            "foreign": {
                t: sorted(str(f["constrained_columns"]) for f in seen.get_foreign_keys(t))
                for t in tables
            },
            "options": {name: opts for name, opts in options if opts and name in tables},
        }


def stumbles(before: Schema, after: Schema) -> list[str]:
    """What keeps statements of a release that knows only `before` from working on `after`.

    They name their columns, so new ones that may be empty, or have a default, are none of theirs.
    """
    return [
        *_of_columns(before["columns"], after["columns"]),
        *_of_indexes(before, after),
        *(
            f"{kind} of {name} changed"
            for kind in ("checks", "keys", "unique", "foreign")
            for name in before["columns"]
            if before[kind][name] != after[kind].get(name)
        ),
    ]


def _of_columns(before: Schema, after: Schema) -> Iterator[str]:
    for name, columns in before.items():
        now = {c[0]: c for c in after.get(name, ())}
        yield from (f"{name}.{c[0]} changed" for c in columns if now.get(c[0]) != c)
        for new in now.keys() - {c[0] for c in columns}:
            _, _, nullable, default = now[new]
            if not nullable and default is None:
                yield f"{name}.{new} has to be given"


def _of_indexes(before: Schema, after: Schema) -> Iterator[str]:
    was, is_now = ({tuple(index) for index in schema["indexes"]} for schema in (before, after))
    yield from (f"{name} changed" for _, name, _ in was - is_now)
    for of_table, name, definition in is_now - was:
        if of_table in before["columns"] and definition.startswith("CREATE UNIQUE"):
            yield f"{name} refuses what was allowed"

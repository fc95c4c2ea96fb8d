"""Databases and query plans for the tests of the repository layer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Connection, Executable, event

from points_grpc.storage.core import pipeline
from points_grpc.storage.core.database import Database


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh database."""
    opened = Database(database_url)
    yield opened
    opened.close()


def generic_plans(connection: Connection, work: Callable[[], object]) -> str:
    """The plans, as for any parameters, of all statements that `work` sends on `connection`."""
    sent: list[tuple[str, int]] = []
    compiled = pipeline.statement_of

    def note_compiled(expression: Executable) -> pipeline.Statement:
        statement = compiled(expression)
        sent.append((statement.text.decode(), len(statement)))
        return statement

    def note(_: object, __: object, statement: str, *___: object) -> None:
        names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
        for number, name in enumerate(names, 1):
            statement = statement.replace(f"%({name})s", f"${number}")
        sent.append((statement, len(names)))

    event.listen(connection, "before_cursor_execute", note)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "statement_of", note_compiled)
        work()
    event.remove(connection, "before_cursor_execute", note)
    connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_generic_plan")
    lines: list[str] = []
    for number, (statement, width) in enumerate(sent):
        nulls = ", ".join(["NULL"] * width)
        connection.exec_driver_sql(f"PREPARE q{number} AS {statement}")
        plan = connection.exec_driver_sql(f"EXPLAIN EXECUTE q{number}({nulls})")
        lines += [row[0] for row in plan]
        connection.exec_driver_sql(f"DEALLOCATE q{number}")
    return "\n".join(lines)


@pytest.fixture
def plans() -> Callable[[Connection, Callable[[], object]], str]:
    """The function `generic_plans`."""
    return generic_plans

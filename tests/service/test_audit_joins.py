"""The audit asks in the order in which its joins are written."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from sqlalchemy import (
    Engine,
    event,
    func,
    select,
)
from tests.support.service.ledger_audit import audit
from tests.support.service.ledger_harness import (
    LedgerHarness,
)

from points_grpc.storage.audit.findings import join_as_written
from points_grpc.storage.core.database import Connection


def test_joins_as_written(story: LedgerHarness) -> None:
    """Questions join in their own order, whatever PostgreSQL believes of the tables."""
    asked: list[str] = []

    def begun(_: Connection) -> None:
        asked.append("BEGIN")

    def sent(_: Connection, __: Any, statement: str, *___: Any) -> None:
        asked.append("order" if "set_config" in statement else "question")

    event.listen(Engine, "begin", begun)
    event.listen(Engine, "before_cursor_execute", sent)
    try:
        assert audit(story.database) == []
    finally:
        event.remove(Engine, "begin", begun)
        event.remove(Engine, "before_cursor_execute", sent)
    after_begin = {after for one, after in pairwise(asked) if one == "BEGIN"}
    assert after_begin == {"order"}

    def order(connection: Connection) -> Any:
        join_as_written(connection)
        names = ("join_collapse_limit", "from_collapse_limit")
        return connection.execute(select(*(func.current_setting(n) for n in names))).one()

    assert story.look(order) == ("1", "1")

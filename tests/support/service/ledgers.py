"""What tests of the ledger share."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from tests.support.service.ledger_harness import (
    LedgerHarness,
)

from points_grpc.storage.tables import metadata


def count(harness: LedgerHarness, table: Any) -> int:
    return harness.look(lambda at: at.scalar(select(func.count()).select_from(table)))


def contents(harness: LedgerHarness) -> dict[str, int]:
    """How many rows each table has, apart from the numbers and the units of work."""
    aside = ("id_blocks", "units")
    return {t.name: count(harness, t) for t in metadata.tables.values() if t.name not in aside}

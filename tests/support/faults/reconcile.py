"""Whether the database has what the clients were told, and the report over all faults."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sqlalchemy import DDL, Connection, func, select
from tests.support.faults.load import Outcome
from tests.support.service.engine_harness import deadlocks
from tests.support.service.ledger_audit import audit

from points_grpc.storage.core.database import Database
from points_grpc.storage.tables import expiry_changes, transactions


@dataclass
class Report:
    """What all the faults together have come to."""

    faults: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    refused: int = 0
    unknown: int = 0
    lost: int = 0
    doubled: int = 0
    refused_and_done: int = 0
    broken: int = 0
    deadlocks: int = 0
    deadlocks_told: int = 0
    figures: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """In words."""
        run = ", ".join(f"{count} × {name}" for name, count in sorted(self.faults.items()))
        lost = f"acknowledged operations lost {self.lost}, doubled {self.doubled}"
        told = f"{self.acknowledged} acknowledged, {self.refused} refused, {self.unknown} unknown"
        locked = f"deadlocks {self.deadlocks}, told to servers {self.deadlocks_told}"
        return [
            f"faults run: {run}",
            f"requests: {told}",
            f"{lost}, refused and done {self.refused_and_done}",
            f"invariants broken {self.broken}, {locked}",
            *self.figures,
        ]


REPORT = Report()


def count_of_references(connection: Connection) -> Counter[str]:
    """How often each reference of the load was recorded."""
    name = func.coalesce(transactions.c.reference, transactions.c.reason)
    found = connection.execute(
        select(name, func.count()).where(name.is_not(None)).group_by(name)
    ).all()
    changes = connection.execute(
        select(expiry_changes.c.reason_note, func.count())
        .where(expiry_changes.c.reason_note.is_not(None))
        .group_by(expiry_changes.c.reason_note)
    ).all()
    counts: Counter[str] = Counter()
    for reference, count in (*found, *changes):
        counts[reference] += count
    return counts


def judge(url: str, outcome: Outcome, earlier_deadlocks: int = 0) -> None:
    """Acknowledged once, refused never, unknown at most once; and everything agrees."""
    database = Database(url)
    try:
        # As autovacuum will have done when people audit: it looks once a minute.
        database.run(lambda at: at.execute(DDL("ANALYZE")))
        counts = database.run(count_of_references)
        found = audit(database)
        locked = earlier_deadlocks + database.run(deadlocks)
    finally:
        database.close()
    lost = [one for one in outcome.acknowledged if not counts[one]]
    doubled = [one for one, count in counts.items() if count > 1]
    wrong = [one for one in outcome.refused if counts[one]]
    REPORT.acknowledged += len(outcome.acknowledged)
    REPORT.refused += len(outcome.refused)
    REPORT.unknown += len(outcome.unknown)
    REPORT.lost += len(lost)
    REPORT.doubled += len(doubled)
    REPORT.refused_and_done += len(wrong)
    REPORT.broken += len(found)
    REPORT.deadlocks += locked
    assert outcome.acknowledged, "the load came to nothing"
    assert (lost, doubled, wrong, found, locked) == ([], [], [], [], 0)
    assert outcome.strange == []

"""A database with everything in it goes down through the migrations, and up again."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, inspect, select, table, text
from sqlalchemy.pool import NullPool
from tests.support.service.ledger_audit import audit
from tests.support.service.ledger_harness import (
    PROGRAM,
    START,
    LedgerHarness,
    approve,
    earn,
    expire,
    move,
    redeem,
)

from points_grpc.clock import TestClock
from points_grpc.domain.admin.commands import CreateMember, LinkIdentifier, UnlinkIdentifier
from points_grpc.domain.auth import READ
from points_grpc.domain.commands import MemberName, member_by_id
from points_grpc.domain.model import LotState
from points_grpc.domain.policy import InDays
from points_grpc.service.admin.credentials import make_token
from points_grpc.service.transfer.importer.importer import CSV, Importer, ImportJob
from points_grpc.service.writes import former_request_ids
from points_grpc.storage.admin import programs as stored_programs
from points_grpc.storage.admin import settings
from points_grpc.storage.core import migrate

LOST = {
    "0002": {"tokens"},
    "0003": {"imports", "import_keys"},
    "0004": {"imports.first_number"},
    "0005": {"settings"},
    "0006": {"former_identifiers"},
    "0007": {"audit_events"},
}
"""What undoing a migration loses: tables, or columns as `table.column`. All else is kept."""

UPGRADING = Path(__file__).resolve().parents[2] / "docs" / "upgrading.md"
FILE = """external_id,vendor_id,import_id,amount,earned_at
gil,,first,5,2031-01-01T00:00:00Z
gil,7,,6,2031-01-01T00:00:00Z
"""

Contents = dict[str, list[dict[str, Any]]]


def contents(url: str) -> Contents:
    """Every row of every table, by its columns."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as at:
        names = sorted(set(inspect(at).get_table_names()) - {"alembic_version"})
        all_of = {name: select(text("*")).select_from(table(name)) for name in names}
        found = {name: at.execute(rows).mappings().all() for name, rows in all_of.items()}
    return {name: sorted(map(dict, rows), key=by_row) for name, rows in found.items()}


def columns_of(rows: list[dict[str, Any]]) -> set[str]:
    return set(rows[0]) if rows else set()


def lost(before: Contents, after: Contents) -> set[str]:
    """What is gone; everything else must be as it was."""
    gone = before.keys() - after.keys()
    for name, rows in after.items():
        missing = columns_of(before[name]) - columns_of(rows)
        gone |= {f"{name}.{column}" for column in missing}
        left = [{key: row[key] for key in row.keys() - missing} for row in before[name]]
        assert rows == sorted(left, key=by_row)
    return gone


def by_row(row: dict[str, Any]) -> str:
    return repr(sorted(row.items()))


def fill(harness: LedgerHarness, folder: Path) -> None:
    """Something in every table."""
    dated = harness.do(earn(100, policy="month", request_id="r1"))
    harness.do(earn(50, policy="idle", request_id="r2"))
    opened = harness.do(earn(7, initial_state=LotState.OPEN))
    harness.do(approve(opened))
    harness.do(redeem(30, request_id="r3"))
    harness.do(move(dated, InDays(40), request_id="r4"))
    harness.do(expire(5))
    new = CreateMember((MemberName("email", "ann@example.com"),), request_id="r5")
    harness.administrate(lambda _, members: members.create_member(harness.acme, new))
    shown = MemberName("username", "ann")
    by_id = member_by_id(dated.account.owner.member.member_id)
    for change in (LinkIdentifier(by_id, shown), UnlinkIdentifier(by_id, shown)):
        harness.administrate(lambda _, members: change_name(harness, members, change))  # noqa: B023
    path = folder / "lots.csv"
    path.write_text(FILE)
    order = ImportJob(path, CSV, 1, PROGRAM, folder / "refused.csv", 100)
    importer = Importer(harness.database, harness.clock, order)
    assert [done.refused for done in importer.run()][-1] == 0
    importer.close()
    tenant = harness.look(lambda at: stored_programs.create_tenant(at, "other", START))
    harness.look(lambda at: settings.put(at, "colour", "blue", START))
    harness.look(lambda at: make_token(at, tenant, "till", [READ], now=START, lifetime=None))


async def change_name(harness: LedgerHarness, members: Any, change: Any) -> None:
    if isinstance(change, LinkIdentifier):
        await members.link_identifier(harness.acme, change)
    else:
        await members.unlink_identifier(harness.acme, change)


def test_every_step_down_says_what_it_loses() -> None:
    """The page about upgrades names what undoing each migration loses, and nothing else."""
    numbers = range(2, int(migrate.head() or 0) + 1)
    assert set(LOST) == {f"{number:04}" for number in numbers}
    rows = re.findall(r"^\| `(\d{4})` \| (.*?) \|", UPGRADING.read_text(), re.MULTILINE)
    assert {number: set(re.findall(r"`([\w.]+)`", what)) for number, what in rows} == LOST


def test_a_filled_database_goes_down_and_up(database_url: str, tmp_path: Path) -> None:
    """Down to the first release's tables and up again, only what is said to be lost is."""
    clock = TestClock(START)
    harness = LedgerHarness(database_url, clock)
    harness.open_program()
    fill(harness, tmp_path)
    first = harness.do(redeem(30, request_id="r3"))
    harness.close()
    filled = contents(database_url)
    assert all(filled.values()), "a table has no rows to lose"

    kept = filled
    while (revision := migrate.current(database_url)) != "0001":
        assert revision is not None
        migrate.downgrade(database_url, "-1")
        left = contents(database_url)
        assert lost(kept, left) == LOST[revision]
        kept = left
    migrate.upgrade(database_url)
    whole = contents(database_url)
    # The migration does not know whether servers of the release before wrote what is there.
    assert [row["name"] for row in whole.pop("settings")] == [former_request_ids.UNTIL]
    assert {name: rows for name, rows in whole.items() if rows} == kept

    clock.set(clock.now() + timedelta(days=1))
    again = LedgerHarness(database_url, clock)
    assert again.do(redeem(30, request_id="r3")) == first
    assert again.do(redeem(1)).account.available == first.account.available - 1 - 5
    assert again.do(earn(9, "new")).account.available == 9
    assert audit(again.database) == []
    again.close()


def test_the_last_step_down_takes_everything(database_url: str) -> None:
    """Below the first migration there is nothing, and another start from there works."""
    harness = LedgerHarness(database_url, TestClock(START))
    harness.open_program()
    harness.do(earn(1))
    harness.close()
    migrate.downgrade(database_url, "base")
    assert contents(database_url) == {}
    migrate.upgrade(database_url)
    again = LedgerHarness(database_url, TestClock(START))
    again.open_program()
    assert again.do(earn(1)).account.available == 1
    assert audit(again.database) == []
    again.close()

"""points-grpc audit: what it says, and its exit code."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import update
from typer.testing import CliRunner, Result

from points_grpc.cli.main import app
from points_grpc.cli.runtime import wiring
from points_grpc.config import Settings
from points_grpc.domain.admin.commands import CreateCurrency, CreateProgram
from points_grpc.domain.commands import Caller, Earn, MemberName
from points_grpc.storage.admin.programs import create_tenant
from points_grpc.storage.core.database import Database
from points_grpc.storage.tables import accounts, lots


def audit(url: str) -> Result:
    return CliRunner().invoke(app, ["audit", "--database-url", url])


async def earn(parts: wiring.ServiceParts) -> Any:
    """Five points of a new member of a new tenant."""
    now = parts.clock.now()
    tenant = parts.database.run(lambda at: create_tenant(at, "acme", now))
    caller = Caller(tenant.tenant_id, "acme", "anna", 469)
    await parts.programs.create_program(caller, CreateProgram("Club", "UTC", 469))
    await parts.programs.create_currency(caller, CreateCurrency(469, "POINTS", 0))
    lot = Earn(469, MemberName("external_id", "alice"), "POINTS", Decimal(5))
    (answer,) = await parts.engine.write(caller, [lot])
    return answer


def test_an_audit(database_url: str) -> None:
    """What agrees with itself has exit code 0; else 1, and what is wrong is named by its id."""
    settings = Settings(dev=True, start_time=datetime(2022, 1, 1, tzinfo=UTC))
    database = Database(database_url)
    assert audit(database_url).stdout == "0 accounts audited: nothing wrong\n"
    with wiring.open_service(settings, database) as parts:
        earned = asyncio.run(earn(parts))
    right = audit(database_url)
    assert (right.exit_code, right.stdout) == (0, "1 accounts audited: nothing wrong\n")

    database.run(lambda at: at.execute(update(accounts).values(version=2)))
    database.run(lambda at: at.execute(update(lots).values(kind=1, member_id=1)))
    database.close()
    wrong = audit(database_url)
    assert wrong.exit_code == 1
    assert wrong.stdout.splitlines() == [
        f"account {earned.account.owner.account_id} of tenant 1: its versions have gaps",
        f"lot {earned.lot.lot_id} of tenant 1: it has no account of its member and currency",
        "1 accounts audited: 2 wrong",
    ]


def test_a_database_that_is_away() -> None:
    """A database that cannot be reached is told in one line."""
    told = audit("postgresql://nobody@127.0.0.1:1/none")
    assert told.exit_code == 1
    assert "cannot be reached" in told.output

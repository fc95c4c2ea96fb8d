"""points-grpc sweep, on points that lapsed long ago by the machine's clock."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import grpc
import pytest
from typer.testing import CliRunner, Result

from points.v1 import points_service_pb2_grpc
from points.v1.earn_pb2 import EarnRequest
from points_grpc.cli.main import app
from points_grpc.cli.runtime import wiring
from points_grpc.config import Settings
from points_grpc.domain.admin.commands import CreateCurrency, CreateProgram
from points_grpc.domain.commands import Caller, Earn, MemberName
from points_grpc.domain.policy import InDays
from points_grpc.service.shared import retention
from points_grpc.storage.admin.programs import create_tenant
from points_grpc.storage.core.database import Database


def sweep(url: str, *arguments: str) -> Result:
    result = CliRunner().invoke(app, ["sweep", "--database-url", url, *arguments])
    assert result.exit_code == 0, result.output
    return result


def summary(result: Result) -> list[list[str]]:
    return [
        words for line in result.stdout.splitlines() if (words := line.replace("│", " ").split())
    ]


@pytest.fixture(scope="module")
def lapsed_url(serve: Any, module_database_url: str) -> str:
    """A database in which three lots were earned in 2022 and never looked at again."""
    start = ("--start-time", "2022-01-01T00:00:00Z", "--no-sweep")
    running = serve("--dev", "--demo", *start, POINTS_DATABASE_URL=module_database_url)
    with grpc.insecure_channel(running.address) as channel:
        stub = points_service_pb2_grpc.PointsServiceStub(channel)
        for member, program, amount, days in (
            ("alice", 469, "100", 10),
            ("bob", 469, "40", 10),
            ("bob", 123, "2.50", 20),
        ):
            request = EarnRequest(
                program_id=program,
                member={"external_id": member},
                amount={"value": amount},
                days=days,
            )
            stub.Earn(request, timeout=60, wait_for_ready=True)
    running.stop()
    return module_database_url


def test_a_sweep(lapsed_url: str) -> None:
    """A dry run tells what is due by tenant, program and day, and leaves it to the sweep.

    The sweep records it, sums it up, and forgets units of work that are older than the
    retention; the next one finds nothing.
    """
    told = summary(sweep(lapsed_url, "--dry-run"))
    assert ["demo", "123", "bonus_points", "2022-01-21", "1", "2.50", "0.00"] in told
    assert ["demo", "469", "POINTS", "2022-01-11", "2", "140", "0"] in told
    assert summary(sweep(lapsed_url, "--dry-run")) == told

    done = summary(sweep(lapsed_url))
    assert "forgotten" in done[-1]
    assert ["demo", "123", "bonus_points", "1", "1", "2.50", "0.00"] in done
    assert ["demo", "469", "POINTS", "2", "2", "140", "0"] in done
    assert ["3", "lots", "lapsed", "in", "3", "accounts"] in done

    assert ["0", "lots", "lapsed", "in", "0", "accounts"] in summary(sweep(lapsed_url))
    assert summary(sweep(lapsed_url, "--dry-run")) == [
        ["0", "lots", "would", "lapse;", "nothing", "was", "changed"]
    ]


async def earn_in(parts: wiring.ServiceParts, tenant: str, *codes: str) -> None:
    """A new tenant's program 469 with currencies of these codes, and five points in each."""
    now = parts.clock.now()
    made = parts.database.run(lambda at: create_tenant(at, tenant, now))
    caller = Caller(made.tenant_id, tenant, "anna", 469)
    await parts.programs.create_program(caller, CreateProgram("Club", "UTC", 469))
    for code in codes:
        await parts.programs.create_currency(caller, CreateCurrency(469, code, 0))
        member = MemberName("external_id", "alice")
        lot = Earn(469, member, code, Decimal(5), expiration=InDays(10))
        await parts.engine.write(caller, [lot])


def test_the_retention_is_the_servers(serve: Any, database_url: str) -> None:
    """A server's retention holds for every sweep; one that is given less leaves it and says so."""
    database = Database(database_url)

    def promised() -> timedelta | None:
        return database.run(retention.promised)

    sweep(database_url)
    assert promised() is None
    options = ("--dev", "--demo", "--no-sweep", "--request-retention-days")
    serve(*options, "30", POINTS_DATABASE_URL=database_url).stop()
    assert promised() == timedelta(days=30)
    shorter = serve(*options, "7", POINTS_DATABASE_URL=database_url)
    shorter.stop()
    assert "request ids are kept longer than configured" in shorter.errors.read_text()
    assert "remembered" not in sweep(database_url).stdout
    told = sweep(database_url, "--request-retention-days", "29").stdout
    assert "request ids are remembered for 30 days: a server has promised it" in told
    assert promised() == timedelta(days=30)
    assert "remembered" not in sweep(database_url, "--request-retention-days", "31").stdout
    sweep(database_url, "--request-retention-days", "32", "--dry-run")
    assert promised() == timedelta(days=31)
    database.close()


def test_tenants_and_currencies_of_any_name(database_url: str) -> None:
    """Each tenant has lines of its own, whatever it and its currencies are called."""
    settings = Settings(dev=True, start_time=datetime(2022, 1, 1, tzinfo=UTC))
    database = Database(database_url)
    with wiring.open_service(settings, database) as parts:
        asyncio.run(earn_in(parts, "[red]", "POINTS", "[/x]", ":bell:"))
        asyncio.run(earn_in(parts, "[/]", "POINTS"))
    database.close()
    lines = [
        [tenant, "469", code]
        for tenant, code in (
            ("[red]", "POINTS"),
            ("[red]", "[/x]"),
            ("[red]", ":bell:"),
            ("[/]", "POINTS"),
        )
    ]
    told = summary(sweep(database_url, "--dry-run"))
    done = summary(sweep(database_url))
    for line in lines:
        assert [*line, "2022-01-11", "1", "5", "0"] in told
        assert [*line, "1", "1", "5", "0"] in done

"""What commands and servers do on a machine with a wrong clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select
from tests.support.cli import servers
from typer.testing import CliRunner, Result

from points_grpc.cli import clocks
from points_grpc.cli.main import app
from points_grpc.clock import SystemClock
from points_grpc.storage.core.database import Database
from points_grpc.storage.tables import imports
from points_grpc.storage.tables.setting_table import settings

PROGRAM = (str(Path(__file__).parents[1] / "support" / "cli" / "settable_clock.py"),)


class _Ahead(SystemClock):
    def now(self) -> datetime:
        return super().now() + timedelta(days=400)


def run(*arguments: str | Path, **environment: str) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env=environment)


def test_sweeps_and_imports_do_not_begin(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep and an import on a machine that is ahead leave with one line; a dry run may look."""
    where = ("--database-url", database_url)
    assert run("tenant", "create", "acme", *where).exit_code == 0
    file = tmp_path / "members.csv"
    file.write_text("external_id\nann\n")
    monkeypatch.setattr(clocks, "SystemClock", _Ahead)
    for command in (("sweep",), ("import", file, "--tenant", "acme")):
        result = run(*command, *where)
        assert result.exit_code == 1
        assert " s ahead of the database's: nothing more is written" in result.output
    assert run("sweep", "--dry-run", *where).exit_code == 0
    database = Database(database_url)
    for table in (imports, settings):
        count = select(func.count()).select_from(table)
        assert database.run(lambda at, c=count: at.execute(c).scalar_one()) == 0
    database.close()


def test_a_server_stands_aside_until_its_clock_is_right(database_url: str, tmp_path: Path) -> None:
    """A server whose clock goes wrong reports NOT_SERVING, and serves again when it is right."""
    ahead = tmp_path / "ahead"
    ahead.write_text("100")
    where = {"POINTS_DATABASE_URL": database_url}
    assert run("tenant", "create", "acme", **where).exit_code == 0
    made = run("token", "create", "--tenant", "acme", "--scopes", "points.read", **where)
    assert made.exit_code == 0
    environment = where | {"TEST_CLOCK_AHEAD": str(ahead)}
    up = servers.start((), environment, tmp_path / "stderr", PROGRAM)
    try:
        up.await_health("NOT_SERVING")
        ahead.write_text("0")
        up.await_health("SERVING")
        ahead.write_text("-3")
        up.await_health("NOT_SERVING")
        assert up.stop() == 0
    finally:
        servers.end(up.process)
    told = up.errors.read_text()
    assert "the machine's clock is 100.0 s ahead of the database's" in told
    assert "clocks agree again" in told
    assert "the machine's clock is 3.0 s behind the database's" in told

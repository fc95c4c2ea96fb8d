"""Processes with older time zone data than the database was written with."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from points_grpc import tzdata_version
from points_grpc.cli import older_tzdata
from points_grpc.cli.main import app
from points_grpc.config import Settings
from points_grpc.service.shared import newest_tzdata
from points_grpc.storage.admin import settings
from points_grpc.storage.core.database import Database

OURS = tzdata_version.ours()
NOW = datetime(2031, 5, 6, tzinfo=UTC)
NEWER, OLDER = "2999b", "2000c"


def write_with(database_url: str, version: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the database knows once a process of that version has written."""
    database = Database(database_url)
    with monkeypatch.context() as patched:
        patched.setattr(tzdata_version, "ours", lambda: version)
        newest = database.run(lambda at: newest_tzdata.record(at, NOW))
    assert database.run(newest_tzdata.read) == newest
    database.close()
    return newest


def run(*arguments: str | Path, **environment: str) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env=environment)


def test_the_newest_version_is_kept(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database remembers the newest version that wrote to it, and never an older one."""
    seen = [write_with(database_url, v, monkeypatch) for v in ("2026b", "2025z", "2026b", "2026c")]
    assert seen == ["2026b", "2026b", "2026b", "2026c"]


def test_what_writes_does_not_start_with_older_data(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers, sweeps and imports refuse to write with older data; a dry run writes nothing."""
    write_with(database_url, NEWER, monkeypatch)
    where = ("--database-url", database_url)
    file = tmp_path / "lots.csv"
    file.write_text("external_id\n")
    commands = (
        ("serve", "--dev", "--grpc", "127.0.0.1:0"),
        ("sweep",),
        ("import", file, "--tenant", "nobody"),
    )
    for command in commands:
        result = run(*command, *where)
        assert result.exit_code == 1
        assert f"({OURS}) is older" in result.output
        assert f"({NEWER}): install a newer tzdata, or say --allow-older" in result.output
    assert run("sweep", "--dry-run", *where).exit_code == 0
    result = run("doctor", *where)
    assert result.exit_code == 1
    assert f"NOT WELL  time zones: {OURS}, but the database was written with {NEWER}" in (
        result.output
    )


def test_a_rollback_is_allowed_and_told(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --allow-older-tzdata work goes on, with a warning, and the newest is still known."""
    write_with(database_url, NEWER, monkeypatch)
    result = run("sweep", "--allow-older-tzdata", "--database-url", database_url)
    assert result.exit_code == 0
    database = Database(database_url)
    with capture_logs() as logged:
        older_tzdata.refuse(Settings(allow_older_tzdata=True), database)
    assert database.run(newest_tzdata.read) == NEWER
    database.close()
    assert [(line["log_level"], line["ours"], line["newest"]) for line in logged] == [
        ("warning", OURS, NEWER)
    ]


@pytest.mark.parametrize(("newest", "warnings"), [(OLDER, 0), (OURS, 0), (NEWER, 2)])
def test_a_running_server_goes_on_and_warns(
    database_url: str, newest: str, warnings: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each minute a server that runs says that newer data is known of; equal data is none."""
    write_with(database_url, newest, monkeypatch)
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) > 2:
            raise asyncio.CancelledError

    monkeypatch.setattr(older_tzdata.asyncio, "sleep", wait)
    database = Database(database_url)
    with capture_logs() as logged, pytest.raises(asyncio.CancelledError):
        asyncio.run(older_tzdata.warn(database))
    database.close()
    assert (len(logged), waits) == (warnings, [60.0] * 3)


@pytest.mark.parametrize("kept", ["2030a-rc1", "next"])
def test_a_version_that_cannot_be_read_is_newer(database_url: str, kept: str) -> None:
    """A kept version of a form that this release does not know stops all but a rollback."""
    where = ("--database-url", database_url)
    database = Database(database_url)
    database.run(lambda at: settings.put(at, "tzdata_version", kept, NOW))
    assert run("sweep", *where).exit_code == 1
    assert f"({kept}): install a newer tzdata, or say --allow-older" in run("sweep", *where).output
    assert run("sweep", "--allow-older-tzdata", *where).exit_code == 0
    assert f"was written with {kept}" in run("doctor", *where).output
    assert database.run(newest_tzdata.read) == kept
    database.close()


@pytest.mark.parametrize("kept", [None, OLDER, NEWER])
def test_a_version_of_ours_that_cannot_be_read_is_refused(
    database_url: str, kept: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data whose version cannot be compared writes only when told to, and is not recorded."""
    where = ("--database-url", database_url)
    if kept is not None:
        write_with(database_url, kept, monkeypatch)
    monkeypatch.setattr(tzdata_version, "ours", lambda: "2030a-rc1")
    result = run("sweep", *where)
    assert result.exit_code == 1
    assert "(2030a-rc1) has a form that this release cannot compare" in result.output
    assert run("sweep", "--allow-older-tzdata", *where).exit_code == 0
    result = run("doctor", *where)
    assert "NOT WELL  time zones: 2030a-rc1, a version that this release cannot" in result.output
    database = Database(database_url)
    assert database.run(newest_tzdata.read) == kept
    assert database.run(lambda at: newest_tzdata.record(at, NOW)) == kept
    database.close()


def test_the_same_version_is_not_older(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data of the very version that the database was written with may go on, in any form."""
    database = Database(database_url)
    database.run(lambda at: settings.put(at, "tzdata_version", "2030a-rc1", NOW))
    database.close()
    monkeypatch.setattr(tzdata_version, "ours", lambda: "2030a-rc1")
    assert run("sweep", "--database-url", database_url).exit_code == 0
    assert run("doctor", "--database-url", database_url).exit_code == 0


def test_doctor_says_the_version(database_url: str) -> None:
    """Doctor tells which time zone data this installation has."""
    assert (
        f"well      time zones: {OURS}, of the package tzdata"
        in run("doctor", "--database-url", database_url).output
    )

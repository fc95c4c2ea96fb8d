"""db and doctor against databases in several states."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import DDL, NullPool, create_engine
from typer.testing import CliRunner, Result

from points_grpc.cli import database_location, doubts
from points_grpc.cli.main import app
from points_grpc.storage.core import migrate
from points_grpc.storage.core.database import Database
from points_grpc.storage.embedded import EmbeddedPostgres
from points_grpc.storage.ledger import members


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env=environment)


def test_upgrade_and_downgrade(empty_database_url: str) -> None:
    """The schema goes up to this release's and back to nothing, and says where it is."""
    where = ("--database-url", empty_database_url)
    assert "schema: none, expected" in run("db", "current", *where).output
    assert run("db", "upgrade", *where).output == f"schema: {migrate.head()}\n"
    assert run("db", "upgrade", *where).exit_code == 0
    assert run("db", "current", *where).output == f"schema: {migrate.head()}\n"
    assert run("db", "downgrade", "base", "--yes", *where).output == "schema: none\n"


def test_downgrade_asks_first(database_url: str) -> None:
    """A downgrade that nobody has agreed to changes nothing."""
    where = ("--database-url", database_url)
    result = CliRunner().invoke(app, ["db", "downgrade", "base", *where], input="n\n")
    assert result.exit_code == 1
    assert run("db", "current", *where).output == f"schema: {migrate.head()}\n"


def test_an_unknown_revision_is_one_line(database_url: str) -> None:
    """A revision that does not exist is refused in one line."""
    result = run("db", "upgrade", "nonsense", "--database-url", database_url)
    assert result.exit_code == 1
    assert "nonsense" in result.output
    assert "Traceback" not in result.output


def test_doctor_finds_all_well(database_url: str) -> None:
    """A database with this release's schema is well, and the exit code says so."""
    result = run("doctor", "--database-url", database_url)
    assert "NOT WELL" not in result.output
    assert "PostgreSQL" in result.output
    assert result.exit_code == 0


def test_doctor_counts_doubtful_identifiers(database_url: str) -> None:
    """Stored e-mails and phones that are doubtful are counted, and none of them is shown."""
    database = Database(database_url)
    kept = [
        ("email", "anna@example.com"),
        ("email", "anna@b\u00fccher.example"),
        ("email", "\u03bd\u03af\u03ba\u03bf\u03c3@example.com"),
        ("email", "j\u00fcrgen@example.com"),
        ("phone", "966"),
        ("phone", "491701234567"),
        ("username", "\u00fc"),
        ("external_id", "5"),
    ]
    rows = [(1, kind, value, 64 * (2**40 + n)) for n, (kind, value) in enumerate(kept)]
    database.run(lambda at: members.insert_identifiers(at, rows))
    database.close()
    result = run("doctor", "--database-url", database_url)
    shown = sorted(row[3] for row in (rows[1], rows[2], rows[4]))
    line = next(line for line in result.output.splitlines() if "identifiers:" in line)
    assert line.startswith("DOUBTFUL  identifiers: 2 e-mails and 1 phones are doubtful, such as of")
    assert sorted(map(int, line.rpartition("members ")[2].split(", "))) == shown
    assert "example" not in result.output
    assert result.exit_code == 0


def test_doctor_counts_without_end(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Doctor shows the first members alone, and says where it did not count to the end."""
    monkeypatch.setattr(doubts, "OF_BUCKET_MAX", 2)
    monkeypatch.setattr(doubts, "SHOWN_MAX", 3)
    database = Database(database_url)
    rows = [(1, "phone", str(n), 64 * (2**40 + n)) for n in range(400)]
    database.run(lambda at: members.insert_identifiers(at, rows))
    count, told = doubts.doubtful_identifiers(database)
    assert 0 < count <= 128
    assert told.startswith("at least 0 e-mails and ")
    assert len(told.rpartition("members ")[2].split(", ")) == 3
    monkeypatch.setattr(doubts, "SECONDS_MAX", 0.0)
    looked_at = doubts.doubtful_identifiers(database)
    database.close()
    assert looked_at == (0, "no e-mail or phone is doubtful in 0 of 64 parts")


def test_a_later_schema_is_well(database_url: str) -> None:
    """Commands and doctor work on what a later release has made, and leave it as it is."""
    where = ("--database-url", database_url)
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.begin() as at:
        at.execute(DDL("UPDATE alembic_version SET version_num = '9999'"))
    assert "9999, of a later release" in run("doctor", *where).output
    assert run("doctor", *where).exit_code == 0
    assert run("tenant", "create", "acme", *where).exit_code == 0
    assert run("db", "upgrade", *where).output == "schema: 9999\n"


@pytest.mark.parametrize(
    "command",
    [
        ("serve", "--grpc", "127.0.0.1:0"),
        ("sweep",),
        ("sweep", "--dry-run"),
        ("import", __file__, "--tenant", "t", "--format", "csv"),
        ("export", "/nonexistent/export.csv", "--tenant", "t"),
        ("audit",),
        ("tenant", "create", "t"),
        ("tenant", "list"),
        ("tenant", "default-program", "t", "1"),
        ("token", "create", "--tenant", "t", "--scopes", "points.read"),
        ("token", "list"),
        ("token", "revoke", "token-1"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("revision", ["none", "0001"])
def test_a_schema_too_old_is_refused_first(
    empty_database_url: str, command: tuple[str, ...], revision: str
) -> None:
    """Every command that needs tables says in the same words that they have to be migrated."""
    where = ("--database-url", empty_database_url)
    if revision != "none":
        assert run("db", "upgrade", revision, *where).exit_code == 0
    result = run(*command, *where)
    assert result.exit_code == 1
    expected = f"the schema is at {revision}, this release expects {migrate.head()}"
    assert f"{expected}: run points-grpc db upgrade" in result.output
    assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize("command", [("audit",), ("sweep", "--dry-run")], ids=" ".join)
def test_what_changes_nothing_migrates_nothing(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """An embedded database's schema is brought up to date by commands that write, not by others."""
    server = cast(EmbeddedPostgres, object())

    @contextmanager
    def found(_: object) -> Iterator[database_location.DatabaseLocation]:
        yield database_location.DatabaseLocation(empty_database_url, "embedded", server)

    monkeypatch.setattr(database_location, "locate_database", found)
    assert "run points-grpc db upgrade" in run(*command).output
    assert run("sweep").exit_code == 0
    assert run(*command).exit_code == 0


def test_doctor_finds_the_schema_missing(empty_database_url: str) -> None:
    """A database without the schema is not well, and doctor says what to do."""
    result = run("doctor", "--database-url", empty_database_url)
    assert "run points-grpc db upgrade" in result.output
    assert result.exit_code == 1


def test_doctor_finds_the_database_away() -> None:
    """A database that does not answer is not well, and its password stays hidden."""
    url = "postgresql://points:s3cret@127.0.0.1:1/points"
    result = run("doctor", POINTS_DATABASE_URL=url)
    assert "NOT WELL" in result.output
    assert "points:***@127.0.0.1:1/points" in result.output
    assert "s3cret" not in result.output
    assert result.exit_code == 1


def test_doctor_counts_connections(database_url: str) -> None:
    """Doctor says whether the database allows as many connections as the workers may open."""
    result = run("doctor", "--database-url", database_url, "--workers", "200")
    assert result.exit_code == 1
    assert "NOT WELL  connections: " in result.stdout
    assert "200 workers use up to 3004" in result.stdout


def test_doctor_makes_no_database(tmp_path: Path) -> None:
    """Doctor looks, and does not make an embedded database where there is none."""
    result = run("doctor", "--data-dir", str(tmp_path / "data"))
    assert result.exit_code == 1
    assert not (tmp_path / "data").exists()


def test_doctor_says_where_a_setting_is_from(database_url: str) -> None:
    """Each setting is shown with the variable it came from, or as a default."""
    result = CliRunner().invoke(
        app, ["doctor", "--database-url", database_url], env={"POINTS_GRACE_SECONDS": "3"}
    )
    lines = [line.split() for line in result.output.splitlines()]
    assert ["grace_seconds", "3.0", "POINTS_GRACE_SECONDS"] in lines
    assert ["calls_max", "2048", "default"] in lines

"""What commands tell the log of administration."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from points_grpc.cli import administering
from points_grpc.cli.demo import seed
from points_grpc.cli.main import app
from points_grpc.cli.runtime import wiring
from points_grpc.clock import SystemClock
from points_grpc.config import Settings
from points_grpc.domain.admin.events import AdminEvent, ListAdminEvents, Resource
from points_grpc.storage.admin import audit_events as admin_events
from points_grpc.storage.admin import programs
from points_grpc.storage.core.database import Database
from points_grpc.storage.tables import audit_events

Run = Callable[..., Result]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty database."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def run(database_url: str) -> Run:
    """Carries out a command on that database."""

    def carry_out(*arguments: str | Path) -> Result:
        given = [str(argument) for argument in arguments]
        return CliRunner().invoke(app, given, env={"POINTS_DATABASE_URL": database_url})

    return carry_out


def events_of(database: Database, tenant: str) -> list[AdminEvent]:
    """A tenant's events, oldest first."""

    def read(at: object) -> list[AdminEvent]:
        found = programs.tenant_by_name(at, tenant)  # type: ignore[arg-type]
        assert found is not None
        listing = ListAdminEvents()
        return admin_events.page(at, found.tenant_id, listing, None)[0]  # type: ignore[arg-type]

    return list(reversed(database.run(read)))


def test_tenants_leave_events(run: Run, database: Database) -> None:
    """A tenant that is made, and its other default program, are events; a repetition is none."""
    demo = seed.tenant(database, SystemClock().now())
    assert run("tenant", "create", "acme").exit_code == 0
    assert run("tenant", "create", "acme").exit_code == 1
    assert run("tenant", "default-program", "acme", "469").exit_code == 1
    [made] = events_of(database, "acme")
    assert (made.action, made.resource) == ("tenant create", Resource.TENANT)
    assert made.principal == f"cli:{getpass.getuser()}"
    assert made.changes == (("name", "", "acme"),)

    seed.make_default(database, demo, SystemClock().now())
    for _ in range(2):
        assert run("tenant", "default-program", "demo", "0").exit_code == 0
    first, second, third = events_of(database, "demo")
    assert (first.action, first.principal) == ("tenant create", "dev")
    assert (second.action, second.principal) == ("tenant default-program", "dev")
    assert second.changes == (("default_program_id", "0", "469"),)
    assert (third.action, third.principal) == ("tenant default-program", made.principal)
    assert third.changes == (("default_program_id", "469", "0"),)


def test_tokens_leave_events(run: Run, database: Database) -> None:
    """A token that is made or revoked is an event without its secret; a second revocation none."""
    run("tenant", "create", "acme")
    made = run("token", "create", "--tenant", "acme", "--scopes", "points.read", "--name", "till")
    secret, token_id = made.stdout.strip(), made.stderr.split()[0]
    for _ in range(2):
        assert run("token", "revoke", token_id).exit_code == 0
    assert run("token", "revoke", "token-0").exit_code == 1
    assert run("token", "create", "--tenant", "nobody", "--scopes", "points.read").exit_code == 1
    _, created, revoked = events_of(database, "acme")
    assert (created.action, revoked.action) == ("token create", "token revoke")
    for event in (created, revoked):
        assert (event.resource, event.token_id) == (Resource.TOKEN, token_id)
        assert event.principal == f"cli:{getpass.getuser()}"
    assert created.changes == (("name", "", "till"), ("scopes", "", "points.read"))
    assert [change.field for change in revoked.changes] == ["revoke_time"]
    rows = database.run(lambda at: at.execute(select(audit_events)).all())
    assert secret not in repr(rows)


@pytest.fixture
def demo(database: Database) -> Database:
    """The database, with the demo's programs."""
    with wiring.open_service(Settings(dev=True), database) as parts:
        caller = seed.tenant(database, parts.clock.now())
        asyncio.run(seed.programs(parts.programs, caller))
    return database


def imports_of(database: Database) -> list[AdminEvent]:
    """The events of imports, oldest first."""
    return [e for e in events_of(database, "demo") if e.resource is Resource.IMPORT]


def test_an_import_leaves_events(run: Run, demo: Database, tmp_path: Path) -> None:
    """The begin says what may be merged, the end what came of it, neither anything of the rows."""
    where = ("--tenant", "demo", "--program", "469")
    path = tmp_path / "members.csv"
    path.write_text("type,external_id,phone\nmember,ann,4930123\nmember,bob,4930123\n")
    assert run("import", path, *where).exit_code == 1
    assert run("import", path, *where, "--merge-by", "phone,email").exit_code == 0
    events = imports_of(demo)
    assert {event.principal for event in events} == {f"cli:{getpass.getuser()}"}
    assert {event.program_id for event in events} == {469}
    told = [(event.action, {name: new for name, _, new in event.changes}) for event in events]
    counts = {"imported": "1", "known": "0", "refused": "1"}
    merged = {"imported": "1", "known": "1", "refused": "0", "merged_by_phone": "1"}
    assert told == [
        ("import begin", {}),
        ("import end", counts),
        ("import begin", {"merge_by": "email,phone"}),
        ("import end", merged),
    ]
    assert "4930123" not in repr(events)


def test_an_import_that_ends_early_has_begun(run: Run, demo: Database, tmp_path: Path) -> None:
    """An import that goes no further has its begin, which is written before any row."""
    path = tmp_path / "members.csv.gz"
    path.write_bytes(b"\x1f\x8b\x08 no more of it")
    assert run("import", path, "--tenant", "demo", "--program", "469").exit_code == 1
    assert [event.action for event in imports_of(demo)] == ["import begin"]


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user that the operating system has no name for is told by its number."""

    def nameless() -> str:
        raise OSError

    monkeypatch.setattr("getpass.getuser", nameless)
    monkeypatch.setattr("os.getuid", lambda: 1234)
    assert administering.principal() == "cli:1234"

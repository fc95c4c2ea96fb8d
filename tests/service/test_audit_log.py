"""The log of administration: every change leaves an event, and nothing else does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from sqlalchemy import Engine, event, select
from typer.testing import CliRunner

from points_grpc.cli.demo import seed
from points_grpc.cli.main import app
from points_grpc.domain.admin.commands import (
    Change,
    CreateCurrency,
    CreateMember,
    CreatePolicy,
    CreateProgram,
    LinkIdentifier,
    UnlinkIdentifier,
    UpdateCurrency,
    UpdatePolicy,
    UpdateProgram,
)
from points_grpc.domain.admin.events import AdminEvent, ListAdminEvents, Resource
from points_grpc.domain.commands import MemberName
from points_grpc.domain.model import Period, Policy, PolicyKind
from points_grpc.domain.queries import Page
from points_grpc.errors import InvalidPageToken, Refusal
from points_grpc.storage.admin import audit_events as admin_events
from points_grpc.storage.tables import audit_events

ANNA, MAIL = MemberName("external_id", "anna"), MemberName("email", "anna@example.org")
PHONE = MemberName("phone", "4930123")
START = datetime(2031, 5, 6, tzinfo=UTC)
YEAR = Policy(0, "year", 0, PolicyKind.PERIOD, period=Period(months=12))
STORY: tuple[Any, ...] = (
    CreateProgram("Shop", "Europe/Berlin", 1, request_id="p"),
    CreateCurrency(1, "pts", 2, "cash", 100, 10),
    CreatePolicy(1, None, YEAR),
    UpdatePolicy(1, None, Policy(0, "year", 0, PolicyKind.PERIOD, period=Period(months=6))),
    UpdateCurrency(1, None, exchange_rate=200),
    UpdateProgram(1, name="Store"),
    CreateMember((ANNA, PHONE)),
    LinkIdentifier(ANNA, MAIL),
    UnlinkIdentifier(ANNA, PHONE),
)
COMMANDS = (
    ("tenant create shop",),
    ("tenant create shop", "token create --tenant shop --scopes points.read"),
)
ADMINISTERED = re.compile(
    r"\s*(?:INSERT INTO|UPDATE|DELETE FROM) (programs|currencies|policies|members|identifiers"
    r"|member_identifiers|tokens|tenants)\b"
)


def do(admin_harness: Any, change: Any, caller: Any = None) -> Any:
    """Carry out a change, as acme unless told otherwise."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(change).__name__).lower()
    book = admin_harness.members if hasattr(admin_harness.members, name) else admin_harness.programs
    return admin_harness.ask(getattr(book, name)(caller or admin_harness.acme, change))


def listed(admin_harness: Any, caller: Any = None, **listing: Any) -> Page[AdminEvent]:
    """A page of acme's events, or of another caller's."""
    asked = ListAdminEvents(**listing)
    page: Page[AdminEvent] = admin_harness.ask(
        admin_harness.programs.list_audit_events(caller or admin_harness.acme, asked)
    )
    return page


def all_pages(admin_harness: Any, size: int, **listing: Any) -> list[AdminEvent]:
    """The events of all pages."""
    found: list[AdminEvent] = []
    cursor: tuple[Any, ...] = ()
    while True:
        page = listed(admin_harness, page_size=size, cursor=cursor, **listing)
        found += page.rows
        cursor = page.cursor
        if not cursor:
            return found


@pytest.fixture
def units() -> Iterator[list[set[str]]]:
    """For each committed unit of work, the tables of administration that it wrote."""
    seen: list[set[str]] = []
    written: dict[int, set[str]] = {}

    def before(connection: Any, _: object, statement: str, *__: object) -> None:
        held = written.setdefault(id(connection), set())
        if found := ADMINISTERED.match(statement):
            held.add(found[1])
        if statement.lstrip().startswith("INSERT INTO audit_events"):
            held.add("audit_events")

    def committed(connection: Any) -> None:
        seen.append(written.pop(id(connection), set()))

    event.listen(Engine, "before_cursor_execute", before)
    event.listen(Engine, "commit", committed)
    yield seen
    event.remove(Engine, "before_cursor_execute", before)
    event.remove(Engine, "commit", committed)


def test_every_change_is_in_the_story() -> None:
    """A change that is added to administration is tried here too."""
    assert {type(change) for change in STORY} == set(get_args(Change))


def test_the_seed_of_development_writes_events(admin_harness: Any, units: list[set[str]]) -> None:
    """The tenant of development, and its default program, come with events like any other."""
    units.clear()
    caller = seed.tenant(admin_harness.database, START)
    seed.make_default(admin_harness.database, caller, START)
    wrote = [unit for unit in units if unit]
    assert wrote == [{"tenants", "audit_events"}] * 2


@pytest.mark.parametrize("commands", COMMANDS)
def test_no_command_writes_without_its_event(
    database_url: str, units: list[set[str]], commands: tuple[str, ...]
) -> None:
    """A unit of work of a command that writes what administrators keep writes an event too."""
    env = {"POINTS_DATABASE_URL": database_url}
    for command in commands:
        units.clear()
        assert CliRunner().invoke(app, command.split(), env=env).exit_code == 0
        wrote = [unit for unit in units if unit]
        assert wrote and all("audit_events" in unit for unit in wrote), command


def test_no_change_is_written_without_its_event(admin_harness: Any, units: list[set[str]]) -> None:
    """A unit of work that writes what administrators keep writes an event too."""
    for change in STORY:
        units.clear()
        do(admin_harness, change)
        wrote = [unit for unit in units if unit]
        assert wrote and all("audit_events" in unit for unit in wrote), change


def test_an_event_says_who_when_and_what(admin_harness: Any) -> None:
    """An event has its principal, instant, method, request id, and each field before and after."""
    for change in STORY:
        do(admin_harness, change)
    events = list(reversed(listed(admin_harness).rows))
    assert [(e.action, e.resource.name) for e in events[:3]] == [
        ("CreateProgram", "PROGRAM"),
        ("CreateCurrency", "CURRENCY"),
        ("CreateCurrency", "PROGRAM"),
    ]
    assert {e.principal for e in events} == {admin_harness.acme.principal}
    assert [e.request_id for e in events[:2]] == ["p", ""]
    by_action = {(e.action, e.resource): e for e in events}
    update = by_action["UpdateProgram", Resource.PROGRAM]
    assert (update.program_id, update.changes) == (1, (("name", "Shop", "Store"),))
    rate = by_action["UpdateCurrency", Resource.CURRENCY]
    assert (rate.currency_id, rate.changes) == (10, (("exchange_rate", "100", "200"),))
    policy = by_action["UpdatePolicy", Resource.POLICY]
    assert policy.policy == "year"
    assert policy.changes == (("version", "1", "2"), ("period", "12 months", "6 months"))


def test_values_of_identifiers_are_not_kept(admin_harness: Any) -> None:
    """Of a member's identifiers an event tells the types, and no row has a value."""
    for change in STORY[6:]:
        do(admin_harness, change)
    link, unlink = listed(admin_harness).rows[1], listed(admin_harness).rows[0]
    assert link.changes == (("identifier", "", "email"),)
    assert unlink.changes == (("identifier", "phone", ""),)
    kept = [column for column in audit_events.c if column.name != "principal"]
    rows = repr(admin_harness.database.run(lambda at: at.execute(select(*kept)).all()))
    for value in (ANNA.value, MAIL.value, PHONE.value):
        assert value not in rows


def test_what_changes_nothing_leaves_no_event(admin_harness: Any) -> None:
    """Refused, repeated and idle changes leave none."""
    for change in STORY:
        do(admin_harness, change)
    before = listed(admin_harness).rows
    do(admin_harness, STORY[0])  # its request id is known
    for idle in (UpdateProgram(1, name="Store"), UpdateCurrency(1, None, exchange_rate=200)):
        do(admin_harness, idle)
    do(admin_harness, LinkIdentifier(ANNA, MAIL))
    do(admin_harness, UnlinkIdentifier(ANNA, PHONE))
    for refused in (
        CreateProgram("x", "UTC", 1),
        UpdateProgram(9, name="x"),
        CreateMember((MAIL,)),
    ):
        with pytest.raises(Refusal):
            do(admin_harness, refused)
    assert listed(admin_harness).rows == before


def test_another_tenant_sees_none(admin_harness: Any) -> None:
    """Events are the tenant's alone."""
    do(admin_harness, STORY[0])
    assert listed(admin_harness).rows
    assert listed(admin_harness, admin_harness.rival).rows == ()


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_pages_show_each_event_once(admin_harness: Any, size: int) -> None:
    """Pages of any size show the events newest first, each once."""
    for change in STORY:
        do(admin_harness, change)
    whole = list(listed(admin_harness).rows)
    assert all_pages(admin_harness, size) == whole
    members = [e for e in whole if e.resource is Resource.MEMBER]
    assert all_pages(admin_harness, size, resource=Resource.MEMBER) == members
    assert all_pages(admin_harness, size, principal=admin_harness.acme.principal) == whole
    assert all_pages(admin_harness, size, principal="nobody") == []


def test_a_page_ends_where_it_grows_long(
    admin_harness: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page ends with the event that brings it to the bound, and the next goes on from there."""
    for change in STORY:
        do(admin_harness, change)
    whole = list(listed(admin_harness).rows)
    monkeypatch.setattr(admin_events, "CHANGES_MAX", 1)
    assert len(listed(admin_harness).rows) == 1
    assert all_pages(admin_harness, 50) == whole


def test_new_events_do_not_disturb_pages(admin_harness: Any) -> None:
    """What happens while pages are read neither moves nor repeats the events of later pages."""
    for change in STORY:
        do(admin_harness, change)
    whole = list(listed(admin_harness).rows)
    page = listed(admin_harness, page_size=3)
    admin_harness.clock.set(admin_harness.clock.now() + timedelta(seconds=1))
    do(admin_harness, UpdateProgram(1, name="Market"))
    rest = listed(admin_harness, page_size=50, cursor=page.cursor)
    assert [*page.rows, *rest.rows] == whole


def test_a_period_is_half_open(admin_harness: Any) -> None:
    """`start_at` is within the period and `end_at` is not."""
    do(admin_harness, STORY[0])
    [found] = listed(admin_harness).rows
    later = found.at + timedelta(microseconds=1)
    assert listed(admin_harness, start_at=found.at, end_at=later).rows == (found,)
    assert listed(admin_harness, start_at=later).rows == ()
    assert listed(admin_harness, end_at=found.at).rows == ()


@pytest.mark.parametrize("cursor", [(1,), ("a", 1), (1, "a"), (1, 2, 3), (2**62, 1)])
def test_a_cursor_of_another_form_is_refused(admin_harness: Any, cursor: tuple[Any, ...]) -> None:
    """A forged token is refused as one, whatever its parts are."""
    with pytest.raises(InvalidPageToken):
        listed(admin_harness, cursor=cursor)

"""What a tenant may keep is bounded, on both sides of each bound."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import column, func, select, table

from points_grpc.domain.admin.commands import (
    CreateCurrency,
    CreateMember,
    CreatePolicy,
    CreateProgram,
    LinkIdentifier,
    UpdatePolicy,
)
from points_grpc.domain.commands import Caller, MemberName
from points_grpc.domain.limits import Quotas
from points_grpc.domain.model import Policy, PolicyKind
from points_grpc.errors import LimitReached
from points_grpc.service.admin.audit_log import AdminRecorder
from points_grpc.service.admin.members import MemberService
from points_grpc.service.admin.program_changes import ProgramWriter
from points_grpc.service.admin.programs import ProgramService
from points_grpc.storage.admin import programs
from points_grpc.storage.admin.audit_events import EVENT_NUMBERS
from points_grpc.storage.core.database import Database

QUOTAS = Quotas(identifiers=2, programs=2, currencies=2, policies=3, policy_versions=4)


def never(code: str, priority: int = 0) -> Policy:
    """A policy under which nothing expires."""
    return Policy(0, code, 1, PolicyKind.NEVER, priority=priority)


def program(admin_harness: Any, number: int) -> None:
    """Create a program within the quotas."""
    book = ProgramService(admin_harness.desk, admin_harness.ids, QUOTAS)
    admin_harness.ask(book.create_program(admin_harness.acme, CreateProgram("Club", "UTC", number)))


def currency(admin_harness: Any, code: str) -> None:
    """Create a currency of the first program."""
    book = ProgramService(admin_harness.desk, admin_harness.ids, QUOTAS)
    new = CreateCurrency(1, code, 0, default_policy=never("default"))
    admin_harness.ask(book.create_currency(admin_harness.acme, new))


def policy(admin_harness: Any, change: CreatePolicy | UpdatePolicy) -> None:
    """Carry out a change of a policy."""
    book = ProgramService(admin_harness.desk, admin_harness.ids, QUOTAS)
    work = book.create_policy if isinstance(change, CreatePolicy) else book.update_policy
    admin_harness.ask(work(admin_harness.acme, change))  # type: ignore[operator]


def test_programs(admin_harness: Any) -> None:
    """A tenant has as many programs as it may, another tenant has its own."""
    program(admin_harness, 1)
    program(admin_harness, 2)
    with pytest.raises(LimitReached) as refusal:
        program(admin_harness, 3)
    assert (refusal.value.field, refusal.value.facts) == ("program_id", {"limit": 2})
    book = ProgramService(admin_harness.desk, admin_harness.ids, QUOTAS)
    admin_harness.ask(book.create_program(admin_harness.rival, CreateProgram("Club", "UTC", 1)))


def test_currencies_and_policies(admin_harness: Any) -> None:
    """Currencies, policies and versions are counted over all of a tenant's programs."""
    program(admin_harness, 1)
    currency(admin_harness, "a")
    currency(admin_harness, "b")
    with pytest.raises(LimitReached) as refusal:
        currency(admin_harness, "c")
    assert (refusal.value.field, refusal.value.facts) == ("currency_code", {"limit": 2})
    policy(admin_harness, CreatePolicy(1, "a", never("more")))
    with pytest.raises(LimitReached) as refusal:
        policy(admin_harness, CreatePolicy(1, "b", never("more")))
    assert (refusal.value.field, refusal.value.facts) == ("policy", {"limit": 3})
    policy(admin_harness, UpdatePolicy(1, "a", never("more", 1)))
    with pytest.raises(LimitReached) as refusal:
        policy(admin_harness, UpdatePolicy(1, "a", never("more", 2)))
    assert (refusal.value.field, refusal.value.facts) == ("policy", {"limit": 4})
    policy(admin_harness, UpdatePolicy(1, "a", never("more", 1)))


def test_identifiers(admin_harness: Any) -> None:
    """A member gets as many identifiers as it may; one that it has is no further one."""
    names = [MemberName("external_id", text) for text in ("x", "y", "z")]
    book = MemberService(admin_harness.desk, admin_harness.ids, QUOTAS)
    admin_harness.ask(book.create_member(admin_harness.acme, CreateMember((names[0],))))
    admin_harness.ask(book.link_identifier(admin_harness.acme, LinkIdentifier(names[0], names[1])))
    admin_harness.ask(book.link_identifier(admin_harness.acme, LinkIdentifier(names[0], names[1])))
    with pytest.raises(LimitReached) as refusal:
        admin_harness.ask(
            book.link_identifier(admin_harness.acme, LinkIdentifier(names[0], names[2]))
        )
    assert (refusal.value.field, refusal.value.facts) == ("identifier", {"limit": 2})
    three = CreateMember(tuple(MemberName("email", f"{n}@a.b") for n in range(3)))
    with pytest.raises(LimitReached):
        admin_harness.ask(book.create_member(admin_harness.acme, three))


def test_the_policy_of_a_new_currency_needs_room(admin_harness: Any) -> None:
    """A currency is refused by its default policy where there may be no more versions."""
    program(admin_harness, 1)
    currency(admin_harness, "a")
    for priority in (1, 2, 3):
        policy(admin_harness, UpdatePolicy(1, "a", never("default", priority)))
    with pytest.raises(LimitReached) as refusal:
        currency(admin_harness, "b")
    assert (refusal.value.field, refusal.value.facts) == ("default_policy", {"limit": 4})


def wait_for_lock(database: Database) -> None:
    """Return when a statement on the database waits for a lock."""
    activity = table("pg_stat_activity", column("datname"), column("wait_event_type"))
    waiting = (
        select(func.count())
        .select_from(activity)
        .where(activity.c.datname == func.current_database())
        .where(activity.c.wait_event_type == "Lock")
    )
    end = time.monotonic() + 20
    while not database.run(lambda at: at.scalar(waiting)):
        assert time.monotonic() < end, "nothing waits"


def test_two_servers_do_not_pass_a_bound_together(open_admin: Callable[[], Any]) -> None:
    """A creation waits for one of another server that is under way, and counts it."""
    first, second = open_admin(), open_admin()
    acme = first.database.run(lambda at: programs.create_tenant(at, "acme", first.clock.now()))
    first.acme = second.acme = Caller(acme.tenant_id, "acme", "anna@acme")
    program(first, 1)
    with closing(first.database.link()) as link, ThreadPoolExecutor(1) as other:
        with link.unit() as connection:
            change, now = CreateProgram("Club", "UTC", 2), first.clock.now
            event_ids = first.ids.of_series(EVENT_NUMBERS)
            recorder = AdminRecorder(connection, first.acme, change, now, event_ids)
            writer = ProgramWriter(connection, first.acme, now, lambda: 2, recorder, QUOTAS)
            writer.create_program(change)
            third = other.submit(program, second, 3)
            wait_for_lock(first.database)
        with pytest.raises(LimitReached):
            third.result()

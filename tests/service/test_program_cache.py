"""The cache of programs on the hot path."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from points_grpc.domain.admin.commands import (
    CreateCurrency,
    CreatePolicy,
    CreateProgram,
    UpdateCurrency,
    UpdatePolicy,
    UpdateProgram,
)
from points_grpc.domain.model import Period, Policy, PolicyKind
from points_grpc.service.shared.program_cache import ProgramCache
from points_grpc.storage.core import pipeline

YEAR = Policy(0, "year", 0, PolicyKind.PERIOD, period=Period(months=12))


@pytest.fixture
def shop(admin_harness: Any) -> Any:
    """A harness whose acme has program 1 with one currency."""
    book = admin_harness.programs
    admin_harness.ask(
        book.create_program(admin_harness.acme, CreateProgram("Shop", "Europe/Berlin", 1))
    )
    admin_harness.ask(
        book.create_currency(admin_harness.acme, CreateCurrency(1, "pts", 2, "cash", 5, 10))
    )
    return admin_harness


@contextmanager
def statements(connection: Any) -> Iterator[list[str]]:
    """The statements that the block sends on the connection."""
    sent: list[str] = []

    def note(*args: Any) -> None:
        sent.append(args[2])

    compiled = pipeline.statement_of

    def note_compiled(expression: Any) -> pipeline.Statement:
        sent.append(str(expression))
        return compiled(expression)

    event.listen(connection, "before_cursor_execute", note)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "statement_of", note_compiled)
        yield sent
    event.remove(connection, "before_cursor_execute", note)


def test_a_program_is_held_whole(shop: Any) -> None:
    """A program comes with its currencies, their newest policies and every policy version."""
    book = shop.programs
    shop.ask(book.create_policy(shop.acme, CreatePolicy(1, None, YEAR)))
    changed = Policy(0, "year", 0, PolicyKind.PERIOD, period=Period(days=3))
    shop.ask(book.update_policy(shop.acme, UpdatePolicy(1, None, changed)))
    cache = ProgramCache()
    program = shop.database.run(lambda at: cache.current(at, [(1, 1)]))[(1, 1)]
    assert (program.name, program.zone.key, program.default_currency_id) == (
        "Shop",
        "Europe/Berlin",
        10,
    )
    assert program.auto_enroll
    assert program.created_at == program.updated_at == shop.clock.now()
    currency = program.currencies[10]
    assert (currency.code, currency.scale, currency.points_type) == ("pts", 2, "cash")
    assert (currency.exchange_rate, currency.default_policy) == (5, "default")
    assert {code: p.version for code, p in currency.policies.items()} == {"default": 1, "year": 2}
    assert sorted((p.code, p.version) for p in program.versions.values()) == [
        ("default", 1),
        ("year", 1),
        ("year", 2),
    ]
    assert all(p.policy_version_id == key for key, p in program.versions.items())


def test_unknown_programs_are_absent(shop: Any) -> None:
    """Only what exists in the tenant asked for is given."""
    found = shop.database.run(lambda at: ProgramCache().current(at, [(1, 1), (1, 2), (2, 1)]))
    assert set(found) == {(1, 1)}


def test_nothing_changed_costs_one_statement(shop: Any) -> None:
    """A batch whose programs are held and unchanged reads their versions and nothing else."""
    cache = ProgramCache()

    def ask(connection: Any) -> tuple[Any, list[str]]:
        with statements(connection) as sent:
            return cache.current(connection, [(1, 1)] * 3)[(1, 1)], sent

    first, sent = shop.database.run(ask)
    assert len(sent) == 4
    second, sent = shop.database.run(ask)
    assert len(sent) == 1
    assert second is first


def test_no_programs_cost_nothing(shop: Any) -> None:
    """A batch without programs sends no statement."""

    def ask(connection: Any) -> list[str]:
        with statements(connection) as sent:
            assert ProgramCache().current(connection, []) == {}
        return sent

    assert shop.database.run(ask) == []


def test_a_change_elsewhere_holds_for_the_next_batch(open_admin: Any, shop: Any) -> None:
    """Every kind of change made through another process is seen by the next batch."""
    elsewhere = open_admin()
    cache = ProgramCache()

    def now() -> Any:
        return shop.database.run(lambda at: cache.current(at, [(1, 1)]))[(1, 1)]

    book, acme = elsewhere.programs, elsewhere.acme
    steps: list[tuple[Any, Callable[[Any], bool]]] = [
        (book.update_program(acme, UpdateProgram(1, name="Store")), lambda p: p.name == "Store"),
        (
            book.create_currency(acme, CreateCurrency(1, "eur", 2, currency_id=11)),
            lambda p: p.currencies[11].code == "eur",
        ),
        (
            book.update_program(acme, UpdateProgram(1, default_currency_code="eur")),
            lambda p: p.default_currency_id == 11,
        ),
        (
            book.update_currency(acme, UpdateCurrency(1, "eur", exchange_rate=9)),
            lambda p: p.currencies[11].exchange_rate == 9,
        ),
        (
            book.create_policy(acme, CreatePolicy(1, "pts", YEAR)),
            lambda p: p.currencies[10].policies["year"].version == 1,
        ),
        (
            book.update_policy(
                acme, UpdatePolicy(1, "pts", Policy(0, "year", 0, PolicyKind.NEVER))
            ),
            lambda p: p.currencies[10].policies["year"].version == 2,
        ),
    ]
    for change, is_seen in steps:
        assert not _holds(is_seen, now())
        elsewhere.ask(change)
        assert is_seen(now())


def _holds(condition: Callable[[Any], bool], program: Any) -> bool:
    try:
        return condition(program)
    except KeyError:
        return False


def test_an_older_snapshot_outdates_nothing(open_admin: Any, shop: Any) -> None:
    """A batch with an older view gets what it sees, and leaves the newer program held."""
    cache = ProgramCache()
    link = shop.database.link(snapshot=True)
    with link.unit() as old:
        assert cache.current(old, [(1, 1)])[(1, 1)].name == "Shop"
        shop.ask(shop.programs.update_program(shop.acme, UpdateProgram(1, name="Store")))
        newer = shop.database.run(lambda at: cache.current(at, [(1, 1)]))[(1, 1)]
        assert newer.name == "Store"
        assert cache.current(old, [(1, 1)])[(1, 1)].name == "Shop"
    link.close()
    assert shop.database.run(lambda at: cache.current(at, [(1, 1)]))[(1, 1)] is newer


def test_only_the_programs_used_last_are_held(shop: Any) -> None:
    """A full cache lets go of the program that was not used for longest, and still serves it."""
    for program_id in (2, 3):
        change = CreateProgram(str(program_id), "UTC", program_id)
        shop.ask(shop.programs.create_program(shop.acme, change))
    cache = ProgramCache(size_max=2)

    def ask(program_id: int) -> int:
        def count(connection: Any) -> int:
            with statements(connection) as sent:
                assert cache.current(connection, [(1, program_id)])
            return len(sent)

        return int(shop.database.run(count))

    assert [ask(1), ask(2), ask(1), ask(3), ask(1), ask(2)] == [4, 4, 1, 4, 1, 4]

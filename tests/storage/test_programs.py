"""Tenants and programs as they are kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, Table, insert, select
from sqlalchemy.exc import IntegrityError

from points_grpc.domain.admin.commands import CurrencyView, PolicyView, ProgramView
from points_grpc.domain.model import Policy, PolicyKind
from points_grpc.storage.admin import currencies, policies, programs
from points_grpc.storage.core.database import Database
from points_grpc.storage.core.db_errors import Fault, fault_of
from points_grpc.storage.tables import currencies as currencies_table
from points_grpc.storage.tables import policies as policies_table
from points_grpc.storage.tables import programs as programs_table

NOW = datetime(2031, 5, 6, tzinfo=UTC)
LATER = datetime(2031, 5, 7, tzinfo=UTC)


def add_program(connection: Connection, tenant_id: int, program_id: int) -> None:
    """A program with one currency and two versions of one policy."""
    view = ProgramView(program_id, f"p{program_id}", "UTC", True, "", 1, NOW, NOW)
    programs.insert_program(connection, tenant_id, view)
    currency_id = program_id * 10
    currency = CurrencyView(currency_id, program_id, "pts", 0, "", 0, "default", NOW, NOW)
    currencies.insert_currency(connection, tenant_id, currency)
    programs.set_default_currency(connection, (tenant_id, program_id), currency_id)
    for version in (2, 1):
        policy = Policy(currency_id * 10 + version, "default", version, PolicyKind.NEVER)
        policies.insert_policy(
            connection, tenant_id, PolicyView(policy, program_id, currency_id, "pts", NOW)
        )


def test_a_tenant_is_known_by_its_name(database: Database) -> None:
    """A created tenant is found by its name with its default program; another name is not."""

    def work(connection: Connection) -> None:
        acme = programs.create_tenant(connection, "acme", NOW)
        rival = programs.create_tenant(connection, "rival", NOW)
        assert acme.tenant_id != rival.tenant_id
        programs.set_default_program(connection, acme.tenant_id, 7)
        found = programs.tenant_by_name(connection, "acme")
        assert found == programs.Tenant(acme.tenant_id, "acme", 7)
        assert programs.tenant_by_name(connection, "rival") == rival
        assert programs.tenant_by_name(connection, "nobody") is None

    database.run(work)


def test_a_tenants_name_is_taken_once(database: Database) -> None:
    """Creating a tenant whose name exists fails as a race would."""
    database.run(lambda at: programs.create_tenant(at, "acme", NOW))
    with pytest.raises(IntegrityError) as error:
        database.run(lambda at: programs.create_tenant(at, "acme", NOW))
    assert fault_of(error.value) is Fault.CONFLICT


def test_programs_load_in_sets(database: Database) -> None:
    """Each program of a set comes with its own currencies and policies, of its tenant alone."""

    def work(connection: Connection) -> None:
        for tenant_id, program_id in ((1, 1), (1, 2), (2, 1)):
            add_program(connection, tenant_id, program_id)
        programs.touch(connection, (2, 1), LATER)
        keys = [(1, 1), (2, 1), (3, 1), (1, 9)]
        assert programs.versions(keys).run(connection) == {(1, 1): 1, (2, 1): 2}
        loaded = programs.load(connection, keys)
        assert set(loaded) == {(1, 1), (2, 1)}
        theirs = loaded[2, 1]
        assert (theirs.version, theirs.created_at, theirs.updated_at) == (2, NOW, LATER)
        for program in loaded.values():
            assert list(program.currencies) == [10]
            assert sorted(program.versions) == [101, 102]
            assert program.currencies[10].policies["default"] == program.versions[102]

    database.run(work)


def test_every_change_raises_the_version(database: Database) -> None:
    """Updating and touching a program both make its next version, of that program alone."""

    def work(connection: Connection) -> None:
        for tenant_id, program_id in ((1, 1), (1, 2), (2, 1)):
            add_program(connection, tenant_id, program_id)
        programs.update_program(connection, (1, 1), "new", False, LATER)
        programs.touch(connection, (1, 1), LATER)
        changed = programs.view(connection, 1, 1)
        assert changed == ProgramView(1, "new", "UTC", False, "pts", 3, NOW, LATER)
        assert programs.versions([(1, 2), (2, 1)]).run(connection) == {(1, 2): 1, (2, 1): 1}

    database.run(work)


def test_only_what_exists_can_be_locked(database: Database) -> None:
    """Locking tells whether the tenant has the program."""

    def work(connection: Connection) -> None:
        add_program(connection, 1, 1)
        assert programs.lock(connection, 1, 1)
        assert not programs.lock(connection, 2, 1)
        assert not programs.lock(connection, 1, 2)

    database.run(work)


def _moved(table: Table, to: int) -> dict[str, int]:
    names = ("program_id", "currency_id", "policy_version_id")
    return {name: to for name in names if name in table.c}


def test_programs_are_read_by_index(
    database: Database, plans: Callable[[Connection, Callable[[], object]], str]
) -> None:
    """Among many programs, those of a batch are found without a sequential scan."""

    def work(connection: Connection) -> None:
        add_program(connection, 1, 1)
        for table in (programs_table, currencies_table, policies_table):
            first = connection.execute(select(table)).mappings().first()
            assert first is not None
            many = [{**first, **_moved(table, n)} for n in range(1_000, 11_000)]
            connection.execute(insert(table), many)
        for name in ("programs", "currencies", "policies"):
            connection.exec_driver_sql(f"ANALYZE {name}")

        def read() -> None:
            programs.versions([(1, 1)]).run(connection)
            programs.load(connection, [(1, 1)])

        plan = plans(connection, read)
        assert "Seq Scan" not in plan
        assert "policies_by_program" in plan

    database.run(work)

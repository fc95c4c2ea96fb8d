"""The watch over statements sees what it has to."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Table, column, select, table, text, update
from tests.support import tenant_isolation

from points_grpc.storage.core import pipeline
from points_grpc.storage.core.database import Database
from points_grpc.storage.tables import (
    accounts,
    allocations,
    lots,
    requests,
    transactions,
    units,
)

OTHER = lots.alias("other")
ASKED = table("asked", column("tenant_id"))
SCOPED = (
    select(lots.c.lot_id).where(lots.c.tenant_id == 7),
    select(OTHER.c.lot_id).where(OTHER.c.tenant_id.in_([7])),
    select(lots.c.lot_id)
    .join(accounts, accounts.c.tenant_id == lots.c.tenant_id)
    .where(accounts.c.tenant_id == 7),
    select(lots.c.lot_id)
    .join(ASKED, lots.c.tenant_id == ASKED.c.tenant_id)
    .join(accounts, accounts.c.tenant_id == lots.c.tenant_id),
    select(lots.c.lot_id).join(ASKED, ASKED.c.tenant_id == lots.c.tenant_id),
    text("SELECT 1 FROM lots WHERE %(tenant)s = lots.tenant_id"),
    update(lots).where(lots.c.tenant_id == 7).values(held=0),
    text("INSERT INTO allocations (bucket, tenant_id, lot_id) SELECT bucket, 7, 1 FROM units"),
    select(units.c.unit_id),
)
UNSCOPED = (
    (select(lots.c.lot_id), ("lots",)),
    (select(lots.c.tenant_id), ("lots",)),
    (select(OTHER.c.lot_id).where(OTHER.c.bucket == 7), ("lots",)),
    (select(OTHER.c.lot_id).join(lots, lots.c.tenant_id == 7), ("lots",)),
    (select(lots.c.lot_id, accounts.c.account_id).where(lots.c.tenant_id == 7), ("accounts",)),
    (update(lots).values(held=0), ("lots",)),
    (
        select(lots.c.lot_id).join(accounts, accounts.c.tenant_id == lots.c.tenant_id),
        ("lots", "accounts"),
    ),
    (text("INSERT INTO allocations (bucket) VALUES (0)"), ("allocations",)),
    (requests.delete().where(requests.c.bucket == 7), ("requests",)),
    (text("SELECT 1 FROM lots l WHERE l.bucket = 7"), ("lots",)),
)


def test_facts_are_what_belongs_to_a_tenant() -> None:
    """Every table whose rows are a tenant's in a bucket is watched."""
    assert {"accounts", "lots", "transactions", "members", "requests"} <= tenant_isolation.FACTS
    assert "tenants" not in tenant_isolation.FACTS


@pytest.mark.parametrize("statement", SCOPED, ids=str)
def test_a_statement_that_says_whose_is_let_pass(statement: Any) -> None:
    """A statement that compares the tenant of each fact table, or writes it, is well."""
    assert tenant_isolation.unscoped(str(statement)) == ()


@pytest.mark.parametrize(("statement", "tables"), UNSCOPED, ids=str)
def test_a_statement_that_does_not_is_found(statement: Any, tables: tuple[str, ...]) -> None:
    """A fact table of which the tenant is only shown, or another's compared, is found."""
    assert tenant_isolation.unscoped(str(statement)) == tables


def test_changes_of_history_are_found() -> None:
    """What says who did what is added to; a statement that changes or deletes it is an offender."""
    tenant = transactions.c.tenant_id == 7
    for wrong in (
        transactions.update().where(tenant).values(principal="x"),
        allocations.delete().where(allocations.c.tenant_id == 7),
        text("TRUNCATE TABLE expiry_changes"),
    ):
        assert tenant_isolation.changes_history(str(wrong))
    for right in (
        select(transactions.c.version).where(tenant).with_for_update(),
        text("INSERT INTO expiry_changes (tenant_id) VALUES (7)"),
        update(lots).where(lots.c.tenant_id == 7).values(held=0),
    ):
        assert not tenant_isolation.changes_history(str(right))


@pytest.mark.parametrize("together", [True, False])
def test_statements_are_seen_on_both_ways(
    database: Database, monkeypatch: pytest.MonkeyPatch, together: bool
) -> None:
    """Neither what SQLAlchemy sends nor what is sent in one round trip is missed."""
    monkeypatch.setattr(tenant_isolation, "_is_ours", lambda: True)
    table: Table = lots
    statement = select(table.c.lot_id)

    def work(at: Any) -> None:
        if together:
            pipeline.run_all(at, pipeline.Query(statement, {}, list))
        else:
            at.execute(statement)

    database.run(work)
    assert len(tenant_isolation.offenders) == 1
    tenant_isolation.offenders.clear()


@pytest.fixture
def database(database_url: str) -> Any:
    """A fresh database."""
    opened = Database(database_url)
    yield opened
    opened.close()

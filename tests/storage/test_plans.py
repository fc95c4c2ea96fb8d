"""How the hot statements run: by index whatever the parameters, and updates in place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import DDL, Connection
from tests.support.storage.filled import (
    DAY,
    IDLE_RULE,
    NOW,
    account_of,
    add,
    lot_of,
    number,
    transaction_of,
)

from points_grpc.domain.admin.events import AdminEvent, ListAdminEvents, Resource
from points_grpc.domain.model import TransactionType
from points_grpc.storage import tables as t
from points_grpc.storage.admin import audit_events
from points_grpc.storage.core import unit_ids
from points_grpc.storage.core.database import Database
from points_grpc.storage.core.ids import BUCKETS, IdSource
from points_grpc.storage.ledger import (
    accounts,
    bulk_lapse,
    expiry_changes,
    lots,
    members,
    requests,
    spendable,
    transactions,
)
from points_grpc.storage.reads import change_pages, expiration_causes, transaction_pages
from points_grpc.storage.reads.transaction_pages import ID_END, Wanted
from points_grpc.storage.transfer import imports

MEMBERS = 1500


FACTS = (
    t.accounts,
    t.allocations,
    t.audit_events,
    t.expiry_changes,
    t.former_identifiers,
    t.identifiers,
    t.import_keys,
    t.lots,
    t.member_identifiers,
    t.members,
    t.requests,
    t.transactions,
)


def add_events(connection: Connection, ids: IdSource, tenant_id: int) -> None:
    """A change of each second."""
    for second in range(MEMBERS):
        at = NOW + timedelta(seconds=second)
        event = AdminEvent("p", "UpdateProgram", Resource.PROGRAM, at, program_id=469)
        audit_events.append(connection, ids, tenant_id, event)


@pytest.fixture(scope="module")
def filled(module_database_url: str) -> Iterator[Database]:
    """A database with some thousands of rows in every table that is never analyzed."""
    database = Database(module_database_url)
    for fact in FACTS:
        database.run(
            lambda at, fact=fact: at.execute(
                DDL(f"ALTER TABLE {fact.name} SET (autovacuum_enabled = off)")
            )
        )
    database.run(lambda at: add(at, range(MEMBERS)))
    ids = IdSource(database.run, audit_events.EVENT_NUMBERS)
    for tenant_id in (1, 2):
        database.run(lambda at, of=tenant_id: add_events(at, ids, of))
    yield database
    database.close()


SOME = range(100, 400, 3)


KEYS = [(1, number(1, m)) for m in SOME]


LOT_KEYS = [(1, number(2, m, 1)) for m in SOME]


AT = [(1, number(1, m), NOW + 40 * DAY) for m in SOME]


STREAMS = [(1, number(1, m), rule) for m in SOME for rule in (0, IDLE_RULE)]


CUT_STREAMS = [(*stream, (0, at, NOW, 1)) for stream in STREAMS for at in (NOW, None)]


PAIRS = [(1, number(0, m), 7) for m in SOME]


VENDORS = [(1, number(0, m), 2) for m in SOME]


PLACES = [accounts.DuePlace(b, 1, 469, NOW - DAY, 1) for b in range(BUCKETS)]


AFTER = (NOW + timedelta(seconds=MEMBERS // 2), 2**50)


LAPSING = [(account_of(m), NOW + 40 * DAY) for m in SOME]


HOT: dict[str, Callable[[Connection], object]] = {
    "accounts.find": lambda at: accounts.find(at, PAIRS),
    "accounts.read": lambda at: accounts.read(at, KEYS),
    "accounts.lock": lambda at: accounts.lock(at, KEYS, wait=False),
    "accounts.lock waiting": lambda at: accounts.lock(at, KEYS, wait=True),
    "accounts.insert": lambda at: accounts.insert(at, [account_of(MEMBERS + 1)]),
    "accounts.update": lambda at: accounts.update(at, [account_of(m) for m in SOME]),
    "accounts.redate": lambda at: accounts.update_dates(at, [account_of(m) for m in SOME]),
    "accounts.due": lambda at: accounts.due(at, PLACES, NOW + 40 * DAY, 10),
    "accounts.count_due": lambda at: accounts.count_due(at, PLACES, NOW + 40 * DAY),
    "admin_events.page": lambda at: audit_events.page(at, 1, ListAdminEvents(), None),
    "admin_events.page after": lambda at: audit_events.page(
        at, 1, ListAdminEvents(principal="q", resource=Resource.POLICY), AFTER
    ),
    "imports.targets": lambda at: imports.targets(
        at, 1, [(number(0, m), f"row-{m}") for m in SOME]
    ),
    "imports.made_by_files": lambda at: imports.made_by_files(
        at, 1, imports.LOT, [(number(0, m), number(2, m)) for m in SOME]
    ),
    "imports.insert_keys": lambda at: imports.insert_keys(
        at, 1, [((number(0, MEMBERS + 1), "row"), (imports.LOT, number(2, MEMBERS + 1)))]
    ),
    "lapsing.survey": lambda at: bulk_lapse.summarise(at, LAPSING),
    "lapsing.record": lambda at: bulk_lapse.record(
        at, [(*pair, 2**42 + 9 * n) for n, pair in enumerate(LAPSING)]
    ),
    "lots.by_id": lambda at: lots.by_id(at, LOT_KEYS),
    "lots.finding": lambda at: lots.finding(LOT_KEYS).run(at),
    "lots.by_vendor_id": lambda at: lots.by_vendor_id(at, VENDORS),
    "lots.possibly_due": lambda at: lots.possibly_due(at, AT, 257),
    "lots.possibly_due all": lambda at: lots.possibly_due(at, AT, None),
    "lots.following": lambda at: lots.following(at, AT),
    "lots.next_fixed_due": lambda at: lots.next_fixed_due(at, AT),
    "spendable.first": lambda at: spendable.first(at, STREAMS, 32),
    "spendable.following": lambda at: spendable.following(at, CUT_STREAMS, 32),
    "lots.insert": lambda at: lots.insert(at, [(1, lot_of(MEMBERS + 1, 1))]),
    "lots.update": lambda at: lots.update(at, [(1, lot_of(m, 1)) for m in SOME]),
    "lots.redate": lambda at: lots.update_dates(at, [(1, lot_of(m, 1)) for m in SOME]),
    "transactions.by_id": lambda at: transactions.by_id(at, LOT_KEYS),
    "transactions.existing": lambda at: transactions.existing(at, LOT_KEYS),
    "transactions.references": lambda at: transactions.references(at, LOT_KEYS),
    "transactions.allocations_of": lambda at: transactions.allocations_of(
        at, dict.fromkeys(LOT_KEYS, 100)
    ),
    "transactions.allocations_of cut": lambda at: transactions.allocations_of(
        at, dict.fromkeys(LOT_KEYS, 1)
    ),
    "transactions.allocations_after": lambda at: transactions.allocations_after(
        at, LOT_KEYS[0], 0, 50
    ),
    "change_listings.changes": lambda at: change_pages.changes(
        at, 1, (number(1, 100), 0), (None, None), after=ID_END, quota=50
    ),
    "change_listings.changes of a lot": lambda at: change_pages.changes(
        at, 1, (number(1, 100), number(2, 100)), (None, None), after=0, quota=50, ascending=True
    ),
    "listings.history": lambda at: transaction_pages.history(
        at, (1, number(1, 100)), Wanted(), after=ID_END, quota=50
    ),
    "listings.newest": lambda at: transaction_pages.newest(
        at, 1, range(BUCKETS), Wanted(), after=ID_END, quota=50
    ),
    "listings.largest": lambda at: transaction_pages.largest(
        at, 1, range(BUCKETS), Wanted(currency_id=7), after=(ID_END, ID_END), quota=50
    ),
    "listings.referred": lambda at: transaction_pages.referred(
        at, 1, range(BUCKETS), "order-1", 50
    ),
    "transactions.parts": lambda at: transactions.parts(at, [(*k, k[1]) for k in LOT_KEYS]),
    "expiry_changes.by_id": lambda at: expiry_changes.by_id(at, [(1, number(3, m)) for m in SOME]),
    "expiry_changes.moved": lambda at: expiry_changes.moved(at, LOT_KEYS),
    "expiration_causes.causes": lambda at: expiration_causes.causes(
        at, [(1, replace(transaction_of(m, 1), type=TransactionType.EXPIRE)) for m in SOME]
    ),
    "members.resolve": lambda at: members.resolve(at, [(1, "external_id", f"m{m}") for m in SOME]),
    "members.finding": lambda at: members.finding([(1, "external_id", f"m{m}") for m in SOME]).run(
        at
    ),
    "members.finding_with_former": lambda at: members.finding_with_former(
        [(1, "external_id", f"m{m}") for m in SOME]
    ).run(at),
    "members.labels": lambda at: members.labels(at, [(1, number(0, m)) for m in SOME]),
    "requests.find": lambda at: requests.find(
        at, [(1, m % BUCKETS, m.to_bytes(16, "big")) for m in SOME]
    ),
    "units.open_unit": lambda at: unit_ids.open_unit(at, UUID(int=1), NOW),
}


INSERTS = ("accounts.insert", "imports.insert_keys", "lots.insert", "units.open_unit")


Plans = Callable[[Connection, Callable[[], object]], str]


FACT_NAMES = {fact.name for fact in FACTS}


def scans(plan: str) -> list[str]:
    """The tables of facts that the plan reads other than by the beginning of an index's key."""
    found = []
    lines = plan.splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        read = re.search(r"(Seq|Index|Index Only) Scan (?:using \w+ )?on (\w+)", line)
        if read and read[2] in FACT_NAMES and "Index Cond: ((bucket = " not in following:
            found.append(read[2])
    return found


class TakeBack(Exception):
    """Ends a unit of work that is to leave nothing."""


def scanned(database: Database, plans: Plans) -> dict[str, list[str]]:
    """The hot statements that scan a table of facts, and which."""
    found: dict[str, list[str]] = {}

    def explain(at: Connection) -> None:
        for name, work in HOT.items():
            plan = plans(at, lambda work=work: work(at))
            assert "Index Cond: ((bucket = " in plan or name in INSERTS
            found[name] = scans(plan)
        raise TakeBack

    with suppress(TakeBack):
        database.run(explain)
    return {name: tables for name, tables in found.items() if tables}


def test_new_tables_are_read_by_index(filled: Database, plans: Plans) -> None:
    """On tables that were just filled, and never analyzed, no hot statement scans one."""
    assert scanned(filled, plans) == {}


def test_analyzed_tables_are_read_by_index(filled: Database, plans: Plans) -> None:
    """The same holds when the planner knows the tables."""
    for fact in FACTS:
        filled.run(lambda at, fact=fact: at.execute(DDL(f"ANALYZE {fact.name}")))
    assert scanned(filled, plans) == {}


def test_a_page_of_audit_events_begins_at_its_place(filled: Database, plans: Plans) -> None:
    """The place of a page is in the index's condition, and no event is sorted."""

    def explain(at: Connection) -> None:
        for after in (None, AFTER):
            plan = plans(at, lambda after=after: audit_events.page(at, 1, ListAdminEvents(), after))
            [condition] = re.findall("Index Cond: .*", plan)
            assert "audit_events_by_time" in plan
            assert "ROW(created_at, event_id) < ROW(" in condition
            assert "Sort" not in plan

    filled.run(explain)

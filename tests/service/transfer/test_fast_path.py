"""That lots which are posted in one step become what the long way makes of them."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Select, Table, select

from points_grpc.service.transfer.importer import parsing
from points_grpc.storage.tables import (
    accounts,
    allocations,
    import_keys,
    lots,
    members,
    policies,
    transactions,
)

RIVAL = 2
IDS = {"bucket", "tenant_id", "lot_id", "account_id", "member_id", "currency_id"} | {
    "policy_version_id",
    "transaction_id",
    "related_id",
    "target_id",
}


def rows(chance: random.Random, number: int) -> list[dict[str, Any]]:
    """Lots, mostly plain ones, of few members, with history, repetitions and mistakes between."""
    found: list[dict[str, Any]] = []
    for n in range(1, number + 1):
        amount = chance.randrange(1, 500)
        earned = datetime(2029, 1, 1, tzinfo=UTC) + timedelta(seconds=chance.randrange(70_000_000))
        row = {
            "external_id": f"m{chance.randrange(9)}",
            "vendor_id": str(n),
            "amount": str(amount),
            "earned_at": earned.isoformat(),
            **_often(chance, "remaining", str(chance.randrange(0, amount + 1))),
            **_often(chance, "expires_at", chance.choice(["2030-06-30", "2032-01-31", "never"])),
            **({"currency": "EUR"} if chance.random() < 0.2 else {}),
            **_often(chance, "reference", f"Bestellung \t{n}\\ \N{SNOWMAN}\n"),
        }
        odd = chance.randrange(16)
        row |= {
            0: {"state": chance.choice(["OPEN", "CLOSED", "APPROVED"])},
            1: {"policy": chance.choice(["month", "year-end", "idle", "idle-first", "none"])},
            2: {"amount": chance.choice(["0", "-1", "1.5", "\u0663", "1e2", "9" * 15, "9" * 20])},
            3: {"earned_at": chance.choice(["", "2031-13-01", "2040-01-01T00:00:00Z", "soon"])},
            4: {"vendor_id": chance.choice(["0", str(2**46), "x", "", str(max(1, n - 3))])},
            5: {"external_id": chance.choice(["", "x" * 257, "Zo\u00eb"])},
            6: {"remaining": str(amount + 1), "reference": "r" * chance.choice([256, 257])},
            7: {"expired": "1"},
        }.get(odd, {})
        found.append(row)
        if odd == 8:
            found.append(row)
        if odd == 9:
            found.append(
                {
                    "type": "transaction",
                    "transaction": "REDEEM",
                    "external_id": row["external_id"],
                    "import_id": f"r{n}",
                    "effective_at": (earned + timedelta(seconds=1)).isoformat(),
                    "allocations": [{"lot_vendor_id": str(n), "amount": 1}],
                }
            )
    return found


def _often(chance: random.Random, name: str, value: str) -> dict[str, str]:
    return {name: value} if chance.random() < 0.7 else {}


def everything(at: Connection, tenant: int) -> dict[str, list[str]]:
    """All rows of the tenant, with names instead of ids."""
    owner = members.c.external_id
    of_lot = (lots.c.bucket == allocations.c.bucket) & (lots.c.lot_id == allocations.c.lot_id)
    of_row = (transactions.c.bucket == allocations.c.bucket) & (
        transactions.c.transaction_id == allocations.c.transaction_id
    )
    of_account = accounts.c.account_id == transactions.c.account_id
    statements: dict[str, Select[Any]] = {
        "accounts": select(owner, *_plain(accounts)).join_from(
            accounts, members, members.c.member_id == accounts.c.member_id
        ),
        "lots": select(owner, policies.c.code, lots.c.lapse_id.is_(None), *_plain(lots))
        .join_from(lots, members, members.c.member_id == lots.c.member_id)
        .join(
            policies,
            (policies.c.tenant_id == tenant)
            & (policies.c.policy_version_id == lots.c.policy_version_id),
        ),
        "transactions": select(owner, *_plain(transactions))
        .join_from(transactions, accounts, of_account)
        .join(members, members.c.member_id == accounts.c.member_id),
        "allocations": select(owner, lots.c.vendor_id, transactions.c.version, *_plain(allocations))
        .join_from(allocations, lots, of_lot)
        .join(transactions, of_row)
        .join(members, members.c.member_id == lots.c.member_id),
        "keys": select(*_plain(import_keys)),
    }
    of_tenant = {"keys": import_keys, "accounts": accounts, "lots": lots}
    of_tenant |= {"transactions": transactions, "allocations": allocations}
    return {
        name: sorted(
            str(tuple(row))
            for row in at.execute(statement.where(of_tenant[name].c.tenant_id == tenant))
        )
        for name, statement in statements.items()
    }


def _plain(table: Table) -> list[Any]:
    left_out = {*IDS, "lapse_id", "rule", "program_id"}
    return [column for column in table.columns if column.name not in left_out]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("chunk", [7, 5_000])
def test_one_step_is_the_long_way(counter, harness, monkeypatch, seed: int, chunk: int) -> None:
    """Any file leaves the same rows and report, whether its plain lots take one step or not."""
    harness.open_program(harness.rival)
    lines = [json.dumps(row) for row in rows(random.Random(seed), 100)]
    path = counter.file("\n".join(lines), ".jsonl")
    short = counter.take(path, chunk)
    refused = counter.refused(path)
    monkeypatch.setattr(parsing.Parser, "_plain", lambda *_: None)
    long = counter.take(path, chunk, tenant=RIVAL)
    figures = (long.imported, long.known, long.refused)
    assert (short.imported, short.known, short.refused) == figures
    assert counter.refused(path) == refused
    assert refused
    assert harness.look(lambda at: everything(at, 1)) == harness.look(
        lambda at: everything(at, RIVAL)
    )


def test_most_lots_take_one_step(counter, monkeypatch) -> None:
    """A lot with amount, remaining, a fixed expiry and nothing else is not sent the long way."""
    taken = []
    long = parsing.Parser._lot
    monkeypatch.setattr(
        parsing.Parser, "_lot", lambda self, n, row: taken.append(n) or long(self, n, row)
    )
    head = "external_id,vendor_id,amount,remaining,earned_at,expires_at,state\n"
    plain = "ann,7,100,40,2031-01-02T12:00:00Z,2032-01-31,\n"
    other = "ann,8,100,,2031-01-02T12:00:00Z,2032-01-31,OPEN\n"
    assert counter.counts(counter.file(head + plain + other)) == (2, 0, 0)
    assert taken == [3]

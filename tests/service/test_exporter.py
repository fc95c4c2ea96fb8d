"""An export brought into an empty database is the same program: balances, lots and history."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Table, select
from tests.support.service.ledger_audit import audit
from tests.support.service.ledger_harness import (
    PROGRAM,
    LedgerHarness,
    approve,
    earn,
    expire,
    move,
    named,
    redeem,
    update_status,
)

from points_grpc.domain.admin.commands import CreateMember, LinkIdentifier
from points_grpc.domain.commands import MemberName
from points_grpc.domain.model import AwardKind, LotState, ReasonType
from points_grpc.domain.policy import InDays, InMonths, Never
from points_grpc.errors import Refusal
from points_grpc.service.transfer.exporter import Exporter, write_csv, write_json_lines
from points_grpc.service.transfer.importer.importer import Importer, ImportJob
from points_grpc.storage import tables as t
from points_grpc.storage.core.migrate import upgrade
from points_grpc.storage.transfer.imports import Progress


@pytest.fixture
def other(empty_database_url: str, harness: LedgerHarness) -> Iterator[LedgerHarness]:
    """A harness over another database with the same program, and nothing in it."""
    upgrade(empty_database_url)
    made = LedgerHarness(empty_database_url, harness.clock)
    made.open_program()
    yield made
    findings = audit(made.database)
    made.close()
    assert findings == []


def trade(harness: LedgerHarness, rounds: int) -> None:
    """A program's life: everything that can happen to points, by chance from a fixed seed."""
    chance = random.Random(11)
    harness.administrate(lambda _, members: enrol(members, harness))
    earned: list[Any] = []
    for n in range(rounds):
        harness.clock.set(harness.clock.now() + timedelta(hours=chance.randrange(1, 60)))
        member = f"m{chance.randrange(6)}"
        currency = chance.choice(("PTS", "PTS", "EUR"))
        lot = chance.choice(earned) if earned else None
        commands = [
            earn(
                chance.randrange(1, 500),
                member,
                currency=currency,
                policy=chance.choice(("", "month", "year-end", "idle", "idle-first")),
                initial_state=chance.choice(list(LotState)[:3]),
                vendor_id=chance.choice((0, n + 1)),
                kind=chance.choice(list(AwardKind)),
                reference=chance.choice(("", f"order, {n}", 'a "b"\n\\c\t')),
                earn_at=harness.clock.now() - timedelta(days=chance.choice((0, 0, 5, 90))),
                request_id=chance.choice(("", f"r{n}")),
            ),
            redeem(chance.randrange(1, 300), member, currency=currency, description="Käse"),
            expire(chance.randrange(1, 100), member, currency=currency, reason="fraud"),
        ]
        if lot is not None:
            whose = lot.account.owner.member.external_id
            to = chance.choice((None, InDays(9), InMonths(3), Never(), InDays(1)))
            meta = ("ada", "bob", "why") if chance.random() < 0.5 else ("", "", "")
            note = {"standard_meta": meta, "custom_meta": '{"n":1.5}', "reason_note": "x"}
            reason = chance.choice((None, ReasonType.EXTEND_EXPIRY))
            commands += [
                move(lot, to, member=whose, reinstate=True, reason_type=reason, **note),
                approve(lot),
                update_status(lot, chance.choice((LotState.PENDING, LotState.CLOSED))),
            ]
        try:
            answer = harness.do(chance.choice(commands))
        except Refusal:
            continue
        if hasattr(answer, "lot"):
            earned.append(answer)


async def enrol(members: Any, harness: LedgerHarness) -> None:
    names = (named("m0"), MemberName("vendor_id", "77"), MemberName("email", "m0@x.org"))
    await members.create_member(harness.acme, CreateMember(names))
    await members.create_member(harness.acme, CreateMember((MemberName("card_no", "A,1"),)))
    card = MemberName("phone", "4312")
    await members.link_identifier(harness.acme, LinkIdentifier(named("m0"), card))


def everything(connection: Connection) -> dict[str, Any]:
    """All that the database knows, told without ids of its own."""
    names: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for row in connection.execute(select(t.member_identifiers)):
        names[row.member_id].append((row.type, row.value))
    member = {key: tuple(sorted(of)) for key, of in names.items()}
    codes = {row.currency_id: row.code for row in connection.execute(select(t.currencies))}
    policy = {row.policy_version_id: row.code for row in connection.execute(select(t.policies))}
    account = {
        row.account_id: (member[row.member_id], codes[row.currency_id])
        for row in connection.execute(select(t.accounts))
    }
    rows = {
        row.transaction_id: (account[row.account_id], row.version)
        for row in connection.execute(select(t.transactions))
    }
    ids = {"account_id": account, "policy_version_id": policy, "rule": {0: None, **policy}}
    ids |= {"transaction_id": rows, "lot_id": rows, "related_id": {None: None, **rows}}
    ids |= {"member_id": member, "currency_id": codes, "lapse_id": {None: None, **rows}}
    facts = (t.members, t.accounts, t.lots, t.transactions, t.allocations, t.expiry_changes)
    return {table.name: told(connection, table, ids) for table in facts}


def told(connection: Connection, table: Table, ids: dict[str, Any]) -> list[str]:
    columns = [c.name for c in table.c if c.name not in ("bucket", "event_id", "next_due_at")]
    return sorted(
        repr(
            [
                (name, ids[name][value] if name in ids else value)
                for name, value in zip(columns, row, strict=True)
            ]
        )
        for row in connection.execute(select(*(table.c[name] for name in columns)))
    )


def exported(harness: LedgerHarness, folder: Path, form: str) -> Path:
    path = folder / f"export.{form}"
    write = write_csv if form == "csv" else write_json_lines
    with path.open("w", newline="") as file:
        for _ in write(Exporter(harness.database, 1, PROGRAM).rows(), file):
            pass
    return path


def imported(harness: LedgerHarness, path: Path, chunk: int) -> Progress:
    report = path.with_suffix(".refused")
    order = ImportJob(path, path.suffix[1:], 1, PROGRAM, report, chunk)
    importer = Importer(harness.database, harness.clock, order)
    try:
        (*_, done) = importer.run()
    finally:
        importer.close()
    assert not report.exists(), report.read_text()
    return done


@pytest.mark.parametrize(("form", "chunk"), [("jsonl", 7), ("csv", 5_000)])
def test_a_round_trip(
    harness: LedgerHarness, other: LedgerHarness, tmp_path: Path, form: str, chunk: int
) -> None:
    """Members, accounts, lots, transactions, allocations and changes come out as they were."""
    trade(harness, 400)
    path = exported(harness, tmp_path, form)
    done = imported(other, path, chunk)
    assert (done.known, done.refused) == (0, 0)
    before, after = harness.look(everything), other.look(everything)
    for name, rows in before.items():
        assert after[name] == rows, name
    assert len(before["expiry_changes"]) > 5
    kinds = harness.look(lambda at: set(at.execute(select(t.transactions.c.type)).scalars()))
    assert kinds == {1, 2, 3, 4, 5, 6, 7}


def test_an_export_is_known_where_it_came_from(harness: LedgerHarness, tmp_path: Path) -> None:
    """Importing an export into the database that it is of changes nothing."""
    trade(harness, 80)
    before = harness.look(everything)
    path = exported(harness, tmp_path, "jsonl")
    done = imported(harness, path, 30)
    assert (done.imported, done.refused) == (0, 0)
    assert done.known == len(path.read_text().splitlines())
    assert harness.look(everything) == before


def test_an_import_comes_twice_from_an_export(
    harness: LedgerHarness, other: LedgerHarness, tmp_path: Path
) -> None:
    """An export imported elsewhere, grown meanwhile, adds only what is new."""
    trade(harness, 60)
    imported(other, exported(harness, tmp_path, "jsonl"), 30)
    harness.do(earn(5, "m1"))
    done = imported(other, exported(harness, tmp_path, "jsonl"), 30)
    assert (done.imported > 0, done.refused) == (True, 0)
    assert harness.look(everything) == other.look(everything)

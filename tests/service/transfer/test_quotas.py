"""The identifiers of a member stay within their bound, however a file gives them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.service.ledger_harness import PROGRAM

from points_grpc.domain.admin.commands import CreateMember, LinkIdentifier
from points_grpc.domain.commands import Caller, MemberName
from points_grpc.service.transfer.importer import writing
from points_grpc.service.transfer.importer.importer import JSON_LINES, Importer, ImportJob
from points_grpc.storage.ledger import members

FULL = "identifiers: a member has at most 3"
ANN = MemberName("external_id", "ann")
CALLER = Caller(1, "acme", "anna@acme")


def member(external_id: str, *cards: str) -> str:
    """A row of a member with an external_id and cards."""
    given = [{"type": "card", "value": card} for card in cards]
    row = {"type": "member", "external_id": external_id, "identifiers": given}
    return json.dumps(row) + "\n"


def lot(external_id: str) -> str:
    """A row of a lot."""
    row = {"type": "lot", "external_id": external_id, "vendor_id": 1, "amount": 5}
    return json.dumps(row | {"earned_at": "2031-01-02"}) + "\n"


def take(counter: Any, path: Path, chunk: int = 5_000) -> tuple[int, int, int]:
    """Import the file, with at most three identifiers a member; what became of its rows."""
    report = path.with_name(path.name + ".refused.csv")
    order = ImportJob(path, JSON_LINES, 1, PROGRAM, report, chunk, identifiers_max=3)
    importer = Importer(counter.harness.database, counter.harness.clock, order)
    try:
        (*_, done) = importer.run()
    finally:
        importer.close()
    return done.imported, done.known, done.refused


def names_of(harness: Any, name: MemberName) -> set[str]:
    """The values by which the member is known."""
    key = (1, name.type, name.value)
    member_id = harness.look(lambda at: members.resolve(at, [key]))[key]
    shown = harness.look(lambda at: members.view(at, 1, member_id))
    return {one.value for one in shown.identifiers}


@pytest.mark.parametrize("chunk", [1, 2, 5_000])
def test_a_row_beyond_the_bound_is_refused_alone(counter: Any, harness: Any, chunk: int) -> None:
    """A row that would pass the bound is refused with its line, and the file goes on."""
    rows = [
        member("ann", "1", "2"),
        member("bob", "3", "4", "5"),
        member("ann", "6"),
        member("cid", "7"),
        member("cid", "7", "8"),
        member("cid", "8", "9"),
        member("ann", "2"),
        lot("ann"),
    ]
    path = counter.file("".join(rows), ".jsonl")
    assert take(counter, path, chunk) == (4, 1, 3)
    assert counter.refused(path) == {2: FULL, 3: FULL, 6: FULL}
    assert names_of(harness, ANN) == {"ann", "1", "2"}
    assert names_of(harness, MemberName("external_id", "cid")) == {"cid", "7", "8"}


def test_what_servers_gave_counts(counter: Any, harness: Any) -> None:
    """Identifiers that a member has from requests count; those it has already need no room."""
    names = (ANN, MemberName("card", "1"))
    harness.administrate(lambda _, book: book.create_member(CALLER, CreateMember(names)))
    path = counter.file(member("ann", "2", "3") + member("ann", "1", "2"), ".jsonl")
    assert take(counter, path) == (1, 0, 1)
    assert counter.refused(path) == {1: FULL}
    assert names_of(harness, ANN) == {"ann", "1", "2"}


@pytest.mark.parametrize("again", [False, True])
def test_what_a_server_gives_meanwhile_counts(
    counter: Any, harness: Any, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    """An identifier that a member gets after a chunk was prepared counts when it is written."""
    names = (ANN, MemberName("card", "1"))
    harness.administrate(lambda _, book: book.create_member(CALLER, CreateMember(names)))
    check = writing.ChunkWriter._check_members
    seen: list[int] = []

    def link_before(self: Any, *given: Any) -> None:
        if not seen:
            seen.append(1)
            change = LinkIdentifier(ANN, MemberName("card", "9"))
            harness.administrate(lambda _, book: book.link_identifier(CALLER, change))
        check(self, *given)

    monkeypatch.setattr(writing.ChunkWriter, "_check_members", link_before)
    if again:  # the chunk is prepared a second time, under its locks
        monkeypatch.setattr(writing.ChunkWriter, "_check_accounts", stale_once)
    path = counter.file(member("ann", "2"), ".jsonl")
    assert take(counter, path) == (0, 0, 1)
    assert counter.refused(path) == {1: FULL}
    assert names_of(harness, ANN) == {"ann", "1", "9"}


def stale_once(*_: Any) -> None:
    """Find what was prepared to be out of date."""
    raise writing._Stale

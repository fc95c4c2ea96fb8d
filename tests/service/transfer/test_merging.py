"""Somebody new whose phone is another member's is refused, unless the import is told to merge."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select
from tests.support.service.ledger_harness import PROGRAM, earn, named

from points_grpc.domain.admin.commands import CreateMember
from points_grpc.domain.commands import VENDOR_ID, Caller, MemberName
from points_grpc.domain.queries import GetAccount
from points_grpc.errors import MemberNotFound
from points_grpc.service.transfer.importer import writing
from points_grpc.service.transfer.importer.report import count_merged
from points_grpc.storage.tables import identifiers

HEAD = "type,external_id,member_vendor_id,email,phone,username,vendor_id,amount,earned_at\n"
ANN = "member,ann,1,ann@x.org,43123,annie,,,\n"
TAKEN = "belongs to another member"


def lot(name: str, number: int = 1, amount: int = 5) -> str:
    return f"lot,{name},,,,,{number},{amount},2031-01-02\n"


def owner(harness: Any, kind: str, value: str) -> int | None:
    """Whose an identifier is."""
    of = select(identifiers.c.member_id).where(
        identifiers.c.type == kind, identifiers.c.value == value
    )
    return harness.look(lambda at: at.execute(of).scalar_one_or_none())


def enroll(harness: Any, *names: MemberName) -> None:
    """Have a server make a member."""
    caller = Caller(1, "acme", "anna@acme")
    harness.administrate(lambda _, members: members.create_member(caller, CreateMember(names)))


def available(harness: Any, name: str) -> int:
    return harness.read(GetAccount(PROGRAM, named(name), "PTS")).available


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("member,bob,,,43123,,,,\n", f"phone: {TAKEN}"),
        ("member,bob,,Ann@X.org,,,,,\n", f"email: {TAKEN}"),
        ("member,bob,1,,,,,,\n", f"member_vendor_id: {TAKEN}"),
        ("member,bob,,,,annie,,,\n", f"username: {TAKEN}"),
        ("member,bob,2,bob@x.org,+43 (1) 23,,,,\n", f"phone: {TAKEN}"),
        ("member,,2,,43123,,,,\n", f"phone: {TAKEN}"),
        ("member,,,bob@x.org,43123,,,,\n", f"phone: {TAKEN}"),
        ("member,,,,43124,annie,,,\n", f"username: {TAKEN}"),
    ],
)
@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_somebody_new_is_not_taken_for_another(
    counter, harness, chunk, row: str, reason: str
) -> None:
    """A row whose steadiest identifier is unknown and another one is taken is refused; no merge."""
    path = counter.file(HEAD + ANN + row + lot("ann") + lot("bob"))
    assert counter.counts(path, chunk) == (3, 0, 1)
    assert counter.refused(path) == {3: reason}
    assert (available(harness, "ann"), available(harness, "bob")) == (5, 5)
    assert owner(harness, "external_id", "ann") != owner(harness, "external_id", "bob")
    assert owner(harness, "email", "bob@x.org") is None


def test_a_custom_type_is_named_in_the_refusal(counter) -> None:
    """An identifier of a type of the tenant's own that is another's is named by its type."""
    one = '{"type":"member","external_id":"%s","identifiers":[{"type":"card","value":"7"}]}\n'
    path = counter.file(one % "ann" + one % "bob", ".jsonl")
    assert counter.counts(path) == (1, 0, 1)
    assert counter.refused(path) == {2: f"identifiers.card: {TAKEN}"}


@pytest.mark.parametrize("merge_by", [(), ("phone", "email")])
def test_two_members_that_are_there_stay_two(counter, harness, merge_by: Iterable[str]) -> None:
    """A row that names a member and gives it what is another's is refused, also where merging."""
    rows = (ANN, "member,bob,,,,,,,\n", "member,bob,,,43123,,,,\n", "member,ann,,,,bob,,,\n")
    path = counter.file(HEAD + "".join(rows) + "member,eve,,,,bob,,,\n")
    assert counter.counts(path, merge_by=merge_by) == (3, 0, 2)
    assert counter.refused(path) == {4: f"phone: {TAKEN}", 6: f"username: {TAKEN}"}
    assert owner(harness, "phone", "43123") == owner(harness, "external_id", "ann")


def test_a_member_that_is_known_gets_more_names(counter, harness) -> None:
    """What is nobody's goes to the member whom the row's steadiest identifier names."""
    rows = "member,ann,,new@x.org,,,,,\n" + "member,,,ann@x.org,,anna,,,\n"
    assert counter.counts(counter.file(HEAD + ANN + rows)) == (3, 0, 0)
    ids = {owner(harness, *name) for name in (("email", "new@x.org"), ("username", "anna"))}
    assert ids == {owner(harness, "external_id", "ann")}


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_merging_is_asked_for_and_told(counter, harness, chunk: int) -> None:
    """With merge_by somebody new goes to whoever has the phone, and the report says which rows."""
    bob = "member,bob,,bob@x.org,43123,,,,\n"
    path = counter.file(HEAD + ANN + bob + lot("ann", 1) + lot("bob", 2))
    assert counter.counts(path, chunk, merge_by=("phone", "email")) == (4, 0, 0)
    ann = owner(harness, "external_id", "ann")
    assert counter.refused(path) == {3: f"merged into member {ann} by phone"}
    assert count_merged(path.with_name(path.name + ".refused.csv")) == {"phone": 1}
    assert owner(harness, "external_id", "bob") == owner(harness, "email", "bob@x.org") == ann
    assert available(harness, "bob") == 10
    assert counter.counts(path, chunk) == (0, 4, 0)
    assert counter.refused(path) == {}


def test_only_what_was_asked_for_merges(counter, harness) -> None:
    """Every taken identifier of the row must be of a type to merge by, and all one member's."""
    eve = "member,eve,,eve@x.org,,,,,\n"
    rows = (
        "member,bob,,ann@x.org,43123,,,,\n",
        "member,bob,,eve@x.org,43123,,,,\n",
        "member,bob,1,,43123,,,,\n",
    )
    path = counter.file(HEAD + ANN + eve + "".join(rows))
    assert counter.counts(path, merge_by=["phone"]) == (2, 0, 3)
    assert counter.refused(path) == {
        4: f"email: {TAKEN}",
        5: f"email: {TAKEN}",
        6: f"member_vendor_id: {TAKEN}",
    }
    both = counter.file(HEAD + "".join(rows[1:]))
    assert counter.counts(both, merge_by=["phone", "email", VENDOR_ID]) == (1, 0, 1)
    ann = owner(harness, "external_id", "ann")
    assert counter.refused(both) == {
        2: "identifiers: are those of several members",
        3: f"merged into member {ann} by member_vendor_id, phone",
    }


@pytest.mark.parametrize("chunk", [1, 100])
def test_equal_lots_of_merged_members_are_not_lost(counter, harness, chunk: int) -> None:
    """While members merge, a lot or row that an earlier row of the file made is refused, not known.

    Imported again, the same file finds all that is there.
    """
    more = '{"type":"transaction","external_id":"%s","transaction":"REDEEM","import_id":"t",'
    more += '"effective_at":"2031-02-03T12:00:00Z",'
    more += '"allocations":[{"lot_vendor_id":%d,"amount":1}]}\n'
    member = '{"type":"member","external_id":"%s","phone":"43123"}\n'
    one = '{"external_id":"%s","vendor_id":%d,"amount":5,"earned_at":"2031-01-02"}\n'
    own = '{"external_id":"%s","import_id":"x","amount":5,"earned_at":"2031-01-02"}\n'
    text = "".join(
        member % name + one % (name, 1) + one % (name, 2 + place) + own % name + more % (name, 1)
        for place, name in enumerate(("ann", "bob"))
    )
    path = counter.file(text, ".jsonl")
    assert counter.counts(path, chunk, merge_by=["phone"]) == (7, 0, 3)
    why = "is that of an earlier row, perhaps of a merged member"
    ann = owner(harness, "external_id", "ann")
    assert counter.refused(path) == {
        6: f"merged into member {ann} by phone",
        7: f"vendor_id: {why}",
        9: f"import_id: {why}",
        10: f"import_id: {why}",
    }
    assert counter.counts(path, chunk, merge_by=["phone"]) == (0, 10, 0)
    assert available(harness, "ann") == 5 + 5 + 5 + 5 - 1


def test_an_interrupted_import_still_knows_its_lots(counter, harness) -> None:
    """An import that goes on after an interruption refuses equal lots of merged members, too."""
    member = "member,{},,,43123,,,,\n"
    text = HEAD + member.format("ann") + lot("ann") + member.format("bob") + lot("bob")
    path = counter.file(text)
    first = counter.importer(path, 3, merge_by=["phone"])
    run = first.run()
    assert next(run).imported == 3
    run.close()
    first.close()
    done = counter.take(path, 3, merge_by=["phone"])
    assert (done.imported, done.known, done.refused) == (3, 0, 1)
    assert sorted(counter.refused(path)) == [4, 5]


def test_a_server_takes_the_phone_meanwhile(counter, harness, monkeypatch) -> None:
    """A phone that a server gives away after the chunk was prepared makes the row refused."""
    commit = writing.ChunkWriter._commit
    seen: list[int] = []

    def after_a_member(self: Any, *given: Any) -> Any:
        if not seen:
            enroll(harness, MemberName("external_id", "eve"), MemberName("phone", "43123"))
        seen.append(1)
        return commit(self, *given)

    monkeypatch.setattr(writing.ChunkWriter, "_commit", after_a_member)
    path = counter.file(HEAD + "member,bob,,,43123,,,,\n" + lot("bob"))
    assert counter.counts(path) == (1, 0, 1)
    assert counter.refused(path) == {2: f"phone: {TAKEN}"}
    assert owner(harness, "phone", "43123") == owner(harness, "external_id", "eve")
    assert len(seen) == 2


def test_imports_side_by_side_give_a_phone_once(counter, harness) -> None:
    """Of two files that give one phone to two people at once, one row is refused."""
    rows = [HEAD + f"member,{name},,,43123,,,,\n" + lot(name) for name in ("ann", "bob")]
    paths = [counter.file(text) for text in rows]
    with ThreadPoolExecutor(2) as both:
        counts = sorted(both.map(counter.counts, paths))
    assert counts == [(1, 0, 1), (2, 0, 0)]
    assert (available(harness, "ann"), available(harness, "bob")) == (5, 5)


def test_history_goes_to_whom_it_names(counter, harness) -> None:
    """Lots and history of somebody whose member row was refused stay that one's own."""
    path = counter.file(
        '{"type":"member","external_id":"ann","phone":"43123"}\n'
        '{"type":"member","external_id":"bob","phone":"43123"}\n'
        '{"external_id":"ann","vendor_id":1,"amount":5,"earned_at":"2031-01-02"}\n'
        '{"external_id":"bob","vendor_id":1,"amount":5,"earned_at":"2031-01-02"}\n'
        '{"type":"transaction","external_id":"bob","transaction":"REDEEM","import_id":"t",'
        '"effective_at":"2031-02-03T12:00:00Z","allocations":[{"lot_vendor_id":1,"amount":2}]}\n',
        ".jsonl",
    )
    assert counter.counts(path) == (4, 0, 1)
    assert (available(harness, "ann"), available(harness, "bob")) == (5, 3)


def test_a_member_with_a_phone_alone_is_somebody_else(counter, harness) -> None:
    """A member that a server knows by its phone only is nobody whom a file may name at will."""
    enroll(harness, MemberName("phone", "43123"))
    path = counter.file(HEAD + "member,ann,,,43123,,,,\n")
    assert counter.counts(path) == (0, 0, 1)
    with pytest.raises(MemberNotFound):
        harness.read(GetAccount(PROGRAM, named("ann"), "PTS"))
    assert counter.counts(path, merge_by=["phone"]) == (1, 0, 0)
    harness.do(earn(1, "ann"))
    assert owner(harness, "phone", "43123") == owner(harness, "external_id", "ann")

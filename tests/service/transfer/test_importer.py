"""What imported lots come to, and that nothing is imported twice."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, func, select
from tests.support.service.ledger_harness import PROGRAM, earn, named, redeem

from points_grpc.domain.commands import MemberName
from points_grpc.domain.model import LotState, TransactionType
from points_grpc.domain.queries import GetAccount
from points_grpc.service.transfer.importer import importer
from points_grpc.service.transfer.importer.source import InvalidFile
from points_grpc.service.transfer.importer.writing import ImportedElsewhere
from points_grpc.storage.tables import lots, transactions
from points_grpc.storage.transfer import imports

T = TransactionType
HEAD = "external_id,vendor_id,amount,remaining,redeemed,expired,earned_at,expires_at,state"


def csv_of(*rows: str, head: str = HEAD) -> str:
    return "\n".join((head, *rows)) + "\n"


def history(at: Connection) -> list[tuple[Any, ...]]:
    """Every transaction in the order of the account's versions."""
    columns = (transactions.c.type, transactions.c.amount, transactions.c.effective_at)
    found = at.execute(select(*columns).order_by(transactions.c.account_id, transactions.c.version))
    return [(T(kind), amount, effective) for kind, amount, effective in found]


def day(year: int, month: int, number: int) -> datetime:
    return datetime(year, month, number, 12, tzinfo=UTC)


def test_a_whole_lot_is_as_if_earned(counter, harness) -> None:
    """A lot of which nothing is gone has one EARN at its earn time and can be spent."""
    path = counter.file(csv_of("ann,7,100,,,,2031-01-02T12:00:00Z,2032-01-31,"))
    assert counter.counts(path) == (1, 0, 0)
    assert harness.look(history) == [(T.EARN, 100, day(2031, 1, 2))]
    assert harness.account().available == 100
    harness.do(redeem(30))
    assert harness.account().available == 70


@pytest.mark.parametrize(
    ("parts", "rows"),
    [
        ("40,,", [(T.REDEEM, 60)]),
        ("40,50,", [(T.REDEEM, 50), (T.EXPIRE, 10)]),
        (",50,10", [(T.REDEEM, 50), (T.EXPIRE, 10)]),
        (",,10", [(T.EXPIRE, 10)]),
        ("40,,60", [(T.EXPIRE, 60)]),
        ("0,100,0", [(T.REDEEM, 100)]),
    ],
)
def test_what_is_gone_has_its_rows(counter, harness, parts: str, rows: list[Any]) -> None:
    """A difference between amount and remaining was redeemed, unless the file says expired."""
    path = counter.file(csv_of(f"ann,7,100,{parts},2031-01-02T12:00:00Z,never,"))
    assert counter.counts(path) == (1, 0, 0)
    assert [row[:2] for row in harness.look(history)] == [(T.EARN, 100), *rows]
    account = harness.account()
    assert account.total_redeemed == sum(amount for kind, amount in rows if kind is T.REDEEM)
    assert account.total_expired == sum(amount for kind, amount in rows if kind is T.EXPIRE)


def test_given_instants_date_what_is_gone(counter, harness) -> None:
    """A redemption and an expiry take effect when the file says, else at the earn."""
    head = "external_id,vendor_id,amount,redeemed,expired,earned_at,redeemed_at,expired_at"
    row = "ann,7,100,20,30,2031-01-02T12:00:00Z,2031-02-03T12:00:00Z,2031-03-04T12:00:00Z"
    counter.take(counter.file(csv_of(row, "ann,8,10,4,3,2031-01-02T12:00:00Z,,", head=head)))
    assert harness.look(history) == [
        (T.EARN, 100, day(2031, 1, 2)),
        (T.REDEEM, 20, day(2031, 2, 3)),
        (T.EXPIRE, 30, day(2031, 3, 4)),
        (T.EARN, 10, day(2031, 1, 2)),
        (T.REDEEM, 4, day(2031, 1, 2)),
        (T.EXPIRE, 3, day(2031, 1, 2)),
    ]


def test_an_expired_lot_ended_at_its_expiry(counter, harness) -> None:
    """Where an expiry in the past has left nothing it ended the lot, which can be reinstated."""
    counter.take(counter.file(csv_of("ann,7,100,0,60,40,2030-01-02T12:00:00Z,2030-02-03,")))
    assert harness.look(history)[-1] == (T.EXPIRE, 40, datetime(2030, 2, 3, 23, 59, 59, tzinfo=UTC))
    lapse = harness.look(lambda at: at.execute(select(lots.c.lapse_id)).scalar_one())
    assert lapse is not None


def test_points_past_their_expiry_lapse_when_next_touched(counter, harness) -> None:
    """What the file takes for left, but has lapsed, cannot be spent and is recorded as expired."""
    row = "ann,7,100,80,,,2030-01-02T12:00:00Z,2030-02-03,"
    counter.take(counter.file(csv_of(row, "ann,8,5,,,,2031-01-02T12:00:00Z,never,")))
    assert harness.account().available == 5
    harness.do(redeem(1))
    assert (T.EXPIRE, 80, datetime(2030, 2, 3, 23, 59, 59, tzinfo=UTC)) in harness.look(history)
    assert harness.account().total_expired == 80


@pytest.mark.parametrize("state", list(LotState))
def test_states(counter, harness, state: LotState) -> None:
    """Unapproved lots are pending, a closed one is cancelled, only an approved one counts."""
    row = f"ann,7,100,,,,2031-01-02T12:00:00Z,never,{state.name}"
    counter.take(counter.file(csv_of(row)))
    account = harness.account()
    promised = state in (LotState.OPEN, LotState.PENDING)
    assert account.pending == (100 if promised else 0)
    assert account.available == (100 if state is LotState.APPROVED else 0)
    kinds = [kind for kind, *_ in harness.look(history)]
    assert kinds == ([T.EARN, T.CLOSE] if state is LotState.CLOSED else [T.EARN])


def test_policies_give_expiries(counter, harness) -> None:
    """Without an expiry the named policy gives one, an inactivity policy's moves with activity."""
    head = "external_id,vendor_id,amount,earned_at,policy"
    rows = ("ann,7,100,2031-05-01T12:00:00Z,month", "bob,7,100,2031-05-01T12:00:00Z,idle")
    counter.take(counter.file(csv_of(*rows, head=head)))
    assert harness.account("ann").next_expires_at == day(2031, 5, 31)
    assert harness.account("bob").next_expires_at == day(2031, 6, 30)
    harness.do(redeem(1, "bob"))
    assert harness.account("bob").next_expires_at > day(2031, 7, 1)


def test_nothing_is_imported_twice(counter, harness) -> None:
    """The same file, with another chunk size, or another with some of its rows, adds nothing."""
    rows = [f"m{n % 7},{n + 1},{n + 1},,,,2031-01-02T12:00:00Z,never," for n in range(50)]
    path = counter.file(csv_of(*rows))
    assert counter.counts(path, chunk=8) == (50, 0, 0)
    assert counter.counts(path, chunk=8) == (0, 50, 0)
    assert counter.counts(path, chunk=3) == (0, 50, 0)
    more = counter.file(csv_of(*rows[30:], "m1,99,5,,,,2031-01-02T12:00:00Z,never,"))
    assert counter.counts(more) == (1, 20, 0)
    assert (
        harness.look(lambda at: at.execute(select(func.count()).select_from(lots)).scalar()) == 51
    )


def test_rows_without_a_number_are_recognised_by_import_id(counter, harness) -> None:
    """A lot that has an import_id instead of a vendor_id is recognised by that."""
    head = "external_id,import_id,amount,earned_at"
    rows = [f"ann,order/{n},5,2031-01-02T12:00:00Z" for n in range(4)]
    path = counter.file(csv_of(*rows, head=head))
    assert counter.counts(path, chunk=3) == (4, 0, 0)
    assert counter.counts(path) == (0, 4, 0)
    assert harness.account().available == 20


def test_one_number_for_two_lots_is_refused(counter, harness) -> None:
    """A second lot with a member's vendor_id is refused where it differs, else recognised."""
    first = "ann,7,100,,,,2031-01-02T12:00:00Z,never,"
    second = "ann,7,50,,,,2031-01-02T12:00:00Z,never,"
    path = counter.file(csv_of(first, second, first, first.replace("ann", "bob")))
    assert counter.counts(path) == (2, 1, 1)
    assert counter.refused(path) == {3: "vendor_id: is another lot's"}


def test_lots_join_what_was_earned(counter, harness) -> None:
    """An import goes on with the accounts that the server has made, and the other way round."""
    harness.do(earn(10))
    counter.take(counter.file(csv_of("ann,7,100,,,,2031-01-02T12:00:00Z,never,")))
    harness.do(earn(1))
    assert harness.account().available == 111


def test_tenants_are_apart(counter, harness) -> None:
    """The same file is another tenant's own."""
    harness.open_program(harness.rival)
    path = counter.file(csv_of("ann,7,100,,,,2031-01-02T12:00:00Z,never,"))
    assert counter.take(path, tenant=1).imported == 1
    assert counter.take(path, tenant=2).imported == 1
    rival = harness.read(GetAccount(PROGRAM, named("ann"), "PTS"), harness.rival)
    assert (harness.account().available, rival.available) == (100, 100)


def test_members_have_all_their_identifiers(counter, harness) -> None:
    """A member row makes the member known by each identifier; a later one may add some."""
    text = (
        '{"type":"member","external_id":"ann","member_vendor_id":12,"email":" Ann@X.org ",'
        '"identifiers":[{"type":"card_no","value":"A 1"}]}\n'
        '{"email":"ann@x.org","vendor_id":1,"amount":5,"earned_at":"2031-01-02"}\n'
        '{"type":"member","external_id":"ann","phone":"+43 1 23"}\n'
        '{"phone":"43123","vendor_id":2,"amount":"7","earned_at":"2031-01-02"}\n'
        '{"member_vendor_id":"12","vendor_id":3,"amount":1,"earned_at":"2031-01-02"}\n'
    )
    path = counter.file(text, ".jsonl")
    assert counter.counts(path, chunk=2) == (5, 0, 0)
    for name in (MemberName("card_no", "A 1"), MemberName("vendor_id", "12"), named("ann")):
        assert harness.read(GetAccount(PROGRAM, name, "PTS")).available == 13
    assert counter.counts(path) == (0, 5, 0)


def test_identifiers_of_two_members_are_refused(counter, harness) -> None:
    """A member row cannot make two members one, nor give a member a second vendor_id."""
    head = "type,external_id,member_vendor_id,email"
    rows = ("member,ann,1,", "member,bob,2,", "member,ann,2,", "member,ann,3,")
    path = counter.file(csv_of(*rows, head=head))
    assert counter.counts(path) == (2, 0, 2)
    assert set(counter.refused(path)) == {4, 5}


def test_a_member_that_nobody_knows(counter, harness) -> None:
    """A lot enrols an unknown external_id, as an Earn does; another identifier is refused."""
    head = "external_id,email,vendor_id,amount,earned_at"
    path = counter.file(csv_of("ann,,1,5,2031-01-02", ",bob@x.org,2,5,2031-01-02", head=head))
    assert counter.counts(path) == (1, 0, 1)
    assert counter.refused(path) == {3: "member: is not known"}


def test_compressed(counter, harness) -> None:
    """A file whose name ends in .gz is read compressed; one that is cut off is refused as such."""
    import gzip  # noqa: PLC0415

    rows = [f"m{n},{n + 1},5,,,,2031-01-02T12:00:00Z,never," for n in range(2000)]
    content = gzip.compress(csv_of(*rows).encode())
    assert counter.counts(counter.file(content, ".csv.gz"), chunk=300) == (2000, 0, 0)
    with pytest.raises(InvalidFile):
        counter.take(counter.file(content[:-200], ".csv.gz"))


def test_two_imports_of_one_file(counter, harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second import of the same file, while one is under way, gives up and harms nothing."""
    rows = [f"m{n},{n + 1},5,,,,2031-01-02T12:00:00Z,never," for n in range(40)]
    rows[3] = "m3,4,x,,,,2031-01-02T12:00:00Z,never,"
    path = counter.file(csv_of(*rows))
    monkeypatch.setattr(importer, "HELD_SECONDS", 0.0)
    one = counter.importer(path, 10)
    try:
        steps = one.run()
        next(steps)
        with pytest.raises(ImportedElsewhere):
            counter.importer(path, 10)
        (*_, done) = steps
    finally:
        one.close()
    assert (done.imported, list(counter.refused(path))) == (39, [5])
    assert counter.counts(path) == (0, 39, 1)


def test_one_goes_on_where_another_has_left(counter, harness, monkeypatch) -> None:
    """An import that another one took over, against all precautions, gives up at its next chunk."""
    monkeypatch.setattr(imports, "hold", lambda *_: True)
    rows = [f"m{n},{n + 1},5,,,,2031-01-02T12:00:00Z,never," for n in range(40)]
    path = counter.file(csv_of(*rows))
    one, other = counter.importer(path, 10), counter.importer(path, 10)
    try:
        steps = one.run()
        next(steps)
        with pytest.raises(ImportedElsewhere):
            list(other.run())
        (*_, done) = steps
        assert done.imported == 40
    finally:
        one.close()
        other.close()

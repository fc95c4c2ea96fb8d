"""Members and identifiers in sets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from psycopg.errors import UniqueViolation
from sqlalchemy import Connection, func, select

from points_grpc.domain.commands import MemberName
from points_grpc.domain.results import MemberLabel
from points_grpc.domain.state import Account
from points_grpc.storage.core.database import Database
from points_grpc.storage.core.db_errors import Fault, fault_of
from points_grpc.storage.core.ids import BUCKETS, FIRST_NUMBER, bucket_of_id, bucket_of_name
from points_grpc.storage.ledger import accounts, members
from points_grpc.storage.tables import identifiers, member_identifiers
from points_grpc.storage.tables import members as members_table

NOW = datetime(2031, 5, 6, tzinfo=UTC)
ANNA = FIRST_NUMBER * BUCKETS + 5
BERT = FIRST_NUMBER * BUCKETS + BUCKETS + 9
AWKWARD = ['a"b', "back\\slash", "{brace},comma", "NULL", "", " ", "Ünï😀", "new\nline", "'"]


def test_identifiers_resolve_to_their_members(database: Database) -> None:
    """Each known name of a set gives its member; unknown ones are absent."""

    def work(connection: Connection) -> None:
        rows = [(1, "email", "a@x", ANNA), (1, "phone", "49", ANNA), (1, "email", "b@x", BERT)]
        members.insert_identifiers(connection, rows)
        asked = [(1, "email", "b@x"), (1, "phone", "49"), (1, "phone", "a@x"), (1, "email", "c")]
        assert members.resolve(connection, asked) == {
            (1, "email", "b@x"): BERT,
            (1, "phone", "49"): ANNA,
        }
        assert members.resolve(connection, []) == {}

    database.run(work)


def test_names_bring_label_and_accounts_along(database: Database) -> None:
    """Who is named in the member's own bucket comes with label and accounts, others by id alone."""
    near = next(n for n in map(str, range(10_000)) if bucket_of_name(1, "email", n) == ANNA % 64)
    far = next(n for n in map(str, range(10_000)) if bucket_of_name(1, "email", n) != ANNA % 64)
    names = [(1, "email", near), (1, "email", far)]
    numbers = {7: ANNA + BUCKETS, 8: ANNA + 2 * BUCKETS}
    versions = {ANNA + BUCKETS: 21, ANNA + 2 * BUCKETS: 24}

    def work(connection: Connection) -> None:
        members.insert_members(connection, [(1, ANNA, 12, None, NOW)])
        members.insert_identifiers(connection, [(*name, ANNA) for name in names])
        some = [
            Account(1, number, 469, ANNA, currency, NOW, NOW, version=currency * 3)
            for currency, number in numbers.items()
        ]
        other_tenants = Account(2, ANNA + 3 * BUCKETS, 469, ANNA, 7, NOW, NOW)
        accounts.insert(connection, [*some, other_tenants])
        found = members.finding([*names, (2, "email", near), (1, "phone", near)]).run(connection)
        assert found == {
            names[0]: members.Known(ANNA, MemberLabel(ANNA, 12, ""), numbers, versions),
            names[1]: members.Known(ANNA, None),
        }
        assert members.finding([]).run(connection) == {}

    database.run(work)


def test_any_characters_make_an_identifier(database: Database) -> None:
    """Quotes, braces, backslashes, spaces and the word NULL arrive as they were sent."""

    def work(connection: Connection) -> None:
        rows = [(1, kind, value, ANNA) for kind in AWKWARD for value in AWKWARD]
        members.insert_identifiers(connection, rows)
        names = [row[:3] for row in rows]
        assert members.resolve(connection, names) == dict.fromkeys(names, ANNA)

    database.run(work)


def test_an_identifier_is_kept_from_both_sides(database: Database) -> None:
    """A name's row is in the bucket of the name, the member's in the bucket of the member."""

    def work(connection: Connection) -> None:
        members.insert_identifiers(connection, [(1, "email", "a@x", ANNA)])
        by_name = connection.execute(select(identifiers)).one()
        by_member = connection.execute(select(member_identifiers)).one()
        assert by_name.bucket == bucket_of_name(1, "email", "a@x")
        assert by_member.bucket == bucket_of_id(ANNA)

    database.run(work)


def test_tenants_have_identifiers_of_their_own(database: Database) -> None:
    """The same name belongs to a different member in each tenant."""

    def work(connection: Connection) -> None:
        members.insert_identifiers(connection, [(1, "email", "a", ANNA), (2, "email", "a", BERT)])
        assert members.resolve(connection, [(1, "email", "a"), (2, "email", "a")]) == {
            (1, "email", "a"): ANNA,
            (2, "email", "a"): BERT,
        }
        assert members.resolve(connection, [(3, "email", "a")]) == {}

    database.run(work)


def test_a_known_identifier_is_a_conflict(database: Database) -> None:
    """Adding an identifier that is there already fails as a race would."""

    def work(connection: Connection) -> None:
        members.insert_identifiers(connection, [(1, "email", "a", ANNA)])

    database.run(work)
    with pytest.raises(UniqueViolation) as error:
        database.run(work)
    assert fault_of(error.value) is Fault.CONFLICT


def test_members_have_labels(database: Database) -> None:
    """A label has the vendor's id and the external id, or 0 and "" where there is none."""

    def work(connection: Connection) -> None:
        rows = [(1, BERT, None, None, NOW), (1, ANNA, 7, 'a"\\', NOW)]
        members.insert_members(connection, rows)
        assert members.labels(connection, [(1, ANNA), (1, BERT), (2, ANNA), (1, 1)]) == {
            (1, ANNA): MemberLabel(ANNA, 7, 'a"\\'),
            (1, BERT): MemberLabel(BERT),
        }
        assert members.labels(connection, []) == {}

    database.run(work)


def test_linking_and_unlinking_keep_both_sides(database: Database) -> None:
    """After an unlink neither side has the name; another member's name is left alone."""

    def work(connection: Connection) -> None:
        members.insert_members(connection, [(1, ANNA, None, None, NOW)])
        mail, phone = MemberName("email", "a"), MemberName("phone", "1")
        members.link(connection, 1, ANNA, mail)
        members.link(connection, 1, BERT, phone)
        members.set_label(connection, 1, MemberLabel(ANNA, 7, "x"))
        view = members.view(connection, 1, ANNA)
        assert view is not None
        assert (view.identifiers, view.vendor_id, view.external_id) == ((mail,), 7, "x")
        members.unlink(connection, 1, ANNA, phone, NOW)
        members.unlink(connection, 1, ANNA, mail, NOW)
        members.set_label(connection, 1, MemberLabel(ANNA))
        left = members.view(connection, 1, ANNA)
        assert left is not None
        assert (left.identifiers, left.vendor_id, left.external_id) == ((), 0, "")
        names = [(1, "email", "a"), (1, "phone", "1")]
        assert members.resolve(connection, names) == {(1, "phone", "1"): BERT}
        assert members.view(connection, 2, ANNA) is None

    database.run(work)


def _populate(connection: Connection, many: int) -> list[tuple[int, str, str, int]]:
    ids = [(FIRST_NUMBER + n) * BUCKETS + n % BUCKETS for n in range(many)]
    rows = [(1, "external_id", f"member-{n}", an_id) for n, an_id in enumerate(ids)]
    members.insert_members(connection, [(1, row[3], None, row[2], NOW) for row in rows])
    members.insert_identifiers(connection, rows)
    for table in (members_table, identifiers, member_identifiers):
        connection.exec_driver_sql(f"ANALYZE {table.name}")
    return rows


def test_sets_of_any_size_are_read_by_index(
    database: Database, plans: Callable[[Connection, Callable[[], object]], str]
) -> None:
    """Ten thousand names and labels resolve, by plans without a sequential scan."""

    def work(connection: Connection) -> None:
        rows = _populate(connection, 20_000)[:10_000]
        names, keys = [row[:3] for row in rows], [(1, row[3]) for row in rows]
        found: dict[str, Any] = {}

        def read() -> None:
            found["names"] = members.resolve(connection, names)
            found["labels"] = members.labels(connection, keys)
            found["view"] = members.view(connection, 1, rows[0][3])

        plan = plans(connection, read)
        assert len(found["names"]) == len(found["labels"]) == 10_000
        assert found["labels"][keys[7]].external_id == "member-7"
        assert "Seq Scan" not in plan
        for index in ("identifiers_pkey", "members_pkey", "member_identifiers_pkey"):
            assert index in plan

    database.run(work)


def test_one_members_rows_are_changed_by_index(
    database: Database, plans: Callable[[Connection, Callable[[], object]], str]
) -> None:
    """Locking, linking, unlinking and labelling read no more than the member's rows."""

    def work(connection: Connection) -> None:
        _, kind, value, member_id = _populate(connection, 20_000)[3]

        def change() -> None:
            members.lock(connection, 1, member_id)
            members.unlink(connection, 1, member_id, MemberName(kind, value), NOW)
            members.link(connection, 1, member_id, MemberName(kind, value))
            members.set_label(connection, 1, MemberLabel(member_id, 7))

        assert "Seq Scan" not in plans(connection, change)
        assert connection.scalar(select(func.count()).select_from(identifiers)) == 20_000

    database.run(work)

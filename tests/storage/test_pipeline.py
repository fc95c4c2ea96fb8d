"""Statements sent together: in order, as one, and without harm to the connection."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import Connection, func, select, table
from sqlalchemy.exc import DBAPIError

from points_grpc.storage import tables as t
from points_grpc.storage.core import pipeline, unit_ids
from points_grpc.storage.core.database import Database
from points_grpc.storage.core.db_errors import Fault, fault_of
from points_grpc.storage.core.pipeline import PendingQuery, Query, execute, run_all
from points_grpc.storage.core.unnest import BIGINT, BYTES, FLAG, INT, SMALL, TEXT, fill, rows
from points_grpc.storage.ledger import requests
from points_grpc.storage.tables import INSTANT

NOW = datetime(2031, 5, 6, 1, 2, 3, 456789, tzinfo=UTC)

_KINDS = {"n": INT, "big": BIGINT, "small": SMALL, "text": TEXT, "raw": BYTES, "flag": FLAG}
_all = rows("all", **_KINDS, at=INSTANT)
_echo = select(*_all.c).select_from(_all)
_divide = rows("divide", n=INT)
_quotient = select(100 / _divide.c.n).select_from(_divide)
_counted = select(func.count()).select_from(t.units)


def same(found: Sequence[Any]) -> list[Any]:
    return list(found)


def echo(values: Sequence[tuple[Any, ...]]) -> Query[list[Any]]:
    return Query(_echo, fill("all", (*_KINDS, "at"), values), same)


def quotients(*divisors: int) -> Query[list[Any]]:
    return Query(_quotient, fill("divide", ("n",), [(n,) for n in divisors]), same)


def opening(number: int) -> Query[bool]:
    row = {"unit_id": UUID(int=number), "created_at": NOW, "bucket": 0}
    return Query(unit_ids._open, row, bool)


def test_values_come_back_as_they_were(database: Database) -> None:
    """Every kind of value that is sent comes back the same, through either way of executing."""
    values = [
        (1, 2**62, 3, 'a"\\,{}é\u2028', b"\0\xff", True, NOW),
        (-1, -(2**62), None, "", b"", False, NOW + timedelta(days=400_000)),
        (None, None, None, None, None, None, None),
    ]

    def work(at: Connection) -> None:
        (sent,) = run_all(at, echo(values))
        assert sent == values
        assert [tuple(row) for row in at.execute(_echo, echo(values).params)] == values

    database.run(work)
    database.run(work)


@pytest.mark.parametrize("count", [0, 1, 127, 128, 129, 300])
def test_columns_of_any_length_come_back(database: Database, count: int) -> None:
    """Columns of numbers and instants come back whole, with gaps, without, and all the same."""
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    ends = [(-(2**31), -(2**63), -(2**15), first), (2**31 - 1, 2**63 - 1, 2**15 - 1, last)]
    full = [(*ends[n % 2][:3], "", b"", True, ends[n % 2][3]) for n in range(count)]
    gaps = [row if n % 3 else (None,) * 7 for n, row in enumerate(full)]
    for values in (full, gaps, full[:1] * count):
        assert database.run(echo(values).run) == values


@pytest.mark.parametrize("row", [(2**31, 0, 0), (0, 2**63, 0), (0, 0, -(2**15) - 1)])
def test_numbers_beyond_their_column_are_content(
    database: Database, row: tuple[int, int, int]
) -> None:
    """A number that its column cannot hold is refused as content, before it is sent."""
    for others in ([], [(1, 1, 1, "", b"", True, NOW)]):
        with pytest.raises(psycopg.DataError) as error:
            database.run(echo([(*row, "", b"", True, NOW), *others]).run)
        assert fault_of(error.value) is Fault.CONTENT


def test_answers_are_in_order(database: Database) -> None:
    """Each gets its own answer, also those that ask nothing and those that find nothing."""

    def work(at: Connection) -> None:
        nothing: Query[list[Any]] = Query(None, {}, same)
        assert run_all(at, quotients(4), nothing, quotients(), quotients(5, 10), nothing) == [
            [(25,)],
            [],
            [],
            [(20,), (10,)],
            [],
        ]
        assert run_all(at, nothing) == [[]]

    database.run(work)


def test_many_rows_are_sent_and_received_together(database: Database) -> None:
    """More than the sockets hold goes both ways at once without standing still."""
    values = [(n, n, 1, "x" * 200, b"y", True, NOW) for n in range(20_000)]

    def work(at: Connection) -> None:
        first, second = run_all(at, echo(values), echo(values))
        assert first == second == values

    database.run(work)


def test_each_sees_what_was_done_before(database: Database) -> None:
    """A statement sees the effects of those sent with it before, and not of those after."""

    def work(at: Connection) -> None:
        count: Query[Any] = Query(_counted, {}, same)
        one = opening(1)
        assert run_all(at, count, one, count, one, count) == [[(0,)], True, [(1,)], False, [(1,)]]

    database.run(work)


def test_the_first_failure_is_raised(database: Database) -> None:
    """What fails is told as the driver's error, and takes back the whole unit of work."""
    with pytest.raises(psycopg.errors.DivisionByZero) as error:
        database.run(lambda at: run_all(at, opening(1), quotients(0), quotients(1)))
    assert fault_of(error.value) is Fault.CONTENT
    assert database.run(lambda at: execute(at, _counted, {})) == [(0,)]


def test_a_link_works_on_after_a_failure(database: Database) -> None:
    """A failed statement, or one that cannot be written, costs neither connection nor answers."""
    link = database.link()
    bad = echo([(1, 1, 1, "nul\0", b"", True, NOW)])
    with link.unit() as at:
        before = run_all(at, quotients(1), Query(select(func.pg_backend_pid()), {}, same))
    for ask in (quotients(0), bad):
        with pytest.raises(psycopg.DataError), link.unit() as at:
            run_all(at, quotients(1), ask)
    with pytest.raises(UnicodeEncodeError), link.unit() as at:
        run_all(at, echo([(1, 1, 1, "\ud800", b"", True, NOW)]))
    with link.unit() as at:
        assert run_all(at, quotients(1), Query(select(func.pg_backend_pid()), {}, same)) == before
    link.close()


def test_what_waits_goes_with_the_next(database: Database) -> None:
    """A statement that waits is executed before whatever is asked next, in either way."""

    def work(at: Connection) -> None:
        unit_ids.open_first(at, UUID(int=1), NOW)
        assert execute(at, _counted, {}) == [(1,)]
        unit_ids.open_first(at, UUID(int=2), NOW)
        assert at.execute(_counted).scalar_one() == 2
        unit_ids.open_first(at, UUID(int=3), NOW)

    database.run(work)
    assert database.run(lambda at: execute(at, _counted, {})) == [(3,)]


def test_answers_come_ahead(database: Database) -> None:
    """What is asked ahead is sent with, and executed before, what is asked next."""

    def work(at: Connection) -> None:
        first = PendingQuery(at, Query(_counted, {}, same))
        unit_ids.open_first(at, UUID(int=1), NOW)
        second = PendingQuery(at, quotients(5))
        assert execute(at, _counted, {}) == [(1,)]
        assert (first.answer(), second.answer()) == ([(0,)], [(20,)])
        assert PendingQuery(at, Query(_counted, {}, same)).answer() == [(1,)]
        assert PendingQuery(at, Query(None, {}, same)).answer() == []

    database.run(work)


def test_nothing_comes_ahead_of_a_lost_unit(database: Database) -> None:
    """What was asked ahead in a unit of work that is over has no answer."""
    link = database.link()
    asked: list[PendingQuery[Any]] = []
    with suppress(ZeroDivisionError), link.unit() as at:
        asked.append(PendingQuery(at, quotients(5)))
        raise ZeroDivisionError
    with link.unit(), pytest.raises(LookupError):
        asked[0].answer()
    link.close()


def test_what_waits_is_dropped_with_its_unit(database: Database) -> None:
    """A unit of work that is given up takes along what it had not yet sent."""
    link = database.link()
    with suppress(ZeroDivisionError), link.unit() as at:
        execute(at, _counted, {})
        unit_ids.open_first(at, UUID(int=1), NOW)
        raise ZeroDivisionError
    with link.unit() as at:
        assert execute(at, _counted, {}) == [(0,)]
    link.close()


@pytest.mark.parametrize("last", [1, 4_000])
def test_a_unit_given_up_with_long_statements_under_way(database: Database, last: int) -> None:
    """Long statements that were not waited for go with their unit, and leave the link whole."""
    link = database.link()
    pid = Query(select(func.pg_backend_pid()), {}, same)
    with link.unit() as at:
        before = run_all(at, pid)
    keys = [*range(4_000), last]  # with the last one there twice, or not
    with pytest.raises(ZeroDivisionError), link.unit() as at:
        for bucket in range(3):
            requests.insert(
                at, [(bucket, 1, b"%016d" % key, b"f" * 16, b"a" * 50, NOW) for key in keys]
            )
        raise ZeroDivisionError
    with link.unit() as at:
        assert requests.find(at, [(1, 0, b"%016d" % 0)]) == {}
        assert run_all(at, pid) == before
    link.close()


def test_a_commit_that_brings_a_failure_leaves_nothing(database: Database) -> None:
    """What fails only with the COMMIT is told there, and takes everything back."""

    def work(at: Connection) -> None:
        unit_ids.open_first(at, UUID(int=1), NOW)
        requests.insert(at, [(3, 1, b"k" * 16, b"f", b"a", NOW)] * 2)

    with pytest.raises(psycopg.errors.UniqueViolation) as error:
        database.run(work)
    assert fault_of(error.value) is Fault.CONFLICT
    assert database.run(lambda at: execute(at, _counted, {})) == [(0,)]


def test_a_snapshot_stays_one(database: Database) -> None:
    """A link of snapshots neither writes nor sees what is committed while its unit runs."""
    link = database.link(snapshot=True)
    with link.unit() as at:
        assert execute(at, _counted, {}) == [(0,)]
        database.run(lambda other: unit_ids.open_unit(other, UUID(int=1), NOW))
        assert execute(at, _counted, {}) == [(0,)]
    with link.unit() as at:
        assert execute(at, _counted, {}) == [(1,)]
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), link.unit() as at:
        unit_ids.open_unit(at, UUID(int=2), NOW)
    link.close()


def test_a_lost_connection_is_told(database: Database) -> None:
    """A connection that the server ends while statements are under way is a lost one."""
    link = database.link()
    with link.unit() as at:
        ((pid,),) = execute(at, select(func.pg_backend_pid()), {})
    database.run(lambda other: execute(other, select(func.pg_terminate_backend(pid)), {}))
    with pytest.raises((psycopg.Error, DBAPIError)) as error, link.unit() as at:
        run_all(at, quotients(1), quotients(2))
    assert fault_of(error.value) is Fault.LOST
    with link.unit() as at:
        assert run_all(at, quotients(1)) == [[(100,)]]
    link.close()


def test_requests_are_found_on_the_wire(database: Database) -> None:
    """What one statement adds the next one finds."""
    row = (3, 1, b"k" * 16, b"f", b"a\0", NOW)

    def work(at: Connection) -> None:
        requests.insert(at, [row])
        assert requests.find(at, [(1, 3, b"k" * 16)]) == {(1, b"k" * 16): (b"f", b"a\0", NOW)}

    database.run(work)


@pytest.mark.parametrize("driver_prepares", [False, True])
def test_failures_leave_few_statements_behind(
    database: Database, monkeypatch: pytest.MonkeyPatch, driver_prepares: bool
) -> None:
    """However many units of work fail, the server does not keep what was prepared for them."""
    monkeypatch.setattr(pipeline, "FORGOTTEN_MAX", 10)
    link = database.link()
    prepared = select(func.count()).select_from(table("pg_prepared_statements"))
    for _ in range(20):
        with pytest.raises(psycopg.errors.DivisionByZero), link.unit() as at:
            run_all(at, quotients(1), Query(_counted, {}, same), quotients(0))
        with pytest.raises(psycopg.errors.UniqueViolation), link.unit() as at:
            for _ in range(5 if driver_prepares else 0):
                assert at.execute(_counted).scalar_one() == 0
            requests.insert(at, [(3, 1, b"k" * 16, b"f", b"a", NOW)] * 2)
    with link.unit() as at:
        assert run_all(at, quotients(4)) == [[(25,)]]
        assert [at.execute(_counted).scalar_one() for _ in range(5)] == [0] * 5
        ((count,),) = execute(at, prepared, {})
        assert count < 20
    link.close()


def test_a_unit_that_has_failed_is_not_committed(database: Database) -> None:
    """A COMMIT to which the server answers with a ROLLBACK is told as a failure."""

    def work(at: Connection) -> None:
        unit_ids.open_unit(at, UUID(int=1), NOW)
        with suppress(psycopg.errors.DivisionByZero):
            run_all(at, quotients(0))

    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
        database.run(work)
    assert database.run(lambda at: execute(at, _counted, {})) == [(0,)]

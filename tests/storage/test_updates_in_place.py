"""Hot updates change rows in place."""

from __future__ import annotations

from sqlalchemy import Connection, Table, column, func, select, table
from tests.support.storage.filled import (
    DAY,
    LOTS_EACH,
    NOW,
    account_of,
    add,
    lot_of,
    number,
)

from points_grpc.domain.model import TransactionType
from points_grpc.storage import tables as t
from points_grpc.storage.core.database import Database
from points_grpc.storage.ledger import (
    accounts,
    lots,
    spendable,
)

_counters = table(
    "pg_stat_xact_user_tables", column("relname"), column("n_tup_upd"), column("n_tup_hot_upd")
)


def updated(connection: Connection, of: Table) -> tuple[int, int]:
    """How many rows this unit of work has updated, and how many of them in place."""
    row = connection.execute(
        select(_counters.c.n_tup_upd, _counters.c.n_tup_hot_upd).where(
            _counters.c.relname == of.name
        )
    ).one()
    return int(row[0]), int(row[1])


def test_spending_updates_in_place(database: Database) -> None:
    """Taking part of a lot, and an account's new figures, touch no index."""

    def work(at: Connection) -> None:
        add(at, range(50))
        some = [lot_of(m, 1) for m in range(5)]
        for lot in some:
            lot.remaining, lot.redeemed = 60, 40
        lots.update(at, [(1, lot) for lot in some])
        assert updated(at, t.lots) == (5, 5)
        figures = [account_of(m) for m in range(5)]
        for account in figures:
            account.available, account.total_redeemed, account.version = 360, 40, 5
            account.last_at = NOW + DAY
            account.activity = {TransactionType.REDEEM: NOW + DAY}
        accounts.update(at, figures)
        assert updated(at, t.accounts) == (5, 5)
        for account in figures:
            account.version, account.last_at = 6, NOW + 2 * DAY
        accounts.update_dates(at, figures)
        assert updated(at, t.accounts) == (10, 10)

    database.run(work)


def test_a_used_up_lot_leaves_the_index(database: Database) -> None:
    """A lot that ends is no longer among the unfinished, and is not in place any more."""

    def work(at: Connection) -> None:
        add(at, range(1))
        lot = lot_of(0, 1)
        lot.remaining, lot.redeemed = 0, 100
        lots.update(at, [(1, lot)])
        left = spendable.first(at, [(1, number(1, 0), 0)], 32)
        assert len(left) == LOTS_EACH - 2
        assert at.scalar(select(func.count()).select_from(t.lots)) == LOTS_EACH

    database.run(work)

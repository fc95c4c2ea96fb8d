"""What an audit finds, and what its questions have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Table,
    and_,
    func,
    literal,
    select,
    union_all,
)

from points_grpc.storage.core.unnest import BIGINT, INT, Params, fill, rows
from points_grpc.storage.tables import lots, transactions

FINDINGS_MAX = 1_000
"""So many things that break one rule are named of one page."""


class Finding(NamedTuple):
    """A row that breaks a rule: `number` is the id of what `noun` says, of a tenant."""

    rule: str
    noun: str
    tenant_id: int
    number: int

    def __str__(self) -> str:
        return f"{self.noun} {self.number} of tenant {self.tenant_id}: {self.rule}"


class AuditCursor(NamedTuple):
    """A row's place in the order of its table's primary key: the first three columns of it."""

    bucket: int
    tenant_id: int
    number: int


BEFORE_ALL = AuditCursor(-(2**31), -(2**31), -(2**63))
"""Before every row."""

ASKED = ("bucket", "tenant_id", "account_id")
asked = rows("asked", bucket=INT, tenant_id=INT, account_id=BIGINT)
"""The accounts of a page; fed with `of_accounts`."""


@dataclass(frozen=True, slots=True)
class AuditCheck:
    """A rule, and the statement that gives (tenant_id, number) of every `noun` that breaks it."""

    rule: str
    noun: str
    broken: Select[Any]

    def ask(self, connection: Connection, params: Params) -> Iterable[Finding]:
        """Return what breaks the rule, at most FINDINGS_MAX of a page."""
        found = connection.execute(self.broken.limit(FINDINGS_MAX), params)
        return [Finding(self.rule, self.noun, tenant_id, number) for tenant_id, number in found]


def join_as_written(connection: Connection) -> None:
    """Have PostgreSQL join tables in the order of each statement, until the unit of work ends.

    The accounts that are asked about come first. Where some tables were analyzed and others not
    yet, it guesses an order that starts elsewhere, and reads a bucket for each of its rows.
    """
    names = ("join_collapse_limit", "from_collapse_limit")
    connection.execute(select(*(func.set_config(name, "1", True) for name in names)))


def of_accounts(page: Sequence[AuditCursor]) -> Params:
    """The parameters of questions about the accounts of a page."""
    return fill("asked", ASKED, page)


def of_asked(table: Any, name: str = "account_id") -> ColumnElement[bool]:
    """Return the condition that a row of `table` belongs to an account that is asked for."""
    return and_(
        table.c.bucket == asked.c.bucket,
        table.c.tenant_id == asked.c.tenant_id,
        table.c[name] == asked.c.account_id,
    )


def same(table: Any, name: str, other: Any, other_name: str = "") -> ColumnElement[bool]:
    """Return the condition that two rows of one bucket and tenant have the same id."""
    return and_(
        table.c.bucket == other.c.bucket,
        table.c.tenant_id == other.c.tenant_id,
        table.c[name] == other.c[other_name or name],
    )


def lots_of_asked(name: str = "its_lots") -> FromClause:
    """All lots of the accounts that are asked about.

    Unfinished and finished ones have an index each, and PostgreSQL joins no two of them by itself.
    """
    parts = (
        select(*lots.c).select_from(asked).join(lots, and_(of_asked(lots), which))
        for which in (lots.c.unfinished, ~lots.c.unfinished)
    )
    return union_all(*parts).subquery(name)


def rows_of_asked(*types: int, name: str = "its_rows") -> FromClause:
    """The transactions of the accounts that are asked about, of these types or of all."""
    chosen = [transactions.c.type.in_([literal(t) for t in types])] if types else []
    join = and_(of_asked(transactions), *chosen)
    return select(*transactions.c).select_from(asked).join(transactions, join).subquery(name)


def total(of: ColumnElement[Any], *where: ColumnElement[bool]) -> ColumnElement[Any]:
    """A sum that is 0 where there is nothing; never out of range, as it is numeric."""
    added: Any = func.sum(of)
    return func.coalesce(added.filter(*where) if where else added, 0)


def key_of(table: Table) -> tuple[ColumnElement[Any], ...]:
    """Bucket, tenant and the third column of a table's primary key."""
    return tuple(table.primary_key.columns)[:3]

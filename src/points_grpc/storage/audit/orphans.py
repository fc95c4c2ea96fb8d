"""Rows without those that they belong to, table by table."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BindParameter,
    Connection,
    Select,
    Table,
    and_,
    bindparam,
    or_,
    select,
    tuple_,
)

from points_grpc.domain.model import TransactionType
from points_grpc.storage.audit.findings import (
    BEFORE_ALL,
    AuditCheck,
    AuditCursor,
    Finding,
    key_of,
    same,
)
from points_grpc.storage.core.ids import BUCKETS
from points_grpc.storage.core.unnest import BIGINT, INT
from points_grpc.storage.tables import (
    accounts,
    allocations,
    expiry_changes,
    lots,
    member_identifiers,
    members,
    transactions,
)

T = TransactionType


def _bound(side: str) -> tuple[BindParameter[Any], ...]:
    return (
        bindparam(f"{side}_bucket", type_=INT),
        bindparam(f"{side}_tenant_id", type_=INT),
        bindparam(f"{side}_number", type_=BIGINT),
    )


def _ends(table: Table) -> Select[Any]:
    """The place of the row that is so many rows on."""
    return (
        select(*key_of(table))
        .where(tuple_(*key_of(table)) > tuple_(*_bound("after")))
        .order_by(*key_of(table))
        .offset(bindparam("most", type_=BIGINT))
        .limit(1)
    )


def _among(table: Table, *broken: Any) -> Select[Any]:
    """Tenant and id of the rows of a page of which all of `broken` is true."""
    return select(*key_of(table)[1:]).where(
        tuple_(*key_of(table)) > tuple_(*_bound("after")),
        tuple_(*key_of(table)) <= tuple_(*_bound("end")),
        *broken,
    )


def _is_there(table: Any, name: str, row: Any, row_name: str = "", *more: Any) -> Any:
    return select(table.c.bucket).where(same(table, name, row, row_name), *more).exists()


_earn = transactions.alias("earn")
_account = accounts.alias("account")
_lot = lots.alias("lot")
_related = transactions.alias("related")
_MISPLACED = "it is in a wrong bucket"
_OF_A_LOT = (T.SUBMIT, T.APPROVE, T.CLOSE)


def _like_its_account(row: Any, *more: Any) -> Any:
    """Return the condition that a row's account exists and agrees with it."""
    agrees = _account.c.currency_id == row.c.currency_id
    return _is_there(_account, "account_id", row, "", agrees, *more)


_TABLES: dict[Table, tuple[AuditCheck, ...]] = {
    members: (
        AuditCheck(
            "the external id that it is shown by is not one of its identifiers",
            "member",
            _among(
                members,
                members.c.external_id.is_not(None),
                ~_is_there(
                    member_identifiers,
                    "member_id",
                    members,
                    "",
                    member_identifiers.c.type == "external_id",
                    member_identifiers.c.value == members.c.external_id,
                ),
            ),
        ),
    ),
    lots: (
        AuditCheck(
            "it has no account of its member and currency",
            "lot",
            _among(lots, ~_like_its_account(lots, _account.c.member_id == lots.c.member_id)),
        ),
        AuditCheck(
            "it has no EARN",
            "lot",
            _among(
                lots,
                ~_is_there(_earn, "transaction_id", lots, "lot_id", _earn.c.type == T.EARN),
            ),
        ),
    ),
    transactions: (
        AuditCheck(
            "it has no account of its currency",
            "transaction",
            _among(transactions, ~_like_its_account(transactions)),
        ),
        AuditCheck(
            "it has no lot",
            "transaction",
            _among(
                transactions,
                or_(
                    and_(
                        transactions.c.type == T.EARN,
                        ~_is_there(lots, "lot_id", transactions, "transaction_id"),
                    ),
                    and_(
                        transactions.c.type.in_(_OF_A_LOT),
                        ~_is_there(
                            lots,
                            "lot_id",
                            transactions,
                            "related_id",
                            lots.c.account_id == transactions.c.account_id,
                        ),
                    ),
                ),
            ),
        ),
        AuditCheck(
            "it reverses no EXPIRE",
            "transaction",
            _among(
                transactions,
                transactions.c.type == T.REVERSE,
                ~_is_there(
                    _related,
                    "transaction_id",
                    transactions,
                    "related_id",
                    _related.c.account_id == transactions.c.account_id,
                    _related.c.type == T.EXPIRE,
                ),
            ),
        ),
    ),
    allocations: (
        AuditCheck(
            "an allocation of it is not to a lot of its account",
            "transaction",
            _among(
                allocations,
                ~select(transactions.c.bucket)
                .where(
                    same(transactions, "transaction_id", allocations),
                    same(lots, "lot_id", allocations),
                    lots.c.account_id == transactions.c.account_id,
                )
                .exists(),
            ),
        ),
    ),
    expiry_changes: (
        AuditCheck(
            "it has no account of its currency",
            "change",
            _among(expiry_changes, ~_like_its_account(expiry_changes)),
        ),
        AuditCheck(
            "it has no lot of its account",
            "change",
            _among(
                expiry_changes,
                ~_is_there(
                    _lot,
                    "lot_id",
                    expiry_changes,
                    "",
                    _lot.c.account_id == expiry_changes.c.account_id,
                ),
            ),
        ),
    ),
}

_BEYOND_ALL = AuditCursor(2**31 - 1, 2**31 - 1, 2**63 - 1)

TABLES = tuple(_TABLES)
"""Those whose rows are looked at here."""

_ENDS = {table: _ends(table) for table in TABLES}
_MISPLACED_IN = {
    table: AuditCheck(
        _MISPLACED, questions[0].noun, _among(table, key_of(table)[2] % BUCKETS != table.c.bucket)
    )
    for table, questions in _TABLES.items()
}


RULES = frozenset(q.rule for questions in _TABLES.values() for q in questions) | {_MISPLACED}
"""What is looked for here."""


class Pager:
    """Goes through a table, so many rows at a time."""

    def __init__(self, table: Table, most: int) -> None:
        self._table = table
        self._most = most
        self._after: AuditCursor = BEFORE_ALL
        self.at_end = False

    def next(self, connection: Connection) -> list[Finding]:
        """Return the findings in the next rows."""
        bounds = {f"after_{name}": value for name, value in self._after._asdict().items()}
        row = connection.execute(_ENDS[self._table], {**bounds, "most": self._most}).one_or_none()
        end = _BEYOND_ALL if row is None else AuditCursor(*row)
        params = bounds | {f"end_{name}": value for name, value in end._asdict().items()}
        questions = (*_TABLES[self._table], _MISPLACED_IN[self._table])
        found = [finding for q in questions for finding in q.ask(connection, params)]
        self._after, self.at_end = end, row is None
        return found

"""Reading everything of a program in order, as a stream: members, then each account's history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, case, exists, func, or_, select, true
from sqlalchemy.engine import Row

from points_grpc.domain.model import TransactionType as T
from points_grpc.storage.core.unnest import BIGINT, INT
from points_grpc.storage.ledger.expiry_changes import EXPIRY_CHANGE_COLUMNS
from points_grpc.storage.tables import (
    accounts,
    allocations,
    expiry_changes,
    lots,
    member_identifiers,
    members,
    transactions,
)

FETCHED = 2_000
"""Rows that are held at once."""

_TENANT = bindparam("of_tenant", type_=INT)
_PROGRAM = bindparam("of_program", type_=BIGINT)


def _same(left: Any, right: Any) -> Any:
    return and_(left.c.bucket == right.c.bucket, left.c.tenant_id == right.c.tenant_id)


_members = (
    select(
        members.c.member_id,
        func.coalesce(members.c.external_id, "").label("external_id"),
        func.coalesce(members.c.vendor_id, 0).label("vendor_id"),
        members.c.created_at,
        member_identifiers.c.type,
        member_identifiers.c.value,
    )
    .outerjoin(
        member_identifiers,
        and_(
            _same(member_identifiers, members),
            member_identifiers.c.member_id == members.c.member_id,
        ),
    )
    .where(members.c.tenant_id == _TENANT)
    .order_by(
        members.c.bucket,
        members.c.tenant_id,
        members.c.member_id,
        member_identifiers.c.type,
        member_identifiers.c.value,
    )
)

_first_name = (
    select(member_identifiers.c.type.label("type"), member_identifiers.c.value.label("value"))
    .where(
        _same(member_identifiers, accounts),
        member_identifiers.c.member_id == accounts.c.member_id,
    )
    .order_by(member_identifiers.c.type, member_identifiers.c.value)
    .limit(1)
    .lateral("first_name")
)
_OWNER = (
    func.coalesce(members.c.external_id, "").label("external_id"),
    func.coalesce(members.c.vendor_id, 0).label("member_vendor_id"),
    _first_name.c.type.label("identifier_type"),
    _first_name.c.value.label("identifier_value"),
)


def _of_program(facts: Any, statement: Select[Any]) -> Select[Any]:
    """`statement`, which reads `facts`, with their accounts and members, account by account."""
    return (
        statement.join(
            accounts,
            and_(_same(accounts, facts), accounts.c.account_id == facts.c.account_id),
        )
        .join(
            members,
            and_(_same(members, accounts), members.c.member_id == accounts.c.member_id),
        )
        .join(_first_name, true())
        .where(facts.c.tenant_id == _TENANT, accounts.c.program_id == _PROGRAM)
        .order_by(facts.c.bucket, facts.c.tenant_id, facts.c.account_id, facts.c.version)
    )


_part = lots.alias("part")
_parts = (
    select(
        func.array_agg(allocations.c.lot_id).label("lot_ids"),
        func.array_agg(func.coalesce(_part.c.vendor_id, 0)).label("lot_vendor_ids"),
        func.array_agg(allocations.c.amount).label("amounts"),
        func.bool_or(_part.c.lapse_id == transactions.c.transaction_id).label("ended"),
    )
    .join(_part, and_(_same(_part, allocations), _part.c.lot_id == allocations.c.lot_id))
    .where(
        _same(allocations, transactions),
        allocations.c.transaction_id == transactions.c.transaction_id,
    )
    .lateral("parts")
)
_back = transactions.alias("back")
_reversed = exists().where(
    _same(_back, transactions),
    _back.c.account_id == transactions.c.account_id,
    _back.c.effective_at == transactions.c.effective_at,
    _back.c.type == int(T.REVERSE),
    _back.c.related_id == transactions.c.transaction_id,
)
_allocates = transactions.c.type.in_([int(T.REDEEM), int(T.EXPIRE), int(T.REVERSE)])
_lot_id = case(
    (transactions.c.type == int(T.EARN), transactions.c.transaction_id),
    (_allocates, None),
    else_=transactions.c.related_id,
)
_transactions = _of_program(
    transactions,
    select(
        transactions,
        lots.c.lot_id,
        func.coalesce(lots.c.vendor_id, 0).label("lot_vendor_id"),
        lots.c.kind,
        lots.c.policy_version_id,
        lots.c.rule,
        lots.c.earned_at,
        lots.c.expires_at.label("lot_expires_at"),
        _parts.c.lot_ids,
        _parts.c.lot_vendor_ids,
        _parts.c.amounts,
        or_(func.coalesce(_parts.c.ended, False), _reversed).label("lapse"),
        *_OWNER,
    )
    .select_from(transactions)
    .outerjoin(lots, and_(_same(lots, transactions), lots.c.lot_id == _lot_id))
    .outerjoin(_parts, _allocates),
)
_changes = _of_program(
    expiry_changes,
    select(
        expiry_changes.c.bucket,
        *EXPIRY_CHANGE_COLUMNS,
        func.coalesce(lots.c.vendor_id, 0).label("lot_vendor_id"),
        *_OWNER,
    )
    .select_from(expiry_changes)
    .join(lots, and_(_same(lots, expiry_changes), lots.c.lot_id == expiry_changes.c.lot_id)),
)


def stream_members(connection: Connection, tenant_id: int) -> Iterator[Row[Any]]:
    """Every identifier of every member of the tenant, a member's together; null for none."""
    return _stream(connection, _members, {"of_tenant": tenant_id})


def stream_transactions(
    connection: Connection, tenant_id: int, program_id: int
) -> Iterator[Row[Any]]:
    """Every transaction of the program, by bucket, account and version, with what it moved."""
    return _stream(connection, _transactions, {"of_tenant": tenant_id, "of_program": program_id})


def stream_changes(connection: Connection, tenant_id: int, program_id: int) -> Iterator[Row[Any]]:
    """Every expiry change of the program, by bucket, account and version."""
    return _stream(connection, _changes, {"of_tenant": tenant_id, "of_program": program_id})


def _stream(connection: Connection, statement: Select[Any], of: dict[str, int]) -> Iterator[Any]:
    return iter(connection.execute(statement, of, execution_options={"yield_per": FETCHED}))

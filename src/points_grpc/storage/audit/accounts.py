"""Accounts against their lots and transactions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, FromClause, and_, bindparam, case, func, or_, select, tuple_
from sqlalchemy import true as always

from points_grpc.domain.model import LotState, TransactionType
from points_grpc.storage.audit.findings import (
    AuditCheck,
    AuditCursor,
    asked,
    key_of,
    lots_of_asked,
    of_accounts,
    of_asked,
    rows_of_asked,
    same,
    total,
)
from points_grpc.storage.core.unnest import BIGINT, INT
from points_grpc.storage.tables import (
    ACTIVITY_COLUMNS,
    accounts,
    currencies,
    expiry_changes,
    members,
    transactions,
)

T = TransactionType

_CLOSED, _APPROVED = int(LotState.CLOSED), int(LotState.APPROVED)
_NUMBER = (accounts.c.tenant_id, accounts.c.account_id)
_here = select(*_NUMBER).select_from(asked).join(accounts, of_asked(accounts))

_next_page = (
    select(*key_of(accounts))
    .where(
        tuple_(*key_of(accounts))
        > tuple_(
            bindparam("bucket", type_=INT),
            bindparam("tenant_id", type_=INT),
            bindparam("number", type_=BIGINT),
        )
    )
    .order_by(*key_of(accounts))
    .limit(bindparam("most", type_=BIGINT))
)
_about = select(func.count()).select_from(accounts).where(accounts.c.bucket == 0)


def page(connection: Connection, after: AuditCursor, most: int) -> list[AuditCursor]:
    """The next accounts."""
    found = connection.execute(_next_page, {**after._asdict(), "most": most})
    return [AuditCursor(*row) for row in found]


def count_of_bucket(connection: Connection) -> int:
    """Return the number of accounts in the first of the buckets."""
    return int(connection.execute(_about).scalar_one())


# What an account is made of

_currency = select(currencies.c.currency_id).where(
    currencies.c.tenant_id == accounts.c.tenant_id,
    currencies.c.program_id == accounts.c.program_id,
    currencies.c.currency_id == accounts.c.currency_id,
)
_nobody = ~select(members.c.member_id).where(same(members, "member_id", accounts)).exists()


# Figures

_lot = lots_of_asked()
_is_approved = _lot.c.state == _APPROVED
_lot_sums = (
    select(
        *(_lot.c[name] for name in ("bucket", "tenant_id", "account_id")),
        total(_lot.c.remaining, _is_approved).label("available"),
        total(_lot.c.remaining, ~_is_approved, _lot.c.state != _CLOSED).label("pending"),
        total(_lot.c.held, _is_approved).label("held"),
        total(_lot.c.amount, _is_approved).label("total_earned"),
        total(_lot.c.redeemed, _is_approved).label("total_redeemed"),
        total(_lot.c.expired, _is_approved).label("total_expired"),
    )
    .group_by(_lot.c.bucket, _lot.c.tenant_id, _lot.c.account_id)
    .subquery("lot_sums")
)
_FIGURES = ("available", "pending", "held", "total_earned", "total_redeemed", "total_expired")


def _differs(sums: FromClause, names: Sequence[str]) -> Any:
    return or_(*(accounts.c[name] != func.coalesce(sums.c[name], 0) for name in names))


_row = rows_of_asked()
_is_approved_earn = and_(_row.c.type == T.EARN, _row.c.first_state == _APPROVED)
_is_promise = and_(_row.c.type == T.EARN, _row.c.first_state != _APPROVED)
_plus, _minus = _row.c.amount, -_row.c.amount
_MOVES = {
    "available": case(
        (_is_promise, 0),
        (_row.c.type.in_([T.EARN, T.APPROVE, T.REVERSE, T.RELEASE]), _plus),
        (_row.c.type.in_([T.REDEEM, T.EXPIRE, T.HOLD]), _minus),
        else_=0,
    ),
    "pending": case((_is_promise, _plus), (_row.c.type.in_([T.APPROVE, T.CLOSE]), _minus), else_=0),
    "held": case((_row.c.type == T.HOLD, _plus), (_row.c.type == T.RELEASE, _minus), else_=0),
    "total_earned": case((or_(_is_approved_earn, _row.c.type == T.APPROVE), _plus), else_=0),
    "total_redeemed": case((_row.c.type == T.REDEEM, _plus), else_=0),
    "total_expired": case(
        (_row.c.type == T.EXPIRE, _plus), (_row.c.type == T.REVERSE, _minus), else_=0
    ),
}
_row_sums = (
    select(
        *(_row.c[name] for name in ("bucket", "tenant_id", "account_id")),
        *(total(moved).label(name) for name, moved in _MOVES.items()),
    )
    .group_by(_row.c.bucket, _row.c.tenant_id, _row.c.account_id)
    .subquery("row_sums")
)

# Each row's balances, from those of the row before

_in_order: dict[str, Any] = {
    "partition_by": (_row.c.bucket, _row.c.tenant_id, _row.c.account_id),
    "order_by": _row.c.version,
}
_followed = select(
    _row.c.tenant_id,
    _row.c.transaction_id,
    or_(
        *(
            _row.c[f"{name}_after"] != func.sum(_MOVES[name]).over(**_in_order)
            for name in ("available", "pending", "held")
        )
    ).label("differs"),
).subquery("followed")

# Versions

_versions = (
    select(asked.c.account_id, transactions.c.version)
    .join(transactions, of_asked(transactions))
    .union_all(
        select(asked.c.account_id, expiry_changes.c.version).join(
            expiry_changes, of_asked(expiry_changes)
        )
    )
    .subquery("versions")
)
_numbered = (
    select(
        _versions.c.account_id,
        func.count().label("many"),
        func.count(_versions.c.version.distinct()).label("different"),
        func.min(_versions.c.version).label("first"),
        func.max(_versions.c.version).label("last"),
    )
    .group_by(_versions.c.account_id)
    .subquery("numbered")
)
_is_chain = and_(
    _numbered.c.first == 1,
    _numbered.c.last == accounts.c.version,
    _numbered.c.many == accounts.c.version,
    _numbered.c.different == accounts.c.version,
)

# Activity: an unapproved earn counts from its approval, the others from their own instant.

_qualified = (
    select(
        *(_row.c[name] for name in ("bucket", "tenant_id", "account_id")),
        func.greatest(
            func.max(_row.c.effective_at).filter(_is_approved_earn),
            func.max(_row.c.effective_at).filter(_row.c.type == T.APPROVE),
        ).label("last_earn_at"),
        *(
            func.max(_row.c.effective_at).filter(_row.c.type == kind).label(ACTIVITY_COLUMNS[kind])
            for kind in (T.SUBMIT, T.APPROVE, T.REDEEM, T.REVERSE)
        ),
    )
    .group_by(_row.c.bucket, _row.c.tenant_id, _row.c.account_id)
    .subquery("qualified")
)
_forgotten = or_(
    *(
        and_(
            _qualified.c[name].is_not(None),
            func.coalesce(accounts.c[name] < _qualified.c[name], always()),
        )
        for name in _qualified.c.keys()  # noqa: SIM118  # a collection of columns, not a dict
        if name.startswith("last_")
    )
)

# Bounds

_is_dated = and_(_lot.c.unfinished, _lot.c.expires_at.is_not(None))
_soonest = (
    select(
        _lot.c.bucket, _lot.c.tenant_id, _lot.c.account_id, func.min(_lot.c.expires_at).label("at")
    )
    .where(_is_dated)
    .group_by(_lot.c.bucket, _lot.c.tenant_id, _lot.c.account_id)
    .subquery("soonest")
)
_is_late = or_(accounts.c.next_due_at.is_(None), accounts.c.next_due_at > _soonest.c.at)


CHECKS = (
    AuditCheck("its member does not exist", "account", _here.where(_nobody)),
    AuditCheck(
        "its currency is not one of its program", "account", _here.where(~_currency.exists())
    ),
    AuditCheck(
        "it is in a wrong bucket",
        "account",
        _here.where(accounts.c.bucket != accounts.c.account_id % 64),
    ),
    AuditCheck(
        "its figures differ from its lots",
        "account",
        _here.outerjoin(_lot_sums, same(accounts, "account_id", _lot_sums)).where(
            _differs(_lot_sums, _FIGURES)
        ),
    ),
    AuditCheck(
        "its figures differ from its transactions",
        "account",
        _here.outerjoin(_row_sums, same(accounts, "account_id", _row_sums)).where(
            _differs(_row_sums, _FIGURES)
        ),
    ),
    AuditCheck(
        "its total earned is not what is there, held, redeemed and expired",
        "account",
        _here.where(
            accounts.c.total_earned
            != accounts.c.available
            + accounts.c.held
            + accounts.c.total_redeemed
            + accounts.c.total_expired
        ),
    ),
    AuditCheck(
        "its versions have gaps",
        "account",
        _here.outerjoin(_numbered, _numbered.c.account_id == accounts.c.account_id).where(
            ~func.coalesce(_is_chain, False)
        ),
    ),
    AuditCheck(
        "its last activity is earlier than its transactions",
        "account",
        _here.join(_qualified, same(accounts, "account_id", _qualified)).where(_forgotten),
    ),
    AuditCheck(
        "its bound is later than the expiry of a lot",
        "account",
        _here.join(_soonest, same(accounts, "account_id", _soonest)).where(_is_late),
    ),
    AuditCheck(
        "its balances do not follow from those before",
        "transaction",
        select(_followed.c.tenant_id, _followed.c.transaction_id).where(_followed.c.differs),
    ),
)


# Bounds over lots that follow the account's activity, which takes a calendar to tell


class FollowedRule(NamedTuple):
    """The first of an account's unfinished lots that follow one inactivity policy version."""

    tenant_id: int
    account_id: int
    program_id: int
    rule: int
    earned_at: datetime
    next_due_at: datetime | None
    activity: dict[TransactionType, datetime]


_follows = and_(_lot.c.unfinished, _lot.c.rule != 0, _lot.c.expires_at.is_(None))
_following = (
    select(
        *_NUMBER,
        accounts.c.program_id,
        _lot.c.rule,
        func.min(_lot.c.earned_at),
        accounts.c.next_due_at,
        *(accounts.c[name] for name in ACTIVITY_COLUMNS.values()),
    )
    .select_from(_lot)
    .join(accounts, same(accounts, "account_id", _lot))
    .where(_follows)
    .group_by(*key_of(accounts), _lot.c.rule)
)


def following(connection: Connection, accounts_asked: Sequence[AuditCursor]) -> list[FollowedRule]:
    """Return, by account and inactivity policy version, the bounds of its lots."""
    found = connection.execute(_following, of_accounts(accounts_asked))
    return [FollowedRule._make((*facts, dict_of(instants))) for *facts, instants in split(found, 6)]


def split(found: Iterable[Sequence[Any]], place: int) -> Iterator[tuple[Any, ...]]:
    """Each row with what begins at `place` as its last."""
    return ((*row[:place], row[place:]) for row in found)


def dict_of(instants: Sequence[datetime | None]) -> dict[TransactionType, datetime]:
    """The account's last activity, of the columns in their order."""
    pairs = zip(ACTIVITY_COLUMNS, instants, strict=True)
    return {kind: at for kind, at in pairs if at is not None}

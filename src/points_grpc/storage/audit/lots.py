"""Lots against the transactions that made, moved and used them."""

from __future__ import annotations

from sqlalchemy import and_, case, func, or_, select

from points_grpc.domain.model import LotState, TransactionType
from points_grpc.storage.audit.findings import (
    AuditCheck,
    lots_of_asked,
    rows_of_asked,
    same,
    total,
)
from points_grpc.storage.tables import allocations, expiry_changes, transactions

T = TransactionType
S = LotState

_lot = lots_of_asked()
_broken = select(_lot.c.tenant_id, _lot.c.lot_id).select_from(_lot)
_parts = _lot.c.remaining + _lot.c.held + _lot.c.redeemed + _lot.c.expired
_earn = transactions.alias("earn")
_is_its_earn = and_(same(_earn, "transaction_id", _lot, "lot_id"), _earn.c.type == T.EARN)

# What its allocations say

_move = rows_of_asked(T.REDEEM, T.EXPIRE, T.REVERSE, name="moves")
_taken = (
    select(
        allocations.c.bucket,
        allocations.c.tenant_id,
        allocations.c.lot_id,
        total(allocations.c.amount, _move.c.type == T.REDEEM).label("redeemed"),
        total(
            case((_move.c.type == T.EXPIRE, allocations.c.amount), else_=-allocations.c.amount),
            _move.c.type != T.REDEEM,
        ).label("expired"),
    )
    .select_from(_move)
    .join(allocations, same(allocations, "transaction_id", _move))
    .group_by(allocations.c.bucket, allocations.c.tenant_id, allocations.c.lot_id)
    .subquery("taken")
)
_differs = or_(
    _lot.c.redeemed != func.coalesce(_taken.c.redeemed, 0),
    _lot.c.expired != func.coalesce(_taken.c.expired, 0),
)

# What its transactions say of its state

_step = rows_of_asked(T.SUBMIT, T.APPROVE, T.CLOSE, name="steps")
_steps = (
    select(
        _step.c.bucket,
        _step.c.tenant_id,
        _step.c.related_id,
        *(
            func.bool_or(_step.c.type == kind).label(kind.name.lower())
            for kind in (T.SUBMIT, T.APPROVE, T.CLOSE)
        ),
    )
    .group_by(_step.c.bucket, _step.c.tenant_id, _step.c.related_id)
    .subquery("taken_steps")
)
_state = case(
    (_steps.c.close, int(S.CLOSED)),
    (_steps.c.approve, int(S.APPROVED)),
    (_steps.c.submit, int(S.PENDING)),
    else_=_earn.c.first_state,
)

# What its changes say of its expiry: a lot that follows activity has none until it lapses

_last_change = (
    select(expiry_changes.c.new_expires_at)
    .where(same(expiry_changes, "lot_id", _lot))
    .order_by(expiry_changes.c.version.desc())
    .limit(1)
    .lateral("last_change")
)
_last_version = (
    select(func.max(expiry_changes.c.version).label("version"))
    .where(same(expiry_changes, "lot_id", _lot))
    .lateral("last_version")
)
_was_changed = _last_version.c.version.is_not(None)
_expiry = case((_was_changed, _last_change.c.new_expires_at), else_=_earn.c.expires_at)

# The EXPIRE that ended it

_lapse = transactions.alias("lapse")
_is_its_lapse = and_(
    same(_lapse, "transaction_id", _lot, "lapse_id"),
    _lapse.c.account_id == _lot.c.account_id,
    _lapse.c.type == T.EXPIRE,
)
# A lot that had ended elsewhere, before it was imported, ended when it did.
_ended_there = (
    select(_lapse.c.bucket)
    .where(_is_its_lapse, _lapse.c.effective_at == _lot.c.expires_at)
    .exists()
)
_of_lapse = (
    select(allocations.c.amount)
    .where(
        same(allocations, "lot_id", _lot),
        allocations.c.transaction_id == _lot.c.lapse_id,
    )
    .exists()
)

# What is allocated of a transaction

_row = rows_of_asked()
_allocated = (
    select(total(allocations.c.amount).label("amount"))
    .where(same(allocations, "transaction_id", _row))
    .lateral("allocated")
)
_wanted = case((_row.c.type.in_([T.REDEEM, T.EXPIRE, T.REVERSE]), _row.c.amount), else_=0)

CHECKS = (
    AuditCheck(
        "its parts are not its amount",
        "lot",
        _broken.where(
            or_(
                and_(_lot.c.state != S.CLOSED, _lot.c.amount != _parts),
                and_(_lot.c.state == S.CLOSED, _parts != 0),
            )
        ),
    ),
    AuditCheck(
        "it is marked unfinished and is not, or the other way round",
        "lot",
        _broken.where(
            _lot.c.unfinished != and_(_lot.c.state != S.CLOSED, _lot.c.remaining + _lot.c.held > 0)
        ),
    ),
    AuditCheck(
        "its amount is not that of its EARN",
        "lot",
        _broken.join(_earn, _is_its_earn).where(
            or_(_earn.c.amount != _lot.c.amount, _earn.c.account_id != _lot.c.account_id)
        ),
    ),
    AuditCheck(
        "its parts differ from its allocations",
        "lot",
        _broken.outerjoin(_taken, same(_taken, "lot_id", _lot)).where(_differs),
    ),
    AuditCheck(
        "its state differs from its transactions",
        "lot",
        _broken.join(_earn, _is_its_earn)
        .outerjoin(_steps, same(_steps, "related_id", _lot, "lot_id"))
        .where(_lot.c.state != _state),
    ),
    AuditCheck(
        "its expiry differs from its changes",
        "lot",
        _broken.join(_earn, _is_its_earn)
        .outerjoin(_last_version, and_(True))
        .outerjoin(_last_change, and_(True))
        .where(
            _lot.c.state != S.CLOSED,
            or_(_was_changed, _lot.c.rule == 0),
            _lot.c.expires_at.is_distinct_from(_expiry),
            ~_ended_there,
        ),
    ),
    AuditCheck(
        "what ended it is not an EXPIRE that took from it",
        "lot",
        _broken.outerjoin(_lapse, _is_its_lapse).where(
            _lot.c.lapse_id.is_not(None),
            or_(_lapse.c.transaction_id.is_(None), ~_of_lapse),
        ),
    ),
    AuditCheck(
        "it was ended and is not finished",
        "lot",
        _broken.where(_lot.c.lapse_id.is_not(None), _lot.c.unfinished),
    ),
    AuditCheck(
        "its allocations are not its amount",
        "transaction",
        select(_row.c.tenant_id, _row.c.transaction_id)
        .select_from(_row)
        .join(_allocated, and_(True))
        .where(_wanted != _allocated.c.amount),
    ),
)

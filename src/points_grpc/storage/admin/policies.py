"""Expiration policies: immutable versions, of which the newest is for new earns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from points_grpc.domain.admin.commands import PolicyView
from points_grpc.domain.model import Period, Policy, PolicyKind, Rounding, TransactionType
from points_grpc.storage.core.unnest import BIGINT, INT
from points_grpc.storage.tables import currencies, policies

_TENANT = bindparam("tenant_id", type_=INT)

COLUMNS = (
    policies.c.policy_version_id,
    policies.c.code,
    policies.c.version,
    policies.c.kind,
    policies.c.priority,
    policies.c.period_days,
    policies.c.period_months,
    policies.c.dates,
    policies.c.minimum_days,
    policies.c.minimum_months,
    policies.c.rounding,
    policies.c.qualifying,
)
"""What `policy_of_row` reads, in its order."""

_views = (
    select(
        policies.c.program_id,
        policies.c.currency_id,
        currencies.c.code.label("currency_code"),
        policies.c.created_at,
        *COLUMNS,
    )
    .join(
        currencies,
        (currencies.c.tenant_id == policies.c.tenant_id)
        & (currencies.c.currency_id == policies.c.currency_id),
    )
    .where(policies.c.tenant_id == _TENANT)
)
_of_currency = _views.where(
    policies.c.program_id == bindparam("program_id", type_=BIGINT),
    policies.c.currency_id == bindparam("currency_id", type_=BIGINT),
)
_by_version_id = _views.where(
    policies.c.policy_version_id == bindparam("policy_version_id", type_=BIGINT)
)


def of_currency(
    connection: Connection, tenant_id: int, program_id: int, currency_id: int
) -> list[PolicyView]:
    """Every version of every policy of a currency, by code and version."""
    key = {"tenant_id": tenant_id, "program_id": program_id, "currency_id": currency_id}
    views = [_view(row) for row in connection.execute(_of_currency, key)]
    return sorted(views, key=lambda view: (view.policy.code, view.policy.version))


def by_version_id(connection: Connection, tenant_id: int, policy_version_id: int) -> PolicyView:
    """One version, which must exist."""
    key = {"tenant_id": tenant_id, "policy_version_id": policy_version_id}
    return _view(connection.execute(_by_version_id, key).one())


def insert_policy(connection: Connection, tenant_id: int, view: PolicyView) -> None:
    """Add a version; one that is there already is a conflict (23505)."""
    policy = view.policy
    period, life = policy.period or Period(), policy.minimum_life or Period()
    row = {
        "tenant_id": tenant_id,
        "policy_version_id": policy.policy_version_id,
        "program_id": view.program_id,
        "currency_id": view.currency_id,
        "code": policy.code,
        "version": policy.version,
        "kind": int(policy.kind),
        "priority": policy.priority,
        "period_days": period.days,
        "period_months": period.months,
        "dates": ",".join(f"{month}-{day}" for month, day in policy.dates),
        "minimum_days": life.days,
        "minimum_months": life.months,
        "rounding": int(policy.rounding),
        "qualifying": ",".join(str(int(kind)) for kind in sorted(policy.qualifying)),
        "created_at": view.created_at,
    }
    connection.execute(insert(policies), row)


def policy_of_row(values: Sequence[Any]) -> Policy:
    """The policy in the values of COLUMNS."""
    version_id, code, version, kind, priority, days, months = values[:7]
    dates, minimum_days, minimum_months, rounding, qualifying = values[7:]
    return Policy(
        policy_version_id=version_id,
        code=code,
        version=version,
        kind=PolicyKind(kind),
        priority=priority,
        period=_period(days, months),
        dates=_dates(dates),
        minimum_life=_period(minimum_days, minimum_months),
        rounding=Rounding(rounding),
        qualifying=frozenset(TransactionType(int(n)) for n in qualifying.split(",") if n),
    )


def _view(row: Sequence[Any]) -> PolicyView:
    program_id, currency_id, currency_code, created_at, *values = row
    return PolicyView(policy_of_row(values), program_id, currency_id, currency_code, created_at)


def _period(days: int, months: int) -> Period | None:
    return Period(days, months) if days or months else None


def _dates(text: str) -> tuple[tuple[int, int], ...]:
    pairs = (day.split("-") for day in text.split(",") if day)
    return tuple((int(month), int(day)) for month, day in pairs)

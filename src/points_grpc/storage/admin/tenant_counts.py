"""How much a tenant keeps of what is bounded in number."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, bindparam, func, select

from points_grpc.storage.core.unnest import INT
from points_grpc.storage.tables import currencies, policies, programs, tenants


class TenantCounts(NamedTuple):
    """How many there are."""

    programs: int
    currencies: int
    policies: int
    policy_versions: int


_TENANT = bindparam("of_tenant", type_=INT)
_lock = (
    select(tenants.c.tenant_id)
    .where(tenants.c.tenant_id == _TENANT)
    .with_for_update(key_share=True)
)
_codes = (
    select(policies.c.currency_id, policies.c.code)
    .where(policies.c.tenant_id == _TENANT)
    .distinct()
    .subquery("codes")
)
_kept = select(
    select(func.count()).where(programs.c.tenant_id == _TENANT).scalar_subquery(),
    select(func.count()).where(currencies.c.tenant_id == _TENANT).scalar_subquery(),
    select(func.count()).select_from(_codes).scalar_subquery(),
    select(func.count()).where(policies.c.tenant_id == _TENANT).scalar_subquery(),
)


def lock(connection: Connection, tenant_id: int) -> None:
    """Lock the tenant's row, so that nobody else adds to it until this unit of work ends."""
    connection.execute(_lock, {"of_tenant": tenant_id})


def kept(connection: Connection, tenant_id: int) -> TenantCounts:
    """Return how much the tenant keeps."""
    return TenantCounts(*connection.execute(_kept, {"of_tenant": tenant_id}).one())

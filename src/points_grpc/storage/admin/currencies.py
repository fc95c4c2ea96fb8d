"""The currencies of programs."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, insert, select, update

from points_grpc.domain.admin.commands import CurrencyView
from points_grpc.storage.core.unnest import BIGINT, INT
from points_grpc.storage.tables import currencies

_TENANT = bindparam("of_tenant", type_=INT)
_PROGRAM = bindparam("of_program", type_=BIGINT)
_CURRENCY = bindparam("of_currency", type_=BIGINT)

_of_program = select(
    currencies.c.currency_id,
    currencies.c.program_id,
    currencies.c.code,
    currencies.c.scale,
    currencies.c.points_type,
    currencies.c.exchange_rate,
    currencies.c.default_policy,
    currencies.c.created_at,
    currencies.c.updated_at,
).where(currencies.c.tenant_id == _TENANT, currencies.c.program_id == _PROGRAM)

_program_of = select(currencies.c.program_id).where(
    currencies.c.tenant_id == _TENANT, currencies.c.currency_id == _CURRENCY
)

_update = (
    update(currencies)
    .where(currencies.c.tenant_id == _TENANT, currencies.c.currency_id == _CURRENCY)
    .values(
        points_type=bindparam("points_type"),
        exchange_rate=bindparam("exchange_rate"),
        default_policy=bindparam("default_policy"),
        updated_at=bindparam("updated_at"),
    )
)


def of_program(connection: Connection, tenant_id: int, program_id: int) -> list[CurrencyView]:
    """Every currency of a program, by code."""
    key = {"of_tenant": tenant_id, "of_program": program_id}
    views = [CurrencyView(*row) for row in connection.execute(_of_program, key)]
    return sorted(views, key=lambda view: view.code)


def program_of(connection: Connection, tenant_id: int, currency_id: int) -> int | None:
    """The program that a currency belongs to; None where the tenant has no such currency."""
    key = {"of_tenant": tenant_id, "of_currency": currency_id}
    return connection.execute(_program_of, key).scalar_one_or_none()


def insert_currency(connection: Connection, tenant_id: int, currency: CurrencyView) -> None:
    """Add a currency; one whose id or code is there already is a conflict (23505)."""
    row = {
        "tenant_id": tenant_id,
        "currency_id": currency.currency_id,
        "program_id": currency.program_id,
        "code": currency.code,
        "scale": currency.scale,
        "points_type": currency.points_type,
        "exchange_rate": currency.exchange_rate,
        "default_policy": currency.default_policy,
        "created_at": currency.created_at,
        "updated_at": currency.updated_at,
    }
    connection.execute(insert(currencies), row)


def update_currency(connection: Connection, tenant_id: int, currency: CurrencyView) -> None:
    """Write what of a currency can change."""
    row = {
        "of_tenant": tenant_id,
        "of_currency": currency.currency_id,
        "points_type": currency.points_type,
        "exchange_rate": currency.exchange_rate,
        "default_policy": currency.default_policy,
        "updated_at": currency.updated_at,
    }
    connection.execute(_update, row)

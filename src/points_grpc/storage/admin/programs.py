"""Tenants, and their programs: as the hot path reads them and as administrators do.

A program's `version` grows with every change to it, its currencies or its policies; other
processes compare it to know whether what they hold of the program is still true.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, bindparam, func, insert, select, update

from points_grpc.domain.admin.commands import ProgramView
from points_grpc.domain.model import Currency, Policy, Program
from points_grpc.storage.admin.policies import COLUMNS as POLICY_COLUMNS
from points_grpc.storage.admin.policies import policy_of_row
from points_grpc.storage.core.pipeline import Query, Row
from points_grpc.storage.core.unnest import BIGINT, INT, Params, fill, rows
from points_grpc.storage.tables import currencies, policies, programs, tenants

ProgramKey = tuple[int, int]
"""tenant_id, program_id"""

_TENANT = bindparam("of_tenant", type_=INT)
_PROGRAM = bindparam("of_program", type_=BIGINT)

# Tenants


@dataclass(frozen=True, slots=True)
class Tenant:
    """Who a credential belongs to; `default_program_id` 0: none."""

    tenant_id: int
    name: str
    default_program_id: int


_tenant_by_name = select(tenants.c.tenant_id, tenants.c.name, tenants.c.default_program_id).where(
    tenants.c.name == bindparam("name")
)
_tenants = select(tenants.c.tenant_id, tenants.c.name, tenants.c.default_program_id).order_by(
    tenants.c.name
)
_tenant_names = select(tenants.c.tenant_id, tenants.c.name)
_next_tenant_id = select(func.coalesce(func.max(tenants.c.tenant_id), 0) + 1)
_set_default_program = (
    update(tenants)
    .where(tenants.c.tenant_id == _TENANT)
    .values(default_program_id=bindparam("default_program_id"))
)


def tenant_by_name(connection: Connection, name: str) -> Tenant | None:
    """The tenant of that name."""
    row = connection.execute(_tenant_by_name, {"name": name}).one_or_none()
    return Tenant(*row) if row is not None else None


def every_tenant(connection: Connection) -> list[Tenant]:
    """All tenants, by name."""
    return [Tenant(*row) for row in connection.execute(_tenants)]


def tenant_names(connection: Connection) -> dict[int, str]:
    """Return the names of all tenants, by id."""
    return {row.tenant_id: row.name for row in connection.execute(_tenant_names)}


def create_tenant(connection: Connection, name: str, now: datetime) -> Tenant:
    """A new tenant; a name that is there already, or a race, is a conflict (23505)."""
    tenant_id = connection.execute(_next_tenant_id).scalar_one()
    row = {"tenant_id": tenant_id, "name": name, "default_program_id": 0, "created_at": now}
    connection.execute(insert(tenants), row)
    return Tenant(tenant_id, name, 0)


def set_default_program(connection: Connection, tenant_id: int, program_id: int) -> None:
    """Make a program the one that the tenant's credentials mean where they name none."""
    key = {"of_tenant": tenant_id, "default_program_id": program_id}
    connection.execute(_set_default_program, key)


# The hot path

_asked = rows("asked", tenant_id=INT, program_id=BIGINT)


def _is_asked(table: Any) -> Any:
    return (table.c.tenant_id == _asked.c.tenant_id) & (table.c.program_id == _asked.c.program_id)


_versions = (
    select(programs.c.tenant_id, programs.c.program_id, programs.c.version)
    .select_from(_asked)
    .join(programs, _is_asked(programs))
)
_load_programs = (
    select(
        programs.c.tenant_id,
        programs.c.program_id,
        programs.c.version,
        programs.c.name,
        programs.c.time_zone,
        programs.c.auto_enroll,
        programs.c.default_currency_id,
        programs.c.created_at,
        programs.c.updated_at,
    )
    .select_from(_asked)
    .join(programs, _is_asked(programs))
)
_load_currencies = (
    select(
        currencies.c.tenant_id,
        currencies.c.program_id,
        currencies.c.currency_id,
        currencies.c.code,
        currencies.c.scale,
        currencies.c.points_type,
        currencies.c.exchange_rate,
        currencies.c.default_policy,
    )
    .select_from(_asked)
    .join(currencies, _is_asked(currencies))
)
_load_policies = (
    select(
        policies.c.tenant_id,
        policies.c.program_id,
        policies.c.currency_id,
        *POLICY_COLUMNS,
    )
    .select_from(_asked)
    .join(policies, _is_asked(policies))
)


def _keys(keys: Collection[ProgramKey]) -> Params:
    return fill("asked", ("tenant_id", "program_id"), list(keys))


def versions(keys: Collection[ProgramKey]) -> Query[dict[ProgramKey, int]]:
    """The present version of each program; unknown ones are absent."""
    return Query(_versions if keys else None, _keys(keys), _version_of)


def _version_of(found: Sequence[Row]) -> dict[ProgramKey, int]:
    return {(tenant_id, program_id): version for tenant_id, program_id, version in found}


@dataclass(slots=True)
class _Parts:
    """The currencies and policy versions of one program."""

    currencies: dict[int, Currency] = field(default_factory=dict)
    versions: dict[int, Policy] = field(default_factory=dict)


def load(connection: Connection, keys: Collection[ProgramKey]) -> dict[ProgramKey, Program]:
    """Whole programs; unknown ones are absent.

    What names is read before what is named, so that a change committed in between leaves no
    name without its thing; it leaves the program at the older version, to be loaded again.
    """
    asked = _keys(keys)
    heads = connection.execute(_load_programs, asked).all()
    parts = {(head.tenant_id, head.program_id): _Parts() for head in heads}
    for tenant_id, program_id, *currency in connection.execute(_load_currencies, asked):
        if (of := parts.get((tenant_id, program_id))) is not None:
            of.currencies[currency[0]] = Currency(*currency)
    for tenant_id, program_id, currency_id, *policy in connection.execute(_load_policies, asked):
        if (of := parts.get((tenant_id, program_id))) is not None:
            _add_policy(of, currency_id, policy_of_row(policy))
    return {key: _program(head, parts[key]) for head in heads if (key := (head[0], head[1]))}


def _add_policy(parts: _Parts, currency_id: int, policy: Policy) -> None:
    parts.versions[policy.policy_version_id] = policy
    currency = parts.currencies.get(currency_id)
    if currency is None:
        return
    newest = currency.policies.get(policy.code)
    if newest is None or newest.version < policy.version:
        currency.policies[policy.code] = policy


def _program(head: Any, parts: _Parts) -> Program:
    return Program(
        program_id=head.program_id,
        version=head.version,
        name=head.name,
        zone=ZoneInfo(head.time_zone),
        auto_enroll=head.auto_enroll,
        default_currency_id=head.default_currency_id,
        currencies=parts.currencies,
        versions=parts.versions,
        created_at=head.created_at,
        updated_at=head.updated_at,
    )


# Administration

_views = (
    select(
        programs.c.program_id,
        programs.c.name,
        programs.c.time_zone,
        programs.c.auto_enroll,
        func.coalesce(currencies.c.code, ""),
        programs.c.version,
        programs.c.created_at,
        programs.c.updated_at,
    )
    .outerjoin(
        currencies,
        (currencies.c.tenant_id == programs.c.tenant_id)
        & (currencies.c.currency_id == programs.c.default_currency_id),
    )
    .where(programs.c.tenant_id == _TENANT)
)
_view = _views.where(programs.c.program_id == _PROGRAM)
_page = (
    _views.where(programs.c.program_id > bindparam("after", type_=BIGINT))
    .order_by(programs.c.program_id)
    .limit(bindparam("most", type_=BIGINT))
)
_one = (programs.c.tenant_id == _TENANT) & (programs.c.program_id == _PROGRAM)
_lock = select(programs.c.program_id).where(_one).with_for_update(key_share=True)
_update = (
    update(programs)
    .where(_one)
    .values(
        version=programs.c.version + 1,
        name=bindparam("name"),
        auto_enroll=bindparam("auto_enroll"),
        updated_at=bindparam("now"),
    )
)
_touch = (
    update(programs).where(_one).values(version=programs.c.version + 1, updated_at=bindparam("now"))
)
_set_default_currency = (
    update(programs).where(_one).values(default_currency_id=bindparam("default_currency_id"))
)


def view(connection: Connection, tenant_id: int, program_id: int) -> ProgramView | None:
    """One program as administrators see it."""
    key = {"of_tenant": tenant_id, "of_program": program_id}
    row = connection.execute(_view, key).one_or_none()
    return ProgramView(*row) if row is not None else None


def page(connection: Connection, tenant_id: int, after: int, limit: int) -> list[ProgramView]:
    """The first `limit` programs whose id is greater than `after`, by id."""
    bounds = {"of_tenant": tenant_id, "after": after, "most": limit}
    return [ProgramView(*row) for row in connection.execute(_page, bounds)]


def lock(connection: Connection, tenant_id: int, program_id: int) -> bool:
    """Keep other changes to the program waiting until this unit of work ends; False: no such."""
    key = {"of_tenant": tenant_id, "of_program": program_id}
    return connection.execute(_lock, key).one_or_none() is not None


def insert_program(connection: Connection, tenant_id: int, program: ProgramView) -> None:
    """Add a program without currencies; an id that is there already is a conflict (23505)."""
    row = {
        "tenant_id": tenant_id,
        "program_id": program.program_id,
        "version": program.version,
        "name": program.name,
        "time_zone": program.time_zone,
        "auto_enroll": program.auto_enroll,
        "default_currency_id": 0,
        "created_at": program.created_at,
        "updated_at": program.updated_at,
    }
    connection.execute(insert(programs), row)


def update_program(
    connection: Connection,
    key: ProgramKey,
    name: str,
    auto_enroll: bool,
    now: datetime,
) -> None:
    """Write what of a program can change, as its next version."""
    of = {"of_tenant": key[0], "of_program": key[1]}
    connection.execute(_update, {**of, "name": name, "auto_enroll": auto_enroll, "now": now})


def set_default_currency(connection: Connection, key: ProgramKey, currency_id: int) -> None:
    """Make a currency the program's default; the version is for the caller to raise."""
    of = {"of_tenant": key[0], "of_program": key[1]}
    connection.execute(_set_default_currency, {**of, "default_currency_id": currency_id})


def touch(connection: Connection, key: ProgramKey, now: datetime) -> None:
    """Make a change to the program's currencies or policies its next version."""
    connection.execute(_touch, {"of_tenant": key[0], "of_program": key[1], "now": now})


def all_keys(connection: Connection) -> list[ProgramKey]:
    """Every program of every tenant."""
    found = connection.execute(select(programs.c.tenant_id, programs.c.program_id))
    return [(tenant_id, program_id) for tenant_id, program_id in found]

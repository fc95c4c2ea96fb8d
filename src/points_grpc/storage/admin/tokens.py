"""API tokens, by the digest of their secret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, func, insert, select, update

from points_grpc.domain.auth import Token
from points_grpc.storage.core.unnest import BYTES, TEXT, fill, rows
from points_grpc.storage.tables import tenants, tokens
from points_grpc.storage.tables.columns import INSTANT


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whom a token that has not been revoked belongs to, and what it allows."""

    token_id: str
    tenant_id: int
    tenant: str
    default_program_id: int
    scopes: tuple[str, ...]
    expires_at: datetime | None


_asked = rows("asked", digest=BYTES)
_used = rows("used", token_id=TEXT, at=INSTANT)
_find = (
    select(
        tokens.c.digest,
        tokens.c.token_id,
        tokens.c.tenant_id,
        tenants.c.name,
        tenants.c.default_program_id,
        tokens.c.scopes,
        tokens.c.expires_at,
    )
    .select_from(_asked)
    .join(tokens, tokens.c.digest == _asked.c.digest)
    .join(tenants, tenants.c.tenant_id == tokens.c.tenant_id)
    .where(tokens.c.revoked_at.is_(None))
)
_list = (
    select(
        tokens.c.token_id,
        tenants.c.name,
        tokens.c.name,
        tokens.c.scopes,
        tokens.c.created_at,
        tokens.c.expires_at,
        tokens.c.revoked_at,
        tokens.c.last_used_at,
    )
    .join(tenants, tenants.c.tenant_id == tokens.c.tenant_id)
    .order_by(tenants.c.name, tokens.c.created_at, tokens.c.token_id)
)
_owner_for_update = (
    select(tokens.c.tenant_id, tokens.c.revoked_at.is_(None))
    .where(tokens.c.token_id == bindparam("of_token"))
    .with_for_update()
)
_revoke = (
    update(tokens)
    .where(tokens.c.token_id == bindparam("of_token"))
    .values(revoked_at=func.coalesce(tokens.c.revoked_at, bindparam("now", type_=INSTANT)))
)
_note_use = (
    update(tokens)
    .where(tokens.c.token_id == _used.c.token_id)
    .values(last_used_at=func.greatest(tokens.c.last_used_at, _used.c.at))
)
_any_live = (
    select(tokens.c.token_id)
    .where(tokens.c.revoked_at.is_(None))
    .where(func.coalesce(tokens.c.expires_at > bindparam("now", type_=INSTANT), True))
    .limit(1)
)


def create(connection: Connection, tenant_id: int, digest: bytes, token: Token) -> None:
    """Add a token; an id or digest that is there already is a conflict (23505)."""
    row = {
        "token_id": token.token_id,
        "tenant_id": tenant_id,
        "name": token.name,
        "scopes": " ".join(token.scopes),
        "digest": digest,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
    }
    connection.execute(insert(tokens), row)


def find(connection: Connection, digests: Sequence[bytes]) -> dict[bytes, Bearer]:
    """Return the tokens' owners; expired tokens are present, unknown and revoked are not."""
    found = connection.execute(_find, fill("asked", ("digest",), [(digest,) for digest in digests]))
    return {
        bytes(digest): Bearer(token_id, tenant_id, tenant, default, tuple(scopes.split()), until)
        for digest, token_id, tenant_id, tenant, default, scopes, until in found
    }


def every(connection: Connection) -> list[Token]:
    """All tokens, by tenant and age."""
    return [
        Token(token_id, tenant, name, tuple(scopes.split()), *instants)
        for token_id, tenant, name, scopes, *instants in connection.execute(_list)
    ]


class Revoked(NamedTuple):
    """Whose token was made invalid; `is_new`: it was valid until now."""

    tenant_id: int
    is_new: bool


def revoke(connection: Connection, token_id: str, now: datetime) -> Revoked | None:
    """Make a token invalid for good; None: there is none of that id."""
    row = connection.execute(_owner_for_update, {"of_token": token_id}).one_or_none()
    if row is None:
        return None
    connection.execute(_revoke, {"of_token": token_id, "now": now})
    return Revoked(*row)


def note_use(connection: Connection, used: Mapping[str, datetime]) -> None:
    """Write when tokens were last used, by their ids; an earlier instant changes nothing."""
    connection.execute(_note_use, fill("used", ("token_id", "at"), sorted(used.items())))


def any_live(connection: Connection, now: datetime) -> bool:
    """Whether there is a token that is neither revoked nor expired."""
    return connection.execute(_any_live, {"now": now}).one_or_none() is not None

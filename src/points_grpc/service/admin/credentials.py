"""Whose a credential is: tokens and tenants as the database has them."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from points_grpc.clock import Clock
from points_grpc.domain.auth import SECRET_BYTES, Grant, Token, digest, is_token, written
from points_grpc.domain.commands import Caller
from points_grpc.errors import TokenInvalid
from points_grpc.service.shared.checked_clock import CheckedClock
from points_grpc.service.shared.serial_worker import SerialWorker
from points_grpc.service.shared.ttl_cache import TtlCache
from points_grpc.storage.admin import programs, tokens
from points_grpc.storage.admin.programs import Tenant
from points_grpc.storage.core.database import Connection, Database

_WAITING_MAX = 2_000
_USES_MAX = 10_000
_USES_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class _Held:
    """A token's grant and its expiry; None: never."""

    grant: Grant
    expires_at: datetime | None


class CredentialStore:
    """Looks up tokens and tenants; caches each for a few seconds (`service.shared.ttl_cache`).

    A token that is revoked, or a tenant whose default program changes, is noticed within VALID_S
    seconds; that one has expired, at once. Belongs to one event loop.
    """

    def __init__(
        self, database: Database, clock: Clock, checked: CheckedClock | None = None
    ) -> None:
        self._clock = clock
        self._checked = checked
        self._worker = SerialWorker("credentials", database.link(), _WAITING_MAX)
        self._tokens = TtlCache(self._find_token)
        self._tenants = TtlCache(self._find_tenant)
        self._used: dict[str, datetime] = {}

    def close(self) -> None:
        """Finish the calls that have begun and close the connection."""
        self._worker.close()

    async def grant_of(self, token: str) -> Grant:
        """Return what an API token allows. Raises TokenInvalid if unknown, expired or revoked."""
        key = digest(token)
        known = self._tokens.knows(key) or is_token(token)
        held = await self._tokens.get(key) if known else None
        if held is None:
            raise TokenInvalid
        now = self._clock.now()
        if held.expires_at is not None and held.expires_at <= now:
            raise TokenInvalid
        # A wrong time would stay: the last use is only ever raised.
        is_right = self._checked is None or not self._checked.problem
        if is_right and len(self._used) < _USES_MAX:
            self._used[held.grant.caller.principal] = now
        return held.grant

    async def caller_of(self, tenant: str, principal: str) -> Caller:
        """Return a principal of the named tenant. Raises TokenInvalid if there is none."""
        found = await self._tenants.get(tenant)
        if found is None:
            raise TokenInvalid
        return Caller(found.tenant_id, found.name, principal, found.default_program_id)

    async def note_uses(self) -> None:
        """Write when tokens were last used; call it periodically, not for each use."""
        used, self._used = sorted(self._used.items()), {}
        for start in range(0, len(used), _USES_AT_ONCE):
            part = dict(used[start : start + _USES_AT_ONCE])
            await self._worker.run(lambda at, part=part: tokens.note_use(at, part))  # type: ignore[misc]

    async def _find_token(self, key: bytes) -> _Held | None:
        found = await self._worker.run(lambda at: tokens.find(at, [key]).get(key))
        if found is None:
            return None
        caller = Caller(found.tenant_id, found.tenant, found.token_id, found.default_program_id)
        return _Held(Grant(caller, frozenset(found.scopes)), found.expires_at)

    async def _find_tenant(self, name: str) -> Tenant | None:
        return await self._worker.run(lambda at: programs.tenant_by_name(at, name))


def make_token(
    connection: Connection,
    tenant: Tenant,
    name: str,
    scopes: Collection[str],
    *,
    now: datetime,
    lifetime: timedelta | None,
) -> tuple[str, Token]:
    """Create a token of a tenant; return it and its record. Without a lifetime it never expires."""
    token = written(secrets.token_bytes(SECRET_BYTES))
    about = Token(
        token_id=f"token-{secrets.token_hex(8)}",
        tenant=tenant.name,
        name=name,
        scopes=tuple(scopes),
        created_at=now,
        expires_at=None if lifetime is None else now + lifetime,
    )
    tokens.create(connection, tenant.tenant_id, digest(token), about)
    return token, about

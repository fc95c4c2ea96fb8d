"""What a credential allows."""

from __future__ import annotations

from dataclasses import dataclass

from points_grpc.domain.commands import Caller

READ = "points.read"
WRITE = "points.write"
EXPIRE = "points.expire"
APPROVE = "points.approve"
ADMIN = "points.admin"

SCOPES = (READ, WRITE, EXPIRE, APPROVE, ADMIN)
"""Every scope there is; none contains another."""


@dataclass(frozen=True, slots=True)
class Grant:
    """On whose behalf a credential lets its bearer act, and the scopes of what it may do."""

    caller: Caller
    scopes: frozenset[str]


NOBODY = Grant(Caller(tenant_id=0, tenant="", principal=""), frozenset())

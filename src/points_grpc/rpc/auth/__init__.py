"""Who is calling: one module per kind of credential."""

from __future__ import annotations

from typing import Protocol

from points_grpc.domain.auth import Grant
from points_grpc.errors import TokenInvalid
from points_grpc.rpc.interceptors import Context


class Authenticator(Protocol):
    """Knows credentials."""

    async def authenticate(self, context: Context) -> Grant:
        """Return what the call's credential allows. Raises TokenInvalid, also for none."""
        ...


class NoCredentials:
    """Refuses every call."""

    async def authenticate(self, context: Context) -> Grant:  # noqa: ARG002  # nothing would do
        """Raises TokenInvalid."""
        raise TokenInvalid

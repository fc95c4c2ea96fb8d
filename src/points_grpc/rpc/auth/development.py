"""Development, where there is one tenant and nothing to keep secret."""

from __future__ import annotations

from points_grpc.domain.auth import SCOPES, Grant
from points_grpc.domain.commands import Caller
from points_grpc.errors import TokenInvalid
from points_grpc.rpc.interceptors import Context

DEV_TOKEN = "demo"  # noqa: S105  # no secret: development has only one tenant
"""The token of the tenant demo, for those who cannot call without one."""


class DevAuthenticator:
    """Takes every call for the same caller's that has no credential, or DEV_TOKEN.

    Any other credential is refused, because nobody here could tell whether it is valid.
    """

    def __init__(self, caller: Caller) -> None:
        self._grant = Grant(caller, frozenset(SCOPES))

    async def authenticate(self, context: Context) -> Grant:
        """Every scope. Raises TokenInvalid where there is another `authorization`."""
        for key, value in context.invocation_metadata() or ():
            if key == "authorization" and not _is_dev_token(value):
                raise TokenInvalid
        return self._grant


def _is_dev_token(authorization: str | bytes) -> bool:
    if isinstance(authorization, bytes):
        return False
    scheme, _, token = authorization.partition(" ")
    return scheme.lower() == "bearer" and token == DEV_TOKEN

"""Bearer tokens, each kind told by its form."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from points_grpc.domain.auth import Grant
from points_grpc.errors import TokenInvalid
from points_grpc.rpc.interceptors import Context

TokenVerifier = Callable[[str], Awaitable[Grant]]
"""What a token allows. Raises TokenInvalid."""


class BearerAuthenticator:
    """Hands API tokens and JSON web tokens, which alone have dots, to those who know them."""

    def __init__(self, token: TokenVerifier | None, jwt: TokenVerifier | None = None) -> None:
        self._token = token
        self._jwt = jwt

    async def authenticate(self, context: Context) -> Grant:
        """Return what the call's one bearer token allows. Raises TokenInvalid."""
        bearer = bearer_of(context)
        judge = self._jwt if bearer is not None and "." in bearer else self._token
        if bearer is None or judge is None:
            raise TokenInvalid
        return await judge(bearer)


def bearer_of(context: Context) -> str | None:
    """The call's bearer token, None where it has no `authorization`.

    Raises TokenInvalid for any other authorization, and for more than one.
    """
    found = None
    for key, value in context.invocation_metadata() or ():
        if key == "authorization":
            if found is not None or isinstance(value, bytes):
                raise TokenInvalid
            scheme, _, found = value.partition(" ")
            if scheme.lower() != "bearer" or not found:
                raise TokenInvalid
    return found

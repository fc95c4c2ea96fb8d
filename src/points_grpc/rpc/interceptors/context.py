"""Says on whose behalf a call is made."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Protocol

from points_grpc.domain.commands import Caller
from points_grpc.errors import TokenInvalid
from points_grpc.rpc.interceptors import Context, Handler, Request

Metadata = Iterable[tuple[str, str | bytes]]

_CALLER: ContextVar[Caller] = ContextVar("caller")

DEV_TOKEN = "demo"  # noqa: S105  # no secret: development has only one tenant
"""The token of the tenant demo, for those who cannot call without one."""

NOBODY = Caller(tenant_id=0, tenant="", principal="")


def caller() -> Caller:
    """Who makes the present call; NOBODY before the call is authenticated."""
    return _CALLER.get(NOBODY)


class Authenticator(Protocol):
    """Knows credentials."""

    def authenticate(self, metadata: Metadata) -> Caller:
        """Whose credential the call's metadata carries. Raises TokenInvalid."""
        ...


class DevAuthenticator:
    """Takes every call for the same caller's that has no credential, or DEV_TOKEN.

    Any other credential is refused, because nobody here could tell whether it is valid.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def authenticate(self, metadata: Metadata) -> Caller:
        """The one caller. Raises TokenInvalid where there is another `authorization`."""
        for key, value in metadata:
            if key == "authorization" and not _is_dev_token(value):
                raise TokenInvalid
        return self._caller


def _is_dev_token(authorization: str | bytes) -> bool:
    if isinstance(authorization, bytes):
        return False
    scheme, _, token = authorization.partition(" ")
    return scheme.lower() == "bearer" and token == DEV_TOKEN


class NoCredentials:
    """Refuses every call: for a server outside dev mode that has no credentials to check."""

    def authenticate(self, metadata: Metadata) -> Caller:  # noqa: ARG002  # nothing would do
        """Raises TokenInvalid."""
        raise TokenInvalid


class Authentication:
    """Authenticates each call; `caller()` then tells who makes it."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    def wrap(self, method: str, inner: Handler) -> Handler:  # noqa: ARG002  # the same for all
        """`inner`, only for callers with a valid credential."""
        authenticate = self._authenticator.authenticate

        async def handle(request: Request, context: Context) -> bytes:
            # Each call is a task of its own, so there is nothing to set back.
            _CALLER.set(authenticate(context.invocation_metadata() or []))
            return await inner(request, context)

        return handle

"""Says on whose behalf a call is made, and refuses what that caller may not do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextvars import ContextVar

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from points.v1 import options_pb2
from points_grpc.domain.auth import NOBODY, Grant
from points_grpc.domain.commands import Caller
from points_grpc.errors import ScopeMissing
from points_grpc.rpc.auth import Authenticator
from points_grpc.rpc.interceptors import Context, Handler, Request

_GRANT: ContextVar[Grant] = ContextVar("grant", default=NOBODY)


def caller() -> Caller:
    """Return who makes the present call; nobody before the call is authenticated."""
    return _GRANT.get().caller


class Authentication:
    """Authenticates each call; `caller()` then tells who makes it."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    def wrap(self, method: str, inner: Handler) -> Handler:  # noqa: ARG002  # the same for all
        """`inner`, only for callers with a valid credential."""
        authenticate = self._authenticator.authenticate

        async def handle(request: Request, context: Context) -> bytes:
            # Each call is a task of its own, so there is nothing to set back.
            _GRANT.set(await authenticate(context))
            return await inner(request, context)

        return handle


class Authorization:
    """Lets a call through that its credential has one of the method's scopes for.

    It stands before whatever reads the request, so that nobody learns what is wrong with a
    request that would be refused in any case.
    """

    def __init__(self, scopes: Mapping[str, frozenset[str]]) -> None:
        """`scopes` has every method by its full name; one that is not there is refused to all."""
        self._scopes = scopes

    def wrap(self, method: str, inner: Handler) -> Handler:
        """`inner`, refused with ScopeMissing to everybody without one of its scopes."""
        suffices = self._scopes.get(method, frozenset())

        async def handle(request: Request, context: Context) -> bytes:
            if suffices.isdisjoint(_GRANT.get().scopes):
                raise ScopeMissing
            return await inner(request, context)

        return handle


def declared_scopes(services: Iterable[ServiceDescriptor]) -> dict[str, frozenset[str]]:
    """The scopes that the contract declares for each method, by the method's full name."""
    return {
        f"{service.full_name}/{method.name}": _scopes_of(method)
        for service in services
        for method in service.methods
    }


def _scopes_of(method: MethodDescriptor) -> frozenset[str]:
    return frozenset(method.GetOptions().Extensions[options_pb2.scopes])  # type: ignore[index]  # the stubs know none

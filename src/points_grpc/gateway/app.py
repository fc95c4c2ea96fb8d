"""The HTTP application: finds the dialect of a call, has it answered, and writes one line."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Sequence
from time import perf_counter

import structlog
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from points_grpc.gateway.credentials import challenge_of
from points_grpc.gateway.dialect import Dialect
from points_grpc.gateway.errors import RETRY_S, Failure, Problem, no_such_path
from points_grpc.gateway.read_request import Sent, media_type_of, receive_request
from points_grpc.gateway.request import HttpCall, Now, read_headers
from points_grpc.gateway.router import PathTemplate, Router
from points_grpc.gateway.upstream import Upstream

_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


def make_app(
    upstream: Upstream,
    canonical: Dialect,
    dialects: Iterable[Dialect] = (),
    pages: Sequence[BaseRoute] = (),
    now: Now | None = None,
) -> Starlette:
    """The application. `canonical` also answers for the paths that are nobody's.

    `pages` go before everything else. `now` is the clock for answers that show a time where the
    service gave none. Raises ValueError where two dialects claim one path.
    """
    everything = _Everything(Gateway(upstream, canonical, dialects, now))
    return Starlette(routes=[*pages, everything])


class _Everything(BaseRoute):
    """Leaves every path to the gateway, which needs it as it was sent."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return (Match.FULL if scope["type"] == "http" else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._gateway(scope, receive, send)


class Gateway:
    """Answers HTTP calls, each in the shape of the dialect that its path belongs to."""

    def __init__(
        self,
        upstream: Upstream,
        canonical: Dialect,
        dialects: Iterable[Dialect] = (),
        now: Now | None = None,
    ) -> None:
        self._upstream = upstream
        self._canonical = canonical
        self._now = now
        self._map = Router([canonical, *dialects])
        self._log = structlog.get_logger("points_grpc.gateway")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        began = perf_counter()
        place, values = self._map.find(scope["raw_path"]) or (None, {})
        owner = self._canonical if place is None else place.owner
        headers = read_headers(scope["headers"])
        call = HttpCall(
            method=scope["method"],
            template="" if place is None else place.template,
            headers=headers,
            upstream=self._upstream,
            media_type=media_type_of(headers),
            now=self._now,
            certificate=scope.get("state", {}).get("client_certificate", ""),
        )
        status = 499
        try:
            sent = Sent(values, scope["query_string"], receive)
            response = await self._answer(call, owner, place, sent)
            status = response.status_code
            await response(scope, receive, send)
        except ClientDisconnect:
            pass
        finally:
            self._log.info(
                "http",
                method=call.method if call.method in _METHODS else "other",
                route=call.template,
                status=status,
                duration_ms=round((perf_counter() - began) * 1000, 3),
                dialect=owner.name,
            )

    async def _answer(
        self, call: HttpCall, owner: Dialect, place: PathTemplate | None, sent: Sent
    ) -> Response:
        """The response, whatever happens."""
        try:
            if place is None:
                raise no_such_path()
            route = place.route(call.method)
            if route is None:
                return self._other_method(call, place)
            try:
                await receive_request(call, sent, owner.credentials, route.bodies)
                return await route.handler(call)
            except Problem:
                if route.asks and call.has_credential:
                    await self._upstream.admit(route.asks, call.inbound)
                raise
        except Failure as failure:
            return self._failed(failure, call, owner)
        except ClientDisconnect:
            raise
        except Exception as error:
            return self._failed(self._unforeseen(error, call), call, owner)

    def _other_method(self, call: HttpCall, place: PathTemplate) -> Response:
        if call.method == "OPTIONS":
            response = Response(status_code=204)
        else:
            response = self._failed(_not_this_method(), call, place.owner)
        response.headers["allow"] = place.allowed
        return response

    def _unforeseen(self, error: Exception, call: HttpCall) -> Failure:
        error_id = uuid.uuid4().hex
        self._log.error("unexpected error", route=call.template, error_id=error_id, exc_info=error)
        return Failure("INTERNAL", "", f"internal error {error_id}")

    def _failed(self, failure: Failure, call: HttpCall, owner: Dialect) -> Response:
        try:
            response = owner.error(failure, call)
        except Exception as error:
            failure = self._unforeseen(error, call)
            response = self._canonical.error(failure, call)
        if response.status_code == 401:
            response.headers["www-authenticate"] = challenge_of(owner.credentials)
        if response.status_code in (429, 503):
            response.headers["retry-after"] = str(math.ceil(failure.retry_s or RETRY_S))
        return response


def _not_this_method() -> Problem:
    text = "the path does not take this method"
    return Problem("", text, http_status=405, code="UNIMPLEMENTED", reason="METHOD_NOT_ALLOWED")

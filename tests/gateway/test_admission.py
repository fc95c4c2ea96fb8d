"""Who may not call learns that, and not what is wrong with a request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.gateway.live import START, Live  # only found through the folder's conftest

from points_grpc.cli.runtime import wiring
from points_grpc.config import Settings
from points_grpc.domain.auth import SCOPES, Grant
from points_grpc.errors import TokenInvalid
from points_grpc.gateway.credentials import Form
from points_grpc.gateway.transcoding import canonical
from points_grpc.gateway.upstream import METHODS
from points_grpc.gateway.vendors import DIALECTS
from points_grpc.rpc.interceptors import Context
from points_grpc.storage.core.database import Database

ROUTES = [(dialect, route) for dialect in (canonical(), *DIALECTS) for route in dialect.routes]
HEADER = {
    Form.BEARER: ("authorization", "Bearer "),
    Form.CT_API_KEY: ("x-ct-authorization", "CTApiKey "),
    Form.X_TOKEN: ("x-token", ""),
}
SPOILT = ("?%zz", "?no-parameter=1", "")


class Scoped:
    """Knows `all`, with every scope, and `none`, with none."""

    def __init__(self, live: Live) -> None:
        self.caller = live._door.caller

    async def authenticate(self, context: Context) -> Grant:
        bearer = dict(context.invocation_metadata() or ())["authorization"]
        scopes = {"Bearer all": SCOPES, "Bearer none": ()}.get(str(bearer))
        if scopes is None:
            raise TokenInvalid
        return Grant(self.caller, frozenset(scopes))


@pytest.fixture(scope="module")
def live(module_database_url: str) -> Iterator[Live]:
    """A server that asks for scopes, as outside of development."""
    settings = Settings(dev=True, start_time=START, sweep=False)  # type: ignore[arg-type]
    database = Database(module_database_url)
    try:
        with wiring.open_service(settings, database) as parts:
            made = Live(database, parts)
            made._door = Scoped(made)  # type: ignore[assignment]
            with made:
                yield made
    finally:
        database.close()


@pytest.mark.parametrize(
    ("dialect", "route"), ROUTES, ids=[f"{route.method} {route.path}" for _, route in ROUTES]
)
def test_who_may_not_call_learns_nothing_of_the_request(
    live: Live, dialect: Any, route: Any
) -> None:
    """On every route what is wrong is told to those who may call, and to nobody else."""
    assert route.asks in METHODS
    path = route.path
    for name in ("{user_id}", "{filters}"):
        path = path.replace(name, "x=y")
    path = path.replace("{", "").replace("}", "")  # names for numbers: as wrong as the rest
    statuses: dict[str, list[int]] = {}
    for token in ("all", "none", "unknown"):
        if dialect.credentials == (Form.BODY,):
            calls = [live.call(route.method, path, {"token": token, "more": 1})]
        else:
            name, scheme = HEADER[dialect.credentials[0]]
            body = b"" if route.method == "GET" else b"{"
            headers = {name.replace("-", "_"): f"{scheme}{token}"}
            if body:
                headers["content_type"] = "application/json"
            calls = [live.call(route.method, path + spoilt, body, **headers) for spoilt in SPOILT]
        statuses[token] = [call.status for call in calls]
    assert statuses["all"][0] in (400, 404)
    unknown = 403 if dialect.name == "crowdtwist" else 401  # as the vendor has it
    assert set(statuses["none"]) == {403}
    assert set(statuses["unknown"]) == {unknown}

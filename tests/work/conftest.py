"""The project's readers of what comes from outside, loaded so that their work is counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.support.work.counting import counted


@dataclass
class World:
    """The project's readers, loaded anew so that they count."""

    service: Any
    app: Any
    respond: Any
    example: Any
    base: Any
    credentials: Any
    source: Any
    rows: Any
    parsing: Any
    errors: Any
    program: Any
    tokens: Any
    flat_xml: Any
    page_token: Any


@pytest.fixture(scope="module")
def world() -> World:
    """The readers."""
    with counted():
        from tests.support.corpus.requests import base
        from tests.support.corpus.routes import CREDENTIALS, example
        from tests.support.fuzzing.handlers_only import Service
        from tests.support.gateway.asgi import respond

        from points_grpc import clock, errors
        from points_grpc.domain import model
        from points_grpc.gateway import app, flat_xml, transcoding, vendors
        from points_grpc.rpc import page_token
        from points_grpc.rpc.auth import jwks, jwt
        from points_grpc.service.transfer.importer import parsing, rows, source

        service = Service()
        known = jwks.KeyLoader(lambda: b'{"keys": []}', 300.0)
        terms = jwt.TokenTerms("https://issuer.example", "points", ("RS256",))
        now = clock.TestClock(datetime(2031, 5, 6, tzinfo=UTC))
        return World(
            service,
            app.make_app(service, transcoding.canonical(), vendors.DIALECTS),
            respond,
            example,
            base,
            CREDENTIALS,
            source,
            rows,
            parsing,
            errors,
            _program(model),
            jwt.JwtVerifier(known, terms, now, _nobody),
            flat_xml,
            page_token,
        )


def _program(model: Any) -> Any:
    policy = model.Policy(1, "never", 1, model.PolicyKind.NEVER)
    currency = model.Currency(1, "POINTS", 2, "", 0, "never", {"never": policy})
    return model.Program(469, 1, "Shop", ZoneInfo("UTC"), True, 1, {1: currency})


async def _nobody(*_: object) -> Any:
    raise LookupError

"""Two tenants whose things have the same names, by every kind of credential and every dialect."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass
from tests.support.certificate_authority import Authority
from tests.support.gateway.asgi import respond  # only found through the folder's conftest
from tests.support.gateway.live import START, Live

from points_grpc.cli.runtime import wiring
from points_grpc.config import Settings
from points_grpc.domain.auth import SCOPES
from points_grpc.gateway.app import make_app
from points_grpc.gateway.transcoding import canonical
from points_grpc.gateway.upstream import METHODS, Channel, Inbound
from points_grpc.gateway.vendors import DIALECTS
from points_grpc.rpc.auth.bearer import BearerAuthenticator
from points_grpc.rpc.auth.certificates import CertificateAuthenticator, CertificateMap
from points_grpc.rpc.auth.jwks import KeyLoader
from points_grpc.rpc.auth.jwt import JwtVerifier, TokenTerms
from points_grpc.service.admin.credentials import make_token
from points_grpc.storage.admin import programs
from points_grpc.storage.core.database import Database

TENANTS = {"acme": ("Europe/Berlin", 100), "rival": ("Asia/Tokyo", 7)}
VOUCHER = "the gateway's own"
KEY = ec.generate_private_key(ec.SECP256R1())
AUTHORITY = Authority()
LATEST = 2**32

Send = Callable[..., Any]


class Market:
    """A server with a gateway, and both tenants with a credential of each kind."""

    def __init__(self, database: Database, live: Live, folder: Path) -> None:
        self.live = live
        parts = live._parts
        now = parts.clock.now()
        entries, self.credentials = [], {}
        for name in TENANTS:
            tenant = database.run(lambda at, name=name: programs.create_tenant(at, name, now))
            # Before anybody asks, since what a credential means is remembered for seconds.
            database.run(lambda at, of=tenant: programs.set_default_program(at, of.tenant_id, 469))
            token, _ = database.run(
                lambda at, tenant=tenant: make_token(
                    at, tenant, "till", SCOPES, now=now, lifetime=None
                )
            )
            claims = {"iss": "i", "aud": "a", "sub": "till", "exp": LATEST, "tenant": name}
            signed = jwt.encode(claims | {"scope": " ".join(SCOPES)}, KEY, "ES256")
            client = AUTHORITY.identity("till")
            entries.append({"fingerprint": client.fingerprint, "tenant": name, "scopes": [*SCOPES]})
            der = client.certificate.public_bytes(serialization.Encoding.DER)
            self.credentials[name] = {"token": token, "jwt": signed, "certificate": der}
        file = folder / "clients.json"
        file.write_text(json.dumps(entries))
        public = KEY.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        keys = KeyLoader(lambda: public, 300.0)
        keys.load()
        credentials = parts.credentials
        web = JwtVerifier(
            keys, TokenTerms("i", "a", ("ES256",)), parts.clock, credentials.caller_of
        )
        bearers = BearerAuthenticator(credentials.grant_of, web.grant_of)
        live._door = CertificateAuthenticator(  # type: ignore[assignment]
            bearers, CertificateMap(file), parts.clock, credentials.caller_of, VOUCHER
        )

    def fill(self) -> None:
        """Give both the same program, currency, member and lot, by name and by number."""
        self.live._await(self._open())
        for name, (zone, points) in TENANTS.items():
            for method, request in _things(zone, points):
                message = ParseDict(request, GetMessageClass(METHODS[method].input_type)())
                token = self.credentials[name]["token"]
                self.live._await(self.live._channel.call(method, message, Inbound(token)))

    async def _open(self) -> None:
        channel = Channel(f"127.0.0.1:{self.live.grpc_port}", voucher=VOUCHER)
        await self.live._stack.enter_async_context(channel)
        self.app = make_app(channel, canonical(), DIALECTS)

    def sender(self, name: str, kind: str) -> Send:
        """Sends calls with a tenant's credential in the named header, or as a certificate."""
        credential = self.credentials[name][kind]

        def send(method: str, target: str, body: Any = None, **header: str) -> Any:
            state, named = {}, {"content-type": "application/json"}
            if kind == "certificate":
                state["client_certificate"] = base64.b64encode(credential).decode()
            else:
                named |= {key.replace("_", "-"): v + credential for key, v in header.items()}
            headers = [(key.encode(), value.encode()) for key, value in named.items()]
            sent = b"" if body is None else json.dumps(body).encode()

            async def app(scope: Any, receive: Any, send: Any) -> None:
                await self.app(scope | {"state": state}, receive, send)

            async def receive() -> Any:
                return {"type": "http.request", "body": sent, "more_body": False}

            answered = self.live._await(respond(app, method, target.encode(), headers, receive))
            assert answered.status == 200, answered
            return json.loads(answered.body)

        return send


def _things(zone: str, points: int) -> Iterator[tuple[str, dict[str, Any]]]:
    program = {"program_id": 469}
    yield "points.v1.ProgramService/CreateProgram", program | {"time_zone": zone}
    policy = {"policy": "default", "period": {"days": 180}}
    currency = {"currency_code": "POINTS", "currency_id": 7, "default_policy": policy}
    yield "points.v1.ProgramService/CreateCurrency", program | currency
    names = {"external_id": "anna", "email": "anna@shop.example", "phone": "+49 30 1"}
    yield "points.v1.MemberService/CreateMember", names | {"vendor_id": 77}
    lot = {"member": {"external_id": "anna"}, "amount": {"value": str(points)}, "vendor_id": 88}
    until = {"expire_date": {"year": 2022, "month": 6, "day": 30}}
    yield "points.v1.PointsService/Earn", program | lot | until


@pytest.fixture
def market(database_url: str, tmp_path: Path) -> Iterator[Market]:
    """Both tenants, with all that they have."""
    settings = Settings(dev=True, start_time=START, sweep=False)  # type: ignore[arg-type]
    database = Database(database_url)
    try:
        with wiring.open_service(settings, database) as parts:
            live = Live(database, parts)
            made = Market(database, live, tmp_path)
            with live:
                made.fill()
                yield made
    finally:
        database.close()


def v1(send: Send) -> Any:
    target = "/v1/accounts:lookup?programId=469&currencyCode=POINTS&member.externalId=anna"
    found = send("GET", target, authorization="Bearer ")
    return int(found["account"]["available"]["value"])


def altcraft(send: Send, credential: Any) -> Any:
    body = {
        "token": credential,
        "loyalty_program_id": 469,
        "points_currency_iid": 7,
        "matching": "phone",
        "phone": "49301",
        "date_from": "2022-06-01T00:00:00Z",
        "date_to": "2022-08-31T00:00:00Z",
    }
    target = "/api/v1.1/loyalty/account/expiring_points"
    return int(send("POST", target, body)["data"]["expiring_points"])


def crowdtwist(send: Send) -> Any:
    target = "/v2/users/77/points_expiration"
    found = send("GET", target, x_ct_authorization="CTApiKey ")
    months = found["redemption_period_points_expiration"]
    ends = {month["expiration_date"] for month in months if month["points_expiring"]}
    return sum(month["points_expiring"] for month in months), ends


def tbns(send: Send) -> Any:
    found = send("GET", "/api/user/points?user_id=anna", x_token="")
    return [point["amount"] for point in found["points"]]


def autional(send: Send) -> Any:
    body = {"amount": 1}
    found = send("POST", "/admin/points/anna/expire", body, authorization="Bearer ")
    return found["data"]["account"]["balance"]


def capillary(send: Send) -> Any:
    item = {
        "identifierName": "externalId",
        "identifierValue": "anna",
        "programId": 469,
        "pointsAwardedRefId": 88,
        "pointsAwardedRefType": "POINT_AWARDED",
        "expiryDate": {"expiryType": "FIXED_DATE", "expiryValue": "2022-07-31"},
    }
    body = {"expiryDateUpdateRequest": [item]}
    found = send("POST", "/v2/points/updateExpiry", body, authorization="Bearer ")
    [changed] = found["currencyExpiryUpdateResponse"]
    log = changed["pointsExpiryUpdateLogs"]
    return log["eventDate"], log["newExpiryDate"]


# Before and after the call that moves the expiry.
MONTH_ENDS = {
    "acme": ("2022-06-30T21:59:59.000Z", "2022-07-31T21:59:59.000Z"),
    "rival": ("2022-06-30T14:59:59.000Z", "2022-07-31T14:59:59.000Z"),
}
EVENT_DATES = {"acme": "2022-01-01 01:00:00", "rival": "2022-01-01 09:00:00"}


@pytest.mark.parametrize("kind", ["token", "jwt", "certificate"])
def test_nobody_is_shown_what_is_anothers(market: Market, kind: str) -> None:
    """Each tenant is shown its own figures and times, however calls of both follow each other."""
    for before in (0, 1):
        for name, (_, earned) in TENANTS.items():
            send = market.sender(name, kind)
            points = earned - before
            assert v1(send) == points
            month_ends = {MONTH_ENDS[name][before]}
            assert crowdtwist(send) == (points, month_ends)
            if (
                kind != "certificate"
            ):  # this API's token stands in the body, and nothing else counts
                assert altcraft(send, market.credentials[name][kind]) == points
            assert tbns(send) == [earned]
            assert autional(send) == points - 1
            assert capillary(send) == (EVENT_DATES[name], "2022-07-31 23:59:59")


def test_every_dialect_is_tried() -> None:
    """A dialect that is added is tried by both tenants too."""
    assert {dialect.name for dialect in DIALECTS} == {
        *("altcraft", "autional", "capillary", "crowdtwist", "tbns"),
    }

"""Tenants and tokens: made, shown, revoked, and used in every form that a page asks for."""

from __future__ import annotations

import base64
import http.client
import json
import re
from collections.abc import Callable
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from typer.testing import CliRunner, Result

from points.v1 import (
    currency_pb2,
    earn_pb2,
    listing_pb2,
    points_service_pb2_grpc,
    program_pb2,
    program_service_pb2_grpc,
)
from points_grpc.cli.main import app
from points_grpc.domain.auth import is_token

SECONDS_MAX = 60
ISSUER = ec.generate_private_key(ec.SECP256R1())
EVERYTHING = "points.read,points.write,points.expire,points.approve,points.admin"


class Office:
    """The commands, on one database."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments), env={"POINTS_DATABASE_URL": self.url})

    def token(self, tenant: str, scopes: str, *more: str) -> tuple[str, str]:
        """A new token, and its id."""
        made = self("token", "create", "--tenant", tenant, "--scopes", scopes, *more)
        assert made.exit_code == 0, made.output
        return made.stdout.strip(), made.stderr.split()[0]


@pytest.fixture
def office(database_url: str) -> Office:
    """The commands, with the tenant acme."""
    office = Office(database_url)
    assert office("tenant", "create", "acme").exit_code == 0
    return office


def test_a_token_is_shown_once(office: Office) -> None:
    """Standard output has the token and nothing else; no other command shows it again."""
    token, token_id = office.token("acme", "points.write points.read", "--name", "till 7")
    assert is_token(token)
    shown = office("token", "list").output
    assert re.fullmatch(rf"{token_id}  live  acme  points\.read,points\.write  till 7\n", shown)
    assert token not in shown


@pytest.mark.parametrize("given", ["90d", "2w", "36h", "5m"])
def test_a_token_may_end_by_itself(office: Office, given: str) -> None:
    """A lifetime in weeks, days, hours or minutes gives a token its expiry."""
    office.token("acme", "points.read", "--expires-in", given)
    assert re.search(r"  expires \d{4}-\d\d-\d\d \d\d:\d\d UTC", office("token", "list").output)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--scopes", "points.read", "--expires-in", "soon"), "--expires-in: a number with"),
        (("--scopes", "points.read", "--expires-in", "0d"), "--expires-in: a number with"),
        (("--scopes", "points.read", "--expires-in", "99999w"), "--expires-in: at most"),
        (("--scopes", "points.everything"), "--scopes: one or more of points.read"),
        (("--scopes", ""), "--scopes: one or more of points.read"),
        (("--scopes", "points.read", "--name", "a\nb"), "--name: at most 128 printable"),
    ],
)
def test_a_wrong_token_is_not_made(
    office: Office, arguments: tuple[str, ...], problem: str
) -> None:
    """What cannot be meant is refused in one line, and leaves no token behind."""
    refused = office("token", "create", "--tenant", "acme", *arguments)
    assert (refused.exit_code, problem in refused.stderr) == (2, True)
    assert office("token", "list").output == ""


def test_a_tenant_is_made_on_purpose(office: Office) -> None:
    """A token for a tenant that there is not is refused, so that a slip makes no tenant."""
    refused = office("token", "create", "--tenant", "acne", "--scopes", "points.read")
    assert (refused.exit_code, "there is no tenant acne" in refused.stderr) == (1, True)
    assert office("tenant", "create", "acme").exit_code == 1
    assert office("tenant", "create", " ").exit_code == 2
    assert office("tenant", "list").output == "acme  default program none\n"


def test_a_default_program_is_one_of_the_tenants(office: Office) -> None:
    """The program that calls mean which name none has to be the tenant's."""
    refused = office("tenant", "default-program", "acme", "469")
    assert (refused.exit_code, "acme has no program 469" in refused.stderr) == (1, True)
    assert office("tenant", "default-program", "acne", "0").exit_code == 1
    assert office("tenant", "default-program", "acme", "0").exit_code == 0


def test_a_token_is_revoked_by_its_id(office: Office) -> None:
    """A revoked token is listed as such; an id that there is not is told."""
    _, token_id = office.token("acme", "points.read")
    assert office("token", "revoke", token_id).output == f"{token_id} revoked\n"
    assert f"{token_id}  revoked  acme" in office("token", "list").output
    assert office("token", "revoke", "token-0").exit_code == 1


def test_without_a_schema_it_is_said(empty_database_url: str) -> None:
    """On a database without our schema the commands say what to do."""
    refused = Office(empty_database_url)("token", "list")
    assert (refused.exit_code, "points-grpc db upgrade" in refused.stderr) == (1, True)


# A server


class Shop:
    """A server outside of development, and its tenants acme and rival."""

    def __init__(self, office: Office, address: str, http_port: int) -> None:
        self.office, self.address, self.http_port = office, address, http_port

    def call(self, token: str, work: Callable[[Any], Any], service: str = "Points") -> Any:
        """The answer over gRPC, or the refusal's code and reason."""
        stubs: dict[str, Any] = {
            "Points": points_service_pb2_grpc.PointsServiceStub,
            "Program": program_service_pb2_grpc.ProgramServiceStub,
        }
        with grpc.insecure_channel(self.address) as channel:
            stub = stubs[service](channel)
            sent = {"metadata": (("authorization", f"Bearer {token}"),), "timeout": SECONDS_MAX}
            try:
                return work(lambda method: lambda r: getattr(stub, method)(r, **sent))
            except grpc.RpcError as error:
                info = error_details_pb2.ErrorInfo()
                rpc_status.from_call(error).details[0].Unpack(info)
                return error.code().name, info.reason

    def http(self, method: str, target: str, body: Any, **headers: str) -> tuple[int, str]:
        """The answer over HTTP."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=SECONDS_MAX)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent["content-type"] = "application/json"
        raw = None if body is None else json.dumps(body)
        try:
            connection.request(method, target, raw, sent)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def shop(serve: Any, module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Its programs are made with a token of each tenant's own."""
    office = Office(module_database_url)
    admins = {}
    for tenant in ("acme", "rival"):
        office("tenant", "create", tenant)
        admins[tenant], _ = office.token(tenant, "points.admin")
    keys = tmp_path_factory.mktemp("keys") / "issuer.pem"
    keys.write_bytes(
        ISSUER.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    environment = {
        "POINTS_DATABASE_URL": module_database_url,
        "POINTS_JWT_KEYS_FILE": str(keys),
        "POINTS_JWT_ALGORITHMS": "ES256",
        "POINTS_JWT_ISSUER": "https://issuer.example",
        "POINTS_JWT_AUDIENCE": "points",
    }
    running = serve("--http", "127.0.0.1:0", **environment)
    running.await_health("SERVING")
    port = next(int(line.rpartition(":")[2]) for line in running.said if line.startswith("HTTP"))
    shop = Shop(office, running.address, port)
    made = shop.call(
        admins["acme"],
        lambda ask: (
            ask("CreateProgram")(
                program_pb2.CreateProgramRequest(program_id=469, name="P", time_zone="UTC")
            ),
            ask("CreateCurrency")(CURRENCY),
        ),
        "Program",
    )
    assert made[0].program.program_id == 469
    assert office("tenant", "default-program", "acme", "469").exit_code == 0
    return shop


CURRENCY = currency_pb2.CreateCurrencyRequest(
    program_id=469, currency_code="POINTS", default_policy={"policy": "default", "never": {}}
)
EARN = earn_pb2.EarnRequest(program_id=469, member={"external_id": "anna"}, amount={"value": "100"})


def test_a_token_does_what_its_scopes_say(shop: Shop) -> None:
    """A token of a server outside of development may do what it was made for, and no more."""
    token, _ = shop.office.token("acme", "points.write")
    assert shop.call(token, lambda ask: ask("Earn")(EARN)).account.tenant == "acme"
    listing = listing_pb2.ListLotsRequest(program_id=469, member={"external_id": "anna"})
    refused = shop.call(token, lambda ask: ask("ListLots")(listing))
    assert refused == ("PERMISSION_DENIED", "SCOPE_MISSING")
    nobody = shop.call("demo", lambda ask: ask("Earn")(EARN))
    assert nobody == ("UNAUTHENTICATED", "TOKEN_INVALID")


@pytest.mark.parametrize(
    ("claims", "outcome"),
    [
        ({}, "acme"),
        ({"scope": "points.read"}, ("PERMISSION_DENIED", "SCOPE_MISSING")),
        ({"tenant": "nobody"}, ("UNAUTHENTICATED", "TOKEN_INVALID")),
        ({"exp": 1}, ("UNAUTHENTICATED", "TOKEN_INVALID")),
    ],
)
def test_a_web_token_is_let_in(shop: Shop, claims: dict[str, Any], outcome: Any) -> None:
    """A token of the configured issuer does what its scopes say, for the tenant that it names."""
    whole = {
        "iss": "https://issuer.example", "aud": "points", "sub": "till-7", "exp": 2**40,
        "tenant": "acme", "scope": "points.write",
    } | claims  # fmt: skip
    token = jwt.encode(whole, ISSUER, "ES256")
    answer = shop.call(token, lambda ask: ask("Earn")(EARN))
    assert (answer if isinstance(answer, tuple) else answer.account.tenant) == outcome


def test_a_program_of_another_tenant_is_none(shop: Shop) -> None:
    """Another tenant's program is not found, exactly like one that does not exist."""
    token, _ = shop.office.token("rival", "points.read")

    def ask_for(program_id: int) -> Any:
        request = program_pb2.GetProgramRequest(program_id=program_id)
        return shop.call(token, lambda ask: ask("GetProgram")(request), "Program")

    assert ask_for(469) == ask_for(470) == ("NOT_FOUND", "PROGRAM_NOT_FOUND")


MOVE = {
    "expiryDateUpdateRequest": [
        {
            "identifierName": "externalId",
            "identifierValue": "x",
            "programId": 469,
            "pointsAwardedRefId": 1,
            "pointsAwardedRefType": "POINT_AWARDED",
            "expiryDate": {"expiryType": "FIXED_DAYS", "expiryValue": "5"},
        }
    ]
}
ASK = {
    "token": "TOKEN",
    "loyalty_program_id": 469,
    "date_from": "2031-01-01T00:00:00Z",
    "date_to": "2031-02-01T00:00:00Z",
    "matching": "email",
    "email": "x@shop.example",
    "points_currency_eid": "POINTS",
}


def basic(token: str) -> str:
    return "Basic " + base64.b64encode(f"anyone:{token}".encode()).decode()


@pytest.mark.parametrize(
    ("method", "target", "body", "header"),
    [
        ("POST", "/v1/points:expire", {"member": {"externalId": "x"}, "amount": {"value": "1"}},
         lambda token: {"authorization": f"Bearer {token}"}),
        ("POST", "/admin/points/x/expire", {"amount": 1},
         lambda token: {"authorization": f"Bearer {token}"}),
        ("POST", "/v2/points/updateExpiry", MOVE, lambda t: {"authorization": basic(t)}),
        ("POST", "/v2/points/updateExpiry", MOVE, lambda t: {"x_cap_api_auth": t}),
        ("GET", "/api/user/points?user_id=x", None, lambda t: {"x_token": t}),
        ("GET", "/v2/users/x/points_expiration", None,
         lambda t: {"x_ct_authorization": f"CTApiKey {t}"}),
        ("GET", "/v2/users/x/points_expiration?api_key=TOKEN", None, lambda t: {}),
        ("POST", "/api/v1.1/loyalty/account/expiring_points", ASK, lambda t: {}),
    ],
)  # fmt: skip
def test_every_form_carries_a_token(
    shop: Shop, method: str, target: str, body: Any, header: Callable[[str], dict[str, str]]
) -> None:
    """A token is let in whichever form it comes in, and a token that is none is not."""
    token, _ = shop.office.token("acme", EVERYTHING)
    wrong = token[:-1] + ("A" if token[-1] != "A" else "B")

    def status_for(credential: str) -> int:
        sent = json.loads(json.dumps(body).replace("TOKEN", credential))
        return shop.http(method, target.replace("TOKEN", credential), sent, **header(credential))[0]

    assert status_for(wrong) in (401, 403)
    assert status_for(token) not in (401, 403)

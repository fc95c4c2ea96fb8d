"""JSON web tokens: which are let in, and where their keys come from."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from points_grpc.clock import TestClock
from points_grpc.domain.commands import Caller
from points_grpc.errors import TokenInvalid
from points_grpc.rpc.credentials.keys import BadKeys, Keys, keys_of, url_reader
from points_grpc.rpc.credentials.web_tokens import Terms, WebTokens

NOW = datetime(2031, 5, 6, 7, tzinfo=UTC)
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
TERMS = Terms("https://issuer.example", "points", ("RS256", "ES256"))
CLAIMS = {
    "iss": "https://issuer.example",
    "aud": "points",
    "sub": "till-7",
    "exp": NOW.timestamp() + 60,
    "tenant": "acme",
    "scope": "points.read points.write openid",
}


def pem(key):
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form)


def key_set(**keys):
    """A JWK set of private keys' public halves, by id."""
    listed = []
    for name, key in keys.items():
        writer = ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else RSAAlgorithm
        listed.append(json.loads(writer.to_jwk(key.public_key())) | {"kid": name})
    return json.dumps({"keys": listed}).encode()


class Issuer:
    """Signs tokens, and a judge who knows its keys."""

    def __init__(self, text, terms=TERMS):
        self.text = text
        self.clock = TestClock(NOW)
        self.keys = Keys(lambda: self.text, 300.0)
        self.keys.load()
        self.judge = WebTokens(self.keys, terms, self.clock, self.find)

    async def find(self, tenant, principal):
        if tenant != "acme":
            raise TokenInvalid
        return Caller(1, tenant, principal, 469)

    def grant(self, token):
        return asyncio.run(self.judge.grant_of(token))

    def refuses(self, token):
        try:
            self.grant(token)
        except TokenInvalid as refusal:
            return (refusal.field, refusal.facts) == ("", {})
        return False


def signed(key=RSA_KEY, algorithm="RS256", headers=None, **claims):
    whole = {name: claim for name, claim in (CLAIMS | claims).items() if claim is not None}
    return jwt.encode(whole, key, algorithm, headers)


@pytest.fixture
def issuer():
    """Has one RSA key in a PEM file."""
    return Issuer(pem(RSA_KEY))


def test_a_good_token_is_let_in(issuer):
    """Tenant, principal and scopes are what the claims say; other scopes than ours do not count."""
    grant = issuer.grant(signed())
    assert grant.caller == Caller(1, "acme", "jwt:till-7", 469)
    assert grant.scopes == {"points.read", "points.write"}


@pytest.mark.parametrize("scope", [["points.read", "x"], "points.read x"])
def test_scopes_are_a_list_or_text(issuer, scope):
    """Scopes come as a list, or as text with spaces."""
    assert issuer.grant(signed(scope=scope)).scopes == {"points.read"}


def test_claims_may_have_other_names():
    """Which claims hold tenant and scopes is configured."""
    terms = Terms(*("https://issuer.example", "points", ("RS256",)), "org", "permissions")
    token = signed(org="acme", permissions=["points.expire"], tenant=None)
    grant = Issuer(pem(RSA_KEY), terms).grant(token)
    assert (grant.caller.tenant, grant.scopes) == ("acme", {"points.expire"})


def test_no_scopes_are_no_rights(issuer):
    """A token without scopes may do nothing."""
    assert issuer.grant(signed(scope=None)).scopes == frozenset()


@pytest.mark.parametrize(
    "claims",
    [
        *({name: None} for name in ("iss", "aud", "sub", "exp", "tenant")),
        {"iss": "https://issuer.example.org"},
        {"aud": "others"},
        {"aud": ["others"]},
        {"tenant": "rival"},
        {"tenant": ""},
        {"tenant": 7},
        {"tenant": "ac\x00me"},
        {"sub": ""},
        {"sub": "a\nb"},
        {"sub": "x" * 201},
        {"scope": 7},
        {"scope": [7]},
        {"exp": "soon"},
        {"exp": 10**400},
        {"exp": float("inf")},
        {"nbf": "now"},
        {"nbf": float("-inf")},
        {"nbf": float("nan")},
    ],
)
def test_a_wrong_claim_is_refused(issuer, claims):
    """A token whose claims are missing, another's or malformed is TOKEN_INVALID."""
    assert issuer.refuses(signed(**claims))


def test_a_token_counts_until_its_end_and_the_leeway(issuer):
    """A token counts up to `exp` and the leeway, also one that was verified before."""
    token = signed()
    issuer.clock.set(NOW + timedelta(seconds=89, milliseconds=999))
    assert issuer.grant(token)
    issuer.clock.set(NOW + timedelta(seconds=90))
    assert issuer.refuses(token)


def test_a_token_counts_from_its_beginning_and_the_leeway(issuer):
    """A token counts from `nbf` on, less the leeway."""
    token = signed(nbf=NOW.timestamp() + 31)
    assert issuer.refuses(token)
    issuer.clock.set(NOW + timedelta(seconds=1))
    assert issuer.grant(token)


def test_only_configured_algorithms_count(issuer):
    """Neither unsigned tokens, nor symmetric ones, nor other algorithms than the configured."""
    assert issuer.refuses(jwt.encode(CLAIMS, None, "none"))
    assert issuer.refuses(signed("x" * 64, "HS256"))
    assert issuer.refuses(signed(RSA_KEY, "RS512"))
    assert issuer.refuses(signed(RSA_KEY, "PS256"))
    assert issuer.refuses(signed(EC_KEY, "ES256"))
    assert issuer.refuses(signed(OTHER_RSA_KEY))


@pytest.mark.parametrize("token", [".", "..", "a.b.c", "é.é.é", "x." * 5000, "\ud800.a.b"])
def test_what_is_no_token_is_refused(issuer, token):
    """Whatever does not parse is TOKEN_INVALID and nothing worse."""
    assert issuer.refuses(token)


def test_a_changed_token_is_refused(issuer):
    """No part of a token that was let in may be changed."""
    token = signed()
    assert issuer.grant(token)
    head, body, signature = token.split(".")
    assert issuer.refuses(f"{head}.{body}.{signature[:-4]}AAAA")
    assert issuer.refuses(f"{head}.{signed(tenant='acme', sub='x').split('.')[1]}.{signature}")


# Keys


def test_a_set_of_keys_is_told_apart_by_ids():
    """A token is checked with the key that it names, and with no other."""
    issuer = Issuer(key_set(one=RSA_KEY, two=EC_KEY))
    assert issuer.grant(signed(headers={"kid": "one"}))
    assert issuer.grant(signed(EC_KEY, "ES256", headers={"kid": "two"}))
    assert issuer.refuses(signed(headers={"kid": "two"}))
    assert issuer.refuses(signed(headers={"kid": "three"}))
    assert issuer.refuses(signed())
    assert Issuer(key_set(one=RSA_KEY)).grant(signed())


def test_a_key_that_is_withdrawn_lets_nobody_in():
    """Once the keys have changed, tokens of the old ones are refused, also remembered ones."""
    issuer = Issuer(key_set(one=RSA_KEY))
    old, new = (
        signed(headers={"kid": "one"}),
        signed(OTHER_RSA_KEY, headers={"kid": "two"}),
    )
    assert issuer.grant(old) and issuer.refuses(new)
    issuer.text = key_set(two=OTHER_RSA_KEY)
    issuer.keys.load()
    assert issuer.refuses(old) and issuer.grant(new)


def test_a_key_may_change_under_its_id():
    """Other key material under the same id is another key."""
    issuer = Issuer(key_set(one=RSA_KEY))
    old = signed(headers={"kid": "one"})
    assert issuer.grant(old)
    issuer.text = key_set(one=OTHER_RSA_KEY)
    issuer.keys.load()
    assert issuer.refuses(old)


def test_keys_that_cannot_be_read_change_nothing():
    """While keys cannot be read the last ones count."""
    issuer = Issuer(key_set(one=RSA_KEY))
    issuer.text = b"<html>"
    with pytest.raises(BadKeys):
        issuer.keys.load()
    assert issuer.grant(signed())


@pytest.mark.parametrize(
    "text",
    [b"", b"{}", b"[]", b'{"keys": 7}', b'{"keys": [7]}', b'{"keys": [{"kty": "RSA"}]}',
     b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
     json.dumps({"keys": [json.loads(RSAAlgorithm.to_jwk(RSA_KEY))]}).encode()],
    ids=["nothing", "no keys", "a list", "a number", "numbers", "half a key", "bad PEM", "private"],
)  # fmt: skip
def test_what_holds_no_public_keys_is_told(text):
    """Neither what is no set of keys, nor one with a private key, is taken."""
    with pytest.raises(BadKeys):
        list(keys_of(text))


def test_keys_for_other_uses_are_left_out():
    """Keys for encryption and symmetric ones are not for signatures."""
    listed = json.loads(key_set(one=RSA_KEY))["keys"]
    odd = [listed[0] | {"use": "enc", "kid": "x"}, {"kty": "oct", "k": "AAAA", "kid": "y"}]
    assert [name for name, _ in keys_of(json.dumps({"keys": listed + odd}).encode())] == ["one"]


def test_a_key_that_is_not_known_here_spoils_no_other():
    """An issuer may add a key of a curve that nobody knew when this was written."""
    listed = json.loads(key_set(one=RSA_KEY))["keys"]
    odd = [
        {"kty": "EC", "crv": "P-7", "x": "AA", "y": "AA", "kid": "x"},
        {"kty": "RSA", "kid": "y"},
    ]
    assert [name for name, _ in keys_of(json.dumps({"keys": odd + listed}).encode())] == ["one"]


def test_a_key_without_an_id_is_for_what_names_no_other():
    """Beside keys with ids, one without is for tokens that name none, or one that is not there."""
    listed = json.loads(key_set(one=RSA_KEY, none=OTHER_RSA_KEY))["keys"]
    del listed[1]["kid"]
    issuer = Issuer(json.dumps({"keys": listed}).encode())
    assert issuer.grant(signed(headers={"kid": "one"}))
    assert issuer.grant(signed(OTHER_RSA_KEY)) and issuer.refuses(signed())
    assert issuer.grant(signed(OTHER_RSA_KEY, headers={"kid": "three"}))


def test_edwards_keys():
    """EdDSA is among the algorithms, with a key in PEM."""
    terms = Terms("https://issuer.example", "points", ("EdDSA",))
    assert Issuer(pem(ED_KEY), terms).grant(signed(ED_KEY, "EdDSA"))


@pytest.mark.parametrize(
    "url", ["http://issuer.example/keys", "ftp://127.0.0.1/keys", "file:///etc/keys", "keys"]
)
def test_keys_are_not_fetched_in_the_clear(url):
    """A URL of keys has to be https, unless it is on this machine."""
    with pytest.raises(BadKeys):
        url_reader(url)


@pytest.fixture
def site():
    """A site on this machine; what it answers is in `answers` by path."""

    class Handler(BaseHTTPRequestHandler):
        answers: ClassVar[dict] = {}

        def do_GET(self):
            status, headers, body = self.answers[self.path]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    Handler.url = f"http://127.0.0.1:{server.server_port}"
    yield Handler
    server.shutdown()
    server.server_close()
    thread.join()


def test_keys_come_from_a_url(site):
    """Keys are fetched from a URL; redirects are not followed, and large answers not read."""
    site.answers["/keys"] = 200, {}, key_set(one=RSA_KEY)
    site.answers["/moved"] = 302, {"Location": f"{site.url}/keys"}, b""
    site.answers["/large"] = 200, {}, b" " * (2**20 + 1)
    assert [name for name, _ in keys_of(url_reader(f"{site.url}/keys")())] == ["one"]
    with pytest.raises(OSError):
        url_reader(f"{site.url}/moved")()
    with pytest.raises(BadKeys):
        url_reader(f"{site.url}/large")()


def test_an_unknown_key_is_looked_for_beside(monkeypatch):
    """A call with a key that is not known is refused at once; the keys are then read anew."""
    monkeypatch.setattr("points_grpc.rpc.credentials.keys.RETRY_S", 0.0)
    issuer = Issuer(key_set(one=RSA_KEY))
    reads = []

    def read():
        reads.append(threading.current_thread())
        return issuer.text

    issuer.keys._read = read

    async def scenario():
        renewing = asyncio.ensure_future(issuer.keys.renew())
        while not reads:
            await asyncio.sleep(0)
        issuer.text = key_set(two=OTHER_RSA_KEY)
        token = signed(OTHER_RSA_KEY, headers={"kid": "two"})
        with pytest.raises(TokenInvalid):
            await issuer.judge.grant_of(token)
        async with asyncio.timeout(20):
            while issuer.keys.generation < 2:
                await asyncio.sleep(0)
        assert (await issuer.judge.grant_of(token)).caller.tenant == "acme"
        renewing.cancel()

    asyncio.run(scenario())
    assert threading.main_thread() not in reads

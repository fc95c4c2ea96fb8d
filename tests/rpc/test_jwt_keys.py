"""JSON web tokens: which key checks a token, and where keys come from."""

from __future__ import annotations

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from tests.support.rpc.jwt_issuer import (
    EC_KEY,
    OTHER_RSA_KEY,
    RSA_KEY,
    Issuer,
    pem,
    signed,
)

from points_grpc.errors import TokenInvalid
from points_grpc.rpc.auth.jwks import InvalidKeys, parse_keys, url_reader
from points_grpc.rpc.auth.jwt import TokenTerms

ED_KEY = ed25519.Ed25519PrivateKey.generate()


def key_set(**keys):
    """A JWK set of private keys' public halves, by id."""
    listed = []
    for name, key in keys.items():
        writer = ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else RSAAlgorithm
        listed.append(json.loads(writer.to_jwk(key.public_key())) | {"kid": name})
    return json.dumps({"keys": listed}).encode()


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
    with pytest.raises(InvalidKeys):
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
    with pytest.raises(InvalidKeys):
        parse_keys(text)


def test_keys_for_other_uses_are_left_out():
    """Keys for encryption and symmetric ones are not for signatures."""
    listed = json.loads(key_set(one=RSA_KEY))["keys"]
    odd = [
        {"kty": "oct", "k": "AAAA", "kid": "y"},
        *(
            listed[0] | {"kid": "x"} | other
            for other in (
                {"use": "enc"},
                {"use": "tls"},
                {"use": ["sig"]},
                {"key_ops": ["encrypt", "wrapKey"]},
                {"key_ops": []},
                {"key_ops": "verify"},
                {"use": "sig", "key_ops": ["sign"]},
                {"use": "enc", "key_ops": ["verify"]},
                {"alg": "RSA-OAEP"},
                {"alg": "none"},
                {"alg": "HS256"},
                {"alg": "ES256"},
                {"alg": ["RS256"]},
                {"kid": 7},
            )
        ),
    ]
    found = parse_keys(json.dumps({"keys": listed + odd}).encode())
    assert (list(found.named), found.unnamed) == (["one"], [])


def test_keys_for_checking_signatures_are_taken():
    """A key that says it is for checking signatures is one, whatever else it is for."""
    listed = json.loads(key_set(one=RSA_KEY))["keys"]
    for said in (
        {"use": "sig"},
        {"key_ops": ["verify"]},
        {"key_ops": ["sign", "verify"]},
        {"alg": "RS256"},
    ):
        issuer = Issuer(json.dumps({"keys": [listed[0] | said]}).encode())
        assert issuer.grant(signed(headers={"kid": "one"}))


def test_a_keys_algorithm_is_the_tokens():
    """A key that names an algorithm checks tokens of that one only, of all that are configured."""
    terms = TokenTerms("https://issuer.example", "points", ("RS256", "RS512", "PS256"))
    [listed] = json.loads(key_set(one=RSA_KEY))["keys"]
    for said, let_in in (("RS256", {"RS256"}), ("PS256", {"PS256"}), (None, set(terms.algorithms))):
        key = listed if said is None else listed | {"alg": said}
        issuer = Issuer(json.dumps({"keys": [key]}).encode(), terms)
        for algorithm in terms.algorithms:
            token = signed(RSA_KEY, algorithm, {"kid": "one"})
            assert issuer.refuses(token) is (algorithm not in let_in)


def test_a_change_of_a_keys_algorithm_counts():
    """A token that was let in is refused once its key is for another algorithm."""
    [listed] = json.loads(key_set(one=RSA_KEY))["keys"]
    issuer = Issuer(json.dumps({"keys": [listed]}).encode())
    assert issuer.grant(signed(headers={"kid": "one"}))
    issuer.text = json.dumps({"keys": [listed | {"alg": "PS256"}]}).encode()
    issuer.keys.load()
    assert issuer.refuses(signed(headers={"kid": "one"}))


def test_keys_that_share_an_id_are_told_apart_by_their_algorithm():
    """Of several keys of an id the one that fits is taken; where two do, none is."""
    rsa_key, ec_key, other = (
        json.loads(key_set(one=key))["keys"][0] for key in (RSA_KEY, EC_KEY, OTHER_RSA_KEY)
    )
    named = {"kid": "one"}
    issuer = Issuer(json.dumps({"keys": [rsa_key, ec_key]}).encode())
    assert issuer.grant(signed(headers=named)) and issuer.grant(signed(EC_KEY, "ES256", named))
    issuer = Issuer(json.dumps({"keys": [rsa_key, other]}).encode())
    assert issuer.refuses(signed(headers=named)) and issuer.refuses(
        signed(OTHER_RSA_KEY, headers=named)
    )
    unnamed = [
        {name: value for name, value in key.items() if name != "kid"} for key in (rsa_key, other)
    ]
    assert Issuer(json.dumps({"keys": unnamed}).encode()).refuses(signed())
    assert Issuer(json.dumps({"keys": unnamed[:1]}).encode()).grant(signed())


def test_a_key_that_is_not_known_here_spoils_no_other():
    """An issuer may add a key of a curve that nobody knew when this was written."""
    listed = json.loads(key_set(one=RSA_KEY))["keys"]
    odd = [
        {"kty": "EC", "crv": "P-7", "x": "AA", "y": "AA", "kid": "x"},
        {"kty": "RSA", "kid": "y"},
    ]
    assert list(parse_keys(json.dumps({"keys": odd + listed}).encode()).named) == ["one"]


def test_a_key_without_an_id_is_for_tokens_without():
    """A key of a set that has no id checks tokens that name none, and no others."""
    listed = json.loads(key_set(one=RSA_KEY, none=OTHER_RSA_KEY))["keys"]
    del listed[1]["kid"]
    issuer = Issuer(json.dumps({"keys": listed}).encode())
    assert issuer.grant(signed(headers={"kid": "one"}))
    assert issuer.grant(signed(OTHER_RSA_KEY)) and issuer.refuses(signed())
    for named in ({"kid": "one"}, {"kid": "three"}, {"kid": ""}):
        assert issuer.refuses(signed(OTHER_RSA_KEY, headers=named))


@pytest.mark.parametrize("kid", [{}, {"kid": None}])
def test_a_single_key_without_an_id(kid):
    """A set of one key without an id lets in tokens without one only."""
    [listed] = json.loads(key_set(one=RSA_KEY))["keys"]
    del listed["kid"]
    issuer = Issuer(json.dumps({"keys": [listed | kid]}).encode())
    assert issuer.grant(signed())
    assert issuer.refuses(signed(headers={"kid": "one"}))


def test_a_key_in_pem_is_for_all_tokens(issuer):
    """A file in PEM has one key and no ids, so that tokens may name any."""
    assert issuer.grant(signed(headers={"kid": "one"})) and issuer.grant(signed())


def test_edwards_keys():
    """EdDSA is among the algorithms, with a key in PEM."""
    terms = TokenTerms("https://issuer.example", "points", ("EdDSA",))
    assert Issuer(pem(ED_KEY), terms).grant(signed(ED_KEY, "EdDSA"))


@pytest.mark.parametrize(
    "url", ["http://issuer.example/keys", "ftp://127.0.0.1/keys", "file:///etc/keys", "keys"]
)
def test_keys_are_not_fetched_in_the_clear(url):
    """A URL of keys has to be https, unless it is on this machine."""
    with pytest.raises(InvalidKeys):
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
    assert list(parse_keys(url_reader(f"{site.url}/keys")()).named) == ["one"]
    with pytest.raises(OSError):
        url_reader(f"{site.url}/moved")()
    with pytest.raises(InvalidKeys):
        url_reader(f"{site.url}/large")()


def test_an_unknown_key_is_looked_for_beside(monkeypatch):
    """A call with a key that is not known is refused at once; the keys are then read anew."""
    monkeypatch.setattr("points_grpc.rpc.auth.jwks.RETRY_S", 0.0)
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

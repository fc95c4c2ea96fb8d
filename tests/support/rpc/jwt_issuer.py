"""An issuer of JSON web tokens."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from points_grpc.clock import TestClock
from points_grpc.domain.commands import Caller
from points_grpc.errors import TokenInvalid
from points_grpc.rpc.auth.jwks import KeyLoader
from points_grpc.rpc.auth.jwt import JwtVerifier, TokenTerms

NOW = datetime(2031, 5, 6, 7, tzinfo=UTC)


RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


OTHER_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


EC_KEY = ec.generate_private_key(ec.SECP256R1())


TERMS = TokenTerms("https://issuer.example", "points", ("RS256", "ES256"))


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


class Issuer:
    """Signs tokens, and a judge who knows its keys."""

    def __init__(self, text, terms=TERMS):
        self.text = text
        self.clock = TestClock(NOW)
        self.keys = KeyLoader(lambda: self.text, 300.0)
        self.keys.load()
        self.judge = JwtVerifier(self.keys, terms, self.clock, self.find)

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

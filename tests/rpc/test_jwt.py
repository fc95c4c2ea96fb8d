"""JSON web tokens: which are let in, and where their keys come from."""

from __future__ import annotations

from datetime import timedelta

import jwt
import pytest
from tests.support.rpc.jwt_issuer import (
    CLAIMS,
    EC_KEY,
    NOW,
    OTHER_RSA_KEY,
    RSA_KEY,
    Issuer,
    pem,
    signed,
)

from points_grpc.domain.commands import Caller
from points_grpc.rpc.auth.jwt import TokenTerms


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
    terms = TokenTerms(*("https://issuer.example", "points", ("RS256",)), "org", "permissions")
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

"""JSON web tokens (RFC 7519) that somebody else issues."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import jwt

from points_grpc.clock import Clock
from points_grpc.domain.auth import SCOPES, Grant
from points_grpc.domain.commands import Caller
from points_grpc.errors import TokenInvalid
from points_grpc.rpc.auth.jwks import KeyLoader

LENGTH_MAX = 8192
_REMEMBERED_MAX = 10_000
_PRINCIPAL_MAX = 200

FindCaller = Callable[[str, str], Awaitable[Caller]]
"""The caller of a tenant's name and a principal. Raises TokenInvalid for an unknown tenant."""


@dataclass(frozen=True, slots=True)
class TokenTerms:
    """What a token must say, and where it says for whom; `leeway_s` for clocks that differ."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    tenant_claim: str = "tenant"
    scopes_claim: str = "scope"
    leeway_s: float = 30.0


@dataclass(frozen=True, slots=True)
class _Content:
    """What of a verified token counts."""

    tenant: str
    principal: str
    scopes: frozenset[str]
    begins: float
    ends: float


class JwtVerifier:
    """Judges tokens by their signature and claims. A verified one is remembered by its hash.

    What is remembered is forgotten when the keys change. The tenant is looked up each time.
    """

    def __init__(
        self, keys: KeyLoader, terms: TokenTerms, clock: Clock, find_caller: FindCaller
    ) -> None:
        self._keys = keys
        self._terms = terms
        self._clock = clock
        self._find_caller = find_caller
        self._verified: dict[bytes, _Content] = {}
        self._generation = keys.generation

    async def grant_of(self, token: str) -> Grant:
        """Return what the token allows. Raises TokenInvalid, whatever is wrong with it."""
        content = self._content(token)
        now = self._clock.now().timestamp()
        leeway = self._terms.leeway_s
        if not content.begins - leeway <= now < content.ends + leeway:
            raise TokenInvalid
        caller = await self._find_caller(content.tenant, content.principal)
        return Grant(caller, content.scopes)

    def _content(self, token: str) -> _Content:
        if self._generation != self._keys.generation:
            self._verified.clear()
            self._generation = self._keys.generation
        key = sha256(token.encode("utf-8", "surrogatepass")).digest()
        content = self._verified.get(key)
        if content is None:
            content = _read(self._claims(token), self._terms)
            self._verified[key] = content
            if len(self._verified) > _REMEMBERED_MAX:
                del self._verified[next(iter(self._verified))]
        return content

    def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > LENGTH_MAX:
            raise TokenInvalid
        try:
            header = jwt.get_unverified_header(token)
            algorithm = header["alg"]
            key = self._keys.find(header.get("kid"), algorithm)
            if key is None or algorithm not in self._terms.algorithms:
                raise TokenInvalid
            return jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._terms.audience,
                issuer=self._terms.issuer,
                options={
                    "require": ["exp", "iss", "aud", "sub"],
                    # By our own clock, and each time.
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except (jwt.PyJWTError, KeyError, ValueError, TypeError) as error:
            raise TokenInvalid from error


def _read(claims: Mapping[str, Any], terms: TokenTerms) -> _Content:
    tenant, subject = claims.get(terms.tenant_claim), claims["sub"]
    if not isinstance(tenant, str) or not tenant or "\x00" in tenant:
        raise TokenInvalid
    if not subject.isprintable() or not 0 < len(subject) <= _PRINCIPAL_MAX:
        raise TokenInvalid
    said = claims.get(terms.scopes_claim, "")
    scopes = said.split() if isinstance(said, str) else said
    if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
        raise TokenInvalid
    return _Content(
        tenant=tenant,
        principal=f"jwt:{subject}",
        scopes=frozenset(SCOPES) & frozenset(scopes),
        begins=_instant(claims.get("nbf", 0)),
        ends=_instant(claims["exp"]),
    )


def _instant(claim: object) -> float:
    if isinstance(claim, bool) or not isinstance(claim, int | float):
        raise TokenInvalid
    try:
        instant = float(claim)
    except OverflowError:
        raise TokenInvalid from None
    if not math.isfinite(instant):  # JSON has no such numbers, but Python's reads them
        raise TokenInvalid
    return instant

"""Whom a server lets in."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING

import structlog

from points_grpc.cli import options
from points_grpc.cli.runtime.wiring import ServiceParts
from points_grpc.config import Settings
from points_grpc.rpc.auth import Authenticator
from points_grpc.rpc.auth.bearer import BearerAuthenticator
from points_grpc.storage.admin import tokens
from points_grpc.storage.core.database import Database

if TYPE_CHECKING:  # of an extra
    from points_grpc.rpc.auth.certificates import CertificateMap
    from points_grpc.rpc.auth.jwt import JwtVerifier

_USES_S = 60.0
"""How often it is written when tokens were last used."""

_FILE_S = 60.0
_URL_S = 300.0
"""How often the keys of JSON web tokens are read again."""

log = structlog.get_logger("points_grpc")


@dataclass(frozen=True, slots=True)
class AuthSetup:
    """Who judges credentials, and what has to be done beside for as long as that is needed.

    By the `voucher` our own gateway is believed what it says of its clients' certificates.
    """

    authenticator: Authenticator
    chores: Sequence[Callable[[], Awaitable[None]]] = ()
    voucher: str = ""

    async def keep(self) -> None:
        """Run the background tasks until cancelled."""
        await asyncio.gather(*(chore() for chore in self.chores))


def refuse_what_cannot_be(settings: Settings) -> None:
    """Exit with one line if credentials are not configured correctly."""
    _refuse_wrong_certificates(settings)
    if not _takes_web_tokens(settings):
        return
    if settings.jwt_keys_file is not None and settings.jwt_keys_url is not None:
        options.fail("POINTS_JWT_KEYS_FILE and POINTS_JWT_KEYS_URL exclude each other", code=2)
    if find_spec("jwt") is None or find_spec("cryptography") is None:
        options.fail("JSON web tokens need PyJWT: install points-grpc[jwt]", code=2)
    from points_grpc.rpc.auth import jwks  # noqa: PLC0415

    wanted = _algorithms(settings)
    if not wanted or not set(wanted) <= jwks.ALGORITHMS:
        known = ", ".join(sorted(jwks.ALGORITHMS))
        options.fail(f"POINTS_JWT_ALGORITHMS: one or more of {known}", code=2)
    for field in ("jwt_issuer", "jwt_audience"):
        if not getattr(settings, field):
            options.fail(f"JSON web tokens need POINTS_{field.upper()}", code=2)
    try:
        if settings.jwt_keys_url is not None:
            jwks.url_reader(settings.jwt_keys_url.get_secret_value())
        elif settings.jwt_keys_file is not None:
            jwks.parse_keys(jwks.file_reader(settings.jwt_keys_file)())
    except (jwks.InvalidKeys, OSError) as error:
        options.fail(f"the keys of JSON web tokens: {error}", code=2)


def refuse_without_credentials(settings: Settings, database: Database, now: datetime) -> None:
    """Exit with one line if nobody could call: no credential, and not --dev."""
    if settings.dev or _takes_web_tokens(settings) or settings.client_certs_file is not None:
        return
    if database.run(lambda at: tokens.any_live(at, now)):
        return
    options.fail(
        "nobody could call this server, for there are no credentials: make a token with"
        " points-grpc token create, configure JSON web tokens or clients' certificates, or use"
        " --dev for development",
        code=2,
    )


async def set_up_auth(settings: Settings, parts: ServiceParts) -> AuthSetup:
    """Return the authentication of a server that is not for development."""
    chores: list[Callable[[], Awaitable[None]]] = [lambda: _note_uses(parts)]
    judge = None
    if _takes_web_tokens(settings):
        made, chore = await _web_tokens(settings, parts)
        judge = made.grant_of
        chores.append(chore)
    bearers = BearerAuthenticator(parts.credentials.grant_of, judge)
    if settings.client_certs_file is None:
        return AuthSetup(bearers, chores)
    from points_grpc.rpc.auth import certificates  # noqa: PLC0415

    owners = certificates.CertificateMap(settings.client_certs_file)
    chores.append(lambda: _renew(owners))
    voucher = secrets.token_urlsafe(32)
    find_caller = parts.credentials.caller_of
    authenticator = certificates.CertificateAuthenticator(
        bearers, owners, parts.clock, find_caller, voucher
    )
    return AuthSetup(authenticator, chores, voucher)


async def _web_tokens(
    settings: Settings, parts: ServiceParts
) -> tuple[JwtVerifier, Callable[[], Awaitable[None]]]:
    from points_grpc.rpc.auth import jwks, jwt  # noqa: PLC0415

    if settings.jwt_keys_file is not None:
        source = jwks.KeyLoader(jwks.file_reader(settings.jwt_keys_file), _FILE_S)
    else:
        url = settings.jwt_keys_url
        source = jwks.KeyLoader(
            jwks.url_reader("" if url is None else url.get_secret_value()), _URL_S
        )
    try:
        await asyncio.to_thread(source.load)
    except (jwks.InvalidKeys, OSError) as error:
        # Whoever has the keys may come later than we; until then no such token is let in.
        log.error("token keys cannot be read", problem=type(error).__name__)
    terms = jwt.TokenTerms(
        issuer=settings.jwt_issuer or "",
        audience=settings.jwt_audience or "",
        algorithms=tuple(_algorithms(settings)),
        tenant_claim=settings.jwt_tenant_claim,
        scopes_claim=settings.jwt_scopes_claim,
        leeway_s=settings.jwt_leeway_seconds,
    )
    find_caller = parts.credentials.caller_of
    return jwt.JwtVerifier(source, terms, parts.clock, find_caller), source.renew


def _takes_web_tokens(settings: Settings) -> bool:
    return settings.jwt_keys_file is not None or settings.jwt_keys_url is not None


def _algorithms(settings: Settings) -> list[str]:
    return (settings.jwt_algorithms or "").replace(",", " ").split()


def _refuse_wrong_certificates(settings: Settings) -> None:
    if settings.client_certs_file is None:
        return
    if settings.tls_client_ca_file is None:
        options.fail("POINTS_CLIENT_CERTS_FILE needs POINTS_TLS_CLIENT_CA_FILE", code=2)
    if find_spec("cryptography") is None:
        options.fail("clients' certificates need cryptography: install points-grpc[jwt]", code=2)
    from points_grpc.rpc.auth import certificates  # noqa: PLC0415

    try:
        certificates.CertificateMap(settings.client_certs_file)
    except (certificates.InvalidCertificateMap, OSError) as error:
        options.fail(f"POINTS_CLIENT_CERTS_FILE: {error}", code=2)


async def _renew(owners: CertificateMap) -> None:
    while True:
        await asyncio.sleep(_FILE_S)
        try:
            owners.renew()
        except Exception as error:  # what was read last counts
            problem = type(error).__name__
            log.error("client certificate file cannot be read", problem=problem)


async def _note_uses(parts: ServiceParts) -> None:
    try:
        while True:
            await asyncio.sleep(_USES_S)
            await _try_to_note_uses(parts)
    finally:
        await _try_to_note_uses(parts)


async def _try_to_note_uses(parts: ServiceParts) -> None:
    try:
        await parts.credentials.note_uses()
    except Exception as error:
        log.warning("last use of tokens could not be written", problem=type(error).__name__)

"""Whom a server lets in."""

from __future__ import annotations

import asyncio
from datetime import datetime

import structlog

from points_grpc.cli import options
from points_grpc.cli.wiring import Parts
from points_grpc.config import Settings
from points_grpc.rpc.credentials import Authenticator
from points_grpc.rpc.credentials.bearers import BearerAuthenticator
from points_grpc.storage import tokens
from points_grpc.storage.database import Database

_USES_S = 60.0
"""How often it is written when tokens were last used."""

log = structlog.get_logger("points_grpc")


def refuse_without_credentials(settings: Settings, database: Database, now: datetime) -> None:
    """Leave with one line where nobody could call: no live token, and development not meant."""
    if settings.dev or database.run(lambda at: tokens.any_live(at, now)):
        return
    options.fail(
        "nobody could call this server, for there are no credentials: make a token with"
        " points-grpc token create, or use --dev for development",
        code=2,
    )


def authenticator(parts: Parts) -> Authenticator:
    """Who judges credentials outside of development."""
    return BearerAuthenticator(parts.credentials.grant_of)


async def keep(parts: Parts) -> None:
    """What has to be done for it now and then, until cancelled."""
    try:
        while True:
            await asyncio.sleep(_USES_S)
            await _note_uses(parts)
    finally:
        await _note_uses(parts)


async def _note_uses(parts: Parts) -> None:
    try:
        await parts.credentials.note_uses()
    except Exception as error:
        log.warning("the last use of tokens could not be written", problem=type(error).__name__)

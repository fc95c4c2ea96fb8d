"""What a credential allows, and API tokens.

A token is `points_` and 48 characters of URL-safe base64: 32 random bytes and their CRC-32, by
which a mistyped one, or one that a scanner finds in a repository, is recognised without a
database. Only its SHA-256 is stored: the random bytes are too many to be guessed, so a slow hash
would protect nothing.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from zlib import crc32

from points_grpc.domain.commands import Caller

READ = "points.read"
WRITE = "points.write"
EXPIRE = "points.expire"
APPROVE = "points.approve"
ADMIN = "points.admin"

SCOPES = (READ, WRITE, EXPIRE, APPROVE, ADMIN)
"""Every scope there is; none contains another."""


@dataclass(frozen=True, slots=True)
class Grant:
    """On whose behalf a credential lets its bearer act, and the scopes of what it may do."""

    caller: Caller
    scopes: frozenset[str]


NOBODY = Grant(Caller(tenant_id=0, tenant="", principal=""), frozenset())


PREFIX = "points_"
SECRET_BYTES = 32
TOKEN_NAME_MAX = 128

_LENGTH = len(PREFIX) + 48


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token; `expires_at` None: never. Never the token itself."""

    token_id: str
    tenant: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def state(self, now: datetime) -> str:
        """`live`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "live"


def written(secret: bytes) -> str:
    """The token of SECRET_BYTES random bytes."""
    whole = secret + crc32(secret).to_bytes(4, "big")
    return PREFIX + urlsafe_b64encode(whole).decode()


def digest(token: str) -> bytes:
    """Return the SHA-256 that is stored of a token."""
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


def is_token(text: str) -> bool:
    """Whether `text` could be a token: only then is it worth looking up."""
    if len(text) != _LENGTH or not text.startswith(PREFIX):
        return False
    try:
        whole = urlsafe_b64decode(text[len(PREFIX) :])
    except (binascii.Error, ValueError):
        return False
    # Also what decodes to the same bytes, but is written in another way, is no token.
    return written(whole[:SECRET_BYTES]) == text

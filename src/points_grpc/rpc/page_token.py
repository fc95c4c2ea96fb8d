"""Page tokens: opaque to the caller, bound to the query that they continue."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from dataclasses import fields
from datetime import datetime
from enum import Enum
from hashlib import blake2b

from points_grpc.domain.queries import Cursor
from points_grpc.errors import InvalidPageToken

TOKEN_MAX = 2048
"""The longest token that is looked at, in characters."""

TEXT_MAX = 256
"""The longest text in a cursor, in characters."""

INT64_END = 2**63

_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_MARK_BYTES = 12
_UNBOUND = frozenset(("page_size", "cursor"))


def write_page_token(tenant_id: int, listing: object, cursor: Cursor) -> str:
    """The token for the page of `listing` that begins after `cursor`; "" after the last page.

    `listing` is a frozen dataclass; its fields `page_size` and `cursor` do not bind the token.
    """
    if not cursor:
        return ""
    place = json.dumps(cursor, separators=(",", ":"), ensure_ascii=False).encode()
    return urlsafe_b64encode(_mark(tenant_id, listing, place) + place).rstrip(b"=").decode()


def read_page_token(tenant_id: int, listing: object, token: str) -> Cursor:
    """The cursor in `token`; () for "". Raises InvalidPageToken if it is not `listing`'s."""
    if not token:
        return ()
    if len(token) > TOKEN_MAX:
        raise InvalidPageToken("page_token")
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (NotBase64, ValueError):
        raise InvalidPageToken("page_token") from None
    mark, place = raw[:_MARK_BYTES], raw[_MARK_BYTES:]
    if mark != _mark(tenant_id, listing, place):
        raise InvalidPageToken("page_token")
    return _cursor(place)


def _cursor(place: bytes) -> Cursor:
    # The mark can be forged, so that this may be anything at all.
    try:
        parts = json.loads(place)
    except (ValueError, RecursionError):
        raise InvalidPageToken("page_token") from None
    if not isinstance(parts, list) or not parts or not all(map(_is_part, parts)):
        raise InvalidPageToken("page_token")
    return tuple(parts)


def _is_part(part: object) -> bool:
    if isinstance(part, str):
        return len(part) <= TEXT_MAX and not _NO_TEXT.search(part)
    return type(part) is int and -INT64_END <= part < INT64_END


def _mark(tenant_id: int, listing: object, place: bytes) -> bytes:
    # Not a secret: it finds tokens of other queries and damaged ones. What a forger could reach
    # is a place in a listing of its own tenant, which its credential may ask for anyway.
    bound = repr((tenant_id, type(listing).__name__, _content(listing))).encode()
    return blake2b(bound + place, digest_size=_MARK_BYTES, person=b"page token").digest()


def _content(listing: object) -> tuple[object, ...]:
    return tuple(
        (field.name, _plain(value))
        for field in fields(listing)  # type: ignore[arg-type]  # any dataclass will do
        if field.name not in _UNBOUND and (value := getattr(listing, field.name)) != field.default
    )


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, frozenset):
        return sorted(map(repr, map(_plain, value)))
    if hasattr(value, "__dataclass_fields__"):
        return tuple(_plain(getattr(value, name)) for name in value.__dataclass_fields__)
    return value

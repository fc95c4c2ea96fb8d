"""Limits of texts and of counts, for requests and for rows of files alike.

Lengths are in characters. Bytes that are not UTF-8 never get here, but what a JSON string escapes
may: so a text is checked after its last decoding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from points_grpc.errors import InvalidField, LimitReached

REQUEST_ID_MAX = 128
IMPORT_ID_MAX = 128
CODE_MAX = 64
SOURCE_MAX = 64
REFERENCE_MAX = 256
NAME_MAX = 256
META_MAX = 256
PROSE_MAX = 1024

_SURROGATE = re.compile("[\ud800-\udfff]")


def check_characters(value: str, field: str) -> None:
    """Refuse (InvalidField) what neither the database nor an answer can hold."""
    if "\0" in value:
        raise InvalidField(field, "must not contain NUL")
    if not value.isascii() and _SURROGATE.search(value):
        raise InvalidField(field, "must not contain unpaired surrogates")


def read_text(value: str, field: str, longest: int) -> str:
    """Return `value`, which may be empty. Raises InvalidField."""
    if len(value) > longest:
        raise InvalidField(field, f"must not be longer than {longest} characters")
    if "\0" in value or not value.isascii():
        check_characters(value, field)
    return value


def read_name(value: str, field: str, longest: int) -> str:
    """Return `value`, which must not be empty. Raises InvalidField."""
    if not value:
        raise InvalidField(field, f"must have 1 to {longest} characters")
    return read_text(value, field, longest)


def read_request_id(value: str) -> str:
    """Return the request id of a message that has one; "" for none. Raises InvalidField."""
    return read_text(value, "request_id", REQUEST_ID_MAX) if value else ""


@dataclass(frozen=True, slots=True)
class Quotas:
    """The most of each kind: identifiers per member, everything else per tenant.

    Batches and caches read all of a kind, so a tenant may keep only so many.
    """

    identifiers: int = 100
    programs: int = 1_000
    currencies: int = 1_000
    policies: int = 1_000
    policy_versions: int = 1_000


DEFAULT_QUOTAS = Quotas()


def check_room(field: str, count: int, most: int) -> None:
    """Refuse (LimitReached) one more than `most` where there are `count` already."""
    if count >= most:
        raise LimitReached(field, limit=most)

"""Texts and their limits, in characters. (Bytes that are no text never get past the parser.)"""

from __future__ import annotations

from points_grpc.errors import InvalidField

REQUEST_ID_MAX = 128
CODE_MAX = 64
SOURCE_MAX = 64
REFERENCE_MAX = 256
NAME_MAX = 256
META_MAX = 256
PROSE_MAX = 1024


def read_text(value: str, field: str, longest: int) -> str:
    """`value`, which may be empty. Raises InvalidField."""
    if len(value) > longest:
        raise InvalidField(field, f"must not be longer than {longest} characters")
    if "\0" in value:
        raise InvalidField(field, "must not contain NUL")
    return value


def read_name(value: str, field: str, longest: int) -> str:
    """`value`, which must not be empty. Raises InvalidField."""
    if not value:
        raise InvalidField(field, f"must have 1 to {longest} characters")
    return read_text(value, field, longest)


def read_request_id(value: str) -> str:
    """The request id of a message that has one; "" for none. Raises InvalidField."""
    return read_text(value, "request_id", REQUEST_ID_MAX) if value else ""

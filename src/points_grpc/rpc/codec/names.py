"""How requests name things: members by identifiers, currencies by code or id, all by id."""

from __future__ import annotations

import re
from typing import Protocol

from points.v1 import member_pb2
from points_grpc.domain.commands import (
    MEMBER_ID,
    VENDOR_ID,
    VENDOR_ID_END,
    CurrencyName,
    MemberName,
    member_by_id,
)
from points_grpc.errors import InvalidField
from points_grpc.rpc.codec.text import CODE_MAX, NAME_MAX, read_name, read_text

ID_END = 2**53
"""Ids lie below this, so that JSON can write them exactly."""

_TYPE = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_NOT_DIGITS = re.compile(r"[^0-9]+")
_NUMBER = re.compile(r"[0-9]{1,20}", re.ASCII)


class _NamesMember(Protocol):
    @property
    def member(self) -> member_pb2.MemberRef: ...

    def HasField(self, field_name: str) -> bool: ...  # noqa: N802  # the message's


def read_member(message: _NamesMember) -> MemberName:
    """Whom the message's `member` names, which is required. Raises InvalidField."""
    ref = message.member
    way = ref.WhichOneof("ref")
    if way == "external_id":
        return MemberName(way, read_name(ref.external_id, "member.external_id", NAME_MAX))
    if way == "member_id":
        return _by_id(ref.member_id)
    if way == "identifier":
        return read_identifier(ref.identifier, "member.identifier")
    if way is None:
        set_at_all = message.HasField("member")
        problem = "must name the member in one way" if set_at_all else "is required"
        raise InvalidField("member", problem)
    return MemberName(way, read_identifier_value(way, getattr(ref, way), f"member.{way}"))


def read_optional_member(message: _NamesMember) -> MemberName | None:
    """Whom the message's `member` names; None if it is not set. Raises InvalidField."""
    return read_member(message) if message.HasField("member") else None


def read_identifier(identifier: member_pb2.Identifier, field: str) -> MemberName:
    """An identifier of any type but member_id, normalised. Raises InvalidField."""
    kind = identifier.type
    if not _TYPE.fullmatch(kind) or kind == MEMBER_ID:
        problem = "must have the form [a-z][a-z0-9_]{0,39} and not be member_id"
        raise InvalidField(f"{field}.type", problem)
    return MemberName(kind, read_identifier_value(kind, identifier.value, f"{field}.value"))


def read_identifier_value(kind: str, value: str, field: str) -> str:
    """`value` as values of that type are compared. Raises InvalidField."""
    value = read_name(value, field, NAME_MAX)
    if kind == "email":
        value = value.strip().casefold()
    elif kind == "phone":
        value = _NOT_DIGITS.sub("", value)
    elif kind == VENDOR_ID:
        return _vendor_id(value, field)
    if not value:
        raise InvalidField(field, f"must not be empty as {kind}")
    return read_text(value, field, NAME_MAX)


def _by_id(member_id: int) -> MemberName:
    if not 0 < member_id < ID_END:
        raise InvalidField("member.member_id", "must be from 1 to 2^53 - 1")
    return member_by_id(member_id)


def _vendor_id(value: str, field: str) -> str:
    if not _NUMBER.fullmatch(value) or not 0 < int(value) < VENDOR_ID_END:
        raise InvalidField(field, "must be a number from 1 to 2^46 - 1")
    return str(int(value))


class _NamesCurrency(Protocol):
    currency_code: str
    currency_id: int

    def WhichOneof(self, oneof_group: str) -> str | None: ...  # noqa: N802  # the message's


def read_currency(message: _NamesCurrency) -> CurrencyName:
    """Which currency the message names; None for the default. Raises InvalidField."""
    way = message.WhichOneof("currency")
    if way is None:
        return None
    if way == "currency_code":
        return read_name(message.currency_code, way, CODE_MAX)
    return read_id(message.currency_id, way)


def read_id(number: int, field: str) -> int:
    """An id that must be given. Raises InvalidField."""
    if number <= 0:
        raise InvalidField(field, "must be a positive id")
    return number


def read_optional_id(number: int, field: str) -> int:
    """An id, or 0 for none. Raises InvalidField."""
    if number < 0:
        raise InvalidField(field, "must not be negative")
    return number


def read_vendor_id(number: int, field: str) -> int:
    """An id of a vendor's, or 0 for none. Raises InvalidField."""
    if not 0 <= number < VENDOR_ID_END:
        raise InvalidField(field, "must be from 1 to 2^46 - 1, or 0 for none")
    return number

"""How requests name things: members by identifiers, currencies by code or id, all by id."""

from __future__ import annotations

from typing import Protocol

from points.v1 import member_pb2
from points_grpc.domain.commands import (
    VENDOR_ID_END,
    CurrencyName,
    MemberName,
    member_by_id,
)
from points_grpc.domain.identifiers import normal_form
from points_grpc.domain.identifiers import read_identifier as read_typed
from points_grpc.domain.limits import CODE_MAX, NAME_MAX, read_name
from points_grpc.errors import InvalidField

ID_END = 2**53
"""Ids lie below this, so that JSON can write them exactly."""


class _NamesMember(Protocol):
    @property
    def member(self) -> member_pb2.MemberRef: ...

    def HasField(self, field_name: str) -> bool: ...  # noqa: N802  # the message's


def read_member(message: _NamesMember) -> MemberName:
    """Return the member that the message names. Raises InvalidField, also for none."""
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
    return MemberName(way, normal_form(way, getattr(ref, way), f"member.{way}"))


def read_optional_member(message: _NamesMember) -> MemberName | None:
    """Return the member that the message names, None for none. Raises InvalidField."""
    return read_member(message) if message.HasField("member") else None


def read_identifier(identifier: member_pb2.Identifier, field: str) -> MemberName:
    """An identifier of any type but member_id, in its normal form. Raises InvalidField."""
    return read_typed(identifier.type, identifier.value, f"{field}.type", f"{field}.value")


def _by_id(member_id: int) -> MemberName:
    if not 0 < member_id < ID_END:
        raise InvalidField("member.member_id", "must be from 1 to 2^53 - 1")
    return member_by_id(member_id)


class _NamesCurrency(Protocol):
    currency_code: str
    currency_id: int

    def WhichOneof(self, oneof_group: str) -> str | None: ...  # noqa: N802  # the message's


def read_currency(message: _NamesCurrency) -> CurrencyName:
    """Return the currency that the message names, None: default. Raises InvalidField."""
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

"""Commands of administration on programs and members, and their results.

In an update, None leaves a setting as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Generic, TypeVar

from points_grpc.domain.commands import CurrencyName, MemberName, digest
from points_grpc.domain.model import Policy

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

# Programs


@dataclass(frozen=True, slots=True)
class CreateProgram:
    """A new program; `program_id` 0 generates one. Answered by ProgramView."""

    name: str
    time_zone: str
    program_id: int = 0
    auto_enroll: bool = True
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class UpdateProgram:
    """Changes to a program. Answered by ProgramView."""

    program_id: int
    name: str | None = None
    auto_enroll: bool | None = None
    default_currency_code: str | None = None
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class CreateCurrency:
    """A new currency; `currency_id` 0 generates one. Answered by CurrencyCreated.

    `default_policy` None means a policy under which points never expire; one without a code
    gets the code `default`. Its version and version id do not count.
    """

    program_id: int
    code: str
    scale: int
    points_type: str = ""
    exchange_rate: int = 0
    currency_id: int = 0
    default_policy: Policy | None = None
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class UpdateCurrency:
    """Changes to a currency. Answered by CurrencyView."""

    program_id: int
    currency: CurrencyName
    points_type: str | None = None
    exchange_rate: int | None = None
    default_policy: str | None = None
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class CreatePolicy:
    """A new policy, at version 1. Answered by PolicyView.

    Of `policy`, the version and the version id do not count.
    """

    program_id: int
    currency: CurrencyName
    policy: Policy
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class UpdatePolicy:
    """Another definition for a policy, as its next version. Answered by PolicyView.

    The code "" means the currency's default policy; the version and the version id do not
    count. A definition equal to the newest version's makes no new version.
    """

    program_id: int
    currency: CurrencyName
    policy: Policy
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class ProgramView:
    """A program as it stands; `default_currency_code` "" while it has no currency."""

    program_id: int
    name: str
    time_zone: str
    auto_enroll: bool
    default_currency_code: str
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class CurrencyView:
    """A currency as it stands."""

    currency_id: int
    program_id: int
    code: str
    scale: int
    points_type: str
    exchange_rate: int
    default_policy: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class PolicyView:
    """One version of a policy and whose it is."""

    policy: Policy
    program_id: int
    currency_id: int
    currency_code: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CurrencyCreated:
    """The answer to a CreateCurrency."""

    currency: CurrencyView
    default_policy: PolicyView


# Members


@dataclass(frozen=True, slots=True)
class CreateMember:
    """A new member, known by these identifiers (a vendor_id among them). By MemberView."""

    identifiers: tuple[MemberName, ...]
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class LinkIdentifier:
    """One more identifier for a member. Answered by MemberView."""

    member: MemberName
    identifier: MemberName
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class UnlinkIdentifier:
    """One identifier fewer for a member. Answered by MemberView."""

    member: MemberName
    identifier: MemberName
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class MemberView:
    """A member as it stands, its identifiers ordered by type and value.

    `vendor_id` (0: none) and `external_id` ("": none) are how it is shown elsewhere.
    """

    member_id: int
    vendor_id: int
    external_id: str
    identifiers: tuple[MemberName, ...]
    created_at: datetime


Change = (
    CreateProgram
    | UpdateProgram
    | CreateCurrency
    | UpdateCurrency
    | CreatePolicy
    | UpdatePolicy
    | CreateMember
    | LinkIdentifier
    | UnlinkIdentifier
)

View_co = TypeVar("View_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[View_co]):
    """The answer to a change; `replayed`: its first answer again, and nothing was done."""

    answer: View_co
    replayed: bool = False


def fingerprint(change: Change) -> bytes:
    """16 bytes that tell this change's method and content from any other, its id aside.

    Only fields that differ from their default count, so that a field added to the contract
    later does not change the fingerprint of requests sent before.
    """
    return digest(type(change).__name__, _content(change))


def _content(thing: DataclassInstance) -> tuple[object, ...]:
    return tuple(
        (f.name, _plain(value))
        for f in fields(thing)
        if f.name != "request_id" and (value := getattr(thing, f.name)) != f.default
    )


def _plain(value: object) -> object:
    if isinstance(value, IntEnum):
        return int(value)
    if isinstance(value, frozenset):
        return tuple(_plain(part) for part in sorted(value))
    if isinstance(value, tuple):
        return tuple(_plain(part) for part in value)
    if is_dataclass(value) and not isinstance(value, type):
        return _content(value)
    return value

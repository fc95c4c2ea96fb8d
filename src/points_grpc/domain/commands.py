"""What callers ask of the ledger, as plain frozen data.

A command names things as the request did (a member by any identifier, a lot by our id or the
vendor's); the service resolves the names before the decision is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from datetime import datetime
from decimal import Context, Decimal
from enum import IntEnum
from hashlib import blake2b
from operator import attrgetter
from typing import Any

from points_grpc.domain.amounts import TEXT_MAX
from points_grpc.domain.model import AwardKind, LotCategory, LotState, ReasonType, frozen
from points_grpc.domain.policy import Expiration

VENDOR_ID_END = 2**46
"""Ids below this are a vendor's, ids from this on are ours."""

MEMBER_ID = "member_id"
VENDOR_ID = "vendor_id"


@frozen
class MemberName:
    """A member as a request names it: an identifier's type and its normalised value.

    The type is `member_id` for one of our ids, `vendor_id` for a number below 2^46.
    """

    type: str
    value: str


def member_by_id(member_id: int) -> MemberName:
    """The name that a `member_id` in a request stands for, by the range it lies in."""
    return MemberName(VENDOR_ID if member_id < VENDOR_ID_END else MEMBER_ID, str(member_id))


CurrencyName = str | int | None
"""A currency's code, its id, or None for the program's default."""


@frozen
class Caller:
    """On whose behalf a call is made: the tenant and principal of its credential."""

    tenant_id: int
    tenant: str
    principal: str
    default_program_id: int = 0


@frozen
class Earn:
    """Award points as a new lot."""

    program_id: int
    member: MemberName
    currency: CurrencyName
    amount: Decimal
    request_id: str = ""
    reference: str = ""
    description: str = ""
    source: str = ""
    reason: str = ""
    kind: AwardKind = AwardKind.POINT_AWARDED
    initial_state: LotState = LotState.APPROVED
    policy: str = ""
    earn_at: datetime | None = None
    expiration: Expiration | None = None
    vendor_id: int = 0


@frozen
class Redeem:
    """Spend points, in spending order, all or nothing."""

    program_id: int
    member: MemberName
    currency: CurrencyName
    amount: Decimal
    request_id: str = ""
    reference: str = ""
    description: str = ""


@frozen
class Expire:
    """Expire points on demand, in spending order, up to what there is."""

    program_id: int
    member: MemberName
    currency: CurrencyName
    amount: Decimal
    request_id: str = ""
    description: str = ""
    reason: str = ""
    require_full: bool = False


@frozen
class UpdateExpiry:
    """Give one lot another expiry.

    `kind`, `currency` and `category` are checks: None matches any lot. `custom_meta` is
    canonical JSON text, `standard_meta` (who_raised, who_approved, reason_for_trigger).
    `index` is the item's place in its call, part of its idempotency key, and
    `call_fingerprint` the whole call's, which stands for this item's.
    """

    program_id: int
    member: MemberName
    lot_id: int
    expiration: Expiration
    currency: CurrencyName = None
    kind: AwardKind | None = None
    category: LotCategory | None = None
    reason_type: ReasonType | None = None
    reason_note: str = ""
    standard_meta: tuple[str, str, str] = ("", "", "")
    custom_meta: str = ""
    reinstate: bool = False
    request_id: str = ""
    index: int = 0
    call_fingerprint: bytes = b""


@frozen
class ChangeLotState:
    """Move a lot, named by its EARN transaction, to another state.

    `approving` says which of the two methods asked: ApproveTransactions (approve, or close a
    pending one) or UpdateTransactionStatus (an open one to pending or closed).
    """

    transaction_id: int
    state: LotState
    approving: bool
    request_id: str = ""


@frozen
class Lapse:
    """Record the expiries of one account that have happened; what a sweep asks."""

    account_id: int
    request_id: str = ""


Command = Earn | Redeem | Expire | UpdateExpiry | ChangeLotState | Lapse

# Stored fingerprints contain these names, so a class that is renamed keeps its old one here.
_STORED_NAMES: dict[type, str] = {
    Earn: "Earn",
    Redeem: "Redeem",
    Expire: "Expire",
    UpdateExpiry: "MoveExpiry",
    ChangeLotState: "MoveState",
    Lapse: "Lapse",
}

_BOOKKEEPING = frozenset(("request_id", "index", "call_fingerprint"))
_EXACT = Context(prec=TEXT_MAX)


def fingerprint(command: Command) -> bytes:
    """16 bytes that tell this command's content from any other, its request id aside.

    Only fields that differ from their default count, so that a field added to the contract
    later does not change the fingerprint of requests sent before.
    """
    if isinstance(command, UpdateExpiry) and command.call_fingerprint:
        return command.call_fingerprint
    return digest(_STORED_NAMES[type(command)], content(command))


def content(command: Command) -> tuple[object, ...]:
    """The command's fields that are not at their default, in plain comparable form."""
    names, values_of, defaults = _SHAPES[type(command)]
    return tuple(
        [
            (name, value if type(value) in _ALREADY_PLAIN else _plain(value))
            for name, value, default in zip(names, values_of(command), defaults, strict=True)
            if default is MISSING or (value is not default and value != default)
        ]
    )


def digest(*parts: object) -> bytes:
    """16 bytes over the representation of plain values (text, numbers, bytes, tuples)."""
    return blake2b(repr(parts).encode(), digest_size=16).digest()


def _plain(value: object) -> object:
    if type(value) is MemberName:  # every command's: as below, at a fifth of the time
        return "MemberName", value.type, value.value
    if isinstance(value, IntEnum):
        return int(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value.normalize(_EXACT))
    if hasattr(value, "__dataclass_fields__"):
        parts = (_plain(getattr(value, name)) for name in value.__dataclass_fields__)
        return (type(value).__name__, *parts)
    return value


_ALREADY_PLAIN = frozenset((str, int, bool, bytes, tuple, type(None)))


def _shape(kind: type[Command]) -> tuple[tuple[str, ...], Callable[..., Any], tuple[Any, ...]]:
    counted = [f for f in fields(kind) if f.name not in _BOOKKEEPING]
    names = tuple(f.name for f in counted)
    return names, attrgetter(*names), tuple(f.default for f in counted)


_SHAPES: dict[type, tuple[tuple[str, ...], Callable[..., Any], tuple[Any, ...]]] = {
    kind: _shape(kind) for kind in (Earn, Redeem, Expire, UpdateExpiry, ChangeLotState)
}

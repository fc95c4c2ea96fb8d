"""The nouns of the service. Enum numbers are those of the contract and of the tables.

Amounts are integers in the currency's smallest unit; instants are aware and in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import TypeVar, dataclass_transform
from zoneinfo import ZoneInfo


class AwardKind(IntEnum):
    """What the points were awarded for."""

    POINT_AWARDED = 1
    POINT_AWARDED_BILL_PROMOTION = 2
    POINT_AWARDED_LINEITEM = 3
    POINT_AWARDED_LINEITEM_PROMOTION = 4
    POINT_AWARDED_CUSTOMER_PROMOTION = 5


class LotState(IntEnum):
    """How far a lot's approval has come; only an APPROVED lot can be spent."""

    OPEN = 1
    PENDING = 2
    APPROVED = 3
    CLOSED = 4


class LotCategory(IntEnum):
    """REGULAR lots are approved, PROMISED ones open or pending."""

    REGULAR = 1
    PROMISED = 2


class ReasonType(IntEnum):
    """The declared direction of an expiry change."""

    EARLY_EXPIRY = 1
    EXTEND_EXPIRY = 2


class TransactionType(IntEnum):
    """What a ledger row records."""

    EARN = 1
    SUBMIT = 2
    APPROVE = 3
    CLOSE = 4
    REDEEM = 5
    EXPIRE = 6
    REVERSE = 7
    HOLD = 8
    RELEASE = 9


class ExpirationSource(IntEnum):
    """The source of a lot's present expiry."""

    POLICY = 1
    EARN = 2
    UPDATE = 3


class ExpirationCause(IntEnum):
    """Why points were expired."""

    LAPSE = 1
    ON_DEMAND = 2
    IMMEDIATE = 3


class PolicyKind(IntEnum):
    """How a policy gives a lot its expiry."""

    NEVER = 1
    PERIOD = 2
    FIXED_DATES = 3
    INACTIVITY = 4


class Rounding(IntEnum):
    """To which end a policy's expiry is moved forward."""

    NONE = 1
    END_OF_DAY = 2
    END_OF_MONTH = 3
    END_OF_QUARTER = 4
    END_OF_YEAR = 5


@dataclass(frozen=True, slots=True)
class Period:
    """A length of calendar time; days and months are never mixed (a year is 12 months)."""

    days: int = 0
    months: int = 0


@dataclass(frozen=True, slots=True)
class Policy:
    """One immutable version of an expiration policy.

    `dates` are the (month, day) pairs of FIXED_DATES in calendar order; `qualifying` the
    transaction types whose last instant an INACTIVITY period counts from.
    """

    policy_version_id: int
    code: str
    version: int
    kind: PolicyKind
    priority: int = 0
    period: Period | None = None
    dates: tuple[tuple[int, int], ...] = ()
    minimum_life: Period | None = None
    rounding: Rounding = Rounding.NONE
    qualifying: frozenset[TransactionType] = frozenset(
        (TransactionType.EARN, TransactionType.REDEEM)
    )


@dataclass(frozen=True, slots=True)
class Currency:
    """A kind of points. `policies` maps a code to its newest version."""

    currency_id: int
    code: str
    scale: int
    points_type: str
    exchange_rate: int
    default_policy: str
    policies: dict[str, Policy] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Program:
    """A loyalty program and all its settings.

    `versions` holds every policy version of the program's currencies by id, because lots
    name the version that they were earned under.
    """

    program_id: int
    version: int
    name: str
    zone: ZoneInfo
    auto_enroll: bool
    default_currency_id: int
    currencies: dict[int, Currency] = field(default_factory=dict)
    versions: dict[int, Policy] = field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None


T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def frozen(kind: type[T]) -> type[T]:
    """A dataclass with slots that compares and hashes by its fields and is never changed.

    The type checker holds that; a `frozen` one would check it at run time, too, and takes seven
    times as long to make (4.3 instead of 0.6 µs for a command of 15 fields, of which a batch
    has thousands).
    """
    return dataclass(slots=True, unsafe_hash=True)(kind)

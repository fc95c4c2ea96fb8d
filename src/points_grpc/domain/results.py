"""Results: resources as they are, and the outcome of each command.

An id that is not positive stands for one that a `validate_only` call would have made.
"""

from __future__ import annotations

from datetime import datetime

from points_grpc.domain.model import (
    AwardKind,
    Currency,
    ExpirationCause,
    ExpirationSource,
    LotState,
    ReasonType,
    TransactionType,
    frozen,
)


@frozen
class MemberLabel:
    """How a member is shown: our id, the vendor's (0: none), the external id ("": none)."""

    member_id: int
    vendor_id: int = 0
    external_id: str = ""


@frozen
class Owner:
    """Whose a lot, transaction or change is."""

    account_id: int
    program_id: int
    currency: Currency
    member: MemberLabel


@frozen
class AccountView:
    """An account's figures at one instant, in the currency's smallest unit.

    `next_expires_at` is exact when read, and a lower bound in the answer of a write. A member
    without an account reads zeros: account id 0 and no instants.
    """

    owner: Owner
    available: int
    pending: int
    held: int
    total_earned: int
    total_redeemed: int
    total_expired: int
    version: int
    next_expires_at: datetime | None
    created_at: datetime | None
    updated_at: datetime | None


@frozen
class LotView:
    """A lot at one instant; `expires_at` None means never."""

    owner: Owner
    lot_id: int
    vendor_id: int
    kind: AwardKind
    state: LotState
    amount: int
    remaining: int
    policy: str
    policy_version: int
    expiration_source: ExpirationSource
    earned_at: datetime
    expires_at: datetime | None
    reference: str
    description: str
    source: str


@frozen
class TransactionView:
    """A ledger row; balances are available plus held. Only an EXPIRE has a cause.

    What was read has its first allocations only; `allocation_count` is how many there are.
    """

    owner: Owner
    transaction_id: int
    type: TransactionType
    state: LotState
    amount: int
    balance_before: int
    balance_after: int
    lot_id: int
    allocations: tuple[tuple[int, int], ...]
    source: str
    reason: str
    description: str
    reference: str
    request_id: str
    related_transaction_id: int
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
    effective_at: datetime
    principal: str
    expiration_cause: ExpirationCause | None = None
    allocation_count: int = 0


@frozen
class AllocationView:
    """The part of a transaction that concerns one lot, in the currency's smallest unit."""

    currency: Currency
    lot_id: int
    amount: int


@frozen
class ExpiryChangeView:
    """One change of a lot's expiry; None as an expiry means never."""

    owner: Owner
    event_id: int
    lot_id: int
    lot_vendor_id: int
    kind: AwardKind
    old_expires_at: datetime | None
    new_expires_at: datetime | None
    reason_type: ReasonType | None
    reason_note: str
    standard_meta: tuple[str, str, str]
    custom_meta: str
    principal: str
    event_at: datetime
    request_id: str


@frozen
class Earned:
    """The answer to an Earn."""

    transaction: TransactionView
    lot: LotView
    account: AccountView
    replayed: bool = False


@frozen
class Redeemed:
    """The answer to a Redeem."""

    transaction: TransactionView
    account: AccountView
    replayed: bool = False


@frozen
class Expired:
    """The answer to an Expire; `transaction` is None when nothing was left to expire."""

    transaction: TransactionView | None
    requested: int
    settled: int
    account: AccountView
    replayed: bool = False


@frozen
class ExpiryUpdated:
    """The answer to one item of an UpdateExpiry; `time_zone` is the program's."""

    change: ExpiryChangeView
    time_zone: str
    replayed: bool = False


@frozen
class LotStateChanged:
    """The answer to a change of state; the transaction is the lot's EARN."""

    transaction: TransactionView
    lot: LotView
    account: AccountView
    replayed: bool = False


@frozen
class Lapsed:
    """What a sweep recorded of one account: lots ended, points expired and promises closed."""

    tenant_id: int
    owner: Owner
    lots: int
    expired: int
    closed: int
    replayed: bool = False


Answer = Earned | Redeemed | Expired | ExpiryUpdated | LotStateChanged | Lapsed


# Clients of gRPC receive 4 MiB by default. Sizes of rows are estimates in bytes that are never
# below what the row takes in an answer.

PAGE_BYTES_MAX = 3 * 2**20
"""What the rows of a page may take together, unless it has a single one."""

READ_BYTES_MAX = 4 * 2**20
"""How many bytes of texts are read for a page before it ends with what there is."""

ALLOCATIONS_MAX = 1000
"""How many allocations are shown within a transaction."""

LISTED_ALLOCATIONS_MAX = 100
"""How many allocations are shown within a transaction of a list."""

INACTIVITY_MAX = 1000
"""How many instants of inactivity a schedule shows."""

_ROW = 512
_ALLOCATION = 64
_VALUE = 16


def size_of(view: TransactionView | LotView | ExpiryChangeView | AllocationView) -> int:
    """Return the most bytes that a row takes."""
    match view:
        case TransactionView():
            texts = [view.source, view.reason, view.description, view.reference]
            texts += [view.request_id, view.principal]
            return _owned(view.owner) + _texts(texts) + len(view.allocations) * _ALLOCATION
        case LotView():
            texts = [view.policy, view.reference, view.description, view.source]
            return _owned(view.owner) + _texts(texts)
        case ExpiryChangeView():
            texts = [view.reason_note, view.principal, view.request_id, *view.standard_meta]
            return _owned(view.owner) + _texts(texts) + _meta(view.custom_meta)
        case _:
            return _ALLOCATION


def _owned(owner: Owner) -> int:
    return _ROW + _texts([owner.currency.code, owner.member.external_id])


def _texts(texts: list[str]) -> int:
    return sum(len(text) if text.isascii() else len(text.encode()) for text in texts)


def _meta(text: str) -> int:
    """The most that JSON takes as a Struct: each value has a head, a member a key as well."""
    values = text.count(",") + text.count("[") + text.count("{") + 1
    return _texts([text]) + _VALUE * values

"""The form in which first answers are kept.

An idempotency row holds what cannot be read back later: ids, the account's figures and the
lot's state as they were answered, in which order lots were taken from, and how the member was
called and the currency was set then.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import NamedTuple

from points_grpc.domain.model import frozen
from points_grpc.domain.results import (
    ALLOCATIONS_MAX,
    AccountView,
    Answer,
    Earned,
    Expired,
    ExpiryUpdated,
    LotStateChanged,
    LotView,
    MemberLabel,
    Redeemed,
    TransactionView,
)

APART = b""
"""Kept for a call whose items have rows of their own."""

EARNED, REDEEMED, EXPIRED, EXPIRY_UPDATED, STATE_CHANGED, _PLACES = range(1, 7)
_KINDS = frozenset(bytes([kind]) for kind in range(EARNED, STATE_CHANGED + 1))
_HEAD = Struct("<bqqq")
_ACCOUNT = Struct("<9q")
_LOT = Struct("<bqqq")
_SETTLED = Struct("<qq")
_SOURCE_BITS = 4
"""The state's byte has the source of the expiry above it: both are below 8."""

_BETWEEN = "\0"
"""Between the texts at the end; none of them may contain it."""

_COUNT = Struct("<I")
_LENGTH = Struct("<H")
_PLACE = Struct("<HH")
OF_A_LOT = (EARNED, STATE_CHANGED)
_OF_MANY_LOTS = (REDEEMED, EXPIRED)
_VERSION = 6
_NONE = -(2**63)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Shown(NamedTuple):
    """The settings of the currency that the answer showed."""

    points_type: str
    exchange_rate: int


@frozen
class StoredAnswer:
    """An unpacked answer: `number` is the transaction's, lot's or change's id (0: none).

    `settings` is None, and the lot's source 0, where they were not kept.
    """

    kind: int
    number: int
    account_id: int
    label: MemberLabel
    figures: tuple[int, ...] = ()
    lot: tuple[int, ...] = ()
    source: int = 0
    settled: tuple[int, ...] = ()
    order: tuple[int, ...] = ()
    settings: Shown | None = None

    @property
    def version(self) -> int:
        """The account's version that was answered."""
        return self.figures[_VERSION]

    @property
    def takes_lots(self) -> bool:
        """Whether it is a transaction that may have allocations."""
        return bool(self.number) and self.kind in _OF_MANY_LOTS

    @property
    def read_until(self) -> int:
        """Return how many allocations, by lot id, contain those that are shown."""
        return max(self.order[:ALLOCATIONS_MAX], default=ALLOCATIONS_MAX - 1) + 1


def pack(answer: Answer, *, for_release_before: bool = False) -> bytes:
    """Return the answer as it is kept.

    The release before keeps neither what the currency's settings were nor the source of a lot's
    expiry: it would read the settings as part of the member's identifier, and fail at the source.
    """
    source = 0
    match answer:
        case ExpiryUpdated():
            owner, number, rest = answer.change.owner, answer.change.event_id, b""
            kind = EXPIRY_UPDATED
        case Earned() | LotStateChanged():
            owner, number = answer.lot.owner, answer.lot.lot_id
            updated_at = answer.transaction.updated_at
            source = 0 if for_release_before else answer.lot.expiration_source
            rest = _pack_account(answer.account) + _pack_lot(answer.lot, updated_at, source)
            kind = EARNED if isinstance(answer, Earned) else STATE_CHANGED
        case Redeemed():
            owner, number = answer.transaction.owner, answer.transaction.transaction_id
            rest = _pack_account(answer.account) + _pack_order(answer.transaction)
            kind = REDEEMED
        case Expired():
            owner = answer.account.owner
            number = answer.transaction.transaction_id if answer.transaction else 0
            rest = _pack_account(answer.account)
            rest += _SETTLED.pack(answer.requested, answer.settled)
            rest += _pack_order(answer.transaction)
            kind = EXPIRED
        case _:
            raise TypeError("a sweep's answers are not kept")
    label, currency = owner.member, owner.currency
    text = label.external_id
    if not for_release_before and kind != EXPIRY_UPDATED:
        rate = currency.exchange_rate or ""
        text = _BETWEEN.join((currency.points_type, str(rate), text))
    head = _HEAD.pack(kind, number, owner.account_id, label.vendor_id)
    return head + rest + text.encode()


def pack_together(answers: Sequence[Answer]) -> bytes:
    """Return answers as one row of the release before keeps them, in order."""
    packed = [pack(answer, for_release_before=True) for answer in answers]
    return b"".join([part for row in packed for part in (_LENGTH.pack(len(row)), row)])


def unpack_together(row: bytes) -> list[bytes]:
    """Each answer of `pack_together`, as `pack` made it."""
    answers = []
    place = 0
    while place < len(row):
        (length,) = _LENGTH.unpack_from(row, place)
        place += _LENGTH.size + length
        answers.append(row[place - length : place])
    return answers


def pack_places(answers: Sequence[tuple[int, Answer]]) -> bytes:
    """Answers to some items of a call as one row keeps them, each with the item's place."""
    parts = [bytes([_PLACES])]
    for place, answer in answers:
        row = pack(answer)
        parts += (_PLACE.pack(place, len(row)), row)
    return b"".join(parts)


def unpack_places(row: bytes) -> dict[int, bytes]:
    """Each answer of `pack_places` by its item's place, as `pack` made it."""
    answers = {}
    at = 1
    while at < len(row):
        place, length = _PLACE.unpack_from(row, at)
        at += _PLACE.size + length
        answers[place] = row[at - length : at]
    return answers


def _pack_account(view: AccountView) -> bytes:
    return _ACCOUNT.pack(
        view.available,
        view.pending,
        view.held,
        view.total_earned,
        view.total_redeemed,
        view.total_expired,
        view.version,
        _micros(view.next_expires_at),
        _micros(view.updated_at),
    )


def _pack_lot(view: LotView, updated_at: datetime, source: int) -> bytes:
    state = view.state + (source << _SOURCE_BITS)
    return _LOT.pack(state, view.remaining, _micros(view.expires_at), _micros(updated_at))


def _pack_order(view: TransactionView | None) -> bytes:
    """The places of the allocations that are shown among those by lot id.

    Nothing where that is their order.
    """
    taken = [lot_id for lot_id, _ in view.allocations] if view is not None else []
    by_id = sorted(taken)
    if taken == by_id:
        return _COUNT.pack(0)
    places = {lot_id: place for place, lot_id in enumerate(by_id)}
    shown = [places[lot_id] for lot_id in taken[:ALLOCATIONS_MAX]]
    return _COUNT.pack(len(shown)) + Struct(f"<{len(shown)}I").pack(*shown)


def unpack(row: bytes) -> StoredAnswer:
    """Return what `pack` kept."""
    kind, number, account_id, vendor_id = _HEAD.unpack_from(row)
    place = _HEAD.size
    figures: tuple[int, ...] = ()
    lot: tuple[int, ...] = ()
    source = 0
    settled: tuple[int, ...] = ()
    order: tuple[int, ...] = ()
    if kind != EXPIRY_UPDATED:
        figures = _ACCOUNT.unpack_from(row, place)
        place += _ACCOUNT.size
    if kind in OF_A_LOT:
        state, *others = _LOT.unpack_from(row, place)
        source, state = divmod(state, 1 << _SOURCE_BITS)
        lot = (state, *others)
        place += _LOT.size
    if kind == EXPIRED:
        settled = _SETTLED.unpack_from(row, place)
        place += _SETTLED.size
    if kind in _OF_MANY_LOTS:
        (length,) = _COUNT.unpack_from(row, place)
        places = Struct(f"<{length}I")
        order = places.unpack_from(row, place + _COUNT.size)
        place += _COUNT.size + places.size
    settings, external_id = _unpack_texts(row[place:].decode())
    label = MemberLabel(0, vendor_id, external_id)
    return StoredAnswer(
        kind, number, account_id, label, figures, lot, source, settled, order, settings
    )


def _unpack_texts(text: str) -> tuple[Shown | None, str]:
    if _BETWEEN not in text:
        return None, text
    points_type, rate, external_id = text.split(_BETWEEN)
    return Shown(points_type, int(rate or 0)), external_id


def named_by(row: bytes) -> list[tuple[int, int, bool]]:
    """The account, and the transaction or change (0: none), that each kept answer is about.

    The last tells whether it is a change. None of an administrator's, which are text.
    """
    if _has_places(row):
        kept = [unpack(one) for one in unpack_places(row).values()]
    elif _is_together(row):
        kept = [unpack(one) for one in unpack_together(row)]
    elif row[:1] in _KINDS:
        kept = [unpack(row)]
    else:
        kept = []
    return [(k.account_id, k.number, k.kind == EXPIRY_UPDATED) for k in kept]


def _has_places(row: bytes) -> bool:
    """Whether the row is one of `pack_places`: lengths that fit, of answers as those are."""
    at = 1
    while row[:1] == bytes([_PLACES]) and at + _PLACE.size + _HEAD.size <= len(row):
        _, length = _PLACE.unpack_from(row, at)
        at += _PLACE.size + length
        if not _is_change(row[at - length : at], length):
            return False
    return at > 1 and at == len(row)


def _is_together(row: bytes) -> bool:
    """Whether the row is one of `pack_together`: lengths that fit, of answers as those are."""
    place = 0
    while place + _LENGTH.size + _HEAD.size <= len(row):
        (length,) = _LENGTH.unpack_from(row, place)
        place += _LENGTH.size + length
        if not _is_change(row[place - length : place], length):
            return False
    return bool(row) and place == len(row)


def _is_change(row: bytes, length: int) -> bool:
    """Whether it is a whole ExpiryUpdated, whose only text has no NUL as figures have."""
    is_whole = len(row) == length >= _HEAD.size
    return is_whole and row[0] == EXPIRY_UPDATED and b"\0" not in row[_HEAD.size :]


def _micros(at: datetime | None) -> int:
    return _NONE if at is None else (at - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime | None:
    return None if micros == _NONE else _EPOCH + micros * _MICROSECOND

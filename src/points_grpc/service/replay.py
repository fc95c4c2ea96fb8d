"""First answers, kept small and given back whole.

An idempotency row holds what cannot be read back later: ids, the account's figures and the
lot's state as they were answered, in which order lots were taken from, and how the member was
called. The rest comes from columns that never change.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from struct import Struct

from points_grpc.domain.answer_sizes import ALLOCATIONS_MAX
from points_grpc.domain.answers import (
    AccountView,
    Answer,
    Earned,
    Expired,
    ExpiryMoved,
    LotView,
    MemberLabel,
    Owner,
    Redeemed,
    StateMoved,
    TransactionView,
)
from points_grpc.domain.books import Account, ExpiryChange, Lot, Transaction
from points_grpc.domain.commands import Caller
from points_grpc.domain.model import (
    ExpirationCause,
    ExpirationSource,
    LotState,
    PolicyKind,
    Program,
)
from points_grpc.domain.origins import expiration_source
from points_grpc.domain.record import record
from points_grpc.domain.views import view_change, view_lot, view_transaction
from points_grpc.service.program_cache import ProgramCache
from points_grpc.storage import accounts, expiry_changes, lots, transactions
from points_grpc.storage.database import Connection
from points_grpc.storage.transactions import FirstAllocations

APART = b""
"""Kept for a call whose items have rows of their own."""

_EARNED, _REDEEMED, _EXPIRED, _EXPIRY_MOVED, _STATE_MOVED, _PLACES = range(1, 7)
_KINDS = frozenset(bytes([kind]) for kind in range(_EARNED, _STATE_MOVED + 1))
_HEAD = Struct("<bqqq")
_ACCOUNT = Struct("<9q")
_LOT = Struct("<bqqq")
_SETTLED = Struct("<qq")
_COUNT = Struct("<I")
_LENGTH = Struct("<H")
_PLACE = Struct("<HH")
_OF_A_LOT = (_EARNED, _STATE_MOVED)
_OF_MANY_LOTS = (_REDEEMED, _EXPIRED)
_VERSION = 6
_LAST = expiry_changes.LAST_VERSION
_NONE = -(2**63)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@record
class _Kept:
    """An unpacked row: `number` is the transaction's, lot's or change's id (0: none)."""

    kind: int
    number: int
    account_id: int
    label: MemberLabel
    figures: tuple[int, ...] = ()
    lot: tuple[int, ...] = ()
    settled: tuple[int, ...] = ()
    order: tuple[int, ...] = ()

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
        """How many allocations by lot id have those that are shown among them."""
        return max(self.order[:ALLOCATIONS_MAX], default=ALLOCATIONS_MAX - 1) + 1


def pack(answer: Answer) -> bytes:
    """The answer as it is kept."""
    match answer:
        case ExpiryMoved():
            owner, number, rest = answer.change.owner, answer.change.event_id, b""
            kind = _EXPIRY_MOVED
        case Earned() | StateMoved():
            owner, number = answer.lot.owner, answer.lot.lot_id
            updated_at = answer.transaction.updated_at
            rest = _pack_account(answer.account) + _pack_lot(answer.lot, updated_at)
            kind = _EARNED if isinstance(answer, Earned) else _STATE_MOVED
        case Redeemed():
            owner, number = answer.transaction.owner, answer.transaction.transaction_id
            rest = _pack_account(answer.account) + _pack_order(answer.transaction)
            kind = _REDEEMED
        case Expired():
            owner = answer.account.owner
            number = answer.transaction.transaction_id if answer.transaction else 0
            rest = _pack_account(answer.account)
            rest += _SETTLED.pack(answer.requested, answer.settled)
            rest += _pack_order(answer.transaction)
            kind = _EXPIRED
        case _:
            raise TypeError("a sweep's answers are not kept")
    label = owner.member
    head = _HEAD.pack(kind, number, owner.account_id, label.vendor_id)
    return head + rest + label.external_id.encode()


def pack_together(answers: Sequence[Answer]) -> bytes:
    """Answers as one row keeps them, in order."""
    packed = map(pack, answers)
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


def _pack_lot(view: LotView, updated_at: datetime) -> bytes:
    return _LOT.pack(view.state, view.remaining, _micros(view.expires_at), _micros(updated_at))


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


def _unpack(row: bytes) -> _Kept:
    kind, number, account_id, vendor_id = _HEAD.unpack_from(row)
    place = _HEAD.size
    figures: tuple[int, ...] = ()
    lot: tuple[int, ...] = ()
    settled: tuple[int, ...] = ()
    order: tuple[int, ...] = ()
    if kind != _EXPIRY_MOVED:
        figures = _ACCOUNT.unpack_from(row, place)
        place += _ACCOUNT.size
    if kind in _OF_A_LOT:
        lot = _LOT.unpack_from(row, place)
        place += _LOT.size
    if kind == _EXPIRED:
        settled = _SETTLED.unpack_from(row, place)
        place += _SETTLED.size
    if kind in _OF_MANY_LOTS:
        (length,) = _COUNT.unpack_from(row, place)
        places = Struct(f"<{length}I")
        order = places.unpack_from(row, place + _COUNT.size)
        place += _COUNT.size + places.size
    label = MemberLabel(0, vendor_id, row[place:].decode())
    return _Kept(kind, number, account_id, label, figures, lot, settled, order)


def named_by(row: bytes) -> list[tuple[int, int, bool]]:
    """The account, and the transaction or change (0: none), that each kept answer is about.

    The last tells whether it is a change. None of an administrator's, which are text.
    """
    if _has_places(row):
        kept = [_unpack(one) for one in unpack_places(row).values()]
    elif _is_together(row):
        kept = [_unpack(one) for one in unpack_together(row)]
    elif row[:1] in _KINDS:
        kept = [_unpack(row)]
    else:
        kept = []
    return [(k.account_id, k.number, k.kind == _EXPIRY_MOVED) for k in kept]


def _has_places(row: bytes) -> bool:
    """Whether the row is one of `pack_places`: lengths that fit, of answers as those are."""
    at = 1
    while row[:1] == bytes([_PLACES]) and at + _PLACE.size + _HEAD.size <= len(row):
        _, length = _PLACE.unpack_from(row, at)
        if length < _HEAD.size or row[at + _PLACE.size] != _EXPIRY_MOVED:
            return False
        at += _PLACE.size + length
    return at > 1 and at == len(row)


def _is_together(row: bytes) -> bool:
    """Whether the row is one of `pack_together`: lengths that fit, of answers as those are."""
    place = 0
    while place + _LENGTH.size + _HEAD.size <= len(row):
        (length,) = _LENGTH.unpack_from(row, place)
        if length < _HEAD.size or row[place + _LENGTH.size] != _EXPIRY_MOVED:
            return False
        place += _LENGTH.size + length
    return bool(row) and place == len(row)


def rebuild(
    connection: Connection,
    programs: ProgramCache,
    rows: Sequence[tuple[Caller, bytes]],
) -> list[Answer]:
    """The first answers that these rows keep, marked as replayed, in order."""
    kept = [(caller.tenant_id, _unpack(row)) for caller, row in rows]
    found = {
        account.account_id: account
        for account in accounts.read(connection, {(t, k.account_id) for t, k in kept})
    }
    settings = programs.current(connection, {(a.tenant_id, a.program_id) for a in found.values()})
    posted = {(t, k.number) for t, k in kept if k.number and k.kind != _EXPIRY_MOVED}
    changes = expiry_changes.by_id(
        connection, {(t, k.number) for t, k in kept if k.kind == _EXPIRY_MOVED}
    )
    wanted = {(t, k.number) for t, k in kept if k.kind in _OF_A_LOT}
    wanted |= {(t, changes[k.number].lot_id) for t, k in kept if k.kind == _EXPIRY_MOVED}
    shelf = _Shelf(
        transactions=transactions.by_id(connection, posted),
        allocations=transactions.allocations_of(
            connection, {(t, k.number): k.read_until for t, k in kept if k.takes_lots}
        ),
        lots=lots.by_id(connection, wanted),
        changes=changes,
        moved=_moved(connection, kept),
    )
    answers = []
    for tenant, k in kept:
        account = found[k.account_id]
        program = settings[tenant, account.program_id]
        answers.append(shelf.answer(k, account, program))
    return answers


def _moved(connection: Connection, kept: Sequence[tuple[int, _Kept]]) -> set[tuple[int, int]]:
    """Return the lots with an expiry change by the account's version of their answer, or now."""
    asked = [
        (tenant_id, k.number, version)
        for tenant_id, k in kept
        if k.kind in _OF_A_LOT
        for version in (k.version, expiry_changes.LAST_VERSION)
    ]
    return expiry_changes.moved_until(connection, asked)


@record
class _Shelf:
    """What was read to rebuild a batch of answers."""

    transactions: Mapping[int, Transaction]
    allocations: Mapping[int, FirstAllocations]
    lots: Mapping[int, Lot]
    changes: Mapping[int, ExpiryChange]
    moved: Collection[tuple[int, int]]

    def answer(self, kept: _Kept, account: Account, program: Program) -> Answer:
        """The answer as it was first given."""
        label = replace(kept.label, member_id=account.member_id)
        currency = program.currencies[account.currency_id]
        owner = Owner(account.account_id, account.program_id, currency, label)
        if kept.kind == _EXPIRY_MOVED:
            change = self.changes[kept.number]
            view = view_change(owner, change, self.lots[change.lot_id])
            return ExpiryMoved(view, program.zone.key, replayed=True)
        account_view = _account_view(kept, account, owner)
        if kept.kind in _OF_A_LOT:
            return self._of_a_lot(kept, owner, program, account_view)
        row = self.transactions.get(kept.number)
        parts, count = self.allocations.get(kept.number, FirstAllocations())
        parts = [parts[place] for place in kept.order[:ALLOCATIONS_MAX]] or parts
        cause = ExpirationCause.ON_DEMAND if kept.kind == _EXPIRED else None
        shown = None
        if row is not None:
            shown = view_transaction(owner, row, parts, cause=cause, allocation_count=count)
        if kept.kind == _EXPIRED:
            requested, settled = kept.settled
            return Expired(shown, requested, settled, account_view, True)
        if shown is None:
            raise LookupError("a kept answer names a transaction that is not there")
        return Redeemed(shown, account_view, True)

    def _of_a_lot(
        self, kept: _Kept, owner: Owner, program: Program, view: AccountView
    ) -> Earned | StateMoved:
        state, remaining, expires_at, updated_at = kept.lot
        lot = replace(self.lots[kept.number], state=LotState(state), remaining=remaining)
        earn = self.transactions[kept.number]
        source = self._source(kept, program, replace(lot, expires_at=_instant(expires_at)))
        kind = Earned if kept.kind == _EARNED else StateMoved
        return kind(
            view_transaction(owner, earn, state=lot.state, updated_at=_instant(updated_at)),
            view_lot(owner, lot, _instant(expires_at), program, earn, source=source),
            view,
            True,
        )

    def _source(self, kept: _Kept, program: Program, lot: Lot) -> ExpirationSource:
        """Return the source of the expiry as of when the answer was given."""
        is_moved = (lot.lot_id, kept.version) in self.moved
        policy = program.versions[lot.policy_version_id]
        if policy.kind is PolicyKind.INACTIVITY and (lot.lot_id, _LAST) in self.moved:
            # The change took the rule from the lot; that one was given with the earn is rare.
            lot = replace(lot, rule=policy.policy_version_id)
        return expiration_source(program, lot, is_moved)


def _account_view(kept: _Kept, account: Account, owner: Owner) -> AccountView:
    *figures, next_expires_at, updated_at = kept.figures
    available, pending, held, earned, redeemed, expired, version = figures
    return AccountView(
        owner=owner,
        available=available,
        pending=pending,
        held=held,
        total_earned=earned,
        total_redeemed=redeemed,
        total_expired=expired,
        version=version,
        next_expires_at=_instant(next_expires_at),
        created_at=account.created_at,
        updated_at=_instant(updated_at),
    )


def _micros(at: datetime | None) -> int:
    return _NONE if at is None else (at - _EPOCH) // _MICROSECOND


def _instant(micros: int) -> datetime | None:
    return None if micros == _NONE else _EPOCH + micros * _MICROSECOND

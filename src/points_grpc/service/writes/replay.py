"""First answers, given back whole: from what was kept of them, and columns that never change."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from points_grpc.domain.commands import Caller
from points_grpc.domain.model import (
    ExpirationCause,
    ExpirationSource,
    LotState,
    PolicyKind,
    Program,
    frozen,
)
from points_grpc.domain.results import (
    ALLOCATIONS_MAX,
    AccountView,
    Answer,
    Earned,
    Expired,
    ExpiryUpdated,
    LotStateChanged,
    Owner,
    Redeemed,
)
from points_grpc.domain.state import Account, ExpiryChange, Lot, Transaction
from points_grpc.domain.views import expiration_source, view_change, view_lot, view_transaction
from points_grpc.service.shared.program_cache import ProgramCache
from points_grpc.storage.core.database import Connection
from points_grpc.storage.ledger import accounts, expiry_changes, lots, transactions
from points_grpc.storage.ledger.stored_answers import (
    EARNED,
    EXPIRED,
    EXPIRY_UPDATED,
    OF_A_LOT,
    StoredAnswer,
    from_micros,
    unpack,
)
from points_grpc.storage.ledger.transactions import FirstAllocations

_LAST = expiry_changes.LAST_VERSION


def rebuild(
    connection: Connection,
    programs: ProgramCache,
    rows: Sequence[tuple[Caller, bytes]],
) -> list[Answer]:
    """The first answers that these rows keep, marked as replayed, in order."""
    kept = [(caller.tenant_id, unpack(row)) for caller, row in rows]
    found = {
        account.account_id: account
        for account in accounts.read(connection, {(t, k.account_id) for t, k in kept})
    }
    settings = programs.current(connection, {(a.tenant_id, a.program_id) for a in found.values()})
    posted = {(t, k.number) for t, k in kept if k.number and k.kind != EXPIRY_UPDATED}
    changes = expiry_changes.by_id(
        connection, {(t, k.number) for t, k in kept if k.kind == EXPIRY_UPDATED}
    )
    wanted = {(t, k.number) for t, k in kept if k.kind in OF_A_LOT}
    wanted |= {(t, changes[k.number].lot_id) for t, k in kept if k.kind == EXPIRY_UPDATED}
    stored = _StoredRows(
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
        answers.append(stored.answer(k, account, program))
    return answers


def _moved(
    connection: Connection, kept: Sequence[tuple[int, StoredAnswer]]
) -> set[tuple[int, int]]:
    """Return the lots with an expiry change by the account's version of their answer, or now.

    Only of answers that did not keep the source of the expiry.
    """
    asked = [
        (tenant_id, k.number, version)
        for tenant_id, k in kept
        if k.kind in OF_A_LOT and not k.source
        for version in (k.version, _LAST)
    ]
    return expiry_changes.moved_until(connection, asked)


@frozen
class _StoredRows:
    """What was read to rebuild a batch of answers."""

    transactions: Mapping[int, Transaction]
    allocations: Mapping[int, FirstAllocations]
    lots: Mapping[int, Lot]
    changes: Mapping[int, ExpiryChange]
    moved: Collection[tuple[int, int]]

    def answer(self, kept: StoredAnswer, account: Account, program: Program) -> Answer:
        """The answer as it was first given."""
        label = replace(kept.label, member_id=account.member_id)
        currency = program.currencies[account.currency_id]
        if kept.settings is not None:
            currency = replace(currency, **kept.settings._asdict())
        owner = Owner(account.account_id, account.program_id, currency, label)
        if kept.kind == EXPIRY_UPDATED:
            change = self.changes[kept.number]
            view = view_change(owner, change, self.lots[change.lot_id])
            return ExpiryUpdated(view, program.zone.key, replayed=True)
        account_view = _account_view(kept, account, owner)
        if kept.kind in OF_A_LOT:
            return self._of_a_lot(kept, owner, program, account_view)
        row = self.transactions.get(kept.number)
        parts, count = self.allocations.get(kept.number, FirstAllocations())
        parts = [parts[place] for place in kept.order[:ALLOCATIONS_MAX]] or parts
        cause = ExpirationCause.ON_DEMAND if kept.kind == EXPIRED else None
        shown = None
        if row is not None:
            shown = view_transaction(owner, row, parts, cause=cause, allocation_count=count)
        if kept.kind == EXPIRED:
            requested, settled = kept.settled
            return Expired(shown, requested, settled, account_view, True)
        if shown is None:
            raise LookupError("a kept answer names a transaction that is not there")
        return Redeemed(shown, account_view, True)

    def _of_a_lot(
        self, kept: StoredAnswer, owner: Owner, program: Program, view: AccountView
    ) -> Earned | LotStateChanged:
        state, remaining, expires_at, updated_at = kept.lot
        lot = replace(self.lots[kept.number], state=LotState(state), remaining=remaining)
        earn = self.transactions[kept.number]
        if kept.source:
            source = ExpirationSource(kept.source)
        else:
            source = self._source(kept, program, replace(lot, expires_at=from_micros(expires_at)))
        kind = Earned if kept.kind == EARNED else LotStateChanged
        return kind(
            view_transaction(owner, earn, state=lot.state, updated_at=from_micros(updated_at)),
            view_lot(owner, lot, from_micros(expires_at), program, earn, source=source),
            view,
            True,
        )

    def _source(self, kept: StoredAnswer, program: Program, lot: Lot) -> ExpirationSource:
        """Return the source of the expiry as of the answer, where it was not kept with it."""
        has_expiry_change = (lot.lot_id, kept.version) in self.moved
        policy = program.versions[lot.policy_version_id]
        if policy.kind is PolicyKind.INACTIVITY and (lot.lot_id, _LAST) in self.moved:
            # The change took the rule from the lot; that one was given with the earn is rare.
            lot = replace(lot, rule=policy.policy_version_id)
        return expiration_source(program, lot, has_expiry_change)


def _account_view(kept: StoredAnswer, account: Account, owner: Owner) -> AccountView:
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
        next_expires_at=from_micros(next_expires_at),
        created_at=account.created_at,
        updated_at=from_micros(updated_at),
    )

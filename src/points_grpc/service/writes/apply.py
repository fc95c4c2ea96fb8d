"""Writing what a batch decided, with a handful of statements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from points_grpc.domain.model import frozen
from points_grpc.domain.state import Account, BatchState, Lot, Member
from points_grpc.storage.core.database import Connection
from points_grpc.storage.ledger import (
    accounts,
    expiry_changes,
    lots,
    members,
    requests,
    transactions,
)
from points_grpc.storage.ledger.requests import RequestKey


@frozen
class KeptAnswer:
    """An answer to be stored under its request id, retained as long as answers of `since`."""

    key: RequestKey
    fingerprint: bytes
    answer: bytes
    since: datetime | None = None


def apply(
    connection: Connection, batch_state: BatchState, kept: Sequence[KeptAnswer], now: datetime
) -> None:
    """Write members, accounts and lots first, then the facts, then the answers.

    Identifiers come before anything else, so that two enrolments of one member meet there.
    """
    tracked = list(batch_state.tracked.values())
    _add_members(connection, [m for m in tracked if isinstance(m, Member) and not m.persisted], now)
    changed_accounts = [a for a in tracked if isinstance(a, Account)]
    accounts.insert(connection, [a for a in changed_accounts if not a.persisted and a.version])
    accounts.update(connection, [a for a in changed_accounts if a.persisted])
    tenant_of = {key: h.account.tenant_id for key, h in batch_state.account_states.items()}
    changed_lots = [(tenant_of[t.account_id], t) for t in tracked if isinstance(t, Lot)]
    lots.insert(connection, [pair for pair in changed_lots if not pair[1].persisted])
    lots.update(connection, [pair for pair in changed_lots if pair[1].persisted])
    _update_dates(connection, batch_state, tenant_of)
    _add_facts(connection, batch_state, tenant_of)
    requests.insert(
        connection,
        sorted(
            (bucket, tenant, key, k.fingerprint, k.answer, k.since or now)
            for k in kept
            for tenant, bucket, key in (k.key,)
        ),
    )


def _add_members(connection: Connection, new: Sequence[Member], now: datetime) -> None:
    labels = [(m.tenant_id, m.label) for m in new if m.enrolled]
    members.insert_identifiers(
        connection,
        [(t, "external_id", label.external_id, label.member_id) for t, label in labels],
    )
    members.insert_members(
        connection,
        [(t, label.member_id, None, label.external_id, now) for t, label in labels],
    )


def _update_dates(
    connection: Connection, batch_state: BatchState, tenant_of: dict[int, int]
) -> None:
    """Update rows of which only the dates changed."""
    dated = [
        thing for key, thing in batch_state.tracked_dates.items() if key not in batch_state.tracked
    ]
    accounts.update_dates(connection, [a for a in dated if isinstance(a, Account)])
    lots.update_dates(
        connection, [(tenant_of[t.account_id], t) for t in dated if isinstance(t, Lot)]
    )


def _add_facts(connection: Connection, batch_state: BatchState, tenant_of: dict[int, int]) -> None:
    entries = batch_state.entries
    tenant_of_posting = {t.transaction_id: tenant_of[t.account_id] for t in entries.transactions}
    transactions.insert(connection, [(tenant_of[t.account_id], t) for t in entries.transactions])
    transactions.insert_allocations(
        connection, [(tenant_of_posting[a.transaction_id], a) for a in entries.allocations]
    )
    expiry_changes.insert(connection, [(tenant_of[c.account_id], c) for c in entries.changes])

"""Writing what a batch decided, with a handful of statements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from points_grpc.domain.model import frozen
from points_grpc.domain.state import Account, Books, Lot, Member
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
    """An answer to be kept under its request id, for as long as what was kept at `since`."""

    key: RequestKey
    fingerprint: bytes
    answer: bytes
    since: datetime | None = None


def apply(connection: Connection, books: Books, kept: Sequence[KeptAnswer], now: datetime) -> None:
    """Write members, accounts and lots first, then the facts, then the answers.

    Identifiers come before anything else, so that two enrolments of one member meet there.
    """
    touched = list(books.touched.values())
    _add_members(connection, [m for m in touched if isinstance(m, Member) and not m.stored], now)
    changed_accounts = [a for a in touched if isinstance(a, Account)]
    accounts.insert(connection, [a for a in changed_accounts if not a.stored and a.version])
    accounts.update(connection, [a for a in changed_accounts if a.stored])
    tenant_of = {key: h.account.tenant_id for key, h in books.holdings.items()}
    changed_lots = [(tenant_of[t.account_id], t) for t in touched if isinstance(t, Lot)]
    lots.insert(connection, [pair for pair in changed_lots if not pair[1].stored])
    lots.update(connection, [pair for pair in changed_lots if pair[1].stored])
    _redate(connection, books, tenant_of)
    _add_facts(connection, books, tenant_of)
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


def _redate(connection: Connection, books: Books, tenant_of: dict[int, int]) -> None:
    """Write the dates of what changed in nothing else."""
    dated = [thing for key, thing in books.redated.items() if key not in books.touched]
    accounts.redate(connection, [a for a in dated if isinstance(a, Account)])
    lots.redate(connection, [(tenant_of[t.account_id], t) for t in dated if isinstance(t, Lot)])


def _add_facts(connection: Connection, books: Books, tenant_of: dict[int, int]) -> None:
    facts = books.facts
    tenant_of_posting = {t.transaction_id: tenant_of[t.account_id] for t in facts.transactions}
    transactions.insert(connection, [(tenant_of[t.account_id], t) for t in facts.transactions])
    transactions.insert_allocations(
        connection, [(tenant_of_posting[a.transaction_id], a) for a in facts.allocations]
    )
    expiry_changes.insert(connection, [(tenant_of[c.account_id], c) for c in facts.changes])

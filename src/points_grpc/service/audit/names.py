"""Identifiers and request ids, page by page: in both places or none, and about what is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from points_grpc.storage.audit import names
from points_grpc.storage.audit.findings import Finding
from points_grpc.storage.audit.names import Name, StoredRequest
from points_grpc.storage.core.database import Connection
from points_grpc.storage.core.ids import bucket_of_id, bucket_of_name
from points_grpc.storage.ledger import accounts, expiry_changes, transactions
from points_grpc.storage.ledger.stored_answers import named_by

Ask = Callable[[Callable[[Connection], Any]], Any]
"""Runs work in a snapshot of its own."""

Found = tuple[int, list[Finding]]
"""So many rows were looked at, and what was found there."""

_STRANGE = "an identifier is not found both by name and by member"
_MISPLACED = "an identifier is in a wrong bucket"
_UNKNOWN = "a request id is kept for what is not there"

RULES = frozenset((_STRANGE, _MISPLACED, _UNKNOWN))
"""What is looked for here."""


def check_names(ask: Ask, most: int) -> Iterator[Found]:
    """Check that identifiers are stored by name and by member, for members that exist."""
    for read, missing, place, other in (
        (names.by_name, names.not_by_member, _bucket_of_name, _bucket_of_member),
        (names.by_member, names.not_by_name, _bucket_of_member, _bucket_of_name),
    ):

        def look(at: Connection, after: Name | None) -> tuple[list[Name], list[Finding]]:
            page = read(at, after, most)  # noqa: B023  # done with before the next turn
            lost = missing(at, [name._replace(bucket=other(name)) for name in page])  # noqa: B023
            found = [Finding(_STRANGE, "member", *key) for key in lost]
            found += [
                Finding(_MISPLACED, "member", name.tenant_id, name.member_id)
                for name in page
                if name.bucket != place(name)  # noqa: B023
            ]
            return page, found

        yield from _pages(ask, look)


def check_requests(ask: Ask, most: int) -> Iterator[Found]:
    """Check that every stored answer of the ledger refers to an account and a row that exist."""

    def look(
        at: Connection, after: StoredRequest | None
    ) -> tuple[list[StoredRequest], list[Finding]]:
        page = names.kept(at, after, most)
        about = [(row, named) for row in page for named in named_by(row.answer)]
        keys = {(row.tenant_id, account) for row, (account, _, _) in about}
        there = {(a.tenant_id, a.account_id) for a in accounts.read(at, keys)}
        posted = transactions.existing(
            at, {(row.tenant_id, n) for row, (_, n, is_change) in about if n and not is_change}
        )
        changed = expiry_changes.by_id(
            at, {(row.tenant_id, n) for row, (_, n, is_change) in about if is_change}
        )
        found = [
            Finding(_UNKNOWN, "account", row.tenant_id, account)
            for row, (account, number, is_change) in about
            if (row.tenant_id, account) not in there
            or (is_change and number not in changed)
            or (number and not is_change and (row.tenant_id, number) not in posted)
        ]
        return page, found

    yield from _pages(ask, look)


def _pages(ask: Ask, look: Callable[..., tuple[list[Any], list[Finding]]]) -> Iterator[Found]:
    after: Any = None
    while True:
        page, found = ask(partial(look, after=after))
        if not page:
            return
        yield len(page), found
        after = page[-1]


def _bucket_of_name(name: Name) -> int:
    return bucket_of_name(name.tenant_id, name.type, name.value)


def _bucket_of_member(name: Name) -> int:
    return bucket_of_id(name.member_id)

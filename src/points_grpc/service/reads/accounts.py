"""Accounts as reads find them: whose they are, under which rules, and at what instant."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from points_grpc.clock import Clock
from points_grpc.domain.model import Currency, Program
from points_grpc.domain.results import MemberLabel
from points_grpc.domain.state import Account, AccountState, Member
from points_grpc.service.shared.program_cache import ProgramCache
from points_grpc.service.shared.resolution import ProgramKey
from points_grpc.storage.core.database import Connection
from points_grpc.storage.ledger import accounts, members
from points_grpc.storage.ledger.accounts import AccountKey
from points_grpc.storage.ledger.members import MemberKey


class AccountLoader:
    """The accounts of a batch of reads, without lots, by (tenant_id, account_id).

    `settings` and `labels` are the programs and members that the batch has loaded already. The
    instant of the reads is taken once, in their snapshot, when the first accounts are loaded.
    Each account state has its own `now`: an account never goes back in time.
    """

    def __init__(
        self,
        connection: Connection,
        programs: ProgramCache,
        settings: Mapping[ProgramKey, Program],
        clock: Clock,
        labels: Mapping[MemberKey, MemberLabel],
    ) -> None:
        self._connection = connection
        self._programs = programs
        self._settings = dict(settings)
        self._clock = clock
        self._instant: datetime | None = None
        self._labels = dict(labels)
        self._held: dict[AccountKey, AccountState] = {}

    @property
    def _now(self) -> datetime:
        if self._instant is None:
            self._instant = self._clock.now()
        return self._instant

    def load(self, keys: Iterable[AccountKey]) -> None:
        """Load those of the accounts in `keys` that exist, with their programs."""
        found = accounts.read(self._connection, set(keys) - self._held.keys())
        unknown = {(a.tenant_id, a.program_id) for a in found} - self._settings.keys()
        self._settings |= self._programs.current(self._connection, unknown)
        for account in found:
            program = self._settings[account.tenant_id, account.program_id]
            self._held[account.tenant_id, account.account_id] = AccountState(
                account=account,
                member=Member(account.tenant_id, MemberLabel(account.member_id)),
                program=program,
                currency=program.currencies[account.currency_id],
                now=max(self._now, account.last_at),
            )

    def load_labels(self, shown: Iterable[AccountKey], others: Collection[MemberKey] = ()) -> None:
        """Load the labels of the members of the accounts in `shown`, and of `others`."""
        held = [
            account_state for key in shown if (account_state := self._held.get(key)) is not None
        ]
        named = {(h.account.tenant_id, h.account.member_id) for h in held}
        unread = named.union(others) - self._labels.keys()
        self._labels |= members.labels(self._connection, unread)
        for account_state in held:
            account = account_state.account
            label = self._labels.get((account.tenant_id, account.member_id))
            if label is not None:
                account_state.member.label = label

    def get(self, tenant_id: int, account_id: int) -> AccountState | None:
        """Return an account that was loaded; None if the tenant has no such account."""
        return self._held.get((tenant_id, account_id))

    def empty(
        self, tenant_id: int, member_id: int, program: Program, currency: Currency
    ) -> AccountState:
        """Return the state of a member without an account. Its label must have been loaded."""
        label = self._labels[tenant_id, member_id]
        account = Account(
            tenant_id=tenant_id,
            account_id=0,
            program_id=program.program_id,
            member_id=member_id,
            currency_id=currency.currency_id,
            created_at=self._now,
            last_at=self._now,
            persisted=False,
        )
        return AccountState(account, Member(tenant_id, label), program, currency, self._now)

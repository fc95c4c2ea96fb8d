"""Everything that a batch's decisions need: names resolved, accounts locked, lots loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import Enum

from points_grpc.clock import Clock
from points_grpc.domain.commands import ChangeLotState, Earn, Expire, Redeem, UpdateExpiry
from points_grpc.domain.lapse import may_be_due
from points_grpc.domain.model import PolicyKind
from points_grpc.domain.spending import is_within_reach
from points_grpc.domain.state import Account, AccountState, BatchState, Lot, Member, ResolvedCommand
from points_grpc.errors import TimeInDoubt
from points_grpc.service.shared.checked_clock import is_ahead
from points_grpc.service.shared.program_cache import ProgramCache
from points_grpc.service.writes.resolve import NumberSource, ResolvedNames, Resolver, WorkItem
from points_grpc.storage.admin import programs
from points_grpc.storage.admin.programs import ProgramKey
from points_grpc.storage.core.database import Connection
from points_grpc.storage.core.pipeline import PendingQuery
from points_grpc.storage.ledger import (
    accounts,
    expiry_changes,
    lots,
    members,
    spendable,
    transactions,
)

SPENDABLE_FIRST = 4
"""How many lots of a stream are loaded at first for spending: most spend from one or two."""

SPENDABLE_NEXT = 32
"""How many of an account's streams whose first do not give what its calls ask for."""

SPENDABLE_GROWTH = 8
"""The factor by which each step from there loads more, up to SPENDABLE_FAST."""

SPENDABLE_FAST = 2_048
"""From how many on each step only doubles: what is loaded in vain is at most half."""

SPENDABLE_MAX = 50_000
"""The most lots of a stream that one call may take from."""

_NOTHING = Decimal(0)


class Locking(Enum):
    """How accounts are locked: skipping those locked elsewhere, waiting, or not at all."""

    SKIP = "skip"
    WAIT = "wait"
    NONE = "none"


@dataclass(slots=True)
class Gathered:
    """The accounts that were found, as of `now`.

    Neither accounts `locked_out` (another transaction holds them) nor `oversized` ones (they need
    more lots than the gatherer loads) can be decided.
    """

    now: datetime
    batch_state: BatchState = field(default_factory=BatchState)
    locked_out: set[int] = field(default_factory=set)
    oversized: set[int] = field(default_factory=set)


class Gatherer:
    """Gathers for one batch, in one unit of work.

    Of an account it takes on at most `lots_max` due lots, and as many spendable ones of each
    stream; all of them where that is None. The instant of the batch is taken once its accounts
    are locked: points that expire while it waits for a lock cannot be spent.
    """

    def __init__(
        self,
        connection: Connection,
        programs: ProgramCache,
        ids: NumberSource,
        *,
        clock: Clock,
        locking: Locking,
        lots_max: int | None,
    ) -> None:
        self._connection = connection
        self._programs = programs
        self._namer = Resolver(connection, programs, ids)
        self._clock = clock
        self._locking = locking
        self._lots_max = lots_max
        self._reached: dict[int, int] = {}
        self._ahead: set[int] = set()
        self._locks: PendingQuery[list[Account]] | None = None
        self._versions: PendingQuery[dict[ProgramKey, int]] | None = None
        self._unchanged: dict[int, Lot] = {}

    def ask_names(self, items: Sequence[WorkItem]) -> None:
        """Enqueue the queries for the items' names, to be sent with the next statement."""
        self._namer.ask(items)

    def names(self, items: Sequence[WorkItem]) -> ResolvedNames:
        """Resolve the names of the open items."""
        return self._namer.resolve([item for item in items if item.open])

    def ask_locks(self, items: Sequence[WorkItem], names: ResolvedNames) -> None:
        """Enqueue the locks of the open items' accounts, to be sent with the next statement."""
        wanted = {
            (item.caller.tenant_id, item.account_id)
            for item in items
            if item.open and item.account_id not in names.fresh
        }
        if self._locking is Locking.NONE:
            asked = accounts.reading(wanted)
        else:
            asked = accounts.locking(wanted, wait=self._locking is Locking.WAIT)
        self._locks = PendingQuery(self._connection, asked)
        # Read again under the locks: a lot may name a policy version committed meanwhile.
        self._versions = PendingQuery(self._connection, programs.versions(names.programs.keys()))

    def lock(self, items: Sequence[WorkItem], names: ResolvedNames) -> Gathered:
        """Lock the accounts of the open items and create their states, still without lots."""
        if self._locks is None or self._versions is None:
            self.ask_locks(items, names)
            return self.lock(items, names)
        locked = self._locks.answer()
        now = self._clock.now()
        asked = {item.account_id for item in items if item.open}
        gathered = Gathered(
            now, locked_out=asked - names.fresh.keys() - {account.account_id for account in locked}
        )
        known = names.versions
        same = {a.account_id for a in locked if known.get(a.account_id) == a.version}
        self._unchanged = {key: lot for key, lot in names.lots.items() if lot.account_id in same}
        fresh = [
            Account(*account, created_at=now, last_at=now, persisted=False)
            for key, account in names.fresh.items()
            if key in asked
        ]
        self._hold(gathered, [*locked, *fresh], names, self._versions.answer())
        return gathered

    def load(self, items: Sequence[WorkItem], gathered: Gathered) -> None:
        """Load the lots and transactions that the open items need of the locked accounts."""
        wanted = [
            i for i in items if i.open and i.account_id in gathered.batch_state.account_states
        ]
        self._load_due(gathered)
        self._load_spendable(wanted, gathered.batch_state)
        self._load_named(wanted, gathered.batch_state)

    @property
    def hands_on(self) -> bool:
        """Return whether accounts that need too many lots are left to another gatherer."""
        return self._lots_max is not None

    def load_more_spendable(self, account_state: AccountState) -> bool:
        """Load more spendable lots of the account; return False if there are too many.

        Each step goes on where the one before has ended, and is longer.
        """
        reached = self._reached[account_state.account.account_id]
        growth = SPENDABLE_GROWTH if reached < SPENDABLE_FAST else 2
        most = SPENDABLE_MAX if self._lots_max is None else self._lots_max
        if reached >= most:
            return False
        self._spend_on([account_state], min(reached * growth, most))
        return True

    def resolve(self, item: WorkItem, batch_state: BatchState) -> ResolvedCommand:
        """Return the item's command with what its names stand for."""
        account_state = batch_state.account_states.get(item.account_id)
        refusal = item.refusal
        if self._ahead and item.account_id in self._ahead:
            refusal = TimeInDoubt()
        return ResolvedCommand(item.command, account_state, item.lot_id, refusal)

    def _hold(
        self,
        gathered: Gathered,
        held: Sequence[Account],
        names: ResolvedNames,
        versions: dict[ProgramKey, int],
    ) -> None:
        programs = names.programs
        programs.update(self._programs.of_versions(self._connection, versions))
        unread = {(a.tenant_id, a.program_id) for a in held} - versions.keys()
        programs.update(self._programs.current(self._connection, unread))
        by_id = names.members_by_id
        strangers = {(a.tenant_id, a.member_id) for a in held} - by_id.keys()
        for key, label in members.labels(self._connection, strangers).items():
            by_id[key] = Member(key[0], label)
        for account in held:
            if is_ahead(self._clock, account.last_at, gathered.now):
                self._ahead.add(account.account_id)
            program = programs[account.tenant_id, account.program_id]
            gathered.batch_state.account_states[account.account_id] = AccountState(
                account=account,
                member=by_id[account.tenant_id, account.member_id],
                program=program,
                currency=program.currencies[account.currency_id],
                now=max(gathered.now, account.last_at),
            )

    def _load_due(self, gathered: Gathered) -> None:
        account_states = gathered.batch_state.account_states
        asked = [
            (h.account.tenant_id, key, h.now)
            for key, h in account_states.items()
            if h.account.persisted and may_be_due(h.account.next_due_at, h.now)
        ]
        limit = None if self._lots_max is None else self._lots_max + 1
        counts: dict[int, int] = {}
        for lot in lots.possibly_due(self._connection, asked, limit).values():
            account_states[lot.account_id].lots[lot.lot_id] = lot
            counts[lot.account_id] = counts.get(lot.account_id, 0) + 1
        if self._lots_max is not None:
            gathered.oversized = {a for a, count in counts.items() if count > self._lots_max}
        for account, at in lots.next_fixed_due(self._connection, asked).items():
            account_states[account].next_fixed_due_at = at

    def _load_spendable(self, items: Sequence[WorkItem], batch_state: BatchState) -> None:
        asked: dict[int, Decimal] = {}
        for item in items:
            if isinstance(item.command, Redeem | Expire):
                asked[item.account_id] = asked.get(item.account_id, _NOTHING) + item.command.amount
        account_states = [
            batch_state.account_states[a]
            for a in asked
            if batch_state.account_states[a].account.persisted
        ]
        self._spend_from(account_states)
        short = [
            account_state
            for account_state in account_states
            if account_state.loaded_until
            and not is_within_reach(
                account_state,
                asked[account_state.account.account_id].scaleb(account_state.currency.scale),
            )
        ]
        most = SPENDABLE_NEXT if self._lots_max is None else min(SPENDABLE_NEXT, self._lots_max)
        self._spend_on(short, most)

    def _spend_from(self, account_states: Sequence[AccountState]) -> None:
        """Load the first lots of each stream."""
        found = spendable.first(self._connection, _streams(account_states), SPENDABLE_FIRST)
        self._put_in(account_states, found, SPENDABLE_FIRST, SPENDABLE_FIRST)

    def _spend_on(self, account_states: Sequence[AccountState], until: int) -> None:
        """Load more lots of each incomplete stream, until it has so many."""
        by_reach: dict[int, list[AccountState]] = {}
        for account_state in account_states:
            by_reach.setdefault(self._reached[account_state.account.account_id], []).append(
                account_state
            )
        for reached, some in by_reach.items():
            behind = [
                (h.account.tenant_id, h.account.account_id, rule, key)
                for h in some
                for rule, key in h.loaded_until.items()
            ]
            more = until - reached
            if more <= 0:
                continue
            found = spendable.following(self._connection, behind, more)
            self._put_in(some, found, more, until)

    def _put_in(
        self,
        account_states: Sequence[AccountState],
        found: Mapping[int, Lot],
        limit: int,
        reached: int,
    ) -> None:
        """Add lots, of which each stream was read up to `limit`; note where reading ended."""
        by_id = {
            account_state.account.account_id: account_state for account_state in account_states
        }
        for account_state in account_states:
            account_state.loaded_until.clear()
            self._reached[account_state.account.account_id] = reached
        lengths: dict[tuple[int, int], int] = {}
        for lot in found.values():
            account_state = by_id[lot.account_id]
            account_state.lots.setdefault(lot.lot_id, lot)
            stream = (lot.account_id, lot.rule)
            lengths[stream] = lengths.get(stream, 0) + 1
            if lengths[stream] == limit:
                last = (lot.priority, lot.expires_at, lot.earned_at, lot.lot_id)
                account_state.loaded_until[lot.rule] = last

    def _load_named(self, items: Sequence[WorkItem], batch_state: BatchState) -> None:
        unchanged = self._unchanged
        named = {i.lot_id: i.caller.tenant_id for i in items if i.lot_id}
        changed = {(tenant, lot) for lot, tenant in named.items() if lot not in unchanged}
        found = lots.by_id(self._connection, changed)
        found |= {lot: unchanged[lot] for lot in named.keys() & unchanged.keys()}
        for lot in found.values():
            batch_state.account_states[lot.account_id].lots.setdefault(lot.lot_id, lot)
        self._load_lapses(items, found)
        moved = {
            (i.caller.tenant_id, i.lot_id) for i in items if isinstance(i.command, ChangeLotState)
        }
        batch_state.earns.update(transactions.by_id(self._connection, moved))
        batch_state.with_expiry_change |= expiry_changes.moved(self._connection, moved)
        vendors = {
            (i.caller.tenant_id, batch_state.account_states[i.account_id].account.member_id, lot_id)
            for i in items
            if isinstance(i.command, Earn) and (lot_id := i.command.vendor_id)
        }
        for lot in lots.by_vendor_id(self._connection, vendors).values():
            batch_state.vendor_lots[lot.member_id, lot.vendor_id] = lot.lot_id

    def _load_lapses(self, items: Sequence[WorkItem], found: dict[int, Lot]) -> None:
        ended = {
            (item.caller.tenant_id, lot.lapse_id, lot.lot_id)
            for item in items
            if isinstance(item.command, UpdateExpiry)
            and (lot := found.get(item.lot_id)) is not None
            and lot.lapse_id
        }
        for lot_id, amount in transactions.parts(self._connection, ended).items():
            found[lot_id].lapsed = amount


def _streams(account_states: Sequence[AccountState]) -> list[tuple[int, int, int]]:
    """Yield streams by account and rule: fixed lots, and each inactivity policy version's."""
    return [
        (h.account.tenant_id, h.account.account_id, rule)
        for h in account_states
        for rule in (
            0,
            *(
                policy.policy_version_id
                for policy in h.program.versions.values()
                if policy.kind is PolicyKind.INACTIVITY
            ),
        )
    ]

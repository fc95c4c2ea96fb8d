"""What had lapsed in a chunk's accounts before: not recorded, or recorded as the import ran."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from points_grpc.domain.lapse import may_be_due
from points_grpc.domain.model import PolicyKind, Program
from points_grpc.domain.results import MemberLabel
from points_grpc.domain.state import Account, AccountState, Lot, Member
from points_grpc.storage.core.database import Connection
from points_grpc.storage.core.ids import BUCKETS
from points_grpc.storage.ledger import lots, transactions
from points_grpc.storage.transfer import imports
from points_grpc.storage.transfer.imports import LOT, TRANSACTION


class AccountLapses(NamedTuple):
    """The lots that had lapsed by an instant, by account; from `until` on more may, None: never."""

    standing: dict[int, LapsedLots]
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class LapsedLots:
    """What an account had before the import that follows its activity and has lapsed, by id.

    Files brought those in `told`.
    """

    lots: dict[int, Lot]
    told: frozenset[int]


LotEnd = tuple[int, int]
"""A lot, and the EXPIRE that ended it"""


def find_lapsed_lots(
    connection: Connection,
    program: Program,
    found: Iterable[Account],
    now: datetime,
    first_number: int,
) -> AccountLapses:
    """Return what had lapsed by `now` in accounts as they are stored.

    The import's own lots, whose numbers begin with `first_number`, are not among them: what is
    still to come of the file may say that they had not.
    """
    if all(policy.kind is not PolicyKind.INACTIVITY for policy in program.versions.values()):
        return AccountLapses({})
    found = list(found)
    known = {a.account_id: a for a in found if may_be_due(a.next_due_at, now)}
    asked = [(account.tenant_id, key, now) for key, account in known.items()]
    account_states = {key: _account_state(account, program, now) for key, account in known.items()}
    lapsed: list[Lot] = []
    to_come = [a.next_due_at for a in found if a.next_due_at and a.next_due_at > now]
    for lot in lots.following(connection, asked).values():
        ends_at = account_states[lot.account_id].expiry_of(lot)
        if ends_at is not None and ends_at <= now:
            lapsed.append(lot)
        elif ends_at is not None:
            to_come.append(ends_at)
    nameless = {(lot.member_id, lot.lot_id) for lot in lapsed if not lot.vendor_id}
    tenant = next((account.tenant_id for account in known.values()), 0)
    named = imports.made_by_files(connection, tenant, LOT, nameless)
    told = {lot.lot_id for lot in lapsed if lot.vendor_id or lot.lot_id in named}
    standing: dict[int, dict[int, Lot]] = {}
    for lot in lapsed:
        if lot.lot_id not in told or lot.lot_id // BUCKETS < first_number:
            standing.setdefault(lot.account_id, {})[lot.lot_id] = lot
    of_accounts = {key: LapsedLots(of, frozenset(told & of.keys())) for key, of in standing.items()}
    return AccountLapses(of_accounts, min(to_come, default=None))


def find_ends(connection: Connection, tenant_id: int, ended: Sequence[Lot]) -> set[LotEnd]:
    """Return the stored lapses that no row of a file has posted; set each lot's `lapsed`."""
    keys = {(tenant_id, lot.lapse_id, lot.lot_id) for lot in ended}
    amounts = transactions.parts(connection, keys)
    numbers = {number for lot in ended for number in (lot.lapse_id, lot.lot_id)}
    rows = transactions.by_id(connection, [(tenant_id, number) for number in numbers])
    things = {(lot.member_id, lot.lapse_id) for lot in ended}
    posted = imports.made_by_files(connection, tenant_id, TRANSACTION, things)
    found: set[LotEnd] = set()
    for lot in ended:
        lot.lapsed = amounts[lot.lot_id]
        lapse, earn = rows[lot.lapse_id], rows[lot.lot_id]
        with_it = (lapse.created_at, lapse.principal) == (earn.created_at, earn.principal)
        if lot.lapse_id not in posted and not with_it:
            found.add((lot.lot_id, lot.lapse_id))
    return found


def _account_state(account: Account, program: Program, now: datetime) -> AccountState:
    member = Member(account.tenant_id, MemberLabel(account.member_id))
    return AccountState(account, member, program, program.currencies[account.currency_id], now)

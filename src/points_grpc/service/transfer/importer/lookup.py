"""What a chunk's rows refer to: found in the database, or in chunks that are still under way."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from points_grpc.clock import Clock
from points_grpc.domain.limits import DEFAULT_QUOTAS
from points_grpc.domain.model import Program
from points_grpc.domain.results import MemberLabel
from points_grpc.domain.state import Account, Lot
from points_grpc.service.transfer.importer.fast_path import PlainLot, Posted
from points_grpc.service.transfer.importer.lapses import (
    LapsedLots,
    LotEnd,
    find_ends,
    find_lapsed_lots,
)
from points_grpc.service.transfer.importer.parsing import (
    Parsed,
    ParsedChange,
    ParsedHistory,
    ParsedLot,
    ParsedMember,
)
from points_grpc.service.transfer.importer.parts import LotRef, MemberKeyName
from points_grpc.storage.core.database import Connection
from points_grpc.storage.core.ids import bucket_of_id
from points_grpc.storage.ledger import accounts, expiry_changes, lots, members, transactions
from points_grpc.storage.transfer import imports
from points_grpc.storage.transfer.imports import CHANGE, LOT, TRANSACTION, ImportKey, Target

Pair = tuple[int, int]
"""member_id, currency_id"""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where the rows belong; `origin` marks what this database has itself exported.

    All that the import makes has ids with numbers from `first_number` on. `merge_by` has the types
    of identifiers by which somebody new may be taken for a member that has one of them.
    `identifiers_max` is the most identifiers of a member.
    """

    tenant_id: int
    program: Program
    origin: int | None = None
    first_number: int = 0
    merge_by: frozenset[str] = frozenset()
    identifiers_max: int = DEFAULT_QUOTAS.identifiers


@dataclass(slots=True)
class ChunkLookup:
    """Everything that one chunk has found or made.

    `plain` are lots that were posted in one step, by member and number like `vendor_lots`.
    `fresh` are members that only the chunk itself has made. `names_held` says how many identifiers
    members have that may get more. `standing` is what had lapsed in
    accounts without being recorded, and may be more from `until` on; `ends` are lapses recorded
    by others than rows of files.
    """

    members: dict[MemberKeyName, int] = field(default_factory=dict)
    labels: dict[int, MemberLabel] = field(default_factory=dict)
    names_held: dict[int, int] = field(default_factory=dict)
    fresh: set[int] = field(default_factory=set)
    accounts: dict[Pair, Account] = field(default_factory=dict)
    vendor_lots: dict[tuple[int, int], Lot] = field(default_factory=dict)
    lots: dict[int, Lot] = field(default_factory=dict)
    keys: dict[ImportKey, Target] = field(default_factory=dict)
    plain: dict[tuple[int, int], Posted] = field(default_factory=dict)
    standing: dict[int, LapsedLots] = field(default_factory=dict)
    until: datetime | None = None
    ends: set[LotEnd] = field(default_factory=set)

    def add_lot(self, lot: Lot) -> None:
        """Add a lot, so that later rows find it."""
        self.lots[lot.lot_id] = lot
        if lot.vendor_id:
            self.vendor_lots[lot.member_id, lot.vendor_id] = lot

    def vendor_lot(self, key: tuple[int, int]) -> Lot | None:
        """The member's lot of that number, made if it was posted in one step."""
        posted = self.plain.pop(key, None)
        if posted is not None:
            self.add_lot(posted.lot())
        return self.vendor_lots.get(key)

    def lot_of(self, member_id: int, ref: LotRef) -> Lot | None:
        """The member's lot of that name."""
        vendor_id, import_id = ref
        if vendor_id:
            return self.vendor_lot((member_id, vendor_id))
        kind, lot_id = self.keys.get((member_id, import_id), (0, 0))
        return self.lots.get(lot_id) if kind == LOT else None


class Finder:
    """Fills the shelf of one chunk. `before` are those of chunks under way, oldest first."""

    def __init__(self, connection: Connection, scope: Scope, before: Sequence[ChunkLookup]) -> None:
        self._connection = connection
        self._scope = scope
        self._tenant = scope.tenant_id
        self._origin = "" if scope.origin is None else f"{scope.origin:x}-"
        self._before = before[::-1]
        self.lookup = ChunkLookup()

    def find_members(self, rows: Iterable[Parsed]) -> None:
        """The members that rows name, and how those that may get identifiers are shown."""
        names: set[MemberKeyName] = set()
        named: set[MemberKeyName] = set()
        for row in rows:
            if isinstance(row, ParsedMember):
                named.update((name.type, name.value) for name in row.names)
            else:
                names.add(row.name)
        known = self.lookup.members
        missing = self._from_before(names | named, known, "members")
        asked = [(self._tenant, *name) for name in missing]
        for (_, kind, value), member in members.resolve(self._connection, asked).items():
            known[kind, value] = member
        ids = {known[name] for name in named if name in known}
        missing_ids = self._from_before(ids, self.lookup.labels, "labels")
        found = members.labels(self._connection, [(self._tenant, member) for member in missing_ids])
        self.lookup.labels.update({member: label for (_, member), label in found.items()})
        self._count_names(rows)

    def _count_names(self, rows: Iterable[Parsed]) -> None:
        """Find how many identifiers those members have to which a row may add one."""
        known, growing = self.lookup.members, set[int]()
        for row in rows:
            if isinstance(row, ParsedMember):
                owners = [known.get((name.type, name.value)) for name in row.names]
                if None in owners:
                    growing.update(owner for owner in owners if owner is not None)
        missing = self._from_before(growing, self.lookup.names_held, "names_held")
        found = members.count_identifiers(self._connection, self._tenant, missing)
        self.lookup.names_held.update(found)

    def find_accounts(self, pairs: Collection[Pair], clock: Clock, lock: bool) -> datetime:
        """Find the accounts of members in currencies, and what in them has lapsed unrecorded.

        Returns the instant that this is as of: it is taken under the locks, where there are any.
        """
        missing = self._from_before(pairs, self.lookup.accounts, "accounts")
        asked = [(self._tenant, *pair) for pair in missing if pair[0] not in self.lookup.fresh]
        keys = [(self._tenant, a) for a in accounts.find(self._connection, asked).values()]
        if lock:
            found = accounts.lock(self._connection, keys, wait=True)
        else:
            found = accounts.read(self._connection, keys)
        now = clock.now()
        for account in found:
            self.lookup.accounts[account.member_id, account.currency_id] = account
        ids = [account.account_id for account in self.lookup.accounts.values()]
        self._from_before(ids, self.lookup.standing, "standing")
        first_number = self._scope.first_number
        stand = find_lapsed_lots(self._connection, self._scope.program, found, now, first_number)
        self.lookup.standing |= stand.standing
        ends = (stand.until, *(lookup.until for lookup in self._before))
        self.lookup.until = min((at for at in ends if at is not None), default=None)
        for standing in self.lookup.standing.values():
            for lot in standing.lots.values():
                self.lookup.add_lot(lot)
        return now

    def find_lots(self, rows: Iterable[Parsed]) -> None:
        """The lots that rows would make or refer to, and what became of rows like them."""
        vendors: set[tuple[int, int]] = set()
        keys: dict[ImportKey, int] = {}
        members_known, fresh = self.lookup.members, self.lookup.fresh
        for row in rows:
            if isinstance(row, ParsedMember):
                continue
            member = members_known.get(row.name, 0)
            if not member or member in fresh:
                continue
            if isinstance(row, PlainLot):
                vendors.add((member, row.vendor_id))
                continue
            if isinstance(row, ParsedLot):
                if row.row.vendor_id:
                    vendors.add((member, row.row.vendor_id))
                else:
                    keys[member, row.import_id] = LOT
                continue
            keys[member, row.import_id] = TRANSACTION if isinstance(row, ParsedHistory) else CHANGE
            for vendor_id, import_id in _refs(row):
                if vendor_id:
                    vendors.add((member, vendor_id))
                else:
                    keys.setdefault((member, import_id), LOT)
            if isinstance(row, ParsedHistory) and row.reverses:
                keys.setdefault((member, row.reverses), TRANSACTION)
        self._find_by_vendor_id(vendors - self.lookup.vendor_lots.keys())
        self._find_by_key(keys)
        self._find_ends()

    def _find_by_vendor_id(self, vendors: Collection[tuple[int, int]]) -> None:
        missing = []
        for key in vendors:
            for lookup in self._before:
                if (lot := lookup.vendor_lot(key)) is not None:
                    self.lookup.add_lot(lot)
                    break
            else:
                missing.append(key)
        asked = [(self._tenant, *vendor) for vendor in missing]
        for lot in lots.by_vendor_id(self._connection, asked).values():
            self.lookup.add_lot(lot)

    def _find_by_key(self, keys: dict[ImportKey, int]) -> None:
        targets = self.lookup.keys
        missing = self._from_before(keys.keys(), targets, "keys")
        targets.update(imports.targets(self._connection, self._tenant, missing))
        self._find_own({key: kind for key, kind in keys.items() if key not in targets})
        wanted = {target for kind, target in targets.values() if kind == LOT}
        missing_lots = self._from_before(wanted - self.lookup.lots.keys(), self.lookup.lots, "lots")
        asked = [(self._tenant, lot) for lot in missing_lots]
        for lot in lots.by_id(self._connection, asked).values():
            self.lookup.add_lot(lot)

    def _find_ends(self) -> None:
        """Find which of the lots servers have ended."""
        for lookup in self._before:
            self.lookup.ends |= lookup.ends
        ended = [lot for lot in self.lookup.lots.values() if lot.lapse_id and not lot.lapsed]
        if ended:
            self.lookup.ends |= find_ends(self._connection, self._tenant, ended)

    def _find_own(self, keys: dict[ImportKey, int]) -> None:
        """Rows that this very database has exported are there under their own ids."""
        own: dict[tuple[int, int], ImportKey] = {}
        for key, kind in keys.items():
            number = _number(key[1], self._origin)
            if number is not None and bucket_of_id(number) == bucket_of_id(key[0]):
                own[kind, number] = key
        if not own:
            return
        asked = {kind: [(self._tenant, n) for k, n in own if k == kind] for kind in _KINDS}
        there = {(LOT, lot_id) for lot_id in lots.by_id(self._connection, asked[LOT])}
        found = transactions.existing(self._connection, asked[TRANSACTION])
        there |= {(TRANSACTION, number) for _, number in found}
        there |= {(CHANGE, n) for n in expiry_changes.by_id(self._connection, asked[CHANGE])}
        for target, key in own.items():
            if target in there:
                self.lookup.keys[key] = target

    def _from_before(self, keys: Collection[Any], into: dict[Any, Any], name: str) -> list[Any]:
        """Put what chunks under way have of `keys` into `into`; those that none of them has."""
        missing = []
        for key in keys:
            for lookup in self._before:
                if key in (there := getattr(lookup, name)):
                    into[key] = there[key]
                    break
            else:
                missing.append(key)
        return missing


def _number(import_id: str, origin: str) -> int | None:
    """The id in an import_id that this database's own export has given."""
    number = import_id.removeprefix(origin)
    if not origin or number == import_id or len(number) > 16:
        return None
    return int(number) if number.isascii() and number.isdecimal() else None


_KINDS = (LOT, TRANSACTION, CHANGE)


def _refs(row: ParsedHistory | ParsedChange) -> list[LotRef]:
    return [row.lot] if isinstance(row, ParsedChange) else [ref for ref, _ in row.parts]

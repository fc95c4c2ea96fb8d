"""A chunk whose rows have been decided."""

from __future__ import annotations

from dataclasses import dataclass, field

from points_grpc.domain.results import MemberLabel
from points_grpc.domain.state import Account, ExpiryChange, Lot
from points_grpc.service.transfer.importer.lookup import ChunkLookup
from points_grpc.storage.ledger.members import IdentifierRow, MemberRow
from points_grpc.storage.transfer.imports import ImportKey, Target


@dataclass(slots=True)
class Prepared:
    """What is to be written for a chunk, and what it was decided on.

    `versions` are those of stored accounts, `labels` those of stored members that get
    identifiers, and `names_held` how many these had: where they have changed since, the chunk is
    to be prepared again. `merged` has the rows whose member was taken for one that was there, and
    the reason of each.
    """

    lookup: ChunkLookup
    versions: dict[int, int] = field(default_factory=dict)
    labels: dict[int, MemberLabel] = field(default_factory=dict)
    names_held: dict[int, int] = field(default_factory=dict)
    identifiers: list[IdentifierRow] = field(default_factory=list)
    members: list[MemberRow] = field(default_factory=list)
    relabelled: list[MemberLabel] = field(default_factory=list)
    new_accounts: list[Account] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    lots: bytes = b""
    changed_lots: list[Lot] = field(default_factory=list)
    transactions: bytes = b""
    allocations: bytes = b""
    changes: list[ExpiryChange] = field(default_factory=list)
    keys: dict[ImportKey, Target] = field(default_factory=dict)
    imported: int = 0
    known: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)
    merged: list[tuple[int, str]] = field(default_factory=list)

"""Exporting a program as rows that an import brings to the same balances, lots and history."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import groupby
from operator import attrgetter
from secrets import randbits
from typing import Any, TextIO

from points_grpc.domain.amounts import print_units
from points_grpc.domain.commands import VENDOR_ID
from points_grpc.domain.model import AwardKind, LotState, Program, ReasonType, TransactionType
from points_grpc.errors import ProgramNotFound
from points_grpc.service.transfer.importer.fields import ALL
from points_grpc.storage.admin import programs
from points_grpc.storage.core.database import Connection, Database
from points_grpc.storage.transfer import export_rows, imports

Row = dict[str, Any]

_ORIGIN_BITS = 52
_PLACE = attrgetter("bucket", "account_id", "version")


@dataclass(slots=True)
class Exporter:
    """Exports one program of a tenant from one snapshot.

    `nameless` counts members without any identifier, which no file could name; they and their
    points are left out.
    """

    database: Database
    tenant_id: int
    program_id: int
    nameless: int = 0

    def rows(self) -> Iterator[Row]:
        """Every row of the export: members, then each account's history. ProgramNotFound."""
        mark = randbits(_ORIGIN_BITS)
        origin = self.database.run(lambda connection: imports.make_origin(connection, mark))
        link = self.database.link(snapshot=True)
        try:
            with link.unit() as connection:
                key = (self.tenant_id, self.program_id)
                program = programs.load(connection, [key]).get(key)
                if program is None:
                    raise ProgramNotFound("program_id")
                yield from self._members(connection)
                yield from _history(connection, self.tenant_id, program, f"{origin:x}-")
        finally:
            link.close()

    def _members(self, connection: Connection) -> Iterator[Row]:
        found = export_rows.stream_members(connection, self.tenant_id)
        for _, group in groupby(found, key=attrgetter("member_id")):
            names = list(group)
            if names[0].type is None:
                self.nameless += 1
                continue
            yield _member(names)


def _member(names: list[Any]) -> Row:
    first = names[0]
    row: Row = {"type": "member"}
    shown = set()
    if first.external_id:
        row["external_id"] = first.external_id
        shown.add(("external_id", first.external_id))
    if first.vendor_id:
        row["member_vendor_id"] = str(first.vendor_id)
        shown.add((VENDOR_ID, str(first.vendor_id)))
    others = [{"type": n.type, "value": n.value} for n in names if (n.type, n.value) not in shown]
    if others:
        row["identifiers"] = others
    row["created_at"] = _instant(first.created_at)
    return row


def _history(
    connection: Connection, tenant_id: int, program: Program, origin: str
) -> Iterator[Row]:
    key = (tenant_id, program.program_id)
    transactions = export_rows.stream_transactions(connection, *key)
    changes = export_rows.stream_changes(connection, *key)
    for found in merge(transactions, changes, key=_PLACE):
        row = _named(found)
        row["currency"] = program.currencies[found.currency_id].code
        scale = program.currencies[found.currency_id].scale
        if hasattr(found, "event_id"):
            yield _written({"type": "expiry_change", **row, **_change(found, origin)})
        elif found.type == TransactionType.EARN:
            yield _written({"type": "lot", **row, **_lot(found, program, scale, origin)})
        else:
            yield _written({"type": "transaction", **row, **_moved(found, scale, origin)})


def _named(found: Any) -> Row:
    if found.external_id:
        return {"external_id": found.external_id}
    if found.member_vendor_id:
        return {"member_vendor_id": str(found.member_vendor_id)}
    return {
        "identifier_type": found.identifier_type,
        "identifier_value": found.identifier_value,
    }


def _lot(found: Any, program: Program, scale: int, origin: str) -> Row:
    policy = program.versions[found.policy_version_id]
    return {
        **_lot_name(found.lot_id, found.lot_vendor_id, origin, ""),
        "kind": AwardKind(found.kind).name,
        "state": LotState(found.first_state).name,
        "policy": policy.code,
        "policy_version": str(policy.version),
        "amount": print_units(found.amount, scale),
        "earned_at": _instant(found.earned_at),
        "expires_at": "" if found.rule else _expiry(found.expires_at),
        **_texts(found),
        "recorded_at": _instant(found.created_at),
    }


def _moved(found: Any, scale: int, origin: str) -> Row:
    kind = TransactionType(found.type)
    row: Row = {
        "import_id": f"{origin}{found.transaction_id}",
        "transaction": kind.name,
        "amount": print_units(found.amount, scale),
    }
    if found.lot_ids is None:
        row |= _lot_name(found.lot_id, found.lot_vendor_id, origin, "lot_")
        row["lapse"] = kind is TransactionType.CLOSE and found.lot_expires_at == found.effective_at
    else:
        parts = sorted(zip(found.lot_ids, found.lot_vendor_ids, found.amounts, strict=True))
        row["allocations"] = [
            {**_lot_name(lot, vendor, origin, "lot_"), "amount": print_units(part, scale)}
            for lot, vendor, part in parts
        ]
        row["lapse"] = kind is TransactionType.EXPIRE and found.lapse
    if kind is TransactionType.REVERSE:
        row["reverses"] = f"{origin}{found.related_id}"
    row["effective_at"] = _instant(found.effective_at)
    return {**row, **_texts(found), "recorded_at": _instant(found.created_at)}


def _change(found: Any, origin: str) -> Row:
    reason = found.reason_type
    return {
        "import_id": f"{origin}{found.event_id}",
        **_lot_name(found.lot_id, found.lot_vendor_id, origin, "lot_"),
        "old_expires_at": _expiry(found.old_expires_at),
        "new_expires_at": _expiry(found.new_expires_at),
        "reason_type": ReasonType(reason).name if reason is not None else "",
        "reason_note": found.reason_note,
        "who_raised": found.who_raised,
        "who_approved": found.who_approved,
        "reason_for_trigger": found.reason_for_trigger,
        "custom_meta": json.loads(found.custom_meta) if found.custom_meta else "",
        "request_id": found.request_id,
        "principal": found.principal,
        "recorded_at": _instant(found.created_at),
    }


def _lot_name(lot_id: int, vendor_id: int, origin: str, prefix: str) -> Row:
    if vendor_id:
        return {f"{prefix}vendor_id": str(vendor_id)}
    return {f"{prefix}import_id": f"{origin}{lot_id}"}


def _texts(found: Any) -> Row:
    names = ("reference", "source", "reason", "description", "request_id", "principal")
    return {name: getattr(found, name) for name in names}


def _instant(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _expiry(at: datetime | None) -> str:
    return "never" if at is None else _instant(at)


def _written(row: Row) -> Row:
    """Without what is not set."""
    return {name: value for name, value in row.items() if value not in (None, "", False)}


_compact = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def write_json_lines(rows: Iterable[Row], file: TextIO) -> Iterator[None]:
    """Write each row as a line of JSON, yielding after each."""
    for row in rows:
        file.write(_compact(row) + "\n")
        yield


def write_csv(rows: Iterable[Row], file: TextIO) -> Iterator[None]:
    """Write the rows as CSV with every column there is, yielding after each."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(ALL)
    for row in rows:
        writer.writerow([_cell(row.get(name, "")) for name in ALL])
        yield


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else ""
    return value if isinstance(value, str) else _compact(value)

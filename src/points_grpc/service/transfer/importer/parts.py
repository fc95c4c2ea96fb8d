"""Pieces that rows of several types share. All refuse with InvalidField."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from points_grpc.domain.commands import VENDOR_ID, MemberName
from points_grpc.domain.identifiers import EXTERNAL_ID, normal_form, read_identifier
from points_grpc.domain.limits import (
    IMPORT_ID_MAX,
    NAME_MAX,
    PROSE_MAX,
    REFERENCE_MAX,
    REQUEST_ID_MAX,
    SOURCE_MAX,
    read_text,
)
from points_grpc.domain.posting import TransactionTexts
from points_grpc.errors import InvalidField
from points_grpc.service.transfer.importer.fields import HistoryFields, LotFields, NamesMember
from points_grpc.service.transfer.importer.values import read_amount, read_json, read_vendor_id

MemberKeyName = tuple[str, str]
"""Type and normalised value of an identifier."""

LotRef = tuple[int, str]
"""A lot by the other system's number (else 0) or by its import_id."""

ALLOCATIONS_MAX = 10_000
PRINCIPAL = "import"

V = TypeVar("V")


def one_of(known: Mapping[str, V], text: str, field: str) -> V:
    """Return the member of the enum that `text` names."""
    try:
        return known[text]
    except KeyError:
        names = ", ".join(name for name in known if name)
        raise InvalidField(field, f"must be one of {names}") from None


def member_named(row: NamesMember) -> MemberKeyName:
    """Return the one identifier by which a row names its member."""
    kind, value = row.identifier_type, row.identifier_value
    given = (row.member_vendor_id, row.email, row.phone, row.username, kind, value)
    if row.external_id and given == _NONE:
        return EXTERNAL_ID, normal_form(EXTERNAL_ID, row.external_id, EXTERNAL_ID)
    named = [(name, v) for name, v in zip(_NAMES, given[:4], strict=True) if v]
    if row.external_id:
        named.append((EXTERNAL_ID, row.external_id))
    if len(named) + bool(kind or value) != 1:
        raise InvalidField("external_id", "or another single identifier must name the member")
    if not named:
        name = read_identifier(kind, value, "identifier_type", "identifier_value")
        return name.type, name.value
    ((kind, value),) = named
    return kind, normal_form(kind, value, field_of(kind))


MEMBER_VENDOR_ID = "member_vendor_id"
_NAMES = (VENDOR_ID, "email", "phone", "username")
_OWN_FIELDS = frozenset((EXTERNAL_ID, *_NAMES))
_NONE = ("",) * 6


def field_of(kind: str) -> str:
    """Return the field that has an identifier of that type; usual types have their own field."""
    if kind == VENDOR_ID:
        return MEMBER_VENDOR_ID
    return kind if kind in _OWN_FIELDS else f"identifiers.{kind}"


def identifiers_in(value: Any) -> list[MemberName]:
    """Return the identifiers in a list of {"type", "value"}."""
    found = read_json(value, "identifiers") or []
    if not isinstance(found, list):
        raise InvalidField("identifiers", "must be a list")
    names = []
    for index, one in enumerate(found):
        field = f"identifiers[{index}]"
        if not isinstance(one, dict) or one.keys() != {"type", "value"}:
            raise InvalidField(field, "must have type and value")
        if not all(isinstance(text, str) for text in one.values()):
            raise InvalidField(field, "must have texts as type and value")
        kind, text = one["type"], one["value"]
        names.append(read_identifier(kind, text, f"{field}.type", f"{field}.value"))
    return names


def lot_named(vendor_id: str, import_id: str, prefix: str = "lot_") -> LotRef:
    """Return the lot that a row names in one of two ways."""
    number = read_vendor_id(vendor_id, f"{prefix}vendor_id")
    if bool(number) == bool(import_id):
        raise InvalidField(f"{prefix}vendor_id", "or import_id must name the lot")
    return number, read_text(import_id, f"{prefix}import_id", IMPORT_ID_MAX)


def allocations_in(value: Any, scale: int) -> list[tuple[LotRef, int]]:
    """Return the lots of a transaction, and how much it took from or gave back to each."""
    found = read_json(value, "allocations")
    if not isinstance(found, list) or not 1 <= len(found) <= ALLOCATIONS_MAX:
        raise InvalidField("allocations", f"must be a list of 1 to {ALLOCATIONS_MAX}")
    parts = []
    for index, one in enumerate(found):
        field = f"allocations[{index}]"
        if not isinstance(one, dict) or not one.keys() <= _ALLOCATION:
            raise InvalidField(field, "must have amount and lot_vendor_id or lot_import_id")
        texts = [one.get(key, "") for key in ("lot_vendor_id", "lot_import_id", "amount")]
        if not all(isinstance(text, str) for text in texts):
            raise InvalidField(field, "must have texts or numbers")
        ref = lot_named(texts[0], texts[1], f"{field}.lot_")
        parts.append((ref, read_amount(texts[2], scale, f"{field}.amount")))
    if len({ref for ref, _ in parts}) < len(parts):
        raise InvalidField("allocations", "must not name a lot twice")
    return parts


_ALLOCATION = {"amount", "lot_vendor_id", "lot_import_id"}


def texts_of(row: LotFields | HistoryFields) -> TransactionTexts:
    """Return the texts of a transaction."""
    texts = TransactionTexts()
    if row.reference:
        texts["reference"] = read_text(row.reference, "reference", REFERENCE_MAX)
    if row.source:
        texts["source"] = read_text(row.source, "source", SOURCE_MAX)
    if row.reason:
        texts["reason"] = read_text(row.reason, "reason", PROSE_MAX)
    if row.description:
        texts["description"] = read_text(row.description, "description", PROSE_MAX)
    if row.request_id:
        texts["request_id"] = read_text(row.request_id, "request_id", REQUEST_ID_MAX)
    return texts


def principal_of(text: str) -> str:
    """Return the row's principal; the import's if it names none."""
    return read_text(text, "principal", NAME_MAX) if text else PRINCIPAL


def import_id_of(text: str) -> str:
    """Return the row's name among the member's rows; it is required."""
    if not text:
        raise InvalidField("import_id", "is required")
    return read_text(text, "import_id", IMPORT_ID_MAX)

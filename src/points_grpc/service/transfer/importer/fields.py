"""The fields of a file's rows, by type. What they mean is in docs/import.md.

A value is the text in the file, "" for what is not given; fields that are Any hold JSON: as
such in JSON lines, as text in CSV.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class MemberFields(NamedTuple):
    """A member with all its identifiers."""

    external_id: str
    member_vendor_id: str
    email: str
    phone: str
    username: str
    identifiers: Any
    created_at: str


class LotFields(NamedTuple):
    """An award of points, and what became of it."""

    external_id: str
    member_vendor_id: str
    email: str
    phone: str
    username: str
    identifier_type: str
    identifier_value: str
    currency: str
    vendor_id: str
    import_id: str
    kind: str
    state: str
    policy: str
    policy_version: str
    amount: str
    remaining: str
    redeemed: str
    expired: str
    earned_at: str
    expires_at: str
    redeemed_at: str
    expired_at: str
    closed_at: str
    reference: str
    source: str
    reason: str
    description: str
    request_id: str
    principal: str
    recorded_at: str


class PlainFields(NamedTuple):
    """The fields of a lot's row that gives no others."""

    external_id: str
    currency: str
    vendor_id: str
    policy: str
    amount: str
    remaining: str
    earned_at: str
    expires_at: str
    reference: str

    def whole(self) -> LotFields:
        """The same row with all the fields that a lot can have."""
        return _NO_LOT._replace(**self._asdict())


_NO_LOT = LotFields._make([""] * len(LotFields._fields))


class HistoryFields(NamedTuple):
    """A row of history other than an EARN."""

    external_id: str
    member_vendor_id: str
    email: str
    phone: str
    username: str
    identifier_type: str
    identifier_value: str
    currency: str
    import_id: str
    transaction: str
    amount: str
    allocations: Any
    lot_vendor_id: str
    lot_import_id: str
    reverses: str
    lapse: str
    effective_at: str
    reference: str
    source: str
    reason: str
    description: str
    request_id: str
    principal: str
    recorded_at: str


class ChangeFields(NamedTuple):
    """A change of a lot's expiry."""

    external_id: str
    member_vendor_id: str
    email: str
    phone: str
    username: str
    identifier_type: str
    identifier_value: str
    currency: str
    import_id: str
    lot_vendor_id: str
    lot_import_id: str
    old_expires_at: str
    new_expires_at: str
    reason_type: str
    reason_note: str
    who_raised: str
    who_approved: str
    reason_for_trigger: str
    custom_meta: Any
    request_id: str
    principal: str
    recorded_at: str


Fields = MemberFields | PlainFields | LotFields | HistoryFields | ChangeFields

NamesMember = LotFields | HistoryFields | ChangeFields
"""A row that names its member in one of several ways."""

KINDS: dict[str, type[Fields]] = {
    "member": MemberFields,
    "lot": LotFields,
    "transaction": HistoryFields,
    "expiry_change": ChangeFields,
}
"""What a row can be; a row that does not say is a lot."""

REQUIRED_OF_LOTS = ("amount", "earned_at")

STRUCTURED = frozenset(("identifiers", "allocations", "custom_meta"))
"""Fields that hold JSON."""

ALL = ("type", *dict.fromkeys(name for kind in KINDS.values() for name in kind._fields))
"""Every field, in the order of an exported CSV's columns."""

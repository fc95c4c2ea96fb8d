"""Rows of a file as data that can be resolved and posted. All refuse with InvalidField."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from points_grpc.domain.calendar import OutOfCalendar
from points_grpc.domain.commands import VENDOR_ID, VENDOR_ID_END, MemberName
from points_grpc.domain.identifiers import (
    EXTERNAL_ID,
    IDENTIFIERS_MAX,
    check_identifiers,
    normal_form,
)
from points_grpc.domain.imports.lots import LotRow, split_amount
from points_grpc.domain.limits import (
    IMPORT_ID_MAX,
    META_MAX,
    NAME_MAX,
    PROSE_MAX,
    REFERENCE_MAX,
    REQUEST_ID_MAX,
    check_characters,
    read_text,
)
from points_grpc.domain.model import (
    AwardKind,
    Currency,
    LotState,
    Policy,
    PolicyKind,
    Program,
    ReasonType,
    TransactionType,
)
from points_grpc.domain.policy import fixed_expiry
from points_grpc.domain.posting import TransactionTexts
from points_grpc.errors import InvalidField
from points_grpc.service.transfer.importer.fast_path import PlainLot
from points_grpc.service.transfer.importer.fields import (
    ChangeFields,
    Fields,
    HistoryFields,
    LotFields,
    MemberFields,
    PlainFields,
)
from points_grpc.service.transfer.importer.parts import (
    PRINCIPAL,
    LotRef,
    MemberKeyName,
    allocations_in,
    field_of,
    identifiers_in,
    import_id_of,
    lot_named,
    member_named,
    one_of,
    principal_of,
    texts_of,
)
from points_grpc.service.transfer.importer.values import (
    plain_units,
    read_amount,
    read_expiry,
    read_meta,
    read_part,
    read_past,
    read_vendor_id,
)

_HISTORY = {
    kind.name: kind
    for kind in TransactionType
    if kind not in (TransactionType.EARN, TransactionType.HOLD, TransactionType.RELEASE)
}
_KINDS = {kind.name: kind for kind in AwardKind} | {"": AwardKind.POINT_AWARDED}
_STATES = {state.name: state for state in LotState} | {"": LotState.APPROVED}
_FLAGS = {"": False, "false": False, "true": True}
_OF_ONE_LOT = (TransactionType.SUBMIT, TransactionType.APPROVE, TransactionType.CLOSE)
_REASONS: dict[str, ReasonType | None] = {"": None, **{r.name: r for r in ReasonType}}


@dataclass(slots=True)
class ParsedMember:
    """A member with all the identifiers of its row."""

    number: int
    names: tuple[MemberName, ...]
    created_at: datetime


@dataclass(slots=True)
class ParsedLot:
    """A lot and its member; `recorded_at` None: at the import."""

    number: int
    name: MemberKeyName
    currency: Currency
    row: LotRow
    import_id: str
    texts: TransactionTexts
    principal: str
    recorded_at: datetime | None


@dataclass(slots=True)
class ParsedHistory:
    """A transaction and its member; its lots and the EXPIRE that it reverses are still names."""

    number: int
    name: MemberKeyName
    currency: Currency
    import_id: str
    type: TransactionType
    parts: list[tuple[LotRef, int]]
    at: datetime
    lapse: bool
    reverses: str
    texts: TransactionTexts
    principal: str
    recorded_at: datetime


@dataclass(slots=True)
class ParsedChange:
    """An expiry change and its member; its lot is still a name."""

    number: int
    name: MemberKeyName
    currency: Currency
    import_id: str
    lot: LotRef
    old: datetime | None
    new: datetime | None
    reason_type: ReasonType | None
    note: str
    meta: tuple[str, str, str]
    custom_meta: str
    request_id: str
    principal: str
    recorded_at: datetime


Parsed = ParsedMember | PlainLot | ParsedLot | ParsedHistory | ParsedChange


def whole(plain: PlainLot) -> ParsedLot:
    """Return the plain lot as a ParsedLot."""
    texts = TransactionTexts(reference=plain.reference) if plain.reference else TransactionTexts()
    return ParsedLot(
        plain.number, plain.name, plain.currency, plain.row, "", texts, PRINCIPAL, None
    )


Versions = Mapping[tuple[int, str, str], Policy]
"""Policy versions by currency id, code and number."""


class Parser:
    """Parses rows for one program, as of `now`."""

    def __init__(self, program: Program, versions: Versions, now: datetime) -> None:
        self._zone = program.zone
        self._now = now
        self._currencies = {c.code: c for c in program.currencies.values()}
        default = program.currencies.get(program.default_currency_id)
        if default is not None:
            self._currencies[""] = default
        self._versions = versions

    def parse(self, number: int, row: Fields) -> Parsed:
        """Parse the row of line `number`. Raises InvalidField."""
        if isinstance(row, PlainFields):
            try:
                plain = self._plain(number, row)
            except InvalidField:
                plain = None  # the long way knows what to complain of first
            return plain or self._lot(number, row.whole())
        if isinstance(row, LotFields):
            return self._lot(number, row)
        if isinstance(row, HistoryFields):
            return self._history(number, row)
        if isinstance(row, MemberFields):
            return self._member(number, row)
        return self._change(number, row)

    def _member(self, number: int, row: MemberFields) -> ParsedMember:
        given = {
            "external_id": row.external_id,
            VENDOR_ID: row.member_vendor_id,
            "email": row.email,
            "phone": row.phone,
            "username": row.username,
        }
        names = [
            MemberName(kind, normal_form(kind, value, field_of(kind)))
            for kind, value in given.items()
            if value
        ]
        names += identifiers_in(row.identifiers)
        if not names:
            raise InvalidField("external_id", "or another identifier is required")
        if len(names) > IDENTIFIERS_MAX:
            raise InvalidField("identifiers", f"must not be more than {IDENTIFIERS_MAX}")
        check_identifiers(names)
        at = self._past(row.created_at, "created_at")
        return ParsedMember(number, tuple(dict.fromkeys(names)), at or self._now)

    def _plain(self, number: int, row: PlainFields) -> PlainLot | None:
        """Return a lot that is complete and valid; None for all others."""
        external_id, code, vendor, policy_code, amount, left, at, until, reference = row
        currency = self._currencies.get(code)
        if currency is None:
            return None
        policy = currency.policies.get(policy_code or currency.default_policy)
        scale = currency.scale
        units = plain_units(amount, scale)
        remaining = plain_units(left, scale) if left else units
        vendor_id = plain_units(vendor, 0)
        if policy is None or not units or remaining is None or not vendor_id or not at:
            return None
        if not 0 < len(external_id) <= NAME_MAX or len(reference) > REFERENCE_MAX:
            return None
        check_characters(external_id + reference, EXTERNAL_ID)
        earned = read_past(at, self._zone, "earned_at", self._now)
        if until:
            rule, expiry = 0, read_expiry(until, self._zone, "expires_at")
        else:
            rule, expiry = self._expiry(policy, earned)
        wrong = remaining > units or vendor_id >= VENDOR_ID_END
        if rule or wrong or (expiry is not None and expiry <= earned):
            return None
        name = (EXTERNAL_ID, external_id)
        return PlainLot(
            number, name, currency, policy, units, remaining, earned, expiry, vendor_id, reference
        )

    def _lot(self, number: int, row: LotFields) -> ParsedLot:
        name = member_named(row)
        known = self._currency(row.currency)
        own_id = read_vendor_id(row.vendor_id, "vendor_id")
        if not own_id and not row.import_id:
            raise InvalidField("vendor_id", "or import_id is required")
        units, remaining, redeemed, expired = _parts(row, known.scale)
        version = self._policy(known, row.policy, row.policy_version)
        earned = self._past(row.earned_at, "earned_at")
        if earned is None:
            raise InvalidField("earned_at", "is required")
        if row.expires_at:
            rule, expiry = 0, read_expiry(row.expires_at, self._zone, "expires_at")
        else:
            rule, expiry = self._expiry(version, earned)
        lot = LotRow(
            version,
            rule,
            units,
            remaining,
            redeemed,
            expired,
            earned,
            expiry,
            one_of(_STATES, row.state, "state"),
            one_of(_KINDS, row.kind, "kind"),
            own_id,
            self._past(row.redeemed_at, "redeemed_at"),
            self._past(row.expired_at, "expired_at"),
            self._past(row.closed_at, "closed_at"),
        )
        recorded = self._past(row.recorded_at, "recorded_at")
        import_id = "" if own_id else read_text(row.import_id, "import_id", IMPORT_ID_MAX)
        return ParsedLot(
            number,
            name,
            known,
            lot,
            import_id,
            texts_of(row),
            principal_of(row.principal),
            recorded,
        )

    def _history(self, number: int, row: HistoryFields) -> ParsedHistory:
        name = member_named(row)
        known = self._currency(row.currency)
        kind = one_of(_HISTORY, row.transaction, "transaction")
        units = read_amount(row.amount, known.scale, "amount") if row.amount else 0
        if kind in _OF_ONE_LOT:
            if row.allocations not in ("", []):
                raise InvalidField("allocations", f"is not for {kind.name}")
            parts = [(lot_named(row.lot_vendor_id, row.lot_import_id), units)]
        else:
            parts = allocations_in(row.allocations, known.scale)
            total = sum(part for _, part in parts)
            if units not in (0, total):
                raise InvalidField("allocations", "must add up to the amount")
        if (kind is TransactionType.REVERSE) != bool(row.reverses):
            raise InvalidField("reverses", "must be given for a REVERSE, and only there")
        at = self._past(row.effective_at, "effective_at")
        if at is None:
            raise InvalidField("effective_at", "is required")
        return ParsedHistory(
            number,
            name,
            known,
            import_id_of(row.import_id),
            kind,
            parts,
            at,
            one_of(_FLAGS, row.lapse, "lapse"),
            read_text(row.reverses, "reverses", IMPORT_ID_MAX),
            texts_of(row),
            principal_of(row.principal),
            self._past(row.recorded_at, "recorded_at") or at,
        )

    def _change(self, number: int, row: ChangeFields) -> ParsedChange:
        recorded = self._past(row.recorded_at, "recorded_at")
        if recorded is None:
            raise InvalidField("recorded_at", "is required")
        return ParsedChange(
            number,
            member_named(row),
            self._currency(row.currency),
            import_id_of(row.import_id),
            lot_named(row.lot_vendor_id, row.lot_import_id),
            read_expiry(row.old_expires_at, self._zone, "old_expires_at"),
            read_expiry(row.new_expires_at, self._zone, "new_expires_at"),
            one_of(_REASONS, row.reason_type, "reason_type"),
            read_text(row.reason_note, "reason_note", PROSE_MAX),
            (
                read_text(row.who_raised, "who_raised", META_MAX),
                read_text(row.who_approved, "who_approved", META_MAX),
                read_text(row.reason_for_trigger, "reason_for_trigger", META_MAX),
            ),
            read_meta(row.custom_meta),
            read_text(row.request_id, "request_id", REQUEST_ID_MAX),
            principal_of(row.principal),
            recorded,
        )

    def _currency(self, code: str) -> Currency:
        found = self._currencies.get(code)
        if found is None:
            raise InvalidField("currency", "must be the code of one of the program's currencies")
        return found

    def _policy(self, currency: Currency, code: str, version: str) -> Policy:
        if version:
            found = self._versions.get((currency.currency_id, code, version))
        else:
            found = currency.policies.get(code or currency.default_policy)
        if found is None:
            raise InvalidField("policy", "must be the code of one of the currency's policies")
        return found

    def _past(self, text: str, field: str) -> datetime | None:
        return read_past(text, self._zone, field, self._now) if text else None

    def _expiry(self, policy: Policy, earned_at: datetime) -> tuple[int, datetime | None]:
        if policy.kind is PolicyKind.INACTIVITY:
            return policy.policy_version_id, None
        try:
            return 0, fixed_expiry(policy, self._zone, earned_at)
        except OutOfCalendar:
            raise InvalidField("policy", "gives an expiry beyond the calendar") from None


def _parts(row: LotFields, scale: int) -> tuple[int, int, int, int]:
    """Return a lot's amount, and what remains, was redeemed and has expired."""
    units = read_amount(row.amount, scale, "amount")
    if not (row.redeemed or row.expired or row.remaining):
        return units, units, 0, 0
    parts = split_amount(
        units,
        read_part(row.remaining, scale, "remaining"),
        read_part(row.redeemed, scale, "redeemed"),
        read_part(row.expired, scale, "expired"),
        rest_expired=bool(row.expired_at) and not row.redeemed_at,
    )
    return (units, *parts)

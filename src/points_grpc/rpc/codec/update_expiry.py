"""UpdateExpiry: the busiest message. What items of a batch have in common is read once.

Most items of a batch differ in their member and lot alone, and batches resemble each other: the
rest of an item is known by its bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from points.v1 import update_expiry_pb2
from points_grpc.domain.commands import CurrencyName, MemberName, UpdateExpiry, digest
from points_grpc.domain.limits import PROSE_MAX, read_request_id, read_text
from points_grpc.domain.model import AwardKind, LotCategory, ReasonType
from points_grpc.domain.policy import Expiration, ExpireAt, ExpireOn, InDays, InMonths
from points_grpc.errors import InvalidField
from points_grpc.rpc.codec.custom_meta import read_custom_meta, read_standard_meta
from points_grpc.rpc.codec.enums import CATEGORIES, KINDS, REASON_TYPES, read_enum
from points_grpc.rpc.codec.expirations import read_expiration
from points_grpc.rpc.codec.identifiers import (
    read_currency,
    read_id,
    read_member,
    read_optional_id,
)

_NO_META = ("", "", "")
_KNOWN_MAX = 2048
_KNOWN_BYTES_MAX = 512


class UpdateTerms(NamedTuple):
    """All of an update but its member and lot, in UpdateExpiry's order from `expiration` on."""

    expiration: Expiration
    currency: CurrencyName
    kind: AwardKind | None
    category: LotCategory | None
    reason_type: ReasonType | None
    reason_note: str
    standard_meta: tuple[str, str, str]
    custom_meta: str
    reinstate: bool


UpdateDraft: TypeAlias = tuple[int, MemberName, int, UpdateTerms, bytes]
"""program_id, member, lot_id, terms, and a digest of the program and the terms."""

_known: dict[bytes, tuple[int, UpdateTerms, bytes]] = {}
"""By the bytes of an update without its member and lot; starts afresh when full."""


def draft_updates(
    message: update_expiry_pb2.UpdateExpiryRequest,
) -> Iterator[UpdateDraft | InvalidField]:
    """Yield for each update what makes its command, or its own refusal.

    Takes the updates' members and lots out of the message.
    """
    return map(_try_draft, message.updates)


def finish_updates(
    message: update_expiry_pb2.UpdateExpiryRequest, drafts: Sequence[UpdateDraft | InvalidField]
) -> list[UpdateExpiry | InvalidField]:
    """One command per draft, in place of which there may be what is wrong with that item.

    With a request id every command carries the fingerprint of the whole call. Raises
    InvalidField for what is wrong with the call.
    """
    request_id = read_request_id(message.request_id)
    whole = digest("UpdateExpiry", *map(_content, drafts)) if request_id else b""
    return [
        draft
        if isinstance(draft, InvalidField)
        else UpdateExpiry(draft[0], draft[1], draft[2], *draft[3], request_id, index, whole)
        for index, draft in enumerate(drafts)
    ]


def _try_draft(update: update_expiry_pb2.ExpiryUpdate) -> UpdateDraft | InvalidField:
    try:
        member = read_member(update)
        lot_id = read_id(update.lot_id, "lot_id")
        update.ClearField("member")
        update.ClearField("lot_id")
        program_id, terms, mark = _rest_of(update)
    except InvalidField as refusal:
        return refusal
    return program_id, member, lot_id, terms, mark


def _rest_of(update: update_expiry_pb2.ExpiryUpdate) -> tuple[int, UpdateTerms, bytes]:
    packed = update.SerializeToString(deterministic=True)
    if (rest := _known.get(packed)) is None:
        program_id = read_optional_id(update.program_id, "program_id")
        terms = _terms(update)
        rest = program_id, terms, digest(program_id, _terms_content(terms))
        if len(packed) <= _KNOWN_BYTES_MAX:
            if len(_known) >= _KNOWN_MAX:
                _known.clear()
            _known[packed] = rest
    return rest


def _terms(update: update_expiry_pb2.ExpiryUpdate) -> UpdateTerms:
    kind, category, reason_type = update.kind, update.category, update.reason_type
    expiration = read_expiration(update)
    if expiration is None:
        raise InvalidField("expiration", "is required")
    return UpdateTerms(
        expiration,
        read_currency(update),
        read_enum(kind, KINDS, "kind") if kind else None,
        read_enum(category, CATEGORIES, "category") if category else None,
        read_enum(reason_type, REASON_TYPES, "reason_type") if reason_type else None,
        read_text(update.reason_note, "reason_note", PROSE_MAX),
        read_standard_meta(update.standard_meta) if update.HasField("standard_meta") else _NO_META,
        read_custom_meta(update.custom_meta) if update.HasField("custom_meta") else "",
        update.reinstate,
    )


def _content(draft: UpdateDraft | InvalidField) -> tuple[object, ...]:
    """Return what distinguishes an item of a call from any other."""
    if isinstance(draft, InvalidField):
        return draft.field, draft.problem
    _, member, lot_id, _, mark = draft
    return member.type, member.value, lot_id, mark


def _terms_content(terms: UpdateTerms) -> tuple[object, ...]:
    """Return the fields that are not at their default; later fields change no fingerprint."""
    content: list[object] = [*_plain(terms.expiration)]
    if terms.currency is not None:
        content.append(("currency", terms.currency))
    if terms.kind is not None:
        content.append(("kind", int(terms.kind)))
    if terms.category is not None:
        content.append(("category", int(terms.category)))
    if terms.reason_type is not None:
        content.append(("reason_type", int(terms.reason_type)))
    if terms.reason_note:
        content.append(("reason_note", terms.reason_note))
    if terms.standard_meta != _NO_META:
        content.append(("standard_meta", terms.standard_meta))
    if terms.custom_meta:
        content.append(("custom_meta", terms.custom_meta))
    if terms.reinstate:
        content.append("reinstate")
    return tuple(content)


def _plain(expiration: Expiration) -> tuple[str, object]:
    match expiration:
        case InDays():
            return "days", expiration.days
        case ExpireAt():
            return "at", expiration.at.isoformat()
        case ExpireOn():
            return "on", expiration.day.isoformat()
        case InMonths():
            return "months", expiration.months
        case _:
            return type(expiration).__name__, None

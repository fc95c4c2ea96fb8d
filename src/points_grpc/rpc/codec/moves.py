"""UpdateExpiry: the busiest message, so each field is read once and nothing is built twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from points.v1 import update_expiry_pb2
from points_grpc.domain.commands import CurrencyName, MemberName, MoveExpiry, digest
from points_grpc.domain.model import AwardKind, LotCategory, ReasonType
from points_grpc.domain.policy import Expiration, ExpireAt, ExpireOn, InDays, InMonths
from points_grpc.errors import InvalidField
from points_grpc.rpc.codec.enums import CATEGORIES, KINDS, REASON_TYPES, read_enum
from points_grpc.rpc.codec.expirations import read_expiration
from points_grpc.rpc.codec.meta import read_custom_meta, read_standard_meta
from points_grpc.rpc.codec.names import read_currency, read_id, read_member, read_optional_id
from points_grpc.rpc.codec.text import PROSE_MAX, read_request_id, read_text

_NO_META = ("", "", "")

Draft: TypeAlias = tuple[
    int,
    MemberName,
    int,
    Expiration,
    CurrencyName,
    AwardKind | None,
    LotCategory | None,
    ReasonType | None,
    str,
    tuple[str, str, str],
    str,
    bool,
]
"""The fields of a MoveExpiry that come from its own message, in their order."""


def draft_moves(message: update_expiry_pb2.UpdateExpiryRequest) -> Iterator[Draft | InvalidField]:
    """What makes a command of each update, or what is wrong with it alone, one at a time."""
    return map(_try_draft, message.updates)


def finish_moves(
    message: update_expiry_pb2.UpdateExpiryRequest, drafts: Sequence[Draft | InvalidField]
) -> list[MoveExpiry | InvalidField]:
    """One command per draft, in place of which there may be what is wrong with that item.

    With a request id every command carries the fingerprint of the whole call. Raises
    InvalidField for what is wrong with the call.
    """
    request_id = read_request_id(message.request_id)
    whole = digest("UpdateExpiry", *map(_content, drafts)) if request_id else b""
    return [
        draft if isinstance(draft, InvalidField) else MoveExpiry(*draft, request_id, index, whole)
        for index, draft in enumerate(drafts)
    ]


def _try_draft(update: update_expiry_pb2.ExpiryUpdate) -> Draft | InvalidField:
    try:
        return _draft(update)
    except InvalidField as refusal:
        return refusal


def _draft(update: update_expiry_pb2.ExpiryUpdate) -> Draft:
    kind, category, reason_type = update.kind, update.category, update.reason_type
    expiration = read_expiration(update)
    if expiration is None:
        raise InvalidField("expiration", "is required")
    return (
        read_optional_id(update.program_id, "program_id"),
        read_member(update),
        read_id(update.lot_id, "lot_id"),
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


def _content(draft: Draft | InvalidField) -> tuple[object, ...]:
    """What `commands.content` gives for a command, at a fifth of its cost.

    What is at its default does not count, so that fields added later change no fingerprint.
    """
    if isinstance(draft, InvalidField):
        return draft.field, draft.problem
    (program_id, member, lot_id, expiration, currency) = draft[:5]
    (kind, category, reason_type, note, standard_meta, custom_meta, reinstate) = draft[5:]
    content: list[object] = [program_id, member.type, member.value, lot_id, *_plain(expiration)]
    if currency is not None:
        content.append(("currency", currency))
    if kind is not None:
        content.append(("kind", int(kind)))
    if category is not None:
        content.append(("category", int(category)))
    if reason_type is not None:
        content.append(("reason_type", int(reason_type)))
    if note:
        content.append(("reason_note", note))
    if standard_meta != _NO_META:
        content.append(("standard_meta", standard_meta))
    if custom_meta:
        content.append(("custom_meta", custom_meta))
    if reinstate:
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

"""The service's answer as the page has it."""

from __future__ import annotations

from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from google.protobuf.struct_pb2 import Struct, Value

from points.v1.expiry_change_pb2 import ExpiryChange, StandardMeta
from points.v1.update_expiry_pb2 import ExpiryUpdate, UpdateExpiryRequest, UpdateExpiryResponse
from points_grpc.gateway.errors import Failure, refusal_of
from points_grpc.gateway.vendors.capillary.decode import KINDS, REASON_TYPES
from points_grpc.gateway.vendors.capillary.errors import of_item

_KINDS = {number: name for name, number in KINDS.items()}
_REASON_TYPES = {number: name for name, number in REASON_TYPES.items()}
_META = ("reason_for_trigger", "who_approved", "who_raised")
_FIRST, _LAST = "0001-01-01 00:00:00", "9999-12-31 23:59:59"


def written(request: UpdateExpiryRequest, response: UpdateExpiryResponse) -> dict[str, Any]:
    """The body: what was changed and what was refused, each in the order of the request."""
    changed, failures = [], []
    # From this answer and no other: program ids are unique within a tenant only.
    zones = {program_id: ZoneInfo(name) for program_id, name in response.time_zones.items()}
    for update, result in zip(request.updates, response.results, strict=True):
        if result.HasField("moved"):
            change = result.moved.change
            if response.texts_omitted:
                _put_texts(change, update)
            changed.append(_changed(change, zones[change.program_id]))
        else:
            failures.append(_failed(update, refusal_of(result.error)))
    body: dict[str, Any] = {"currencyExpiryUpdateResponse": changed}
    if failures:
        body["failures"] = failures
    return body


def _put_texts(change: ExpiryChange, update: ExpiryUpdate) -> None:
    """Give back to a change what a long answer leaves out, as the request has it."""
    change.reason_note = update.reason_note
    if update.HasField("standard_meta"):
        change.standard_meta.CopyFrom(update.standard_meta)
    if len(update.custom_meta.fields):
        change.custom_meta.CopyFrom(update.custom_meta)


def _changed(change: ExpiryChange, zone: tzinfo) -> dict[str, Any]:
    member, has = change.member, change.HasField
    old = _time(change.old_expire_time.seconds, zone) if has("old_expire_time") else None
    new = _time(change.new_expire_time.seconds, zone) if has("new_expire_time") else None
    return {
        "customerId": member.vendor_id or member.member_id,
        "programId": change.program_id,
        "currencyName": change.currency_code,
        "pointsExpiryUpdateLogs": {
            "paType": _KINDS[change.kind],
            "paId": change.lot_vendor_id or change.lot_id,
            "expiryUpdateReasonType": _REASON_TYPES.get(change.reason_type),
            "expiryUpdateReasonNote": change.reason_note or None,
            "oldExpiryDate": old,
            "newExpiryDate": new,
            "eventLogId": change.event_id,
            "eventDate": _time(change.event_time.seconds, zone),
            "standardMeta": _standard(change.standard_meta) if has("standard_meta") else None,
            "customMeta": _object(change.custom_meta) if has("custom_meta") else None,
        },
    }


def _failed(update: ExpiryUpdate, refusal: Failure) -> dict[str, Any]:
    kind = _KINDS[update.kind]
    number, message = of_item(refusal, kind, update.lot_id)
    return {
        "pointsAwardedRefId": update.lot_id,
        "pointsAwardedRefType": kind,
        "errorCode": number,
        "errorMessage": message,
    }


@lru_cache(4096)
def _time(second: int, zone: tzinfo) -> str:
    # Remembered, since the items of a call have few times between them.
    try:
        return datetime.fromtimestamp(second, zone).isoformat(" ")[:19]
    except (ValueError, OverflowError):
        # The first and last hours of the calendar, in zones where they are outside of it.
        return _LAST if second > 0 else _FIRST


def _standard(meta: StandardMeta) -> dict[str, str]:
    return {key: text for key in _META if (text := getattr(meta, key))}


def _object(struct: Struct) -> dict[str, Any]:
    fields = struct.fields
    return {name: _value(fields[name]) for name in sorted(fields)}


def _value(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "bool_value":
        return value.bool_value
    if kind == "struct_value":
        return _object(value.struct_value)
    if kind == "list_value":
        return [_value(element) for element in value.list_value.values]
    return None

"""A request of the page's as one of the contract.

By hand, since each field has an error number of its own, and a thousand items are to be read in a
few milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from datetime import date
from typing import Any

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.struct_pb2 import NULL_VALUE, Struct, Value

from points.v1 import expiry_change_pb2, lot_pb2
from points.v1.update_expiry_pb2 import ExpiryUpdate, UpdateExpiryRequest
from points_grpc.gateway.strict_json import has_more, read_json_with_floats
from points_grpc.gateway.transcoding.parsing import bound_of
from points_grpc.gateway.vendors.capillary import errors
from points_grpc.gateway.vendors.capillary.errors import Invalid, no_such_value

_REQUEST: Any = UpdateExpiryRequest.DESCRIPTOR
_UPDATE: Any = ExpiryUpdate.DESCRIPTOR
ITEMS_MAX = bound_of(_REQUEST.fields_by_name["updates"])
META_ITEMS_MAX = bound_of(_UPDATE.fields_by_name["custom_meta"])
META_DEPTH_MAX = 16
"""How deep customMeta may be nested and still travel; the service takes less."""

FIELDS = frozenset(
    (
        *("identifierName", "identifierValue", "programId"),
        *("pointsAwardedRefId", "pointsAwardedRefType", "currencyName", "pointCategoryType"),
        *("expiryUpdateReasonType", "expiryUpdateReasonNote"),
        *("standardMeta", "customMeta", "expiryDate"),
    )
)
_EXPIRY_FIELDS = ("expiryType", "expiryValue")
IDENTIFIERS = {
    "mobile": "phone",
    "id": "member_id",
    "externalId": "external_id",
    "email": "email",
}
META = ("who_raised", "who_approved", "reason_for_trigger")
EXPIRY_TYPES = ("FIXED_DATE", "FIXED_DAYS", "FIXED_MONTHS", "IMMEDIATE")
_IMMEDIATE = "IMMEDIATE"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_DIGITS = re.compile(r"[0-9]{1,19}", re.ASCII)
_INT32_END = 2**31
_INT64_END = 2**63


def _names(enum: EnumDescriptor, prefix: str) -> dict[str, Any]:
    values = enum.values_by_number
    return {value.name.removeprefix(prefix): n for n, value in values.items() if n}


KINDS = _names(lot_pb2.AwardKind.DESCRIPTOR, "AWARD_KIND_")
"""The page's types of points awarded, in its order."""

REASON_TYPES = _names(expiry_change_pb2.ReasonType.DESCRIPTOR, "REASON_TYPE_")
CATEGORIES = _names(lot_pb2.LotCategory.DESCRIPTOR, "LOT_CATEGORY_")
_EXTEND = expiry_change_pb2.REASON_TYPE_EXTEND_EXPIRY


def read_request(body: bytes, request_id: str) -> UpdateExpiryRequest:
    """Return the request, of which each item may be refused alone. Raises Problem."""
    items = _items(read_json_with_floats(body))
    request = UpdateExpiryRequest(request_id=request_id, return_partial_success=True)
    for place, item in enumerate(items):
        try:
            _read_item(item, request.updates.add())
        except Invalid as invalid:
            raise invalid.within(place) from None
    return request


def _items(body: Any) -> list[Any]:
    if type(body) is not dict:
        raise Invalid(errors.REQUEST, text="the body must be an object")
    _only(body, (errors.ITEMS,), "")
    items = body.get(errors.ITEMS)
    if items is None:
        raise Invalid(errors.REQUEST, errors.ITEMS, "is required")
    if type(items) is not list:
        raise Invalid(errors.REQUEST, errors.ITEMS, "must be an array")
    if not 1 <= len(items) <= ITEMS_MAX:
        raise Invalid(errors.REQUEST, errors.ITEMS, f"must have 1 to {ITEMS_MAX} items")
    return items


def _read_item(item: Any, update: ExpiryUpdate) -> None:
    if type(item) is not dict:
        raise Invalid(errors.REQUEST, text="must be an object")
    if not item.keys() <= FIELDS:
        _only(item, FIELDS, "")
    _read_member(item, update)
    update.program_id = _id(item.get("programId"), errors.PROGRAM)
    update.lot_id = _id(item.get("pointsAwardedRefId"), errors.POINTS_ID)
    kind = item.get("pointsAwardedRefType")
    if type(kind) is not str:
        raise Invalid(errors.POINTS_TYPE)
    update.kind = _choice(kind, KINDS)
    if (code := item.get("currencyName")) is not None:
        update.currency_code = _text(code, "currencyName")
    if (category := item.get("pointCategoryType")) is not None:
        update.category = _choice(category, CATEGORIES)
    if (reason := item.get("expiryUpdateReasonType")) is not None:
        update.reason_type = _choice(reason, REASON_TYPES)
        update.reinstate = update.reason_type == _EXTEND
    if (note := item.get("expiryUpdateReasonNote")) is not None:
        update.reason_note = _text(note, "expiryUpdateReasonNote")
    if (meta := item.get("standardMeta")) is not None:
        _read_standard_meta(meta, update)
    if (meta := item.get("customMeta")) is not None:
        _read_custom_meta(meta, update)
    _read_expiry(item.get("expiryDate"), update)


def _read_member(item: Mapping[str, Any], update: ExpiryUpdate) -> None:
    name, value = item.get("identifierName"), item.get("identifierValue")
    if type(name) is not str or name not in IDENTIFIERS:
        raise Invalid(errors.IDENTIFIER_NAME)
    if type(value) is not str or not value:
        raise Invalid(errors.IDENTIFIER_VALUE)
    if name == "id":
        number = int(value) if _DIGITS.fullmatch(value) else 0
        update.member.member_id = _id(number, errors.IDENTIFIER_VALUE)
    else:
        setattr(update.member, IDENTIFIERS[name], value)


def _read_standard_meta(meta: Any, update: ExpiryUpdate) -> None:
    if type(meta) is not dict:
        raise Invalid(errors.STANDARD_META, "standardMeta", "must be an object")
    _only(meta, META, "standardMeta.", errors.STANDARD_META)
    for key, value in meta.items():
        if type(value) is not str:
            raise Invalid(errors.STANDARD_META, f"standardMeta.{key}", "must be a string")
        setattr(update.standard_meta, key, value)


def _read_custom_meta(meta: Any, update: ExpiryUpdate) -> None:
    if type(meta) is not dict:
        raise Invalid(errors.REQUEST, "customMeta", "must be an object")
    if has_more(meta, META_ITEMS_MAX):
        raise Invalid(
            errors.REQUEST, "customMeta", f"must not have more than {META_ITEMS_MAX} items"
        )
    update.custom_meta.SetInParent()
    _put_object(update.custom_meta, meta, META_DEPTH_MAX)


def _put_object(struct: Struct, members: Mapping[str, Any], levels: int) -> None:
    for name, value in members.items():
        _put_value(struct.fields[name], value, levels - 1)


def _put_value(message: Value, value: Any, levels: int) -> None:
    kind = type(value)
    if kind is str:
        message.string_value = value
    elif kind is bool:
        message.bool_value = value
    elif kind is int or kind is float:
        if float(value) != value:
            raise Invalid(errors.REQUEST, "customMeta", "has a number that a double cannot be")
        message.number_value = value
    elif value is None:
        message.null_value = NULL_VALUE
    elif not levels:
        raise Invalid(errors.REQUEST, "customMeta", "is nested too deep")
    elif kind is dict:
        message.struct_value.SetInParent()
        _put_object(message.struct_value, value, levels)
    else:
        message.list_value.SetInParent()
        for element in value:
            _put_value(message.list_value.values.add(), element, levels - 1)


def _read_expiry(expiry: Any, update: ExpiryUpdate) -> None:
    if expiry is None:
        raise Invalid(errors.REQUEST, "expiryDate", "is required")
    if type(expiry) is not dict:
        raise Invalid(errors.REQUEST, "expiryDate", "must be an object")
    _only(expiry, _EXPIRY_FIELDS, "expiryDate.")
    way, value = expiry.get("expiryType"), expiry.get("expiryValue")
    if way is None:
        raise Invalid(errors.REQUEST, "expiryDate.expiryType", "is required")
    if way not in EXPIRY_TYPES:
        raise no_such_value(EXPIRY_TYPES)
    if value is None and way != _IMMEDIATE:
        raise Invalid(errors.REQUEST, "expiryDate.expiryValue", "is required")
    if way == _IMMEDIATE:
        if value is not None and type(value) not in (str, int):
            raise _bad_expiry("must be a string")
        update.immediate = True
    elif way == "FIXED_DATE":
        _read_day(value, update)
    elif way == "FIXED_DAYS":
        update.days = _count(value)
    else:
        update.months = _count(value)


def _read_day(value: Any, update: ExpiryUpdate) -> None:
    try:
        if type(value) is not str or not _DAY.fullmatch(value):
            raise ValueError(value)
        day = date.fromisoformat(value)
    except ValueError:
        raise _bad_expiry("must be a date in YYYY-MM-DD format") from None
    held = update.expire_date
    held.year, held.month, held.day = day.year, day.month, day.day


def _count(value: Any) -> int:
    if type(value) is str and _DIGITS.fullmatch(value):
        value = int(value)
    if type(value) is not int or not 0 <= value < _INT32_END:
        raise _bad_expiry("must be a number in digits")
    return value


def _bad_expiry(text: str) -> Invalid:
    return Invalid(errors.REQUEST, "expiryDate.expiryValue", text)


def _id(value: Any, number: int) -> int:
    """An id. That 0 is none: to the contract it would be the default program."""
    if type(value) is not int or not 0 < value < _INT64_END:
        raise Invalid(number)
    return value


def _text(value: Any, field: str) -> str:
    if type(value) is not str:
        raise Invalid(errors.REQUEST, field, "must be a string")
    return value


def _choice(value: Any, known: Mapping[str, Any]) -> Any:
    if type(value) is not str or value not in known:
        raise no_such_value(known)
    return known[value]


def _only(
    given: Mapping[str, Any], known: Container[str], prefix: str, number: int = errors.REQUEST
) -> None:
    for name in given:
        if name not in known:
            raise Invalid(number, prefix + name, "is not a field of this call")

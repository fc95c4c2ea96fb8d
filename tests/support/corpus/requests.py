"""Requests of every method: one that is answered, and what becomes of it field by field."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from tests.support.corpus.values import SURROGATE, SURROGATE_MARK, single, whole

from points_grpc.gateway.openapi.examples import REQUESTS
from points_grpc.gateway.upstream import METHODS

ERIN = {"external_id": "erin"}
ACCOUNT = {"program_id": 469, "member": ERIN}
PERIOD = {"start_time": "2023-09-01T00:00:00Z", "end_time": "2024-09-01T00:00:00Z"}
POLICY = {"program_id": 469, "currency_code": "POINTS", "policy": "year_end"}

# What an example of the documents lacks: what its path or query would say.
MORE: dict[str, dict[str, Any]] = {
    "GetExpiringPoints": ACCOUNT | PERIOD,
    "GetExpirationSchedule": ACCOUNT,
    "GetAccount": ACCOUNT,
    "ListTransactions": ACCOUNT,
    "ListLots": ACCOUNT,
    "ListExpiryChanges": ACCOUNT,
    "GetProgram": {"program_id": 469},
    "UpdateProgram": {"program_id": 469},
    "CreateProgram": {"time_zone": "Europe/Berlin"},
    "CreateCurrency": {"program_id": 469},
    "GetCurrency": {"program_id": 469, "currency_code": "POINTS"},
    "ListCurrencies": {"program_id": 469},
    "UpdateCurrency": {"program_id": 469, "currency_code": "POINTS"},
    "CreatePolicy": {"program_id": 469, "currency_code": "POINTS"},
    "GetPolicy": POLICY,
    "ListPolicies": {"program_id": 469, "currency_code": "POINTS"},
    "UpdatePolicy": POLICY,
    "ListAuditEvents": {"principal": "dev", "resource": "AUDIT_RESOURCE_PROGRAM"} | PERIOD,
    "GetMember": {"member": ERIN},
    # As often as asked, and as late as can be undone by nobody: nowhere.
    "SetClock": {"time": "2023-08-15T00:00:00Z"},
}
IDS = {
    "GetTransaction": {"transaction_id": "transaction_id"},
    "ListAllocations": {"transaction_id": "transaction_id"},
    "GetLot": {"lot_id": "lot_id"},
    "UpdateTransactionStatus": {"transaction_id": "open_id"},
}
DEPTH_MAX = 6


def base(name: str, ids: dict[str, str]) -> Message:
    """A request of the method `points.v1.PointsService/Earn` or the like that is answered.

    `ids` are those of what there is.
    """
    short = name.rpartition("/")[2]
    message: Message = GetMessageClass(METHODS[name].input_type)()
    ParseDict(deepcopy(REQUESTS.get(short, {})), message)
    given = MORE.get(short, {}) | {field: ids[of] for field, of in IDS.get(short, {}).items()}
    ParseDict(given, message)
    if short == "UpdateExpiry":
        message.updates[0].lot_id = int(ids["lot_id"])  # type: ignore[attr-defined]
    if short == "ApproveTransactions":
        message.transaction_ids[:] = [int(ids["open_id"])]  # type: ignore[attr-defined]
    return message


def variants(
    method: MethodDescriptor, begin: Message, step: int = 1
) -> Iterator[tuple[str, bytes]]:
    """The base with one field after the other holding what it should not, as bytes.

    Every field of the request and of what it holds has its turn; which it was comes first. With a
    `step` a field gets only each so-manieth of the values, and its neighbours the others.
    """
    for place, (path, field) in enumerate(_fields(method.input_type, ())):
        label = ".".join(one.name for one in (*path, field))
        for value in _values(field)[place % step :: step]:
            message = deepcopy(begin)
            _put(_holder(message, path), field, value)
            raw = message.SerializeToString()
            yield label, raw.replace(SURROGATE_MARK.encode(), SURROGATE)
        if field.is_repeated:
            message = deepcopy(begin)
            holder = _holder(message, path)
            holder.ClearField(field.name)
            if (kept := getattr(_holder(begin, path), field.name)) and len(kept):
                getattr(holder, field.name).extend([kept[0]] * 1001)
            yield f"{label}[]", message.SerializeToString()


def _fields(
    of: Descriptor, path: tuple[FieldDescriptor, ...]
) -> Iterator[tuple[tuple[FieldDescriptor, ...], FieldDescriptor]]:
    for field in of.fields:
        if field.message_type is None or whole(field):
            yield path, field
        else:
            assert len(path) < DEPTH_MAX, f"{field.full_name}: nested without an end"
            yield from _fields(field.message_type, (*path, field))


def _values(field: FieldDescriptor) -> list[Any]:
    return single(field) if field.message_type is None else whole(field)


def _holder(message: Message, path: tuple[FieldDescriptor, ...]) -> Any:
    """The message at the path, which is made where there is none; of a list the first."""
    held: Any = message
    for field in path:
        inner = getattr(held, field.name)
        if field.is_repeated:
            held = inner[0] if len(inner) else inner.add()
        else:
            inner.SetInParent()
            held = inner
    return held


def _put(holder: Any, field: FieldDescriptor, value: Any) -> None:
    if field.is_repeated:
        getattr(holder, field.name).append(value)
    elif field.message_type is None:
        setattr(holder, field.name, value)
    else:
        getattr(holder, field.name).CopyFrom(value)
        getattr(holder, field.name).SetInParent()

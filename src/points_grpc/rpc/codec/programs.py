"""Programs and currencies."""

from __future__ import annotations

from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from points.v1 import currency_pb2, program_pb2
from points_grpc.domain.admin.commands import (
    CreateCurrency,
    CreateProgram,
    CurrencyView,
    ProgramView,
    UpdateCurrency,
    UpdateProgram,
)
from points_grpc.domain.limits import (
    CODE_MAX,
    NAME_MAX,
    SOURCE_MAX,
    read_name,
    read_request_id,
    read_text,
)
from points_grpc.domain.model import Policy
from points_grpc.errors import InvalidField
from points_grpc.rpc.codec.identifiers import read_currency, read_optional_id, read_vendor_id
from points_grpc.rpc.codec.instants import put_instant
from points_grpc.rpc.codec.policies import read_policy


def read_create_program(message: program_pb2.CreateProgramRequest) -> CreateProgram:
    """The change. Raises InvalidField."""
    return CreateProgram(
        name=read_text(message.name, "name", NAME_MAX),
        time_zone=read_name(message.time_zone, "time_zone", NAME_MAX),
        program_id=read_vendor_id(message.program_id, "program_id"),
        auto_enroll=message.auto_enroll if message.HasField("auto_enroll") else True,
        request_id=read_request_id(message.request_id),
    )


def read_update_program(message: program_pb2.UpdateProgramRequest) -> UpdateProgram:
    """The change. Raises InvalidField."""
    given = _changes(message, ("name", "auto_enroll", "default_currency_code"))
    if "name" in given:
        read_text(given["name"], "name", NAME_MAX)
    if "default_currency_code" in given:
        read_name(given["default_currency_code"], "default_currency_code", CODE_MAX)
    return UpdateProgram(
        program_id=read_optional_id(message.program_id, "program_id"),
        request_id=read_request_id(message.request_id),
        **given,
    )


def put_program(message: program_pb2.Program, view: ProgramView) -> None:
    """Show a program."""
    message.program_id = view.program_id
    message.name = view.name
    message.time_zone = view.time_zone
    message.auto_enroll = view.auto_enroll
    message.default_currency_code = view.default_currency_code
    message.version = view.version
    put_instant(message.create_time, view.created_at)
    put_instant(message.update_time, view.updated_at)


def read_create_currency(message: currency_pb2.CreateCurrencyRequest) -> CreateCurrency:
    """The change. Raises InvalidField."""
    return CreateCurrency(
        program_id=read_optional_id(message.program_id, "program_id"),
        code=read_name(message.currency_code, "currency_code", CODE_MAX),
        scale=message.scale,
        points_type=read_text(message.points_type, "points_type", SOURCE_MAX),
        exchange_rate=message.exchange_rate,
        currency_id=read_vendor_id(message.currency_id, "currency_id"),
        default_policy=_default_policy(message),
        request_id=read_request_id(message.request_id),
    )


def read_update_currency(message: currency_pb2.UpdateCurrencyRequest) -> UpdateCurrency:
    """The change. Raises InvalidField."""
    given = _changes(message, ("points_type", "exchange_rate", "default_policy"))
    if "points_type" in given:
        read_text(given["points_type"], "points_type", SOURCE_MAX)
    if "default_policy" in given:
        read_name(given["default_policy"], "default_policy", CODE_MAX)
    return UpdateCurrency(
        program_id=read_optional_id(message.program_id, "program_id"),
        currency=read_currency(message),
        request_id=read_request_id(message.request_id),
        **given,
    )


def put_currency(message: currency_pb2.Currency, view: CurrencyView) -> None:
    """Show a currency."""
    message.currency_id = view.currency_id
    message.program_id = view.program_id
    message.currency_code = view.code
    message.scale = view.scale
    message.points_type = view.points_type
    message.exchange_rate = view.exchange_rate
    message.default_policy = view.default_policy
    put_instant(message.create_time, view.created_at)
    put_instant(message.update_time, view.updated_at)


def _default_policy(message: currency_pb2.CreateCurrencyRequest) -> Policy | None:
    if not message.HasField("default_policy"):
        return None
    field = "default_policy"
    code = read_text(message.default_policy.policy, f"{field}.policy", CODE_MAX)
    return read_policy(message.default_policy, field, code)


def _changes(
    message: program_pb2.UpdateProgramRequest | currency_pb2.UpdateCurrencyRequest,
    allowed: tuple[str, ...],
) -> dict[str, Any]:
    """The settings to change and their new values."""
    mask: FieldMask = message.update_mask
    is_set: Any = message.HasField
    for index, path in enumerate(mask.paths):
        if path not in allowed:
            raise InvalidField(
                f"update_mask.paths[{index}]", f"must be one of: {', '.join(allowed)}"
            )
        if not is_set(path):
            raise InvalidField(path, "must be set where update_mask names it")
    changed = [path for path in allowed if is_set(path) and path in (mask.paths or allowed)]
    if not changed:
        raise InvalidField("update_mask", "must leave something to change")
    return {path: getattr(message, path) for path in changed}

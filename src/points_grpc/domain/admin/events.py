"""What administrators changed: one event a change, with who, when and what."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple

from points_grpc.domain.admin.commands import CurrencyView, PolicyView, ProgramView
from points_grpc.domain.model import Period, Policy, frozen
from points_grpc.domain.queries import Cursor

COMMAND_LINE = "cli:"
"""What the principal of a command begins with; the operating system's user follows."""


class Resource(IntEnum):
    """The kind of what was changed; the numbers are the contract's and the table's."""

    PROGRAM = 1
    CURRENCY = 2
    POLICY = 3
    MEMBER = 4
    TOKEN = 5
    TENANT = 6
    IMPORT = 7


class FieldChange(NamedTuple):
    """One field before and after, as text; "" where it had or has no value."""

    field: str
    old: str
    new: str


@frozen
class AdminEvent:
    """One change. Ids that do not apply are 0 or "".

    It never holds a secret, or the value of a member's identifier: of those the type alone.
    """

    principal: str
    action: str
    resource: Resource
    at: datetime
    changes: tuple[FieldChange, ...] = ()
    program_id: int = 0
    currency_id: int = 0
    policy: str = ""
    member_id: int = 0
    token_id: str = ""
    request_id: str = ""
    event_id: int = 0


@frozen
class ListAdminEvents:
    """A tenant's events, newest first; `start_at` and `end_at` bound their instant, half open."""

    principal: str = ""
    resource: Resource | None = None
    start_at: datetime | None = None
    end_at: datetime | None = None
    page_size: int = 50
    cursor: Cursor = ()


def differences(
    before: Mapping[str, object], after: Mapping[str, object]
) -> tuple[FieldChange, ...]:
    """The fields whose values differ, in the order of `after`."""
    return tuple(
        FieldChange(name, _text(before.get(name)), _text(value))
        for name, value in after.items()
        if _text(before.get(name)) != _text(value)
    )


def program_settings(view: ProgramView) -> dict[str, object]:
    """Return a program's settings by the names of the contract."""
    return {
        "name": view.name,
        "time_zone": view.time_zone,
        "auto_enroll": view.auto_enroll,
        "default_currency_code": view.default_currency_code,
    }


def currency_settings(view: CurrencyView) -> dict[str, object]:
    """Return a currency's settings by the names of the contract."""
    return {
        "currency_code": view.code,
        "scale": view.scale,
        "points_type": view.points_type,
        "exchange_rate": view.exchange_rate,
        "default_policy": view.default_policy,
    }


def policy_settings(view: PolicyView) -> dict[str, object]:
    """Return the settings of a policy's version, and the version."""
    policy: Policy = view.policy
    return {
        "version": policy.version,
        "kind": policy.kind.name,
        "priority": policy.priority,
        "period": _period(policy.period),
        "dates": ",".join(f"{month}-{day}" for month, day in policy.dates),
        "minimum_life": _period(policy.minimum_life),
        "rounding": policy.rounding.name,
        "qualifying": ",".join(sorted(kind.name for kind in policy.qualifying)),
    }


def _period(period: Period | None) -> str:
    if period is None:
        return ""
    return f"{period.months} months" if period.months else f"{period.days} days"


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)

"""Which settings of programs, currencies and policies are acceptable."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from zoneinfo import available_timezones

from points_grpc.domain.admin.commands import CreateCurrency, CreateProgram, UpdateCurrency
from points_grpc.domain.commands import VENDOR_ID_END
from points_grpc.domain.limits import CODE_MAX, NAME_MAX
from points_grpc.domain.model import Policy, PolicyKind
from points_grpc.domain.policy import check_policy
from points_grpc.errors import InvalidField

POINTS_TYPE_MAX = 64
SCALE_MAX = 6
DEFAULT_POLICY = "default"
"""The code of a currency's default policy where none is given."""

_NO_PLACES = frozenset(("localtime", "Factory"))


def check_new_program(program: CreateProgram) -> None:
    """Refuse (InvalidField) what cannot become a program."""
    _check_chosen_id("program_id", program.program_id)
    check_name(program.name)
    if program.time_zone not in _time_zones():
        raise InvalidField("time_zone", "must be the name of an IANA time zone")


def check_name(name: str | None) -> None:
    """Refuse (InvalidField) a program's name that is too long."""
    if name is not None and len(name) > NAME_MAX:
        raise InvalidField("name", f"must have at most {NAME_MAX} characters")


def check_new_currency(currency: CreateCurrency) -> None:
    """Refuse (InvalidField) what cannot become a currency; its default policy apart."""
    _check_chosen_id("currency_id", currency.currency_id)
    _check_code("currency_code", currency.code)
    if not 0 <= currency.scale <= SCALE_MAX:
        raise InvalidField("scale", f"must be from 0 to {SCALE_MAX}")
    check_currency_settings(currency)


def check_currency_settings(currency: CreateCurrency | UpdateCurrency) -> None:
    """Refuse (InvalidField) settings that a currency cannot have."""
    if currency.points_type is not None and len(currency.points_type) > POINTS_TYPE_MAX:
        raise InvalidField("points_type", f"must have at most {POINTS_TYPE_MAX} characters")
    if currency.exchange_rate is not None and currency.exchange_rate < 0:
        raise InvalidField("exchange_rate", "must not be negative")


def new_default_policy(policy: Policy | None) -> Policy:
    """The first version of a new currency's default policy; refuses as `new_version` does."""
    if policy is None:
        return Policy(0, DEFAULT_POLICY, 1, PolicyKind.NEVER)
    named = replace(policy, code=policy.code or DEFAULT_POLICY)
    _check_code("default_policy.policy", named.code)
    return new_version(named, 1, "default_policy")


def check_policy_code(code: str) -> None:
    """Refuse (InvalidField) a code that a new policy cannot have."""
    _check_code("policy", code)


def new_version(policy: Policy, version: int, field: str) -> Policy:
    """The definition as a version yet without id, in the form in which it is kept.

    What is not well defined is refused (InvalidField) under the path `field`.
    """
    try:
        check_policy(policy)
    except InvalidField as refusal:
        refusal.field = field + refusal.field.removeprefix("policy")
        raise
    kept = replace(policy, policy_version_id=0, version=version, dates=tuple(sorted(policy.dates)))
    if policy.kind is PolicyKind.INACTIVITY:
        return kept
    return replace(kept, qualifying=_ANY_QUALIFYING)


_ANY_QUALIFYING = Policy(0, "", 0, PolicyKind.NEVER).qualifying


def _check_chosen_id(field: str, chosen_id: int) -> None:
    if not 0 <= chosen_id < VENDOR_ID_END:
        raise InvalidField(field, "must be from 1 to 2^46 - 1, or 0")


def _check_code(field: str, code: str) -> None:
    if not 1 <= len(code) <= CODE_MAX:
        raise InvalidField(field, f"must have from 1 to {CODE_MAX} characters")


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones()) - _NO_PLACES

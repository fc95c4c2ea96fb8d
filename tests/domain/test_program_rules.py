"""Which settings programs, currencies and policies can have, and what is kept of a policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from points_grpc.domain.admin.commands import CreateCurrency, CreateProgram, UpdateCurrency
from points_grpc.domain.admin.program_rules import (
    check_currency_settings,
    check_name,
    check_new_currency,
    check_new_program,
    check_policy_code,
    new_default_policy,
    new_version,
)
from points_grpc.domain.model import Period, Policy, PolicyKind, TransactionType
from points_grpc.errors import InvalidField

PROGRAM = CreateProgram("Club", "Europe/Berlin")
CURRENCY = CreateCurrency(1, "PTS", 2)
MONTHLY = Policy(9, "monthly", 8, PolicyKind.PERIOD, period=Period(months=1))
QUALIFYING = frozenset((TransactionType.REDEEM,))


def refused_path(check: Callable[[], object]) -> str | None:
    """The path of the field that is refused; None where all is acceptable."""
    try:
        check()
    except InvalidField as refusal:
        assert refusal.problem
        return refusal.field
    return None


def of_program(**settings: object) -> str | None:
    return refused_path(lambda: check_new_program(replace(PROGRAM, **settings)))  # type: ignore


def of_currency(**settings: object) -> str | None:
    return refused_path(lambda: check_new_currency(replace(CURRENCY, **settings)))  # type: ignore


@pytest.mark.parametrize("chosen", [0, 1, 2**46 - 1])
def test_ids_that_can_be_chosen(chosen: int) -> None:
    """An id may be chosen below 2^46; 0 has one generated."""
    assert of_program(program_id=chosen) is None
    assert of_currency(currency_id=chosen) is None


@pytest.mark.parametrize("chosen", [-1, 2**46])
def test_ids_that_cannot_be_chosen(chosen: int) -> None:
    """Neither negative ids nor ours can be chosen."""
    assert of_program(program_id=chosen) == "program_id"
    assert of_currency(currency_id=chosen) == "currency_id"


def test_a_name_has_at_most_256_characters() -> None:
    """A program's name may be empty, and is full with 256 characters; an update may leave it."""
    for name in ("", "é" * 256):
        assert of_program(name=name) is None
        assert refused_path(lambda name=name: check_name(name)) is None
    assert of_program(name="x" * 257) == "name"
    assert refused_path(lambda: check_name("x" * 257)) == "name"
    assert refused_path(lambda: check_name(None)) is None


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Argentina/Ushuaia"])
def test_a_program_lives_in_a_zone(zone: str) -> None:
    """Any name of the IANA database is a program's time zone."""
    assert of_program(time_zone=zone) is None


@pytest.mark.parametrize(
    "zone", ["", "europe/berlin", "+01:00", "localtime", "Factory", "/etc/localtime", "Mars/Base"]
)
def test_what_is_no_zone(zone: str) -> None:
    """The machine's own time, offsets, paths and unknown names are no program's time zone."""
    assert of_program(time_zone=zone) == "time_zone"


def test_a_currencys_code_has_1_to_64_characters() -> None:
    """A currency's code is not empty and has at most 64 characters."""
    assert [of_currency(code=code) for code in ("p", "p" * 64)] == [None, None]
    assert [of_currency(code=code) for code in ("", "p" * 65)] == ["currency_code"] * 2


def test_a_currency_has_up_to_6_decimals() -> None:
    """A scale is from 0 to 6."""
    assert [of_currency(scale=scale) for scale in (0, 6)] == [None, None]
    assert [of_currency(scale=scale) for scale in (-1, 7)] == ["scale", "scale"]


@pytest.mark.parametrize(
    "make",
    [
        lambda **settings: replace(CURRENCY, **settings),
        lambda **settings: UpdateCurrency(1, "PTS", **settings),
    ],
)
def test_points_type_and_exchange_rate(make: Callable[..., CreateCurrency]) -> None:
    """A points type has at most 64 characters, an exchange rate is not negative."""

    def asked(**settings: object) -> str | None:
        return refused_path(lambda: check_currency_settings(make(**settings)))

    assert asked() is None
    assert asked(points_type="x" * 64, exchange_rate=0) is None
    assert asked(points_type="x" * 65) == "points_type"
    assert asked(exchange_rate=-1) == "exchange_rate"


def test_a_new_currency_is_held_to_all_its_settings() -> None:
    """A new currency's points type and exchange rate are checked like a changed one's."""
    assert of_currency(points_type="x" * 65) == "points_type"
    assert of_currency(exchange_rate=-1) == "exchange_rate"


def test_without_a_policy_points_never_expire() -> None:
    """A currency without a policy gets one called `default`, under which nothing expires."""
    assert new_default_policy(None) == Policy(0, "default", 1, PolicyKind.NEVER)


def test_a_default_policy_keeps_its_code_or_gets_one() -> None:
    """A default policy starts at version 1, without id, called `default` unless it has a code."""
    assert new_default_policy(MONTHLY) == replace(MONTHLY, policy_version_id=0, version=1)
    assert new_default_policy(replace(MONTHLY, code="")).code == "default"


def test_a_bad_default_policy_is_refused_at_its_own_path() -> None:
    """Of a default policy code and definition are refused below `default_policy`."""
    coded, ill = replace(MONTHLY, code="x" * 65), replace(MONTHLY, period=None)
    assert refused_path(lambda: new_default_policy(coded)) == "default_policy.policy"
    assert refused_path(lambda: new_default_policy(ill)) == "default_policy.period"


def test_a_policys_code_has_1_to_64_characters() -> None:
    """A new policy's code is not empty and has at most 64 characters."""
    asked = [refused_path(lambda c=code: check_policy_code(c)) for code in ("p", "p" * 64)]
    assert asked == [None, None]
    asked = [refused_path(lambda c=code: check_policy_code(c)) for code in ("", "p" * 65)]
    assert asked == ["policy", "policy"]


def test_a_version_is_kept_in_one_form() -> None:
    """Of a version dates are kept in calendar order, under its number, and yet without id."""
    dates = Policy(9, "dates", 8, PolicyKind.FIXED_DATES, dates=((12, 31), (6, 30), (1, 15)))
    kept = new_version(dates, 3, "policy")
    assert kept == replace(
        dates, policy_version_id=0, version=3, dates=((1, 15), (6, 30), (12, 31))
    )


def test_what_counts_as_activity_is_kept_only_where_it_counts() -> None:
    """The qualifying types are an inactivity policy's; of others they make no other version."""
    idle = Policy(9, "idle", 8, PolicyKind.INACTIVITY, period=Period(days=1), qualifying=QUALIFYING)
    assert new_version(idle, 1, "policy").qualifying == QUALIFYING
    told = replace(MONTHLY, qualifying=QUALIFYING)
    assert new_version(told, 1, "policy") == new_version(MONTHLY, 1, "policy")


@pytest.mark.parametrize("path", ["policy", "default_policy"])
def test_a_bad_version_is_refused_below_the_path_it_came_in(path: str) -> None:
    """A definition is refused with the path of its field in the request."""
    priority, period = replace(MONTHLY, priority=1001), replace(MONTHLY, period=Period())
    assert refused_path(lambda: new_version(priority, 1, path)) == f"{path}.priority"
    assert refused_path(lambda: new_version(period, 1, path)) == f"{path}.period"

"""The administration of expiration policies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.service.program_changes import YEAR, do, policy, program

from points_grpc.domain.admin.commands import (
    CreateCurrency,
    CreatePolicy,
    UpdatePolicy,
)
from points_grpc.domain.model import Period, Policy, PolicyKind, Rounding, TransactionType
from points_grpc.errors import (
    IdentifierTaken,
    InvalidField,
    PolicyNotFound,
)


# Policies
@pytest.mark.parametrize(
    "definition",
    [
        Policy(0, "p", 0, PolicyKind.NEVER, priority=-3),
        Policy(0, "p", 0, PolicyKind.PERIOD, 5, Period(days=30), rounding=Rounding.END_OF_MONTH),
        Policy(
            0, "p", 0, PolicyKind.FIXED_DATES, dates=((2, 29), (12, 31)), minimum_life=Period(9)
        ),
        Policy(
            0,
            "p",
            0,
            PolicyKind.INACTIVITY,
            period=Period(months=6),
            qualifying=frozenset((TransactionType.REDEEM, TransactionType.HOLD)),
        ),
    ],
    ids=lambda p: p.kind.name,
)
def test_a_policy_of_each_kind_is_kept_whole(shop: Any, definition: Policy) -> None:
    """What is read of a policy is what was defined, at version 1 and with an id."""
    created = do(shop, CreatePolicy(1, None, definition)).answer
    made = created.policy
    assert made == replace(definition, version=1, policy_version_id=made.policy_version_id)
    assert (created.currency_id, created.currency_code, created.program_id) == (10, "pts", 1)
    assert policy(shop, "p") == made


def test_fixed_dates_are_kept_in_calendar_order(shop: Any) -> None:
    """The dates of a policy may come in any order and are kept in the calendar's."""
    dates = Policy(0, "p", 0, PolicyKind.FIXED_DATES, dates=((12, 31), (3, 31)))
    assert do(shop, CreatePolicy(1, None, dates)).answer.policy.dates == ((3, 31), (12, 31))


def test_a_bad_definition_is_refused_at_its_path(shop: Any) -> None:
    """A policy that is not well defined is refused with the path below `definition`."""
    bad = Policy(0, "default", 0, PolicyKind.FIXED_DATES, dates=((1, 1), (2, 30)))
    for change in (CreatePolicy(1, None, bad), UpdatePolicy(1, None, bad)):
        with pytest.raises(InvalidField) as refusal:
            do(shop, change)
        assert refusal.value.field == "definition.fixed_dates.dates[1]"


def test_a_policy_code_is_taken_once_per_currency(shop: Any) -> None:
    """A policy's code counts for its currency alone."""
    do(shop, CreateCurrency(1, "eur", 2))
    do(shop, CreatePolicy(1, "pts", YEAR))
    with pytest.raises(IdentifierTaken) as refusal:
        do(shop, CreatePolicy(1, "pts", YEAR))
    assert refusal.value.field == "policy"
    do(shop, CreatePolicy(1, "eur", YEAR))


def test_changing_a_policy_makes_its_next_version(shop: Any) -> None:
    """An update leaves the versions before as they were and adds the next one."""
    first = do(shop, CreatePolicy(1, None, YEAR)).answer.policy
    before = program(shop, 1).version
    second = do(shop, UpdatePolicy(1, None, replace(YEAR, priority=1))).answer.policy
    assert (second.version, second.priority) == (2, 1)
    assert second.policy_version_id != first.policy_version_id
    assert policy(shop, "year") == policy(shop, "year", 2) == second
    assert policy(shop, "year", 1) == first
    assert program(shop, 1).version == before + 1
    with pytest.raises(PolicyNotFound):
        policy(shop, "year", 3)


def test_an_unnamed_policy_is_the_default(shop: Any) -> None:
    """The code "" means the currency's default policy, when read and when changed."""
    do(shop, UpdatePolicy(1, None, replace(YEAR, code="")))
    assert (policy(shop).code, policy(shop).version) == ("default", 2)


def test_an_unknown_policy_is_not_found(shop: Any) -> None:
    """Reading and changing refuse a code that the currency does not have."""
    with pytest.raises(PolicyNotFound):
        policy(shop, "year")
    with pytest.raises(PolicyNotFound):
        do(shop, UpdatePolicy(1, None, YEAR))


def test_policies_are_listed_by_code_and_version_in_pages(shop: Any) -> None:
    """A page has the next policies, in the newest version or in all."""
    do(shop, CreatePolicy(1, None, YEAR))
    do(shop, UpdatePolicy(1, None, replace(YEAR, priority=1)))

    def page(**bounds: Any) -> list[tuple[str, int]]:
        views = shop.ask(shop.programs.list_policies(shop.acme, 1, None, **bounds))
        return [(view.policy.code, view.policy.version) for view in views]

    assert page() == [("default", 1), ("year", 2)]
    assert page(all_versions=True) == [("default", 1), ("year", 1), ("year", 2)]
    assert page(all_versions=True, limit=2) == [("default", 1), ("year", 1)]
    assert page(all_versions=True, after=("year", 1)) == [("year", 2)]


def test_a_policy_that_changes_between_two_pages_is_listed_once(shop: Any) -> None:
    """A version that is added after its policy was listed does not list the policy again."""
    do(shop, CreatePolicy(1, None, YEAR))

    def after(code: str, version: int) -> list[str]:
        place = (code, version)
        views = shop.ask(shop.programs.list_policies(shop.acme, 1, None, after=place))
        return [view.policy.code for view in views]

    do(shop, UpdatePolicy(1, None, replace(YEAR, code="default", priority=1)))
    assert after("default", 1) == ["year"]
    assert after("year", 1) == []

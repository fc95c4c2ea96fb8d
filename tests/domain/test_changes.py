"""What makes two administrators' requests the same: the fingerprints of changes."""

from __future__ import annotations

from dataclasses import MISSING, fields, replace
from itertools import combinations

import pytest

from points_grpc.domain.admin.commands import (
    Change,
    CreateCurrency,
    CreateMember,
    CreatePolicy,
    CreateProgram,
    LinkIdentifier,
    UnlinkIdentifier,
    UpdateCurrency,
    UpdatePolicy,
    UpdateProgram,
    fingerprint,
)
from points_grpc.domain.commands import MemberName
from points_grpc.domain.model import Period, Policy, PolicyKind, Rounding, TransactionType

ANNA, EMAIL = MemberName("external_id", "anna"), MemberName("email", "anna@example.com")
IDLE = Policy(0, "idle", 0, PolicyKind.INACTIVITY, period=Period(days=30))
DATES = Policy(0, "dates", 0, PolicyKind.FIXED_DATES, dates=((6, 30), (12, 31)))
PLAIN: list[Change] = [
    CreateProgram("Club", "UTC"),
    UpdateProgram(1),
    CreateCurrency(1, "PTS", 2),
    UpdateCurrency(1, "PTS"),
    CreatePolicy(1, "PTS", IDLE),
    UpdatePolicy(1, "PTS", IDLE),
    CreateMember((ANNA,)),
    LinkIdentifier(ANNA, EMAIL),
    UnlinkIdentifier(ANNA, EMAIL),
]
OTHER: dict[str, object] = {
    "program_id": 2,
    "name": "Other",
    "time_zone": "Europe/Berlin",
    "auto_enroll": False,
    "default_currency_code": "PTS",
    "code": "other",
    "scale": 3,
    "points_type": "Miles",
    "exchange_rate": 5,
    "currency_id": 9,
    "default_policy": DATES,
    "currency": 9,
    "policy": DATES,
    "identifiers": (ANNA, EMAIL),
    "member": EMAIL,
    "identifier": ANNA,
}
OTHER_POLICIES = [
    replace(IDLE, code="other"),
    replace(IDLE, kind=PolicyKind.PERIOD),
    replace(IDLE, priority=1),
    replace(IDLE, period=Period(days=31)),
    replace(IDLE, period=Period(months=30)),
    replace(IDLE, rounding=Rounding.END_OF_DAY),
    replace(IDLE, qualifying=frozenset((TransactionType.EARN,))),
    replace(IDLE, minimum_life=Period(days=30)),
    replace(IDLE, dates=((6, 30),)),
]


@pytest.mark.parametrize("change", PLAIN, ids=lambda change: type(change).__name__)
def test_every_field_counts(change: Change) -> None:
    """A request with another value in any field but its id is another request."""
    names = [field.name for field in fields(change) if field.name != "request_id"]
    others = [replace(change, **{name: OTHER[name]}) for name in names]  # type: ignore[arg-type]
    prints = [fingerprint(other) for other in (change, *others)]
    assert len(set(prints)) == len(names) + 1
    assert {len(one) for one in prints} == {16}


@pytest.mark.parametrize("change", PLAIN, ids=lambda change: type(change).__name__)
def test_the_id_itself_does_not_count(change: Change) -> None:
    """The same content under another request id has the same fingerprint."""
    assert fingerprint(replace(change, request_id="r1")) == fingerprint(change)


def test_the_method_counts() -> None:
    """Requests of two methods differ, also where their content is the same."""
    assert len({fingerprint(change) for change in PLAIN}) == len(PLAIN)


def test_a_default_that_is_sent_is_no_content() -> None:
    """To send a field's default is to leave it out, so that later fields change no old request."""
    for change in PLAIN:
        defaults = {f.name: f.default for f in fields(change) if f.default is not MISSING}
        assert fingerprint(replace(change, **defaults)) == fingerprint(change)  # type: ignore


def test_every_part_of_a_policy_counts() -> None:
    """A policy that differs in any part of its definition is another content."""
    policies = [IDLE, *OTHER_POLICIES]
    for one, other in combinations(policies, 2):
        assert fingerprint(CreatePolicy(1, "PTS", one)) != fingerprint(
            CreatePolicy(1, "PTS", other)
        )


def test_a_set_has_no_order() -> None:
    """Qualifying types are the same in whatever order they are named."""
    types = [*TransactionType][:5]
    there = replace(IDLE, qualifying=frozenset(types))
    back = replace(IDLE, qualifying=frozenset(types[::-1]))
    assert fingerprint(CreatePolicy(1, "PTS", there)) == fingerprint(CreatePolicy(1, "PTS", back))


def test_a_fingerprint_stays_what_it_is() -> None:
    """Fingerprints are stored: those of an earlier release are those of every later one."""
    types = frozenset((TransactionType.APPROVE, TransactionType.EARN, TransactionType.HOLD))
    created = CreatePolicy(1, "PTS", replace(IDLE, rounding=Rounding.END_OF_YEAR, qualifying=types))
    currency = CreateCurrency(1, "PTS", 2, default_policy=DATES)
    assert fingerprint(created).hex() == "9444ffbe9dc603ff639a4adde7496166"
    assert fingerprint(currency).hex() == "76aadcc38f5dd99c37503dfc7bc28c34"
    assert fingerprint(CreateMember((ANNA, EMAIL))).hex() == "743720a79580a4e2ce9b27f78dcdd8d4"

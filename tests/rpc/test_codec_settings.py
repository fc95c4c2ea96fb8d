"""Programs, currencies, policies and members: what their requests say, and what is refused."""

from __future__ import annotations

import pytest

from points.v1 import currency_pb2, member_service_pb2, policy_pb2, program_pb2
from points_grpc.domain.admin.commands import (
    CreateCurrency,
    CreateProgram,
    PolicyView,
    UpdateCurrency,
    UpdateProgram,
)
from points_grpc.domain.model import Period, Policy, PolicyKind, Rounding, TransactionType
from points_grpc.rpc.codec.members import read_create_member, read_link, read_unlink
from points_grpc.rpc.codec.policies import (
    put_policy,
    read_create_policy,
    read_policy,
    read_update_policy,
)
from points_grpc.rpc.codec.programs import (
    read_create_currency,
    read_create_program,
    read_update_currency,
    read_update_program,
)

RULES = [
    ({"never": {}}, {"kind": PolicyKind.NEVER}),
    ({"period": {"days": 30}}, {"kind": PolicyKind.PERIOD, "period": Period(days=30)}),
    ({"period": {"months": 6}}, {"kind": PolicyKind.PERIOD, "period": Period(months=6)}),
    (
        {
            "fixed_dates": {
                "dates": [{"month": 12, "day": 31}, {"month": 6, "day": 30}],
                "months": 1,
            }
        },
        {
            "kind": PolicyKind.FIXED_DATES,
            "dates": ((12, 31), (6, 30)),
            "minimum_life": Period(months=1),
        },
    ),
    (
        {"inactivity": {"days": 90, "qualifying_types": [5]}, "rounding": 3},
        {
            "kind": PolicyKind.INACTIVITY,
            "period": Period(days=90),
            "rounding": Rounding.END_OF_MONTH,
            "qualifying": frozenset((TransactionType.REDEEM,)),
        },
    ),
]


@pytest.mark.parametrize(("fields", "rule"), RULES)
def test_policies_go_both_ways(samples, fields, rule):
    """Each kind of rule is read, and what was read is shown as it was sent."""
    message = policy_pb2.Policy(priority=-3, **fields)
    policy = read_policy(message, "definition", "code")
    assert policy == Policy(0, "code", 0, priority=-3, **rule)
    shown = policy_pb2.Policy()
    put_policy(shown, PolicyView(policy, 469, 9, "POINTS", samples.now))
    kind = message.WhichOneof("rule")
    if kind == "inactivity":
        message.inactivity.qualifying_types[:] = [5]
    assert shown.WhichOneof("rule") == kind
    assert getattr(shown, kind) == getattr(message, kind)
    assert (shown.priority, shown.program_id, shown.currency_id) == (-3, 469, 9)
    assert shown.rounding == (fields.get("rounding") or 1)


def test_years_are_months_by_twelve():
    """A period in years is one in months."""
    message = policy_pb2.Policy(period={"years": 100})
    assert read_policy(message, "definition", "c").period == Period(months=1200)


def test_inactivity_counts_earns_and_redemptions_unless_said():
    """Without types an inactivity policy counts EARN and REDEEM."""
    message = policy_pb2.Policy(inactivity={"months": 1})
    both = frozenset((TransactionType.EARN, TransactionType.REDEEM))
    assert read_policy(message, "definition", "c").qualifying == both


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "rule"),
        ({"period": {}}, "period.length"),
        ({"inactivity": {}}, "inactivity.length"),
        ({"inactivity": {"days": 1, "qualifying_types": [0]}}, "inactivity.qualifying_types[0]"),
        ({"inactivity": {"days": 1, "qualifying_types": [10]}}, "inactivity.qualifying_types[0]"),
        ({"never": {}, "rounding": 5}, "(none)"),
        ({"never": {}, "rounding": 6}, "rounding"),
    ],
)
def test_policies_that_cannot_be_read(field_at_fault, fields, field):
    """Missing rules and lengths and unknown enum values are refused below the policy's path."""
    path = field if field == "(none)" else f"default_policy.{field}"
    message = policy_pb2.Policy(**fields)
    assert field_at_fault(read_policy, message, "default_policy", "c") == path


@pytest.mark.parametrize(
    ("kind", "read"),
    [
        (policy_pb2.CreatePolicyRequest, read_create_policy),
        (policy_pb2.UpdatePolicyRequest, read_update_policy),
    ],
)
def test_a_definition_goes_by_the_code_beside_it(field_at_fault, kind, read):
    """A definition is required, and its own code, if it has one, is the request's."""
    never = {"never": {}}
    assert read(kind(policy="c", definition=never)).policy.code == "c"
    assert field_at_fault(read, kind(policy="c", definition={"policy": "c", **never})) == "(none)"
    other = kind(policy="c", definition={"policy": "d", **never})
    assert field_at_fault(read, other) == "definition.policy"
    assert field_at_fault(read, kind(policy="c")) == "definition"
    assert field_at_fault(read, kind(policy="c" * 65, definition=never)) == "policy"
    nameless = "(none)" if kind is policy_pb2.UpdatePolicyRequest else "policy"
    assert field_at_fault(read, kind(definition=never)) == nameless


def test_programs_and_currencies_say_all_they_can():
    """Every field of the requests that create them arrives in the change."""
    program = program_pb2.CreateProgramRequest(
        program_id=469, name="Shop", time_zone="UTC", auto_enroll=False, request_id="r"
    )
    assert read_create_program(program) == CreateProgram("Shop", "UTC", 469, False, "r")
    assert read_create_program(program_pb2.CreateProgramRequest(time_zone="UTC")).auto_enroll
    currency = currency_pb2.CreateCurrencyRequest(
        program_id=469, currency_id=9, currency_code="POINTS", scale=2, points_type="cash",
        exchange_rate=100, default_policy={"policy": "p", "never": {}}, request_id="r",
    )  # fmt: skip
    never = Policy(0, "p", 0, PolicyKind.NEVER)
    assert read_create_currency(currency) == CreateCurrency(
        469, "POINTS", 2, "cash", 100, 9, never, "r"
    )
    bare = currency_pb2.CreateCurrencyRequest(currency_code="POINTS")
    assert read_create_currency(bare) == CreateCurrency(0, "POINTS", 0)


@pytest.mark.parametrize(
    ("fields", "change"),
    [
        ({"name": "a", "auto_enroll": False}, {"name": "a", "auto_enroll": False}),
        ({"name": "a", "auto_enroll": True, "update_mask": {"paths": ["name"]}}, {"name": "a"}),
        ({"name": "", "update_mask": {"paths": ["name"]}}, {"name": ""}),
        ({"default_currency_code": "c"}, {"default_currency_code": "c"}),
    ],
)
def test_an_update_changes_what_is_set_and_masked(fields, change):
    """An update changes what is set, and with a mask only what that names."""
    message = program_pb2.UpdateProgramRequest(program_id=469, **fields)
    assert read_update_program(message) == UpdateProgram(469, **change)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "update_mask"),
        ({"update_mask": {"paths": ["name"]}}, "name"),
        ({"name": "a", "update_mask": {"paths": ["name", "time_zone"]}}, "update_mask.paths[1]"),
        ({"name": "a", "update_mask": {"paths": ["*"]}}, "update_mask.paths[0]"),
        ({"name": "a" * 257}, "name"),
        ({"name": "a\0"}, "name"),
        ({"default_currency_code": ""}, "default_currency_code"),
    ],
)
def test_bad_updates_of_a_program(field_at_fault, fields, field):
    """An update of nothing, of another field, or of one that is not set is refused."""
    assert field_at_fault(read_update_program, program_pb2.UpdateProgramRequest(**fields)) == field


def test_updates_of_a_currency(field_at_fault):
    """A currency's points type, rate and default policy can be changed, its code names it."""
    request = currency_pb2.UpdateCurrencyRequest
    full = request(
        currency_code="POINTS", points_type="t", exchange_rate=0, default_policy="p", request_id="r"
    )
    assert read_update_currency(full) == UpdateCurrency(0, "POINTS", "t", 0, "p", "r")
    assert field_at_fault(read_update_currency, request()) == "update_mask"
    assert field_at_fault(read_update_currency, request(points_type="x" * 65)) == "points_type"
    assert field_at_fault(read_update_currency, request(default_policy="")) == "default_policy"


@pytest.mark.parametrize(
    ("read", "message", "field"),
    [
        (read_create_program, program_pb2.CreateProgramRequest(), "time_zone"),
        (
            read_create_program,
            program_pb2.CreateProgramRequest(time_zone="UTC", program_id=-1),
            "program_id",
        ),
        (
            read_create_program,
            program_pb2.CreateProgramRequest(time_zone="UTC", program_id=2**46),
            "program_id",
        ),
        (read_create_program, program_pb2.CreateProgramRequest(name="\0"), "name"),
        (read_create_currency, currency_pb2.CreateCurrencyRequest(), "currency_code"),
        (read_create_currency, currency_pb2.CreateCurrencyRequest(program_id=-1), "program_id"),
        (
            read_create_currency,
            currency_pb2.CreateCurrencyRequest(currency_code="c", currency_id=2**46),
            "currency_id",
        ),
        (
            read_create_currency,
            currency_pb2.CreateCurrencyRequest(currency_code="c", default_policy={}),
            "default_policy.rule",
        ),
        (read_create_member, member_service_pb2.CreateMemberRequest(), "identifiers"),
        (read_create_member, member_service_pb2.CreateMemberRequest(vendor_id=-1), "vendor_id"),
        (read_create_member, member_service_pb2.CreateMemberRequest(vendor_id=2**46), "vendor_id"),
        (read_create_member, member_service_pb2.CreateMemberRequest(email=" "), "email"),
        (
            read_create_member,
            member_service_pb2.CreateMemberRequest(
                external_id="x", identifiers=[{"type": "phone", "value": "1"}, {"type": "X"}]
            ),
            "identifiers[1].type",
        ),
        (
            read_create_member,
            member_service_pb2.CreateMemberRequest(
                identifiers=[{"type": "t", "value": str(number)} for number in range(21)]
            ),
            "identifiers",
        ),
        (
            read_create_member,
            member_service_pb2.CreateMemberRequest(
                identifiers=[{"type": "t", "value": str(number)} for number in range(20)]
            ),
            "(none)",
        ),
        (read_link, member_service_pb2.LinkIdentifierRequest(), "identifier"),
        (read_unlink, member_service_pb2.UnlinkIdentifierRequest(), "identifier"),
        (
            read_link,
            member_service_pb2.LinkIdentifierRequest(identifier={"type": "t", "value": "v"}),
            "member",
        ),
    ],
)
def test_bad_requests_of_administrators(field_at_fault, read, message, field):
    """What is missing or out of range is refused under its own path."""
    assert field_at_fault(read, message) == field

"""Expiration policies."""

from __future__ import annotations

from points.v1 import policy_pb2
from points_grpc.domain.admin.commands import CreatePolicy, PolicyView, UpdatePolicy
from points_grpc.domain.limits import CODE_MAX, read_name, read_request_id, read_text
from points_grpc.domain.model import Period, Policy, PolicyKind, Rounding, TransactionType
from points_grpc.errors import InvalidField
from points_grpc.rpc.codec.enums import ROUNDINGS, TYPES, read_enum, read_enums
from points_grpc.rpc.codec.identifiers import read_currency, read_optional_id
from points_grpc.rpc.codec.instants import put_instant

_DEFAULT_QUALIFYING = frozenset((TransactionType.EARN, TransactionType.REDEEM))


def read_create_policy(message: policy_pb2.CreatePolicyRequest) -> CreatePolicy:
    """The change. Raises InvalidField."""
    code = read_name(message.policy, "policy", CODE_MAX)
    return CreatePolicy(
        program_id=read_optional_id(message.program_id, "program_id"),
        currency=read_currency(message),
        policy=_definition(message, code),
        request_id=read_request_id(message.request_id),
    )


def read_update_policy(message: policy_pb2.UpdatePolicyRequest) -> UpdatePolicy:
    """The change; the code "" stands for the default policy. Raises InvalidField."""
    code = read_text(message.policy, "policy", CODE_MAX)
    return UpdatePolicy(
        program_id=read_optional_id(message.program_id, "program_id"),
        currency=read_currency(message),
        policy=_definition(message, code),
        request_id=read_request_id(message.request_id),
    )


def read_policy(message: policy_pb2.Policy, field: str, code: str) -> Policy:
    """The definition in `message`, under that code; `field` is its path.

    Numbers are left for the domain to judge. Raises InvalidField.
    """
    rule = message.WhichOneof("rule")
    if rule is None:
        raise InvalidField(f"{field}.rule", "is required")
    rounding = message.rounding
    return Policy(
        policy_version_id=0,
        code=code,
        version=0,
        kind=_KINDS[rule],
        priority=message.priority,
        period=_period(message, rule, field),
        dates=tuple((day.month, day.day) for day in message.fixed_dates.dates),
        minimum_life=_minimum_life(message.fixed_dates),
        rounding=(
            read_enum(rounding, ROUNDINGS, f"{field}.rounding") if rounding else Rounding.NONE
        ),
        qualifying=_qualifying(message, f"{field}.inactivity.qualifying_types"),
    )


def put_policy(message: policy_pb2.Policy, view: PolicyView) -> None:
    """Show one version of a policy."""
    policy = view.policy
    message.policy = policy.code
    message.version = policy.version
    message.policy_version_id = policy.policy_version_id
    message.program_id = view.program_id
    message.currency_code = view.currency_code
    message.currency_id = view.currency_id
    message.priority = policy.priority
    _put_rule(message, policy)
    message.rounding = policy.rounding  # type: ignore[assignment]  # the same numbers
    put_instant(message.create_time, view.created_at)


_KINDS = {
    "never": PolicyKind.NEVER,
    "period": PolicyKind.PERIOD,
    "fixed_dates": PolicyKind.FIXED_DATES,
    "inactivity": PolicyKind.INACTIVITY,
}


def _definition(
    message: policy_pb2.CreatePolicyRequest | policy_pb2.UpdatePolicyRequest, code: str
) -> Policy:
    if not message.HasField("definition"):
        raise InvalidField("definition", "is required")
    if message.definition.policy not in ("", code):
        raise InvalidField("definition.policy", "must be empty or equal to policy")
    return read_policy(message.definition, "definition", code)


def _period(message: policy_pb2.Policy, rule: str, field: str) -> Period | None:
    if rule not in ("period", "inactivity"):
        return None
    length: policy_pb2.PeriodRule | policy_pb2.InactivityRule = getattr(message, rule)
    way = length.WhichOneof("length")
    if way is None:
        raise InvalidField(f"{field}.{rule}.length", "is required")
    number: int = getattr(length, way)
    if way == "days":
        return Period(days=number)
    return Period(months=number * 12 if way == "years" else number)


def _minimum_life(rule: policy_pb2.FixedDatesRule) -> Period | None:
    way = rule.WhichOneof("minimum_life")
    if way is None:
        return None
    return Period(days=rule.days) if way == "days" else Period(months=rule.months)


def _qualifying(message: policy_pb2.Policy, field: str) -> frozenset[TransactionType]:
    types = message.inactivity.qualifying_types
    return read_enums(types, TYPES, field) if types else _DEFAULT_QUALIFYING


def _put_rule(message: policy_pb2.Policy, policy: Policy) -> None:
    if policy.kind is PolicyKind.NEVER:
        message.never.SetInParent()
    elif policy.kind is PolicyKind.PERIOD:
        _put_length(message.period, policy.period)
    elif policy.kind is PolicyKind.INACTIVITY:
        _put_length(message.inactivity, policy.period)
        message.inactivity.qualifying_types.extend(sorted(policy.qualifying))  # type: ignore[arg-type]  # the same numbers
    else:
        for month, day in policy.dates:
            message.fixed_dates.dates.add(month=month, day=day)
        if policy.minimum_life is not None:
            _put_length(message.fixed_dates, policy.minimum_life)


def _put_length(
    message: policy_pb2.PeriodRule | policy_pb2.InactivityRule | policy_pb2.FixedDatesRule,
    period: Period | None,
) -> None:
    if period is not None and period.months:
        message.months = period.months
    elif period is not None:
        message.days = period.days

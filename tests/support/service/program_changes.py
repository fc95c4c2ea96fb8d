"""What tests of administration share."""

from __future__ import annotations

from typing import Any

from points_grpc.domain.admin.commands import (
    CreateCurrency,
    CreatePolicy,
    CreateProgram,
    UpdateCurrency,
    UpdatePolicy,
    UpdateProgram,
)
from points_grpc.domain.model import Period, Policy, PolicyKind

YEAR = Policy(0, "year", 0, PolicyKind.PERIOD, period=Period(months=12))


def do(admin_harness: Any, change: Any, caller: Any = None) -> Any:
    """The outcome of any change, by acme unless said otherwise."""
    methods = {
        CreateProgram: admin_harness.programs.create_program,
        UpdateProgram: admin_harness.programs.update_program,
        CreateCurrency: admin_harness.programs.create_currency,
        UpdateCurrency: admin_harness.programs.update_currency,
        CreatePolicy: admin_harness.programs.create_policy,
        UpdatePolicy: admin_harness.programs.update_policy,
    }
    return admin_harness.ask(methods[type(change)](caller or admin_harness.acme, change))


def program(admin_harness: Any, program_id: int = 0, caller: Any = None) -> Any:
    """One program, as it stands."""
    return admin_harness.ask(
        admin_harness.programs.get_program(caller or admin_harness.acme, program_id)
    )


def policy(admin_harness: Any, code: str = "", version: int = 0) -> Any:
    """A policy of program 1's default currency."""
    get = admin_harness.programs.get_policy
    return admin_harness.ask(get(admin_harness.acme, 1, None, code, version=version)).policy

"""What is measured over HTTP, against what, and what it has to reach."""

from __future__ import annotations

from benchmarks.calls import Load
from benchmarks.dialect_costs import NAMES
from benchmarks.metrics import Case, Figure
from benchmarks.scale import Scale


def cases(scale: Scale, lots: str) -> list[Case]:
    """All of them; `lots` is the folder of the files with the lots' ids."""
    members = scale.spread.members
    return [_earn(members), _update_expiry(members, lots), _dialects()]


def _earn(members: int) -> Case:
    return Case(
        "rest",
        (
            Load("grpc_earn", "earn", members=members),
            Load("rest_earn", "rest_earn", members=members, stretch=2),
        ),
        (
            Figure("REST Earn", "rate", "rest_earn"),
            Figure("REST Earn / gRPC Earn", "ratio", "rest_earn", "grpc_earn", at_least=0.4),
        ),
        rounds_max=4,
    )


def _update_expiry(members: int, lots: str) -> Case:
    def load(name: str, kind: str) -> Load:
        file = f"{lots}/spread.lots"
        return Load(name, kind, in_flight=1, members=members, lots=file, stretch=2)

    return Case(
        "rest_update",
        (
            load("rest_update_expiry", "rest_update_expiry"),
            load("grpc_update_expiry", "update_expiry"),
        ),
        (
            Figure("updateExpiry, 1,000 items, JSON", "latency", "rest_update_expiry", at_most=150),
            Figure("UpdateExpiry, 1,000 items, gRPC", "latency", "grpc_update_expiry"),
        ),
        rounds_max=3,
    )


def _dialects() -> Case:
    return Case(
        "dialects",
        tuple(Load(f"dialect_{name}", f"dialect_{name}", stretch=0.2) for name in NAMES),
        tuple(
            Figure(f"{name}, decode and encode", "cost", f"dialect_{name}", at_most=60)
            for name in NAMES
        ),
        rounds_max=3,
    )

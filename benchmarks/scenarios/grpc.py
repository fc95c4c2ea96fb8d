"""What is measured over gRPC, against what, and what it has to reach."""

from __future__ import annotations

from benchmarks.baselines.earn import CLIENTS
from benchmarks.calls import Load
from benchmarks.metrics import Case, Figure
from benchmarks.scale import Scale
from benchmarks.servers import WORKERS

from benchmarks import ghz

UNARY = {
    "earn": "Earn",
    "redeem": "Redeem",
    "get_expiring": "GetExpiringPoints",
    "get_account": "GetAccount",
}
OF_NOOP = {"earn": 0.6, "redeem": 0.45, "get_expiring": 0.7, "get_account": 0.7}


def cases(scale: Scale, lots: str) -> list[Case]:
    """All of them, the most telling first; `lots` is the folder of the files of lots' ids."""
    members = scale.spread.members
    found = [
        _unary(members),
        _peers(members),
        _latency(members),
        _updates(members, lots),
        _batch_earn(members),
        _hot(members),
        _history(scale),
        _memory(members),
        _workers(members),
    ]
    return [*found, _second_opinion(members)] if ghz.is_there() else found


def _unary(members: int) -> Case:
    loads = [Load(kind, kind, members=members) for kind in ("noop", *UNARY)]
    figures = [Figure("no-op call", "rate", "noop")]
    for kind, name in UNARY.items():
        at_least = 2500 if kind == "earn" else None
        figures += [
            Figure(name, "rate", kind, at_least=at_least),
            Figure(f"{name} / no-op", "ratio", kind, "noop", at_least=OF_NOOP[kind]),
        ]
    return Case("unary", tuple(loads), tuple(figures))


def _peers(members: int) -> Case:
    return Case(
        "peers",
        (
            Load("ours", "earn", members=members),
            Load("orm", "earn", place="orm", members=members),
            Load("plpgsql", "pgbench", in_flight=CLIENTS, place="orm", members=members),
        ),
        (
            Figure("Earn, ours", "rate", "ours"),
            Figure("Earn, an ORM's unit of work per request", "rate", "orm"),
            Figure("Earn, ours / ORM", "ratio", "ours", "orm", at_least=5),
            Figure("Earn, a plpgsql function through pgbench, no gRPC", "rate", "plpgsql"),
            Figure("Earn, ours / plpgsql", "ratio", "ours", "plpgsql"),
        ),
        rounds_max=5,
    )


def _latency(members: int) -> Case:
    loads, figures = [], []
    for kind in ("earn", "redeem", "get_expiring"):
        name = f"{kind}_half"
        loads.append(Load(name, kind, members=members, top=kind, stretch=2))
        figures += [
            Figure(f"{UNARY[kind]} at half of the top rate, median", "latency", name),
            Figure(f"{UNARY[kind]} at half of the top rate, p99 / median", "tail", name, at_most=5),
        ]
    return Case("latency", tuple(loads), tuple(figures), rounds_max=4)


def _updates(members: int, lots: str) -> Case:
    half, file = members // 2, f"{lots}/spread.lots"
    return Case(
        "update_expiry",
        (
            Load("update_expiry", "update_expiry", 4, members=half, lots=file, stretch=2),
            Load("by_hand", "by_hand", 1, first=half, members=half, lots=file, stretch=2),
        ),
        (
            Figure("UpdateExpiry, items", "rate", "update_expiry", at_least=25_000),
            Figure("the same by hand, items", "rate", "by_hand"),
            Figure("UpdateExpiry / by hand", "ratio", "update_expiry", "by_hand", at_least=0.5),
        ),
        rounds_max=5,
    )


def _batch_earn(members: int) -> Case:
    return Case(
        "batch_earn",
        (Load("batch_earn", "batch_earn", 4, members=members, stretch=2),),
        (Figure("BatchEarn, items", "rate", "batch_earn", at_least=15_000),),
        rounds_max=4,
    )


def _hot(members: int) -> Case:
    return Case(
        "hot",
        (
            Load("spread_mixed", "mixed", members=members),
            Load("hot_mixed", "mixed", first=members - 1),
        ),
        (
            Figure("one account, Earn and Redeem", "rate", "hot_mixed"),
            Figure(
                "one account / spread, Earn and Redeem", "ratio", "hot_mixed", "spread_mixed", 0.5
            ),
        ),
        rounds_max=5,
    )


def _history(scale: Scale) -> Case:
    few, many = scale.small, scale.spread
    loads, figures = [], []
    for kind, name in UNARY.items():
        small, large = f"{kind}_small", f"{kind}_large"
        loads += [
            Load(small, kind, place="small", members=few.members),
            Load(large, kind, members=many.members),
        ]
        label = f"{name}, {few.lots:,} lots / {many.lots:,} lots"
        figures.append(Figure(label, "ratio", small, large, at_most=1.3))
    return Case("history", tuple(loads), tuple(figures), rounds_max=5)


def _memory(members: int) -> Case:
    return Case(
        "memory",
        (Load("earn_1000", "earn", in_flight=1000, members=members),),
        (Figure("server memory, 1,000 calls in flight", "memory", "earn_1000", at_most=200),),
        rounds_max=3,
    )


def _workers(members: int) -> Case:
    loads, figures = [], []
    for kind in ("earn", "get_expiring"):
        one, several = f"{kind}_one_worker", f"{kind}_workers"
        loads += [
            Load(one, kind, members=members),
            Load(several, kind, place="workers", members=members),
        ]
        figures += [
            Figure(f"{UNARY[kind]}, {WORKERS} workers", "rate", several),
            Figure(f"{UNARY[kind]}, {WORKERS} workers / one process", "ratio", several, one),
        ]
    return Case("workers", tuple(loads), tuple(figures), rounds_max=4)


def _second_opinion(members: int) -> Case:
    return Case(
        "ghz",
        (
            Load("ghz_earn", "ghz", members=members, stretch=2),
            Load("own_earn", "earn", members=members),
        ),
        (
            Figure("Earn, by ghz", "rate", "ghz_earn"),
            Figure("Earn, by ghz / by our own load", "ratio", "ghz_earn", "own_earn"),
        ),
        rounds_max=3,
    )

"""Measures speed and memory of a fresh server, in ratios: `make bench`, `make bench-quick`.

Loads that are compared take turns, round by round, in one run; every process is ours, listens
on loopback or a local socket only, and is stopped at the end.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import cases_rest
from cases import FULL, QUICK, Case, Scale, cases
from fill import fill
from measure import Sample, Stand, generators
from report import Result, environment, show, write_json, write_page
from rich.console import Console
from server import Cluster, cluster, serving

LIMIT_SECONDS = {"full": 720, "quick": 240}
"""When a run is given up."""

out = Console(width=None if sys.stdout.isatty() else 140)
said = Console(stderr=True)


def main() -> int:
    """Run the benchmark; 1 if calls failed."""
    options = _options()
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(LIMIT_SECONDS["quick" if options.quick else "full"])
    began = time.monotonic()
    with cluster() as database:
        result = _measure(database, QUICK if options.quick else FULL, options)
    signal.alarm(0)
    show(result, out)
    out.print(f"{time.monotonic() - began:.0f} seconds in all")
    if options.json:
        write_json(result, options.json)
    if not (options.quick or options.only):
        write_page(result)
    return 1 if result.errors() else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small numbers, in 90 seconds")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="a case or a load; repeatable"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there too")
    parser.add_argument(
        "--generators", type=int, default=1, metavar="N", help="load processes (default 1)"
    )
    return parser.parse_args()


def _command(options: argparse.Namespace) -> str:
    """What makes the same measurements again."""
    words = ["benchmarks/run.py", *(["--quick"] if options.quick else [])]
    words += [word for name in options.only for word in ("--only", name)]
    return " ".join(words + ([f"--generators {options.generators}"] * (options.generators != 1)))


def _leave(number: int, _: object) -> NoReturn:
    raise SystemExit(128 + number)


def _give_up(_: int, __: object) -> NoReturn:
    raise SystemExit("the benchmark took too long")


def _measure(database: Cluster, scale: Scale, options: argparse.Namespace) -> Result:
    names = set(options.only)
    folder = str(database.folder)
    known = [*cases(scale, folder), *cases_rest.cases(scale, folder)]
    wanted = [c for case in known if (c := case.only(names))]
    if not wanted:
        raise SystemExit(f"there is nothing called {', '.join(sorted(names))}")
    samples: dict[str, list[Sample]] = {}
    where = environment(_command(options), database.version(), database.commit_us())
    with ExitStack() as left:
        stands: dict[str, Stand] = {}
        for case in wanted:
            for load in case.loads:
                if load.database not in stands:
                    stands[load.database] = _stand(left, database, load.database, scale, options)
            _run(case, stands, scale, samples)
    return Result(wanted, samples, where)


def _stand(
    left: ExitStack, database: Cluster, name: str, scale: Scale, options: argparse.Namespace
) -> Stand:
    """A filled database with its server, until `left` is left."""
    database.create(name)
    server = left.enter_context(serving(database, name))
    filling = scale.fillings[name]
    took = fill(database.conninfo(name), filling, database.folder / f"{name}.lots")
    said.print(f"{name}: {filling.members:,} members, {filling.lots:,} lots in {took:.0f} s")
    made = left.enter_context(generators(server, options.generators))
    stand = Stand(database, name, server, made)
    left.callback(stand.close)
    return stand


def _run(
    case: Case, stands: dict[str, Stand], scale: Scale, samples: dict[str, list[Sample]]
) -> None:
    # Every statement is prepared and every page that will be needed is read before it counts.
    for load in case.loads:
        stands[load.database].run(load, ramp=scale.ramp, seconds=scale.seconds / 2)
    rounds = min(scale.rounds, case.rounds_max)
    for number in range(rounds):
        # Every other round the other way round: nobody always goes first.
        turns = case.loads if number % 2 == 0 else tuple(reversed(case.loads))
        for load in turns:
            sample = stands[load.database].run(load, scale.ramp, scale.seconds * load.stretch)
            samples.setdefault(load.name, []).append(sample)
        rates = ", ".join(f"{load.name} {samples[load.name][-1].rate:,.0f}" for load in case.loads)
        said.print(f"{case.name}, round {number + 1} of {rounds}: {rates} items/s")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped")

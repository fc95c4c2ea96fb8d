"""Measures speed and memory of a fresh server, in ratios: `make bench`, `make bench-quick`.

Loads that are compared take turns, round by round, in one run; every process is ours, listens
on loopback or a local socket only, and is stopped at the end. A case that fails is reported as
failed, and the others go on.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import NoReturn

from benchmarks.budget import Budget
from benchmarks.calls import Load
from benchmarks.environment import environment
from benchmarks.metrics import Case, Samples
from benchmarks.render import write_page
from benchmarks.report import Result, show, write_json
from benchmarks.scale import FULL, QUICK, Scale
from benchmarks.scenarios import commands, rest
from benchmarks.scenarios.grpc import cases
from benchmarks.server import Cluster, cluster
from benchmarks.servers import Places
from rich.console import Console

LEEWAY_SECONDS = 8
"""So long after the limit of the scale what runs is broken off."""

DOCS = Path(__file__).resolve().parents[1] / "docs"

out = Console(width=None if sys.stdout.isatty() else 140)
said = Console(stderr=True)


class TimeIsUp(Exception):
    """What runs is broken off, and what has been measured is written."""


def main() -> int:
    """Run the benchmark; 1 if calls or cases failed."""
    options = _options()
    scale = QUICK if options.quick else FULL
    if options.lots:
        scale = scale.account_state(options.lots)
    if options.limit:
        scale = replace(scale, limit=options.limit)
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(int(scale.limit) + LEEWAY_SECONDS)
    began = time.monotonic()
    with cluster() as database:
        result = _measure(database, scale, options, began)
        signal.alarm(0)
        show(result, out)
        if options.json:
            write_json(result, options.json)
        if options.page:
            write_json(result, DOCS / "performance.json")
            write_page(DOCS)
    out.print(f"{time.monotonic() - began:.0f} seconds in all")
    return 1 if result.errors() or result.failures else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small numbers, in 90 seconds")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="a case or a load; repeatable"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there too")
    parser.add_argument(
        "--page", action="store_true", help="write the figures into docs/performance.*"
    )
    parser.add_argument("--lots", type=int, metavar="N", help="lots in the database of most loads")
    parser.add_argument("--limit", type=float, metavar="SECONDS", help="the time for all of it")
    parser.add_argument(
        "--generators", type=int, default=1, metavar="N", help="load processes (default 1)"
    )
    return parser.parse_args()


def _command(options: argparse.Namespace) -> str:
    """What makes the same measurements again."""
    words = ["python -m benchmarks.run"]
    words += [f"--{name}" for name in ("quick", "page") if getattr(options, name)]
    words += [f"--only {name}" for name in options.only]
    words += [f"--lots {options.lots}"] if options.lots else []
    words += [f"--limit {options.limit:g}"] if options.limit else []
    return " ".join(words + ([f"--generators {options.generators}"] * (options.generators != 1)))


def _leave(number: int, _: object) -> NoReturn:
    raise SystemExit(128 + number)


def _give_up(_: int, __: object) -> NoReturn:
    raise TimeIsUp("the time was up")


def _measure(database: Cluster, scale: Scale, options: argparse.Namespace, began: float) -> Result:
    names = set(options.only)
    folder = str(database.folder)
    known = [*cases(scale, folder), *commands.cases(scale), *rest.cases(scale, folder)]
    wanted = [c for case in known if (c := case.only(names))]
    if not wanted:
        raise SystemExit(f"there is nothing called {', '.join(sorted(names))}")
    where = environment(_command(options), database.version(), database.commit_us())
    where["lots"] = f"{scale.spread.lots:,} of {scale.spread.members:,} members, for most loads"
    result = Result(wanted, {}, where, {})
    budget = Budget(scale, wanted, began)
    with Places(database, scale, options.generators, said.print) as places:
        for case in wanted:
            try:
                _run(case, places, budget, scale, result.samples)
            except Exception as error:
                result.failures[case.name] = f"{type(error).__name__}: {error}"
                said.print(traceback.format_exc(), markup=False)
                if isinstance(error, TimeIsUp):
                    left = wanted[wanted.index(case) + 1 :]
                    result.failures.update({c.name: "the time was up" for c in left})
                    break
                places.renew(case.places())
    return result


def _run(case: Case, places: Places, budget: Budget, scale: Scale, samples: Samples) -> None:
    for name in case.places():
        places.stand(name)
    loads = [_paced(load, places, scale, samples) for load in case.loads]
    # Every statement is prepared and every page that will be needed is read before it counts.
    for load in loads if case.warm else []:
        places.stand(load.place).run(load, ramp=scale.ramp, seconds=scale.seconds / 2)
    for number in budget.rounds(case):
        # Every other round the other way round: nobody always goes first.
        for load in loads if number % 2 == 0 else reversed(loads):
            stand = places.stand(load.place)
            sample = stand.run(load, scale.ramp, scale.seconds * load.stretch)
            samples.setdefault(load.name, []).append(sample)
        rates = ", ".join(f"{load.name} {samples[load.name][-1].rate:,.0f}" for load in loads)
        said.print(f"{case.name}, round {number + 1} of {budget.wanted(case)}: {rates} items/s")


def _paced(load: Load, places: Places, scale: Scale, samples: Samples) -> Load:
    """With the rate that follows from the top rate of another load."""
    if not load.top:
        return load
    if load.top not in samples:  # only some of the loads were asked for
        top = replace(load, name=load.top, top="")
        samples[load.top] = [places.stand(load.place).run(top, scale.ramp, scale.seconds)]
    return replace(load, rate=load.part * median(s.rate for s in samples[load.top]))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped")

"""Work that goes from beginning to end in a process of its own: a sweep, an import.

Its rate is that of the work alone: the time of the same command with nothing to do is taken off.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import psutil
import psycopg
from benchmarks.measure import Counted, Meter, Sample
from benchmarks.server import Cluster, plain_environment, stop

from benchmarks import import_file

LOOK_SECONDS = 0.05
JOB_SECONDS_MAX = 120.0

_DUE = "SELECT count(*) FROM lots WHERE unfinished AND expires_at <= now()"
_RAW = (
    "UPDATE lots AS l SET remaining = 0, expired = l.remaining, unfinished = false, lapse_id = 1"
    " FROM accounts AS a"
    " WHERE a.bucket = l.bucket AND a.tenant_id = l.tenant_id AND a.account_id = l.account_id"
    " AND a.next_due_at IS NULL AND l.unfinished AND l.expires_at <= now()"
)


def sweep(cluster: Cluster, database: str, beside: Callable[[], list[int]]) -> Sample:
    """Sweep what is due; `beside` waits for the calls made meanwhile, and has their latencies."""
    command = ["sweep", "--database-url", cluster.url(database)]
    due = _count(cluster, database)
    meter, process = _begin(cluster, command)
    _finish(meter, process)
    latencies = beside()
    lots = due - _count(cluster, database)
    nothing = _time(cluster, command)
    return _sample(meter, lots, nothing, latencies)


def raw_update(cluster: Cluster, database: str) -> Sample:
    """One UPDATE of lots that are as due as those that are swept, and nothing else."""
    with psycopg.connect(cluster.conninfo(database), autocommit=True) as connection:
        meter = Meter(cluster, [], [])
        lots = connection.execute(_RAW).rowcount
        meter.stop()
    if lots < 1:
        raise RuntimeError("there was nothing to update")
    return meter.sample(Counted(lots / meter.seconds, lots))


def import_lots(cluster: Cluster, database: str, lots: int) -> Sample:
    """Import a file of so many lots, ten of each member."""

    def command(lots: int) -> list[str]:
        file = cluster.folder / f"{lots}.csv"
        import_file.write(file, lots, max(1, lots // 10), partly=0.2, by_member=True)
        given = ["import", str(file), "--tenant", "demo"]
        return [*given, "--database-url", cluster.url(database)]

    nothing, whole = command(0), command(lots)
    meter, process = _begin(cluster, whole)
    _finish(meter, process)
    return _sample(meter, lots, _time(cluster, nothing), [])


def _sample(meter: Meter, items: int, nothing: float, latencies: list[int]) -> Sample:
    seconds = max(meter.seconds - nothing, 1e-3)
    sample = meter.sample(Counted(items / meter.seconds, items, latencies))
    # Processor times are of the whole, the rate is of the work.
    return replace(sample, rate=items / seconds)


def _begin(cluster: Cluster, command: list[str]) -> tuple[Meter, subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "points_grpc.cli.main", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=plain_environment(),
        start_new_session=True,
    )
    return Meter(cluster, [psutil.Process(process.pid)], []), process


def _finish(meter: Meter, process: subprocess.Popen[bytes]) -> None:
    """Wait for its end, and look at it until then."""
    until = time.monotonic() + JOB_SECONDS_MAX
    try:
        while process.poll() is None:
            meter.look()
            if time.monotonic() > until:
                raise RuntimeError(f"{process.args!r} took too long")
            time.sleep(LOOK_SECONDS)
        meter.stop()
        if process.returncode:
            said = process.stderr.read().decode(errors="replace") if process.stderr else ""
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}: {said[-500:]}")
    finally:
        stop(process)


def _time(cluster: Cluster, command: list[str]) -> float:
    meter, process = _begin(cluster, command)
    _finish(meter, process)
    return meter.seconds


def _count(cluster: Cluster, database: str) -> int:
    with psycopg.connect(cluster.conninfo(database)) as connection:
        row = connection.execute(_DUE).fetchone()
    return int(row[0]) if row else 0

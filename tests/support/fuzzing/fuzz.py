"""Fuzzes one target, guided by coverage: `-m tests.support.fuzzing.fuzz TARGET SECONDS`.

SEED and RUNS may follow.

It ends after SECONDS, or after RUNS inputs if those are made sooner. The same SEED makes the same
inputs from an empty build/fuzz, where what was worth keeping and inputs that broke something are.
"""

from __future__ import annotations

import hashlib
import logging
import sys
from pathlib import Path
from random import Random

import structlog

KEPT = Path(__file__).parents[3] / "build" / "fuzz"
SIZE_MAX = 4096
CALL_S_MAX = 10
MEGABYTES_MAX = 2048


def main() -> None:
    """Run until an input breaks something, or the time is over."""
    try:
        import atheris  # noqa: PLC0415
    except ImportError:
        # No failure: where there is no wheel for it, there is nothing that anybody could mend.
        sys.stdout.write("atheris is not installed: there are wheels for Linux on x86_64 only\n")
        return
    name, seconds, *repeated = sys.argv[1:]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with atheris.instrument_imports(include=["points_grpc"], enable_loader_override=False):
        from tests.support.fuzzing.targets import TARGETS  # noqa: PLC0415
    target = TARGETS[name]()
    folder = KEPT / name
    folder.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():
        (folder / hashlib.sha1(seed).hexdigest()).write_bytes(seed)

    def mutate(data: bytes, size: int, seed: int) -> bytes:
        return target.mutated(data, size, atheris.Mutate, Random(seed))

    options = [
        f"-max_total_time={seconds}",
        f"-max_len={SIZE_MAX}",
        f"-timeout={CALL_S_MAX}",
        f"-rss_limit_mb={MEGABYTES_MAX}",
        f"-artifact_prefix={KEPT}/broken-{name}-",
        "-print_final_stats=1",
        "-verbosity=0",
        *(
            f"-{option}={number}"
            for option, number in zip(("seed", "runs"), repeated, strict=False)
        ),
    ]
    atheris.Setup([sys.argv[0], *options, str(folder)], target, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

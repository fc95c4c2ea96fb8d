"""Showing figures and health to those who watch over servers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec

from points_grpc.cli import options
from points_grpc.config import Settings, is_loopback, joined_address, split_address
from points_grpc.metrics.counters import WorkerStatus


def refuse_what_cannot_be(settings: Settings) -> None:
    """Exit with one line if metrics cannot be served, or must not, as configured."""
    if settings.metrics is None:
        return
    if not is_loopback(settings.metrics):
        options.fail(
            f"{settings.metrics} can be reached from other machines, and metrics have no"
            " credentials: listen on 127.0.0.1 or [::1]",
            code=2,
        )
    if find_spec("prometheus_client") is None:
        options.fail("metrics need prometheus_client: install points-grpc[metrics]")


@contextlib.contextmanager
def shown(settings: Settings, statuses: Callable[[], Sequence[WorkerStatus]]) -> Iterator[str]:
    """Serve metrics while the block runs, if they are configured, and report where.

    Raises RuntimeError where the address is taken.
    """
    if settings.metrics is None:
        yield ""
        return
    # Here, because it belongs to an extra.
    from points_grpc.metrics.endpoint import serving  # noqa: PLC0415

    host, port = split_address(settings.metrics)
    with serving(host, port, statuses) as port:
        yield f"metrics   http://{joined_address(host, port)}/metrics"

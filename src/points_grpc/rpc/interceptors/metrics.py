"""Counts calls: how they ended, how long they took, how many run."""

from __future__ import annotations

from time import perf_counter

from points_grpc.errors import Overloaded
from points_grpc.metrics.counters import Counters
from points_grpc.rpc.interceptors import Context, Handler, Request
from points_grpc.rpc.interceptors.log import outcome


class Metrics:
    """Counts every call in the figures of this process."""

    def __init__(self, counters: Counters) -> None:
        self._figures = counters

    def wrap(self, method: str, inner: Handler) -> Handler:
        """`inner`, counted when it has ended."""
        counters, of = self._figures, self._figures.method(method)
        codes, add = of.codes, of.seconds.add

        async def handle(request: Request, context: Context) -> bytes:
            began = perf_counter()
            counters.running += 1
            code = "OK"
            try:
                return await inner(request, context)
            except BaseException as error:
                code = outcome(error)[0]
                of.shed += isinstance(error, Overloaded)
                raise
            finally:
                counters.running -= 1
                codes[code] += 1
                add(perf_counter() - began)

        return handle

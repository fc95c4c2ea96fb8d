"""The servers that are measured, each started when it is needed for the first time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Self

from benchmarks.baselines import earn
from benchmarks.scale import Scale
from benchmarks.seed import fill
from benchmarks.server import Cluster, Server, running, serving
from benchmarks.target import Stand

ORM_PROGRAM = ("-m", "benchmarks.baselines.orm_server")
WORKERS = 2
"""Processes of the server called `workers`, which is on the database of `spread`."""


class Places:
    """All servers with their databases, until it is left."""

    def __init__(
        self, cluster: Cluster, scale: Scale, generators: int, say: Callable[[str], None]
    ) -> None:
        self._cluster = cluster
        self._scale = scale
        self._generators = generators
        self._say = say
        self._made: set[str] = set()
        self._open: dict[str, tuple[Stand, ExitStack]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.renew(list(self._open))

    def stand(self, name: str) -> Stand:
        """The server called `name`, on its filled database."""
        if name not in self._open:
            with ExitStack() as started:
                server = started.enter_context(self._server(name))
                stand = Stand(self._cluster, name, server, self._generators)
                started.callback(stand.close)
                self._open[name] = (stand, started.pop_all())
        return self._open[name][0]

    def renew(self, names: list[str]) -> None:
        """End these servers; whoever needs one again starts it anew, on the same database."""
        for name in names:
            if name in self._open:
                self._open.pop(name)[1].close()

    @contextmanager
    def _server(self, name: str) -> Iterator[Server]:
        cluster = self._cluster
        is_new = name not in self._made
        if is_new and name != "workers":
            cluster.create(name)
            self._made.add(name)
        if name == "orm":
            if is_new:
                earn.create(cluster.conninfo(name), self._scale.spread.members)
            command = [sys.executable, *ORM_PROGRAM, cluster.url(name, "postgresql+psycopg")]
            with running(command, cluster.folder / "orm.log") as server:
                yield server
            return
        if name == "workers":
            self.stand("spread")  # fills the database
            with serving(cluster, "spread", "--no-sweep", "--workers", str(WORKERS)) as server:
                yield server
            return
        with serving(cluster, name, "--no-sweep") as server:
            if is_new:
                self._fill(name)
            yield server

    def _fill(self, name: str) -> None:
        filling, cluster = self._scale.filling(name), self._cluster
        assert filling is not None, f"there is no database {name}"
        took = fill(cluster.conninfo(name), filling, cluster.folder / f"{name}.lots")
        self._say(f"{name}: {filling.members:,} members, {filling.lots:,} lots in {took:.0f} s")

"""Programs as this process knows them, never older than the batch that asks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable

from points_grpc.domain.model import Program
from points_grpc.storage.admin import programs
from points_grpc.storage.admin.programs import ProgramKey
from points_grpc.storage.core.database import Connection


class ProgramCache:
    """Holds the programs used last; every call compares their versions with the database's.

    Safe to share between threads. A Program that was handed out is never changed.
    """

    def __init__(self, size_max: int = 1024) -> None:
        self._size_max = size_max
        self._lock = threading.Lock()
        self._known: OrderedDict[ProgramKey, Program] = OrderedDict()

    def current(
        self, connection: Connection, keys: Iterable[ProgramKey]
    ) -> dict[ProgramKey, Program]:
        """The programs as `connection` sees them now, by (tenant_id, program_id).

        Unknown ones are absent. One statement where nothing has changed.
        """
        return self.of_versions(connection, programs.versions(set(keys)).run(connection))

    def of_versions(
        self, connection: Connection, versions: dict[ProgramKey, int]
    ) -> dict[ProgramKey, Program]:
        """The programs whose present versions `connection` has just read."""
        found = self._held(versions)
        if changed := versions.keys() - found.keys():
            loaded = programs.load(connection, changed)
            self._hold(loaded)
            found.update(loaded)
        return found

    def _held(self, versions: dict[ProgramKey, int]) -> dict[ProgramKey, Program]:
        found = {}
        with self._lock:
            for key, version in versions.items():
                program = self._known.get(key)
                if program is not None and program.version == version:
                    self._known.move_to_end(key)
                    found[key] = program
        return found

    def _hold(self, loaded: dict[ProgramKey, Program]) -> None:
        with self._lock:
            for key, program in loaded.items():
                held = self._known.get(key)
                # A snapshot taken earlier may have loaded what another thread has outdated.
                if held is None or held.version < program.version:
                    self._known[key] = program
                    self._known.move_to_end(key)
            while len(self._known) > self._size_max:
                self._known.popitem(last=False)

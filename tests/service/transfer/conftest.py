"""Files that are imported into the harness's database."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.service.ledger_harness import PROGRAM, LedgerHarness

from points_grpc.service.transfer.importer.importer import CSV, JSON_LINES, Importer, ImportJob
from points_grpc.storage.transfer.imports import Progress


@dataclass
class Counter:
    """Imports files into one program of one tenant."""

    harness: LedgerHarness
    folder: Path
    files: int = 0

    def file(self, content: str | bytes, suffix: str = ".csv") -> Path:
        """A new file with that content."""
        self.files += 1
        path = self.folder / f"file-{self.files}{suffix}"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def importer(
        self, path: Path, chunk: int = 5_000, tenant: int = 1, merge_by: Iterable[str] = ()
    ) -> Importer:
        """An importer of the file, by the harness's clock."""
        form = JSON_LINES if ".jsonl" in path.name else CSV
        report = path.with_name(path.name + ".refused.csv")
        order = ImportJob(path, form, tenant, PROGRAM, report, chunk, frozenset(merge_by))
        return Importer(self.harness.database, self.harness.clock, order)

    def take(
        self, path: Path, chunk: int = 5_000, tenant: int = 1, merge_by: Iterable[str] = ()
    ) -> Progress:
        """Import the whole file; what became of its rows."""
        importer = self.importer(path, chunk, tenant, merge_by)
        try:
            (*_, done) = importer.run()
        finally:
            importer.close()
        return done

    def counts(
        self, path: Path, chunk: int = 5_000, merge_by: Iterable[str] = ()
    ) -> tuple[int, int, int]:
        """Import the whole file; how many rows were imported, there already, and refused."""
        done = self.take(path, chunk, merge_by=merge_by)
        return done.imported, done.known, done.refused

    def refused(self, path: Path) -> dict[int, str]:
        """By line, what is reported of rows of the file: refused ones, and merged ones."""
        report = path.with_name(path.name + ".refused.csv")
        if not report.exists():
            return {}
        with report.open(newline="") as file:
            return {int(row["line"]): row["reason"] for row in csv.DictReader(file)}


@pytest.fixture
def counter(harness: LedgerHarness, tmp_path: Path) -> Counter:
    """Where files are handed in."""
    return Counter(harness, tmp_path)

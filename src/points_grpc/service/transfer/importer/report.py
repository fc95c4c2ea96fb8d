"""The report of refused and merged rows: a CSV file, with the number and the reason of each."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from points_grpc import private_files

_HEADER = b"line,reason\n"
_MERGED, _BY = "merged into member ", " by "


def merged_into(member_id: int, by: str) -> str:
    """Return what the report says of a row whose member was taken for one that was there."""
    return f"{_MERGED}{member_id}{_BY}{by}"


def count_merged(path: Path) -> Counter[str]:
    """Return how many rows the report says were merged, by the type of identifier."""
    if not path.exists():
        return Counter()
    with path.open(newline="", encoding="utf-8") as file:
        reasons = (row["reason"] for row in csv.DictReader(file))
        return Counter(why.rpartition(_BY)[2] for why in reasons if why.startswith(_MERGED))


class Report:
    """Writes the report of a chunk before the chunk is committed, and truncates it if that fails.

    The file is made with the first row to report, for its owner alone. It never holds anything of
    the rows themselves but names of fields and the ids of members.
    """

    def __init__(self, path: Path, length: int) -> None:
        """Open the report. Raises NotOurFile if the name is something other than a file."""
        self.path = path
        self.length = min(length, private_files.size_of(path))
        if not self.length:
            private_files.discard(path)

    def write(self, told: Sequence[tuple[int, str]]) -> int:
        """Write these rows after the kept ones, replacing anything else; return the new length."""
        if not told and not self.length:
            return 0
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(sorted(told))
        with self._open() as file:
            file.seek(self.length)
            file.truncate()
            if not file.tell():
                file.write(_HEADER)
            file.write(text.getvalue().encode())
            file.flush()
            os.fsync(file.fileno())
            return file.tell()

    def _open(self) -> BinaryIO:
        if private_files.size_of(self.path):
            return private_files.reopen(self.path)
        private_files.discard(self.path)
        return private_files.create(self.path)

    def keep(self, length: int) -> None:
        """Keep so much of the report: the chunk is committed."""
        self.length = length

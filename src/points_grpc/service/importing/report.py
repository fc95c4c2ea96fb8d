"""The report of refused rows: a CSV file with a line for each, its number and the reason."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from points_grpc import private_files

_HEADER = b"line,reason\n"


class Report:
    """Written before the chunk that it is about is committed, and cut back where that fails.

    The file is made with the first refusal, for its owner alone. It never holds anything of the
    rows themselves but names of fields.
    """

    def __init__(self, path: Path, length: int) -> None:
        """Raises NotOurFile where under the name there is something else than a file."""
        self.path = path
        self.length = min(length, private_files.size_of(path))
        if not self.length:
            private_files.discard(path)

    def write(self, refused: Sequence[tuple[int, str]]) -> int:
        """Put these behind what was kept, in place of anything else; the length then."""
        if not refused and not self.length:
            return 0
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(sorted(refused))
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
        """The chunk is committed: so much of the report stays."""
        self.length = length

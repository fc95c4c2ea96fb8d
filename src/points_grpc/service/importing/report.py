"""The report of refused rows: a CSV file with a line for each, its number and the reason."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path

_HEADER = b"line,reason\n"


class Report:
    """Written before the chunk that it is about is committed, and cut back where that fails.

    The file is made with the first refusal. It never holds anything of the rows themselves
    but names of fields.
    """

    def __init__(self, path: Path, length: int) -> None:
        self.path = path
        self.length = min(length, path.stat().st_size) if path.exists() else 0
        if not self.length:
            path.unlink(missing_ok=True)

    def write(self, refused: Sequence[tuple[int, str]]) -> int:
        """Put these behind what was kept, in place of anything else; the length then."""
        if not refused and not self.length:
            return 0
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(sorted(refused))
        with self.path.open("r+b" if self.path.exists() else "w+b") as file:
            file.seek(self.length)
            file.truncate()
            if not file.tell():
                file.write(_HEADER)
            file.write(text.getvalue().encode())
            file.flush()
            os.fsync(file.fileno())
            return file.tell()

    def keep(self, length: int) -> None:
        """The chunk is committed: so much of the report stays."""
        self.length = length

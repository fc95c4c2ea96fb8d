"""Time zones are those of the locked package, whatever the machine has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zoneinfo
from importlib.resources import files
from pathlib import Path

import pytest

from points_grpc import tzdata_version

SOURCES = Path(__file__).resolve().parents[1] / "src" / "points_grpc"

# Every way into the program: its commands, a worker, and a module alone.
WAYS = ("points_grpc.cli.main", "points_grpc.cli.runtime.worker", "points_grpc.domain.calendar")

LOOK = """
import sys, importlib
from datetime import datetime
from zoneinfo import ZoneInfo
importlib.import_module(sys.argv[1])
print(datetime(2026, 7, 1, tzinfo=ZoneInfo("Europe/Berlin")).utcoffset())
"""


@pytest.mark.parametrize("module", WAYS)
def test_the_machines_zones_do_not_count(module: str, tmp_path: Path) -> None:
    """A zone that the machine has otherwise is still the package's, in every process."""
    (tmp_path / "Europe").mkdir()
    tokyo = (files("tzdata") / "zoneinfo" / "Asia" / "Tokyo").read_bytes()
    (tmp_path / "Europe" / "Berlin").write_bytes(tokyo)
    environment = os.environ | {"PYTHONTZPATH": str(tmp_path)}

    def offset(code: str) -> str:
        command = [sys.executable, "-c", code, module]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert offset(LOOK) == "2:00:00"
    # The doctored zone is what Python itself would have taken.
    assert offset(LOOK.replace("importlib.import_module", "str")) == "9:00:00"


def test_there_is_no_path_to_the_machines_zones() -> None:
    """The search path is empty once the package is imported."""
    assert zoneinfo.TZPATH == ()


@pytest.mark.parametrize(
    ("older", "newer"),
    [("2025c", "2026a"), ("2026a", "2026b"), ("2026z", "2026za"), ("2026.1", "2026.10"),
     ("2026.1", "2026b"), ("2025z", "2026.1")],
)  # fmt: skip
def test_versions_are_compared_as_numbers(older: str, newer: str) -> None:
    """Years go before letters, and letters count like the package's numbers."""
    assert tzdata_version.rank(older) < tzdata_version.rank(newer)


def test_the_packages_names_for_a_version_are_one() -> None:
    """2026a is what the package calls 2026.1."""
    assert tzdata_version.rank("2026a") == tzdata_version.rank("2026.1") == (2026, 1)


@pytest.mark.parametrize(
    "text",
    ["", "2026", "26a", "2026A", "2026a ", "２０２６a", "2026-1",
     "2030a-rc1", "2026.1234567890", "2026" + "a" * 5000],
)  # fmt: skip
def test_what_cannot_be_read_is_newer_than_all(text: str) -> None:
    """Whatever is not a year with letters or a number may be of a later release."""
    assert not tzdata_version.is_readable(text)
    assert tzdata_version.rank(text) > tzdata_version.rank("9999zzzzzzzzz")
    assert tzdata_version.rank(text) > tzdata_version.rank("9999.999999999")


def test_the_database_decides_nothing_by_time_zones() -> None:
    """No statement asks PostgreSQL for days or local times, which its own data would give."""
    local = re.compile(
        r"AT TIME ZONE|func\.(timezone|date_trunc|to_char|date_part|make_timestamptz)"
    )
    sources = (SOURCES / "storage").rglob("*.py")
    assert [str(path) for path in sources if local.search(path.read_text())] == []

"""points-grpc import and export as they are called, also killed in the middle."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select
from tests.support.service.ledger_audit import audit
from typer.testing import CliRunner

from points_grpc.cli.demo import seed
from points_grpc.cli.main import app
from points_grpc.cli.runtime import wiring
from points_grpc.config import Settings
from points_grpc.storage.core.database import Database
from points_grpc.storage.tables import accounts, imports, lots, transactions

EXAMPLE = Path(__file__).parents[2] / "docs" / "import-example.csv"
SECONDS_MAX = 120
WHERE = ("--tenant", "demo", "--program", "469")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database with the demo's programs, which must agree with itself afterwards."""
    opened = Database(database_url)
    with wiring.open_service(Settings(dev=True), opened) as parts:
        caller = seed.tenant(opened, parts.clock.now())
        asyncio.run(seed.programs(parts.programs, caller))
    yield opened
    findings = audit(opened)
    opened.close()
    assert findings == []


def points_grpc(*arguments: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return done.exit_code, done.output


def sums(database: Database) -> tuple[int, int, int]:
    """Points available, lots, and transactions."""

    def look(at: object) -> tuple[int, int, int]:
        run = at.execute  # type: ignore[attr-defined]
        available = run(select(func.sum(accounts.c.available))).scalar() or 0
        counted = [run(select(func.count()).select_from(x)).scalar() for x in (lots, transactions)]
        return int(available), counted[0], counted[1]

    return database.run(look)


def test_the_example_of_the_documents(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    """The example can be imported as it stands, once; its export holds the same and is known."""
    where = (*WHERE, "--database-url", database_url)
    report = ("--refused", tmp_path / "refused.csv")
    code, said = points_grpc("import", EXAMPLE, *where, *report)
    assert (code, said.splitlines()[-1]) == (0, "6 rows imported, 0 were there, 0 refused")
    after = sums(database)
    assert after[1:] == (4, 6)

    _, said = points_grpc("import", EXAMPLE, *where, *report)
    assert said.splitlines()[-1] == "0 rows imported, 6 were there, 0 refused"

    for name in ("export.jsonl.gz", "export.csv"):
        code, said = points_grpc("export", tmp_path / name, *where)
        assert (code, said.splitlines()[-1]) == (0, "8 rows exported")
        _, said = points_grpc("import", tmp_path / name, *where, *report)
        assert said.splitlines()[-1] == "0 rows imported, 8 were there, 0 refused"
    assert sums(database) == after
    assert sorted(path.name for path in tmp_path.iterdir()) == ["export.csv", "export.jsonl.gz"]


def test_an_export_takes_no_others_place(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    """An export is its owner's alone, and leaves a file or link of its name as it is."""
    where = (*WHERE, "--database-url", database_url)
    path = tmp_path / "export.csv"
    assert points_grpc("export", path, *where)[0] == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("kept")
    (tmp_path / "link.csv").symlink_to(tmp_path / "nowhere.csv")
    for taken in (path, tmp_path / "link.csv"):
        code, said = points_grpc("export", taken, *where)
        assert (code, "is there already" in said) == (2, True)
    assert path.read_text() == "kept"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["export.csv", "link.csv"]


def test_what_cannot_be_imported(database: Database, database_url: str, tmp_path: Path) -> None:
    """Refused rows and files that are none leave exit code 1 and a reason."""
    where = ("--database-url", database_url)
    path = tmp_path / "lots.csv"
    path.write_text("external_id,vendor_id,amount,earned_at\nann,1,x,2024-01-01\n")
    code, said = points_grpc("import", path, *WHERE, *where)
    assert code == 1
    assert f"refused rows: {path}.refused.csv" in said.replace("\n", "")
    assert (tmp_path / "lots.csv.refused.csv").read_text().startswith("line,reason\n2,amount: ")

    path.write_text("points\n")
    assert points_grpc("import", path, *WHERE, *where)[0] == 1
    assert points_grpc("import", path, "--tenant", "nobody", *where)[0] == 1
    assert points_grpc("import", path, "--tenant", "demo", "--program", "9", *where)[0] == 1
    (tmp_path / "other").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "other")
    refused = ("--refused", tmp_path / "link")
    assert points_grpc("import", path, *WHERE, *where, *refused)[0] == 1
    assert points_grpc("import", path, *WHERE, *where, "--refused", "/dev/null")[0] == 1
    assert (tmp_path / "other").read_text() == "kept"
    assert Path("/dev/null").is_char_device()
    path.rename(tmp_path / "lots.txt")
    assert points_grpc("import", tmp_path / "lots.txt", *WHERE, *where)[0] == 2
    assert sums(database)[1] == 0


def test_people_merge_only_when_asked(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    """Somebody new with another's phone is refused; --merge-by takes both for one and says so."""
    where = (*WHERE, "--database-url", database_url)
    path = tmp_path / "members.csv"
    path.write_text("type,external_id,phone\nmember,ann,43123\nmember,bob,43123\n")
    report = tmp_path / "members.csv.refused.csv"
    assert points_grpc("import", path, *where)[0] == 1
    assert report.read_text() == "line,reason\n3,phone: belongs to another member\n"

    code, said = points_grpc("import", path, *where, "--merge-by", "email, phone")
    assert code == 0
    told = "1 rows imported, 1 were there, 0 refused 1 of them merged with members that were there:"
    assert told in " ".join(said.splitlines())
    assert report.read_text().startswith("line,reason\n3,merged into member ")
    for wrong in ("external_id", "member_id", "Phone", "phone;email"):
        assert points_grpc("import", path, *where, "--merge-by", wrong)[0] == 2


def test_a_report_never_takes_the_files_place(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    """A report that would be written over the file itself is refused before anything is done."""
    path = tmp_path / "lots.csv"
    path.write_text("external_id,vendor_id,amount,earned_at\nann,1,x,2024-01-01\n")
    where = ("--database-url", database_url)
    assert points_grpc("import", path, *WHERE, "--refused", path, *where)[0] == 2
    assert path.read_text().endswith("ann,1,x,2024-01-01\n")


def test_killed_in_the_middle(database: Database, database_url: str, tmp_path: Path) -> None:
    """An import that is killed again and again comes to the same as one that never was."""
    path = tmp_path / "lots.csv"
    lines = [f"m{n % 300},{n + 1},{n % 90 + 1},2024-01-01,never\n" for n in range(12_000)]
    lines[5_000] = "m1,,5,2024-01-01,never\n"
    path.write_text("external_id,vendor_id,amount,earned_at,expires_at\n" + "".join(lines))
    command = [sys.executable, "-m", "points_grpc.cli.main", "import", str(path), *WHERE]
    command += ["--chunk-size", "100", "--database-url", database_url]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("POINTS_")}
    for kill_at in (1_500, 4_900, 5_100, 9_000):
        process = subprocess.Popen(command, env=clean, stderr=subprocess.DEVNULL)
        await_lines(database, kill_at, process)
        process.kill()
        process.wait(timeout=SECONDS_MAX)
    done = subprocess.run(
        command, env=clean, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
    )
    assert done.stdout.splitlines()[0] == "11999 rows imported, 0 were there, 1 refused"
    available = sum(n % 90 + 1 for n in range(12_000) if n != 5_000)
    assert sums(database) == (available, 11_999, 11_999)
    report = path.with_name("lots.csv.refused.csv").read_text().splitlines()
    assert report == ["line,reason", "5002,vendor_id: or import_id is required"]


def await_transactions(database: Database, number: int, process: subprocess.Popen[bytes]) -> None:
    """Return once so many transactions have been committed."""
    until = time.monotonic() + SECONDS_MAX
    while time.monotonic() < until:
        assert process.poll() is None, "the sweep ended before it could be killed"
        if sums(database)[2] >= number:
            return
    raise AssertionError("the sweep does not come on")


def await_lines(database: Database, number: int, process: subprocess.Popen[bytes]) -> None:
    """Return once so many lines have been committed."""
    until = time.monotonic() + SECONDS_MAX
    while time.monotonic() < until:
        assert process.poll() is None, "the import ended before it could be killed"
        done = database.run(lambda at: at.execute(select(imports.c.lines_done)).scalar())
        if (done or 0) >= number:
            return
    raise AssertionError("the import does not come on")


def test_a_sweep_killed_in_the_middle(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    """A sweep whose process is killed again and again records every lapse once."""
    path = tmp_path / "lots.csv"
    lines = [
        f"m{n % 900},{n + 1},{n % 90 + 1},2024-01-01,2024-02-0{n % 7 + 1}\n" for n in range(1800)
    ]
    path.write_text("external_id,vendor_id,amount,earned_at,expires_at\n" + "".join(lines))
    where = ("--database-url", database_url)
    assert points_grpc("import", path, *WHERE, *where)[0] == 0
    assert sums(database) == (sum(n % 90 + 1 for n in range(1800)), 1800, 1800)
    command = [sys.executable, "-m", "points_grpc.cli.main", "sweep", "--sweep-chunk", "1", *where]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("POINTS_")}
    for kill_at in (1_900, 2_300, 2_900):
        process = subprocess.Popen(
            command, env=clean, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        await_transactions(database, kill_at, process)
        process.kill()
        process.wait(timeout=SECONDS_MAX)
    left = database.run(lambda at: at.execute(select(func.sum(accounts.c.available))).scalar())
    assert left
    done = subprocess.run(command, env=clean, capture_output=True, timeout=SECONDS_MAX, check=False)
    assert done.returncode == 0
    assert sums(database) == (0, 1800, 3600)

"""Servers of the release before on a schema that a later release has made under load."""

from __future__ import annotations

import io
import os
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import DDL, NullPool, create_engine
from tests.support.faults.load import Load
from tests.support.faults.reconcile import REPORT, judge

from points_grpc.storage.core import migrate
from points_grpc.storage.tables import metadata

pytestmark = pytest.mark.faults

ROOT = Path(__file__).resolve().parents[2]
START = ("--start-time", "2022-01-01T00:00:00Z")
LATER = "9999"


def add_all_that_may_be_added(url: str) -> None:
    """What any later migration is allowed to do, to every table, as one that took its number."""
    engine = create_engine(url, poolclass=NullPool)
    for name, table in metadata.tables.items():
        first = next(iter(table.columns)).name
        with engine.begin() as at:
            at.execute(DDL(f"ALTER TABLE {name} ADD COLUMN later_text text"))
            at.execute(DDL(f"ALTER TABLE {name} ADD COLUMN later_count bigint NOT NULL DEFAULT 7"))
            at.execute(DDL(f"CREATE INDEX {name}_later ON {name} ({first}, later_count)"))
    with engine.begin() as at:
        at.execute(DDL("CREATE TABLE later (name text PRIMARY KEY)"))
        at.execute(DDL(f"UPDATE alembic_version SET version_num = '{LATER}'"))


def test_this_release_serves_on_a_later_schema(
    serve: Any, database_url: str, rounds: Callable[[int], range]
) -> None:
    """A server goes on while all is added to its schema that may be, and another starts on it."""
    where = {"POINTS_DATABASE_URL": database_url}
    up = [serve(*START, **where)]
    load = Load("later", lambda: [one.address for one in up])
    with load.running():
        load.wait_for(100)
        add_all_that_may_be_added(database_url)
        assert migrate.current(database_url) == LATER
        REPORT.faults["later schema put beneath a server"] += 1
        load.wait_for(100)
        for way in ((), ("--migrate",))[: len(rounds(1))]:
            with load.resting():
                up.append(serve(*START, *way, **where))
            load.wait_for(100)
    assert migrate.current(database_url) == LATER
    judge(database_url, load.outcome)


def git(*arguments: str) -> bytes:
    """What git says, or nothing where it cannot."""
    try:
        done = subprocess.run(
            ["git", "-C", ROOT, *arguments], capture_output=True, check=False, timeout=60
        )
    except OSError:
        return b""
    return done.stdout if done.returncode == 0 else b""


def release_before(folder: Path) -> str:
    """Unpack the code as it was before its last migration; its revision, or nothing."""
    versions = ROOT / "src/points_grpc/storage/migrations/versions"
    (newest,) = versions.glob(f"v{migrate.head()}_*.py")
    commit = git("log", "--diff-filter=A", "--format=%H", "-1", "--", str(newest)).decode().strip()
    if not commit or not (code := git("archive", "--format=zip", f"{commit}^", "src", "generated")):
        return ""
    with zipfile.ZipFile(io.BytesIO(code)) as archive:
        archive.extractall(folder)
    kept = sorted((folder / "src/points_grpc/storage/migrations/versions").glob("v*.py"))
    return kept[-1].name[1:5]


def test_the_release_before_serves_on_this_schema(
    serve: Any, empty_database_url: str, tmp_path: Path
) -> None:
    """The code before the last migration goes on when that is run, and beside this release's."""
    before = release_before(tmp_path / "before")
    if not before:
        pytest.skip("this clone has no history of the last migration")
    old_code = os.pathsep.join(str(tmp_path / "before" / part) for part in ("src", "generated"))
    where = {"POINTS_DATABASE_URL": empty_database_url}
    migrate.upgrade(empty_database_url, before)
    up = [serve(*START, **where, PYTHONPATH=old_code)]
    load = Load("before", lambda: [one.address for one in up])
    with load.running():
        load.wait_for(100)
        migrate.upgrade(empty_database_url)
        REPORT.faults["migration run beneath the release before"] += 1
        load.wait_for(100)
        with load.resting():
            up.append(serve(*START, **where))
        load.wait_for(200)
        assert up[0].stop() == 0
        del up[0]
        load.wait_for(50)
    judge(empty_database_url, load.outcome)

"""What tests of the embedded PostgreSQL share."""

from __future__ import annotations

import subprocess
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from points_grpc.storage.embedded import (
    EmbeddedPostgres,
    keeper,
)


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end(process: subprocess.Popen[str]) -> int:
    assert process.stdin is not None
    process.stdin.close()
    return process.wait()


def run(server: EmbeddedPostgres, statement: str) -> None:
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        connection.execute(statement.encode())


def answer(server: EmbeddedPostgres) -> object:
    with psycopg.connect(server.conninfo) as connection:
        row = connection.execute("SELECT answer FROM kept").fetchone()
    return row and row[0]


def postmaster(data_dir: Path) -> int:
    pid = keeper.recorded_pid(data_dir / "cluster")
    assert pid is not None
    return pid


def sockets_of(server: EmbeddedPostgres) -> Path:
    return Path(str(conninfo_to_dict(server.conninfo)["host"]))


def is_stopped(data_dir: Path) -> bool:
    return not (data_dir / "cluster" / "postmaster.pid").exists()

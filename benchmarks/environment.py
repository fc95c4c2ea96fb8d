"""Where it was measured: the machine, the versions, the commit and the command."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import grpc
import psutil
import psycopg
import sqlalchemy

ROOT = Path(__file__).resolve().parents[1]


def environment(command: str, postgres: str, commit_us: float) -> dict[str, str]:
    """All of it, by name."""
    uname = platform.uname()
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "commit": _commit(),
        "command": command,
        "machine": f"{_processor()}, {psutil.cpu_count()} processors,"
        f" {psutil.virtual_memory().total / 2**30:.0f} GiB, {uname.system} {uname.release}",
        "durable commit": f"{commit_us:.0f} µs for one row",
        "Python": platform.python_version(),
        "PostgreSQL": postgres,
        "libraries": f"grpcio {grpc.__version__}, SQLAlchemy {sqlalchemy.__version__},"
        f" psycopg {psycopg.__version__}",
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--", "src", "generated", "requirements.lock")
    return (git("rev-parse", "--short", "HEAD") or "none") + (" with changes" if changed else "")

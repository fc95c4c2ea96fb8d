"""The sessions in the README, held against a live server."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from points_grpc.cli.main import app

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
ADDRESS = "127.0.0.1:50051"
GRPCURL = os.environ.get("GRPCURL", "")


def session(name: str) -> list[tuple[str, str]]:
    """The commands of a session and what they print, from below its mark in the README."""
    found = re.search(rf"<!-- {name} -->\n```console\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert found is not None
    steps = re.split(r"^\$ ", found[1], flags=re.MULTILINE)[1:]
    return [cut(step) for step in steps]


def cut(step: str) -> tuple[str, str]:
    """A command, which ends with the line that closes its quotes, and its output."""
    lines = step.splitlines()
    for number in range(1, len(lines) + 1):
        command = "\n".join(lines[:number])
        if not command.endswith("\\") and is_whole(command):
            return command, "\n".join(lines[number:])
    raise AssertionError(f"no end of the command: {step}")


def is_whole(command: str) -> bool:
    try:
        shlex.split(command)
    except ValueError:
        return False
    return True


def plain(text: str) -> list[str]:
    """Lines without the ids that differ from database to database, and without their margins."""
    without_ids = re.sub(r'"\d{14,16}"', '"(id)"', text)
    return [line for raw in without_ids.splitlines() if (line := " ".join(raw.split()))]


def is_as_said(printed: str, said: str) -> bool:
    """Whether the output is what the README says, where a line of … stands for any lines."""
    parts = [r"(?:.*\n)*?" if line == "…" else re.escape(line) + r"\n" for line in plain(said)]
    return re.fullmatch("".join(parts), "".join(f"{line}\n" for line in plain(printed))) is not None


def test_the_demo_prints_what_the_readme_says(serve: Any, database_url: str) -> None:
    """The demo, played first on a new server, prints the README's session."""
    start = ("--start-time", "2022-01-01T00:00:00Z")
    running = serve("--dev", "--demo", *start, POINTS_DATABASE_URL=database_url)
    ((command, said),) = session("demo")
    assert command == "make demo"
    result = CliRunner().invoke(app, ["demo", "--grpc", running.address], env={"COLUMNS": "80"})
    assert plain(result.output) == plain(said)


@pytest.fixture
def grpcurl(serve: Any, database_url: str) -> Any:
    """Runs a command line of the README against a server as new."""
    start = ("--start-time", "2022-01-01T00:00:00Z")
    running = serve("--dev", "--demo", *start, POINTS_DATABASE_URL=database_url)
    folder = str(Path(GRPCURL).resolve().parent)
    environment = os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}

    def run(command: str) -> str:
        line = command.replace(ADDRESS, running.address)
        done = subprocess.run(
            ["bash", "-c", line],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout

    return run


@pytest.mark.skipif(not GRPCURL, reason="GRPCURL does not name a grpcurl (.ci/run installs one)")
def test_grpcurl_prints_what_the_readme_says(grpcurl: Any) -> None:
    """Every grpcurl call of the README, pasted in order, prints what the README says."""
    steps = session("grpcurl")
    assert len(steps) > 5
    for command, said in steps:
        assert command.startswith("grpcurl -plaintext ")
        printed = grpcurl(command)
        assert is_as_said(printed, said), f"$ {command}\n{printed}"


@pytest.mark.skipif(not GRPCURL, reason="GRPCURL does not name a grpcurl (.ci/run installs one)")
def test_grpcurl_describes_with_comments(grpcurl: Any) -> None:
    """Reflection describes messages to grpcurl without files."""
    printed = grpcurl(f"grpcurl -plaintext {ADDRESS} describe points.v1.EarnRequest")
    assert "int64 program_id = 1" in printed


@pytest.mark.parametrize("name", ["demo", "grpcurl"])
def test_the_sessions_are_for_the_address_of_make_run(name: str) -> None:
    """The README's sessions speak to the address on which make run listens."""
    for command, _ in session(name):
        assert command == "make demo" or ADDRESS in command

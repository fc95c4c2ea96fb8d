"""The sessions in the README and the tutorial, held against a live server."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from points_grpc.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text()
HTTP_ADDRESS = "127.0.0.1:8080"
AFTER_DEMO = "2025-07-07T06:39:11Z"
"""Where the demo, played once on a new server, leaves the clock."""
ADDRESS = "127.0.0.1:50051"
GRPCURL = os.environ.get("GRPCURL", "")


def session(name: str) -> list[tuple[str, str]]:
    """The commands of a session and what they print, from below its mark in a page."""
    mark = rf"<!-- {name} -->\n```console\n(.*?)^```$"
    found = re.search(mark, README + TUTORIAL, re.DOTALL | re.MULTILINE)
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
    """Whether the output is what the page says, where a line of … stands for any lines."""
    parts = [r"(?:.*\n)*?" if line == "…" else re.escape(line) + r"\n" for line in plain(said)]
    return re.fullmatch("".join(parts), "".join(f"{line}\n" for line in plain(printed))) is not None


def test_the_demo_prints_what_the_tutorial_says(serve: Any, database_url: str) -> None:
    """The demo, played first on a new server, prints the tutorial's session."""
    start = ("--start-time", "2022-01-01T00:00:00Z")
    running = serve("--dev", "--demo", *start, POINTS_DATABASE_URL=database_url)
    ((command, said),) = session("demo")
    assert command == "make demo"
    result = CliRunner().invoke(app, ["demo", "--grpc", running.address], env={"COLUMNS": "80"})
    assert plain(result.output) == plain(said)


def test_the_readme_shows_a_part_of_the_demo() -> None:
    """What the README shows of the demo is part of the tutorial's session."""
    found = re.search(r"^\$ make demo\n…\n(.*?)^…$", README, re.DOTALL | re.MULTILINE)
    assert found is not None
    ((_, said),) = session("demo")
    assert found[1] in said


@pytest.fixture
def grpcurl(serve: Any, database_url: str) -> Any:
    """Runs a command line of the tutorial against a server as new."""
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
def test_grpcurl_prints_what_the_tutorial_says(grpcurl: Any) -> None:
    """Every grpcurl call of the tutorial, pasted in order, prints what the tutorial says."""
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


def post_with_curl(command: str, address: str) -> tuple[int, str]:
    """The status and the body that a curl command line gets from `address`."""
    words = iter(shlex.split(command.replace("\\\n", " "))[1:])
    url, body, headers = "", None, {}
    for word in words:
        match word:
            case "-s":
                continue
            case "-H":
                name, _, value = next(words).partition(": ")
                headers[name] = value
            case "-d":
                body = next(words)
            case _:
                assert word.startswith(f"http://{HTTP_ADDRESS}/")
                url = word.removeprefix(f"http://{HTTP_ADDRESS}")
    connection = HTTPConnection(address, timeout=60)
    with closing(connection):
        connection.request("GET" if body is None else "POST", url, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@pytest.mark.parametrize("start", ["2022-01-01T00:00:00Z", AFTER_DEMO])
def test_curl_gets_what_the_readme_says(serve: Any, database_url: str, start: str) -> None:
    """The README's curl calls, in order, print what it says, on a new server or after the demo."""
    options = ("--start-time", start, "--http", "127.0.0.1:0")
    running = serve("--dev", "--demo", *options, POINTS_DATABASE_URL=database_url)
    (line,) = [line for line in running.said if "http://" in line]
    steps = session("curl") + session("vendors")
    assert len(steps) == 7
    for command, said in steps:
        status, printed = post_with_curl(command, line.partition("http://")[2])
        assert status in (200, 201), f"$ {command}\n{printed}"
        assert not said.strip() or printed == said.strip()


def test_curl_of_the_tutorial_is_answered(serve: Any, database_url: str) -> None:
    """The calls that the tutorial shows for REST are answered."""
    running = serve("--dev", "--demo", "--http", "127.0.0.1:0", POINTS_DATABASE_URL=database_url)
    (line,) = [line for line in running.said if "http://" in line]
    for command, _ in session("rest"):
        status, printed = post_with_curl(command, line.partition("http://")[2])
        assert status == 200, f"$ {command}\n{printed}"


@pytest.mark.parametrize("name", ["demo", "grpcurl", "curl", "vendors", "rest"])
def test_the_sessions_are_for_the_address_of_make_run(name: str) -> None:
    """The sessions speak to the addresses on which make run listens."""
    for command, _ in session(name):
        assert command == "make demo" or ADDRESS in command or HTTP_ADDRESS in command

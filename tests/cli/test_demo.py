"""The demo against a running server."""

from __future__ import annotations

import re
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from points_grpc.cli.main import app

MONTHS = {
    "02": "100 0 0",
    "03": "0 0 0",
    "04": "200 0 0",
    "05": "0 1000 0",
    "06": "0 3013 120",
    "07": "0 2000 0",
    "08": "0 0 0",
    "09": "0 0 0",
    "10": "0 1000 0",
    "11": "0 0 0",
}


def play(address: str) -> Result:
    return CliRunner().invoke(app, ["demo", "--grpc", address], env={"COLUMNS": "88"})


@pytest.fixture(scope="module")
def plays(demo_server: Any) -> tuple[str, str]:
    """What two runs on one server print."""
    results = play(demo_server.address), play(demo_server.address)
    for result in results:
        assert result.exit_code == 0, result.output
    first, second = (" ".join(result.output.split()) for result in results)
    return first, second


@pytest.mark.parametrize(("run", "year"), [(0, 2022), (1, 2026)])
def test_the_months_are_the_vendors(plays: tuple[str, str], run: int, year: int) -> None:
    """Every run shows the ten months of the vendor's sample, later runs in later years."""
    for month, figures in MONTHS.items():
        assert f" {year}-{month} {figures}" in plays[run]


@pytest.mark.parametrize(("run", "years"), [(0, 0), (1, 4)])
def test_the_other_figures_are_the_vendors(plays: tuple[str, str], run: int, years: int) -> None:
    """Inactivity, over-ask, the period's points and the moved expiry are the examples'."""
    said = plays[run]
    assert f"200 points end at {2023 + years}-05-25 08:45:41, in 36" in said
    assert "Expire 150 of 100 150 100 0 no" in said
    assert "In September expire 150.24 points, from 2 lots." in said
    old, new = f"{2022 + years}-12-31 23:59:59", f"{2025 + years}-08-09 23:59:59"
    assert f"117521910 {old} {new} EXTEND_EXPIRY" in said
    assert f"Noted at {2025 + years}-07-07 06:39:11" in said


@pytest.mark.parametrize("run", [0, 1])
def test_refusals_are_shown(plays: tuple[str, str], run: int) -> None:
    """A replay, a reused id and the documented failures of a batch are part of the story."""
    for reason in (
        "REQUEST_ID_REUSED",
        "INSUFFICIENT_POINTS",
        "INVALID_FIELD",
        "MEMBER_NOT_FOUND",
        "LOT_NOT_FOUND",
        "EXPIRY_IN_PAST",
        "TRANSACTION_NOT_OPEN",
    ):
        assert reason in plays[run]
    assert "the same request again 150 100 0 yes" in plays[run]
    assert "not refused, although" not in plays[run]


def test_a_later_run_says_what_differs(plays: tuple[str, str]) -> None:
    """The first run is the vendors' own; the second says that members and years are others."""
    assert plays[0].startswith("1. What expires when")
    assert "Run 2 on this database" in plays[1]
    assert "4 years after the vendors' examples" in plays[1]
    assert re.search(r"alice\+2@crowdtwist.com earns 3133", plays[1])


def test_it_needs_a_server() -> None:
    """Without a server the demo says so in one line."""
    result = play("127.0.0.1:1")
    assert result.exit_code == 1
    assert result.output.startswith("points-grpc: 127.0.0.1:1: UNAVAILABLE")


@pytest.mark.parametrize("arguments", [(), ("--reflection",)])
def test_it_needs_the_test_clock(serve: Any, database_url: str, arguments: tuple[str, ...]) -> None:
    """A server outside of development is not played with, with or without reflection."""
    office = {"POINTS_DATABASE_URL": database_url}
    for command in (
        ["tenant", "create", "acme"],
        ["token", "create", "--tenant", "acme", "--scopes", "points.read"],
    ):
        assert CliRunner().invoke(app, command, env=office).exit_code == 0
    running = serve(*arguments, POINTS_DATABASE_URL=database_url)
    result = play(running.address)
    assert result.exit_code == 1
    assert "no test clock" in result.output

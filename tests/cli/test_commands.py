"""What the commands say about themselves, and how they refuse."""

from __future__ import annotations

from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

from points_grpc.cli.main import app
from points_grpc.config import Settings, variable

GROUP: Any = get_command(app)


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env=environment)


def help_of(*command: str) -> str:
    return " ".join(run(*command, "--help").output.split())


def test_the_commands() -> None:
    """The program has these commands and no others."""
    assert set(GROUP.commands) == {
        "serve", "gateway", "sweep", "import", "export", "audit", "tenant", "token", "db", "demo",
        "doctor",
    }  # fmt: skip


@pytest.mark.parametrize("command", [("serve",), ("doctor",), ("token", "list")])
@pytest.mark.parametrize("url", ["postgresql://u:s3cret@db/x", "postgresql://db/x?password=s3cret"])
def test_a_password_does_not_belong_on_a_command_line(command: tuple[str, ...], url: str) -> None:
    """A database's password is taken from the environment, and refused as an argument."""
    result = run(*command, "--database-url", url)
    assert (result.exit_code, "s3cret" in result.output) == (2, False)
    assert "POINTS_DATABASE_URL" in result.output


@pytest.mark.parametrize("command", [("serve",), ("sweep",), ("db", "upgrade"), ("doctor",)])
def test_help_tells_defaults_and_variables(command: tuple[str, ...]) -> None:
    """The help of a command names the variable and the default of each of its settings."""
    text = help_of(*command)
    found = 0
    for name, about in Settings.model_fields.items():
        if f"--{name.replace('_', '-')} " in text:
            found += 1
            default = about.default
            # By their text: 1 is equal to True.
            shown = {"None": "none", "True": "yes", "False": "no"}.get(str(default), str(default))
            assert f"env var: {variable(name)}; default: ({shown})" in text
    assert found >= 2


@pytest.mark.parametrize("address", ["0.0.0.0:50051", "[::]:50051", "192.0.2.1:50051"])
def test_serve_refuses_other_machines(address: str) -> None:
    """In development there are no credentials, so serve listens on loopback only."""
    result = run("serve", "--dev", "--plaintext", "--grpc", address)
    assert result.exit_code == 2
    assert "no credentials" in result.output


@pytest.mark.parametrize("command", ["serve", "gateway"])
def test_no_credentials_in_the_clear(command: str) -> None:
    """Other machines are served with TLS only, unless it is said that a proxy does it."""
    option = {"serve": "--grpc", "gateway": "--http"}[command]
    result = run(command, option, "0.0.0.0:0")
    assert result.exit_code == 2
    assert "would go in the clear" in result.output


@pytest.mark.parametrize("option", [("--demo",), ("--start-time", "2022-01-01T00:00:00Z")])
def test_serve_refuses_development_in_production(option: tuple[str, ...]) -> None:
    """Demo data and a clock that stands still are for development only."""
    result = run("serve", *option)
    assert result.exit_code == 2
    assert f"{option[0]} needs --dev" in result.output


def test_a_bad_value_is_one_line() -> None:
    """A setting that cannot be is told in one line that names the option and the variable."""
    result = run("serve", "--grpc", "nowhere")
    assert result.exit_code == 2
    assert result.output.startswith("points-grpc: --grpc (POINTS_GRPC): must be host:port")
    assert len(result.output.splitlines()) == 1


def test_a_bad_variable_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable without an option is checked like one that has an option."""
    monkeypatch.setenv("POINTS_GRACE_SECONDS", "soon")
    result = run("doctor")
    assert result.exit_code == 2
    assert "POINTS_GRACE_SECONDS" in result.output


def test_a_database_that_is_not_there_is_one_line() -> None:
    """A database that cannot be reached is told in one line, without a traceback."""
    url = "postgresql://points:s3cret@127.0.0.1:1/points"
    result = run("db", "current", POINTS_DATABASE_URL=url)
    assert result.exit_code == 1
    assert "points-grpc: " in result.output
    assert "Traceback" not in result.output
    assert "s3cret" not in result.output


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "POINTS_JWT_ALGORITHMS: one or more of"),
        ({"JWT_ALGORITHMS": "HS256"}, "POINTS_JWT_ALGORITHMS: one or more of"),
        ({"JWT_ALGORITHMS": "RS256"}, "need POINTS_JWT_ISSUER"),
        ({"JWT_ALGORITHMS": "RS256", "JWT_ISSUER": "x"}, "need POINTS_JWT_AUDIENCE"),
        ({"JWT_KEYS_FILE": "/keys"}, "exclude each other"),
        (
            {"JWT_ALGORITHMS": "RS256,ES256", "JWT_ISSUER": "x", "JWT_AUDIENCE": "y"},
            "the URL of keys must be https",
        ),
    ],
)
def test_web_tokens_are_configured_whole(given: dict[str, str], problem: str) -> None:
    """A server whose web tokens are not configured as they have to be does not start."""
    names = {"JWT_KEYS_URL": "http://issuer.example/keys"} | given
    environment = {f"POINTS_{name}": value for name, value in names.items()}
    result = CliRunner().invoke(app, ["serve", "--grpc", "127.0.0.1:0"], env=environment)
    assert (result.exit_code, problem in result.output) == (2, True)

"""A password stays out of everything that is printed or logged, whatever slipped in its URL."""

from __future__ import annotations

import re
import traceback
from itertools import product
from pathlib import Path

import pytest
from pydantic import ValidationError
from typer.main import get_command
from typer.testing import CliRunner, Result

from points_grpc.cli.main import app
from points_grpc.config import Settings, load, masked, split_address
from points_grpc.storage.core.database import Database
from points_grpc.storage.core.db_errors import Unreachable

GROUP = get_command(app)
PIECES = ("Zebra", "Quagga")

SLIPS = {
    "an @": "postgresql://u:Zebra@Quagga@127.0.0.1:1/p",
    "an @ in the end": "postgresql://u:ZebraQuagga@@127.0.0.1:1/p",
    "an @ in the user": "postgresql://Zebra@x:Quagga@127.0.0.1:1/p",
    "a /": "postgresql://u:Zebra/Quagga@127.0.0.1:1/p",
    "a ?": "postgresql://u:Zebra?Quagga@127.0.0.1:1/p",
    "a #": "postgresql://u:Zebra#Quagga@127.0.0.1:1/p",
    "a %": "postgresql://u:Zebra%Quagga@127.0.0.1:1/p",
    "a % that is no UTF-8": "postgresql://u:Zebra%FFQuagga@127.0.0.1:1/p",
    "a space": "postgresql://u:Zebra Quagga@127.0.0.1:1/p",
    "a line break": "postgresql://u:Zebra\nQuagga@127.0.0.1:1/p",
    "a backslash": "postgresql://u:Zebra\\Quagga@127.0.0.1:1/p",
    "a word for a port": "postgresql://u:Zebra@127.0.0.1:Quagga/p",
    "a port too high": "postgresql://u:ZebraQuagga@127.0.0.1:65536/p",
    "port 0": "postgresql://u:ZebraQuagga@127.0.0.1:0/p",
    "a port of other digits": "postgresql://u:ZebraQuagga@127.0.0.1:٥٤٣٢/p",
    "no host": "postgresql://u:ZebraQuagga/p",
    "no brackets": "postgresql://u:ZebraQuagga@::1:5432/p",
    "half a bracket": "postgresql://u:ZebraQuagga@[::1:5432/p",
    "no address in brackets": "postgresql://u:Zebra@[Quagga]:5432/p",
    "something behind brackets": "postgresql://u:Zebra@[::1]Quagga/p",
    "no user": "postgresql://@127.0.0.1:1/ZebraQuagga/x",
    "no scheme": "u:ZebraQuagga@127.0.0.1:1/p",
    "half a scheme": "postgresql:/u:ZebraQuagga@127.0.0.1:1/p",
    "another scheme": "mysql://u:ZebraQuagga@127.0.0.1:1/p",
    "another driver": "postgresql+asyncpg://u:ZebraQuagga@127.0.0.1:1/p",
    "quotes": "'postgresql://u:ZebraQuagga@127.0.0.1:1/p'",
    "a quote": "postgresql://u:Zebra'Quagga@127.0.0.1:1/p",
    "an & in a parameter": "postgresql://127.0.0.1:1/p?password=Zebra&Quagga=1",
    "an & in the end": "postgresql://127.0.0.1:1/p?password=Zebra&Quagga",
    "a + in a parameter": "postgresql://127.0.0.1:1/p?password=Zebra+Quagga",
    "a parameter misspelt": "postgresql://127.0.0.1:1/p?pasword=ZebraQuagga",
    "a parameter twice": "postgresql://127.0.0.1:1/p?password=Zebra&password=Quagga",
    "a port in a parameter": "postgresql://u@/p?host=127.0.0.1&port=ZebraQuagga",
    "words instead": "host=127.0.0.1 port=1 password=ZebraQuagga",
}
# These can be read in one way only, and are left to the database to refuse.
SOUND = {
    "a :": "postgresql://u:Zebra:Quagga@127.0.0.1:1/p",
    "a [": "postgresql://u:Zebra[Quagga@127.0.0.1:1/p",
    "escapes": "postgresql://u:Zebra%40%2F%3A%25Quagga@127.0.0.1:1/p",
    "a parameter": "postgresql://u@/p?host=127.0.0.1&port=1&password=ZebraQuagga",
    "a wrong mode": "postgresql://u:ZebraQuagga@127.0.0.1:1/p?sslmode=Quagga",
    "a host that there is not": "postgresql://u:ZebraQuagga@no-such-host.invalid/p",
}

COMMANDS = {
    "serve": ("serve", "--grpc", "127.0.0.1:0"),
    "serve --workers": ("serve", "--grpc", "127.0.0.1:0", "--workers", "2", "--migrate"),
    "sweep": ("sweep",),
    "sweep --dry-run": ("sweep", "--dry-run"),
    "import": ("import", __file__, "--tenant", "t", "--format", "csv"),
    "export": ("export", "/nonexistent/export.csv", "--tenant", "t"),
    "audit": ("audit",),
    "doctor": ("doctor",),
    "db upgrade": ("db", "upgrade"),
    "db downgrade": ("db", "downgrade", "base", "--yes"),
    "db current": ("db", "current"),
    "tenant create": ("tenant", "create", "t"),
    "tenant list": ("tenant", "list"),
    "tenant default-program": ("tenant", "default-program", "t", "1"),
    "token create": ("token", "create", "--tenant", "t", "--scopes", "points.read"),
    "token list": ("token", "list"),
    "token revoke": ("token", "revoke", "token-1"),
}


# Every slip at some commands, and some slips at every command.
TRIED = sorted(
    {*product(("serve", "doctor"), SLIPS), *product(COMMANDS, ("an @", "a word for a port", "a /"))}
)


@pytest.fixture(autouse=True)
def commands_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runner makes all commands anew for each call, which takes most of its time."""
    monkeypatch.setattr("typer.testing._get_command", lambda _: GROUP)


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env=environment)


def assert_nothing_shown(text: str) -> None:
    assert [piece for piece in PIECES if piece.lower() in text.lower()] == []


@pytest.mark.parametrize(("command", "slip"), TRIED)
def test_no_command_shows_a_password(
    command: str, slip: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """A URL with a slip is refused in one line that holds no piece of the password."""
    result = run(*COMMANDS[command], POINTS_DATABASE_URL=SLIPS[slip])
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    assert "POINTS_DATABASE_URL): must be postgresql://" in result.output
    assert len(result.output.splitlines()) == 1
    assert_nothing_shown(result.output + "".join(capfd.readouterr()))


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("url", SOUND)
def test_a_database_that_is_away_is_told_without_the_password(
    command: str, url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Where the driver refuses a URL, what is told has no word of the driver's."""
    result = run(*COMMANDS[command], POINTS_DATABASE_URL=SOUND[url])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "the database cannot be reached: " in result.output
    told = result.output + "".join(capfd.readouterr())
    # Doctor shows the settings, of which the mode is one.
    assert_nothing_shown(told.replace("sslmode=Quagga", ""))


@pytest.mark.parametrize("slip", SLIPS)
def test_a_gateway_tells_no_more(slip: str) -> None:
    """A command that needs no database does not show the URL of one either."""
    result = run("gateway", POINTS_DATABASE_URL=SLIPS[slip])
    assert result.exit_code == 2
    assert_nothing_shown(result.output)


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_on_the_command_line_is_not_repeated(slip: str) -> None:
    """The option refuses what the variable refuses, and shows as little."""
    result = run("doctor", "--database-url", SLIPS[slip])
    assert result.exit_code == 2
    assert_nothing_shown(result.output)


@pytest.mark.parametrize(
    "arguments",
    [
        ("doctor", "--database-url", "postgresql://u:x", "Zebra@Quagga/p"),
        ("token", "list", "postgresql://u:ZebraQuagga@h/p"),
        ("postgresql://u:ZebraQuagga@h/p",),
        ("db", "postgresql://u:ZebraQuagga@h/p"),
    ],
)
def test_an_argument_too_many_is_not_repeated(arguments: tuple[str, ...]) -> None:
    """A URL that a shell took apart, or that stands in the wrong place, is not quoted."""
    result = run(*arguments)
    assert (result.exit_code, "Error: There" in result.output) == (2, True)
    assert_nothing_shown(result.output)


@pytest.mark.parametrize("slip", SLIPS)
def test_a_process_of_ours_shows_no_more(slip: str) -> None:
    """The error of settings, as a traceback of a worker has it, holds nothing of a setting."""
    given = {"database_url": SLIPS[slip], "jwt_keys_url": f"ftp://{':'.join(PIECES)}@h/"}
    with pytest.raises(ValidationError) as caught:
        Settings(**given)
    assert_nothing_shown("".join(traceback.format_exception(caught.value)))


def test_the_drivers_error_goes_no_further() -> None:
    """A failure to connect has no driver's error in its traceback, cause or context."""
    database = Database("postgresql+psycopg://u:Zebra@127.0.0.1:1/Quagga")
    with pytest.raises(Unreachable) as caught:
        database.run(lambda connection: None)
    database.close()
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert str(caught.value) == "the database cannot be reached: the connection was refused"


@pytest.mark.parametrize(
    "url",
    [
        "https://Zebra:Quagga@issuer.example/keys",
        "https://issuer.example:Quagga/Zebra",
        "https://Zebra\u2100Quagga.example/keys",
        "https://[Zebra/Quagga",
        "Zebra/Quagga",
    ],
)
def test_a_url_of_keys_is_checked_first(url: str) -> None:
    """A URL of keys with a password, or one that no library reads, is refused unquoted."""
    result = run("serve", POINTS_JWT_KEYS_URL=url)
    assert result.exit_code == 2
    assert "POINTS_JWT_KEYS_URL): must be https://host" in result.output
    assert_nothing_shown(result.output)


def test_what_a_url_of_keys_asks_is_hidden() -> None:
    """The query of a URL of keys, which may hold a key of its own, is not shown."""
    url = load(jwt_keys_url="https://issuer.example/keys?code=ZebraQuagga").jwt_keys_url
    assert masked(url) == "https://issuer.example/keys?***"


@pytest.mark.parametrize("text", ["u:p@host:1", "u@host:1", "http://host:1", "host/x:1", "h h:1"])
def test_an_address_has_no_user(text: str) -> None:
    """An address is a host and a port, without what else a URL may have."""
    with pytest.raises(ValueError, match=r"must be host:port"):
        split_address(text)


def test_files_are_made_in_one_place_only() -> None:
    """Every file that a command writes is made as a private one; the embedded server has its own.

    What `make openapi` and `make reference` write is no secret and belongs to the repository.
    """
    sources = Path(__file__).parents[2] / "src" / "points_grpc"
    writes = re.compile(r'O_CREAT|write_text|write_bytes|"[wax]\+?b?"[,)]|"r\+b?"')
    found = {
        str(path.relative_to(sources))
        for path in sources.rglob("*.py")
        if writes.search(path.read_text())
    }
    assert found == {
        "cli/commands/export.py",  # gzip over a private file
        "cli/reference.py",
        "gateway/openapi/__main__.py",
        "private_files.py",
        "storage/embedded/server.py",  # with O_NOFOLLOW, in a folder that is its own
    }

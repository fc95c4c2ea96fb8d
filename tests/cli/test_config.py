"""Where settings come from, and what is refused as one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from points_grpc.config import Settings, handed_on, is_loopback, load, masked, split_address
from points_grpc.database_url import has_secret


def test_without_anything_the_defaults_hold() -> None:
    """A setting that nobody gives has its default."""
    assert load().grpc == "127.0.0.1:50051"
    assert load().database_url is None
    assert load().request_retention_days == 7


def test_the_environment_goes_before_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting is taken from its environment variable."""
    monkeypatch.setenv("POINTS_DATA_DIR", "/srv/points")
    assert load().data_dir == Path("/srv/points")


def test_an_option_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command line says holds against the environment."""
    monkeypatch.setenv("POINTS_GRPC", "127.0.0.1:1")
    monkeypatch.setenv("POINTS_DEV", "true")
    settings = load(grpc="127.0.0.1:2", dev=False)
    assert (settings.grpc, settings.dev) == ("127.0.0.1:2", False)


def test_an_option_that_is_not_given_leaves_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An option left out does not hide the environment variable."""
    monkeypatch.setenv("POINTS_GRPC", "127.0.0.1:1")
    assert load(grpc=None).grpc == "127.0.0.1:1"


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is set to nothing counts as not set."""
    monkeypatch.setenv("POINTS_DATABASE_URL", "")
    assert load().database_url is None


@pytest.mark.parametrize("text", ["127.0.0.1", ":50051", "127.0.0.1:x", "::1:1", "a:65536", "a:٨٠"])
def test_an_address_is_host_and_port(text: str) -> None:
    """An address without a host or a proper port is refused."""
    with pytest.raises(ValidationError):
        load(grpc=text)


def test_an_address_is_taken_apart() -> None:
    """Host and port of an address, where an IPv6 host stands in brackets."""
    assert split_address("localhost:0") == ("localhost", 0)
    assert split_address("[::1]:50051") == ("::1", 50051)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.9.9.9:1", "localhost:1", "[::1]:1"])
def test_loopback_is_this_machine(address: str) -> None:
    """Every loopback address, and localhost, is this machine's alone."""
    assert is_loopback(address)


@pytest.mark.parametrize("address", ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "points.example:1"])
def test_everything_else_is_not_loopback(address: str) -> None:
    """Addresses of all interfaces, of networks and by name can be reached from elsewhere."""
    assert not is_loopback(address)


def test_a_start_time_is_an_instant() -> None:
    """A start time needs its offset, and is kept in UTC."""
    at = load(start_time="2022-01-01T01:00:00+01:00").start_time
    assert (at, at.tzinfo if at else None) == (datetime(2022, 1, 1, tzinfo=UTC), UTC)
    with pytest.raises(ValidationError):
        load(start_time="2022-01-01T00:00:00")


URLS = {
    "postgresql://points:s3cret@db.example/points": "postgresql://points:***@db.example/points",
    "postgresql://points:s3:cr%40t@db/points": "postgresql://points:***@db/points",
    "postgresql:///points?host=/tmp&password=s3cret": "postgresql:///points?host=/tmp&password=***",
    "postgresql://points@db/points": "postgresql://points@db/points",
    "postgresql://db/points?sslpassword=s3cret&user=b": "postgresql://db/points?sslpassword=***&user=b",
    "postgresql://db/points?oauth_client_secret=s3cret": "postgresql://db/points?oauth_client_secret=***",
    "postgresql://db/points?scram_client_key=s3cret": "postgresql://db/points?scram_client_key=***",
    "postgresql://u%3As3cret@h:5/db": "postgresql://***@h:5/db",
    "postgresql://u%253As3cret@h/db": "postgresql://***@h/db",
    "postgresql://h/u%3As3cret": "postgresql://h/***",
    "postgresql://h/db?application_name=a%26password%3Ds3cret": "postgresql://h/db?application_name=***",
    "postgresql://h/db?sslmode=s3%3Acr%40t&port=5": "postgresql://h/db?sslmode=***&port=5",
    "postgresql://h/db?service=s3cret&sslmode=require": "postgresql://h/db?service=***&sslmode=require",
    "postgresql://:s3cret@[::1]:5/db": "postgresql://:***@[::1]:5/db",
    "postgresql://h": "postgresql://h",
}


@pytest.mark.parametrize("url", URLS)
def test_a_password_is_never_shown(url: str) -> None:
    """Settings hide the database's URL when printed, and its password when shown on purpose."""
    settings = load(database_url=url)
    assert masked(settings.database_url) == URLS[url]
    for secret in ("s3cret", "s3:cr%40t"):
        assert secret not in repr(settings) + str(settings)


@pytest.mark.parametrize(
    ("url", "has"),
    [
        ("postgresql://u@h:5/db?sslmode=require", False),
        ("postgresql://u%40x@h:5/db?application_name=a%40b%3Ac", False),
        ("postgresql://h:5/db?application_name=a%40b", False),
        ("postgresql://u:p@h/db", True),
        ("postgresql://u%3As3cret@h/db", True),
        ("postgresql://h/db?password=s3cret", True),
        ("postgresql://h/db?application_name=a%26password%3Ds3cret", True),
        ("postgresql://u:s3/cret@h/db", True),
    ],
)
def test_a_secret_is_found_behind_escapes(url: str, has: bool) -> None:
    """A password counts as one, written with escapes too, so no command line may have it."""
    assert has_secret(url) is has


@pytest.mark.parametrize(
    "name",
    ["options", "connect_timeout", "client_encoding", "replication", "fallback_application_name"],
)
def test_what_the_service_sets_is_refused_in_a_url(name: str) -> None:
    """A parameter that servers would silently replace is refused, with what to do instead."""
    with pytest.raises(ValidationError, match=rf"{name} is set by the service itself.*ALTER ROLE"):
        load(database_url=f"postgresql://h/db?{name}=1")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_a_url_of_any_common_form_will_do(scheme: str) -> None:
    """The database's URL may name its driver or not."""
    found = load(database_url=f"{scheme}://db/points").database_address
    assert found == "postgresql+psycopg://db/points"


def test_settings_are_handed_on_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is handed settings has the same ones, secrets too, whatever is around it."""
    settings = load(
        database_url="postgresql://points:secret@db/points", start_time="2022-01-01T00:00:00Z"
    )
    monkeypatch.setenv("POINTS_HTTP", "127.0.0.1:1")
    monkeypatch.setenv("POINTS_START_TIME", "2023-01-01T00:00:00Z")
    handed = json.loads(json.dumps(handed_on(settings, workers=2, start_time=None)))
    assert Settings(**handed) == settings.model_copy(update={"workers": 2, "start_time": None})

"""Where settings come from, and what is refused as one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from points_grpc.config import Settings, handed_on, is_loopback, load, masked, split_address


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
}


@pytest.mark.parametrize("url", URLS)
def test_a_password_is_never_shown(url: str) -> None:
    """Settings hide the database's URL when printed, and its password when shown on purpose."""
    settings = load(database_url=url)
    assert masked(settings.database_url) == URLS[url]
    for secret in ("s3cret", "s3:cr%40t"):
        assert secret not in repr(settings) + str(settings)


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

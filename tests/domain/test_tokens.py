"""What an API token looks like."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from points_grpc.domain.auth import Token, digest, is_token, written

SECRET = bytes(range(32))
TOKEN = written(SECRET)
NOW = datetime(2031, 5, 6, tzinfo=UTC)


def test_a_token_is_prefix_secret_and_checksum() -> None:
    """A token can be told by its prefix, and fits into every header and query as it is."""
    assert TOKEN.startswith("points_")
    assert len(TOKEN) == 55
    assert TOKEN.replace("_", "").replace("-", "").isalnum()


def test_of_a_token_its_sha_256_is_kept() -> None:
    """The digest of a token is its SHA-256."""
    assert is_token(TOKEN)
    assert digest(TOKEN) == sha256(TOKEN.encode()).digest()


def test_whatever_is_presented_as_a_token_has_a_digest() -> None:
    """Text that no encoding has, half a surrogate pair, can be looked up like any other."""
    assert digest("points_\ud800") not in (digest("points_"), digest("points_?"))


@pytest.mark.parametrize("place", range(len(TOKEN)))
def test_no_character_of_a_token_may_be_another(place: int) -> None:
    """A token with one character changed is none: the checksum tells without a database."""
    other = "A" if TOKEN[place] != "A" else "B"
    assert not is_token(TOKEN[:place] + other + TOKEN[place + 1 :])


@pytest.mark.parametrize(
    "text",
    ["", "demo", "points_", TOKEN[:-1], TOKEN + "A", f" {TOKEN}", "points_" + "é" * 48,
     written(b"\xff" * 32).replace("_", "/").replace("/", "_", 1)],
)  # fmt: skip
def test_what_is_no_token(text: str) -> None:
    """Whatever has another length, other characters or another alphabet is no token."""
    assert not is_token(text)


def test_a_token_expires_at_its_instant() -> None:
    """A token is live up to its expiry and expired from then on; a revoked one is revoked."""
    token = Token("t", "acme", "", (), NOW, expires_at=NOW + timedelta(seconds=1))
    assert [token.state(NOW), token.state(NOW + timedelta(seconds=1))] == ["live", "expired"]
    revoked = Token("t", "acme", "", (), NOW, expires_at=NOW, revoked_at=NOW)
    assert revoked.state(NOW) == "revoked"
    assert Token("t", "acme", "", (), NOW).state(NOW + timedelta(days=36500)) == "live"

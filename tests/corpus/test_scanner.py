"""The scanner that every answer goes through finds what it is for."""

from __future__ import annotations

import pytest
from tests.support.corpus.scanner import leaks

TOLD = (
    b'Traceback (most recent call last):\n  File "/srv/app.py", line 3, in f',
    b"(psycopg.errors.UniqueViolation) duplicate key value violates unique constraint",
    b"[SQL: SELECT lots.lot_id FROM unnest($1) AS k]",
    b"connection to server on socket /run/x/.s.PGSQL.5432 failed",
    b"failed to connect to all addresses; last error: UNAVAILABLE: ipv4:127.0.0.1:50051",
    b"open('/home/points/tokens')",
    b"ValueError: year 10000 is out of range",
    b"<Message object at 0x7f3a5c2d1e80>",
)
FIT = (
    b"A field of the request is missing or not acceptable.",
    b"internal error 0123456789abcdef0123456789abcdef",
    b'{"lotId": "70368744177665", "expireTime": "2025-08-09T23:59:59Z"}',
    b"from where to where: update the member, then select a lot",
)


@pytest.mark.parametrize("said", TOLD)
def test_what_should_not_be_told_is_found(said: bytes) -> None:
    """Statements, paths, hosts and the words of exceptions are leaks."""
    assert leaks(said)


@pytest.mark.parametrize("said", FIT)
def test_what_may_be_told_is_not_found(said: bytes) -> None:
    """Our own words and a caller's data are none."""
    assert leaks(said) == []

"""Inputs that once broke something, made again."""

from __future__ import annotations

from base64 import b64decode

import pytest
from tests.support.fuzzing.targets import TARGETS

FOUND = [
    # An Earn with an expiry on the calendar's last day, which in some zones ends after it.
    (
        "methods",
        (
            "AAjVAxIEEgItMCoFCgMxMDAyCA0KWC1ZOiB6OggNClgtWTogekILJXMlbnswfSR7YX1YAXIGCJDrorAGggEHCI9O"
            "EAwYHw=="
        ),
    ),
]


@pytest.mark.parametrize(("target", "found"), FOUND)
def test_found(target: str, found: str) -> None:
    """What once broke a target is answered or refused now."""
    TARGETS[target]()(b64decode(found))

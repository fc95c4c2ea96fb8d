"""The version of the time zone data that expiries are computed with: the package's, always.

`points_grpc` itself sees to it that no zone comes from the machine.
"""

from __future__ import annotations

import re
import sys
from string import ascii_lowercase

import tzdata

_VERSION = re.compile(r"(\d{4})(?:([a-z]{1,9})|\.(\d{1,9}))", re.ASCII)
_UNREADABLE = (sys.maxsize, 0)


def ours() -> str:
    """Return the version that is installed, as IANA names it: 2026a."""
    version: str = tzdata.IANA_VERSION
    return version


def is_readable(version: str) -> bool:
    """Return whether a version has a form that this release can compare: 2026a or 2026.1."""
    return _VERSION.fullmatch(version) is not None


def rank(version: str) -> tuple[int, int]:
    """Return a version as numbers to compare: 2026a, or 2026.1 as the package says it.

    A version of another form ranks above all that can be read: a later release may have written it.
    """
    found = _VERSION.fullmatch(version)
    if found is None:
        return _UNREADABLE
    year, letters, number = found.groups()
    if letters is None:
        return int(year), int(number)
    place = 0
    for letter in letters:
        place = place * 26 + ascii_lowercase.index(letter) + 1
    return int(year), place

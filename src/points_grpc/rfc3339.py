"""Instants in the form of RFC 3339, such as 2026-01-31T12:00:00.5+01:00.

One reader for every edge of the service: the REST routes, the vendors' APIs that write instants
so, files that are imported, and settings.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

FRACTION_MAX = 18
"""Digits of a second's fraction; more are refused."""

# By section 5.6 of the RFC t and z may be small, and a space may stand for the T. The ranges are
# here, because datetime takes offsets of up to 99 minutes, and from Python 3.14 on 24:00.
_FORM = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ]((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)"
    rf"(?:\.(\d{{1,{FRACTION_MAX}}}))?(?:[Zz]|([+-](?:[01]\d|2[0-3]):[0-5]\d))",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_S = 86_400


class NotAnInstant(ValueError):
    """The text is not an instant of the years 1 to 9999 in the form of RFC 3339."""

    def __init__(self) -> None:
        super().__init__("must be an instant of RFC 3339, such as 2026-01-31T12:00:00Z")


def read_instant(text: str) -> datetime:
    """Return the instant in UTC, to the microsecond; finer digits are cut off.

    Raises NotAnInstant, also for leap seconds, 24:00 and instants that UTC has in another year
    than 1 to 9999.
    """
    if _FORM.fullmatch(text) is None:
        raise NotAnInstant
    try:
        at = datetime.fromisoformat(text if text[-1] != "z" else f"{text[:-1]}Z")
        return at if at.tzinfo is UTC else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise NotAnInstant from None


def read_parts(text: str) -> tuple[int, str]:
    """Return the whole seconds since 1970 and the digits of the fraction, "" without one.

    Raises NotAnInstant as `read_instant` does.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise NotAnInstant
    day, time, fraction, offset = found.groups()
    try:
        since = datetime.fromisoformat(f"{day}T{time}{offset or 'Z'}").astimezone(UTC) - _EPOCH
    except (ValueError, OverflowError):
        raise NotAnInstant from None
    return since.days * _DAY_S + since.seconds, fraction or ""

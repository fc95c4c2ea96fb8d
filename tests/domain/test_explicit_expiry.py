"""What explicit expirations give: dates, instants, days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.domain.policies import (
    BERLIN,
    NEW_YORK,
    NUUK,
    instants,
    local,
    repeatable,
    utc,
    zones,
)

from points_grpc.domain.calendar import local_date
from points_grpc.domain.policy import (
    ExpireAt,
    ExpireOn,
    Immediate,
    InDays,
    InMonths,
    Never,
    resolve_expiration,
)


# Explicit expirations
@pytest.mark.parametrize(
    ("expiration", "base", "expires"),
    [
        (ExpireOn(date(2025, 3, 30)), "2025-01-01 12:00", "2025-03-30 23:59:59"),
        (InDays(0), "2025-06-01 21:59:59.5", "2025-06-01 23:59:59"),
        (InDays(0), "2025-06-01 22:00", "2025-06-02 23:59:59"),
        (InDays(30), "2025-10-01 12:00", "2025-10-31 23:59:59"),
        (InDays(1), "2024-02-28 12:00", "2024-02-29 23:59:59"),
        (InMonths(1), "2025-01-31 12:00", "2025-02-28 23:59:59"),
        (InMonths(1), "2025-01-31 23:00", "2025-03-01 23:59:59"),
        (InMonths(12), "2024-02-29 12:00", "2025-02-28 23:59:59"),
    ],
)
def test_explicit_dates(expiration: ExpireOn | InDays | InMonths, base: str, expires: str) -> None:
    """A date, and days and months from the base's local date, end at 23:59:59.000."""
    assert local(BERLIN, resolve_expiration(expiration, BERLIN, utc(base))) == expires


def test_explicit_instants() -> None:
    """An instant stands for itself in UTC, never for none, and immediate for no instant."""
    at = datetime(2025, 6, 1, 12, 0, 0, 5, tzinfo=BERLIN)
    resolved = resolve_expiration(ExpireAt(at), NEW_YORK, utc("2025-01-01"))
    assert resolved == utc("2025-06-01 10:00:00.000005")
    assert resolved.tzinfo is UTC
    assert resolve_expiration(Never(), BERLIN, utc("2025-01-01")) is None
    with pytest.raises(ValueError, match="immediate"):
        resolve_expiration(Immediate(), BERLIN, utc("2025-01-01"))
    with pytest.raises(ValueError, match="aware"):
        resolve_expiration(ExpireAt(at.replace(tzinfo=None)), BERLIN, utc("2025-01-01"))


@repeatable
@given(zones, instants, st.integers(0, 5000))
def test_days_end_on_their_date(zone: ZoneInfo, base: datetime, days: int) -> None:
    """Days from a base end on the date so many days after the base's own."""
    at = resolve_expiration(InDays(days), zone, base)
    assert at is not None
    day = local_date(zone, base) + timedelta(days=days)
    skipped = day == date(2011, 12, 30) or zone is NUUK
    assert local_date(zone, at) == day or skipped

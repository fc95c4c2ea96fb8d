"""What tests of policies share."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st

from points_grpc.domain.calendar import local_time

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")


LORD_HOWE, APIA = ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Pacific/Apia")


SAO_PAULO, KATHMANDU = ZoneInfo("America/Sao_Paulo"), ZoneInfo("Asia/Kathmandu")


ST_JOHNS, NUUK = ZoneInfo("America/St_Johns"), ZoneInfo("America/Nuuk")


ODD = [BERLIN, NEW_YORK, LORD_HOWE, APIA, SAO_PAULO, KATHMANDU, ST_JOHNS, NUUK]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(zone: ZoneInfo, at: datetime | None) -> str:
    assert at is not None
    assert at.tzinfo is UTC
    return str(local_time(zone, at))


repeatable = settings(derandomize=True, deadline=None, max_examples=500)


zones = st.sampled_from(ODD)


instants = st.datetimes(
    utc("1985-01-01").replace(tzinfo=None),
    utc("2030-01-01").replace(tzinfo=None),
    timezones=st.just(UTC),
)

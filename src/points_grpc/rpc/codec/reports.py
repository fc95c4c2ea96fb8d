"""What expires when, as messages."""

from __future__ import annotations

from points.v1 import expiring_pb2
from points_grpc.domain.amounts import print_units
from points_grpc.domain.queries import Expiring, InactivityEntry, Schedule, ScheduleMonth
from points_grpc.domain.results import INACTIVITY_MAX
from points_grpc.rpc.codec.instants import put_date, put_instant


def put_expiring(message: expiring_pb2.GetExpiringPointsResponse, report: Expiring) -> None:
    """Answer a GetExpiringPoints."""
    message.expiring_points.value = print_units(report.points, report.currency.scale)
    message.lot_count = report.lot_count
    put_instant(message.as_of_time, report.as_of)


def put_schedule(message: expiring_pb2.GetExpirationScheduleResponse, report: Schedule) -> None:
    """Answer a GetExpirationSchedule."""
    scale = report.currency.scale
    for month in report.months:
        _put_month(message.months.add(), month, scale)
    for entry in report.inactivity[:INACTIVITY_MAX]:
        _put_inactivity(message.inactivity.add(), entry, scale)
    message.inactivity_count = len(report.inactivity)
    put_instant(message.as_of_time, report.as_of)


def _put_month(message: expiring_pb2.ExpirationMonth, month: ScheduleMonth, scale: int) -> None:
    message.month.year, message.month.month = month.first.year, month.first.month
    put_date(message.last_day, month.last)
    if month.expires_at is not None:
        put_instant(message.expire_time, month.expires_at)
    message.expired.value = print_units(month.expired, scale)
    message.expiring.value = print_units(month.expiring, scale)
    message.redeemed.value = print_units(month.redeemed, scale)
    message.redeemed_from_lots.value = print_units(month.redeemed_from_lots, scale)


def _put_inactivity(
    message: expiring_pb2.InactivityExpiration, entry: InactivityEntry, scale: int
) -> None:
    message.policy = entry.policy
    message.policy_version = entry.policy_version
    put_instant(message.last_qualified_time, entry.last_qualified_at)
    put_instant(message.expire_time, entry.expires_at)
    message.days_until_expiry = entry.days_until_expiry
    message.expiring.value = print_units(entry.expiring, scale)

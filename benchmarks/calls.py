"""The calls that a load is made of: which method, and the bytes of each request.

Requests are serialized once, ahead; what differs from call to call is filled in at its place.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, cycle
from pathlib import Path
from typing import Any

from points.v1.earn_pb2 import BatchEarnRequest, EarnRequest
from points.v1.expiring_pb2 import GetExpiringPointsRequest
from points.v1.lookup_pb2 import GetAccountRequest
from points.v1.redeem_pb2 import RedeemRequest
from points.v1.update_expiry_pb2 import ExpiryUpdate, UpdateExpiryRequest

POINTS = b"/points.v1.PointsService/"
CLOCK = b"/points.dev.v1.TestClockService/GetClock"
BATCH = 1000
"""How many items a call of many items has."""

POOL = 32
"""How many different calls of many items are prepared; each is sent with ever new request ids."""

Call = tuple[bytes, bytes]
Next = Callable[[], Call]


@dataclass(frozen=True)
class Load:
    """Calls of one kind, on the members from `first` on.

    A closed loop of `in_flight` calls; or, with a `rate`, an open loop of so many calls a second,
    which is the part `part` of the top rate of the load `top`. `lots` is the file with the ids of
    those members' lots; `place` is which server it goes to; `stretch` is how many times as long as
    other loads it is measured.
    """

    name: str
    kind: str
    in_flight: int = 256
    place: str = "spread"
    first: int = 0
    members: int = 1
    lots: str = ""
    stretch: float = 1.0
    rate: float = 0.0
    top: str = ""
    part: float = 0.5

    @property
    def items(self) -> int:
        """Items per call."""
        many = self.kind.endswith("update_expiry") or self.kind in ("batch_earn", "by_hand")
        return BATCH if many else 1

    def plan(self) -> dict[str, object]:
        """As it is sent to the process that makes it."""
        return asdict(self)


def member_name(n: int) -> str:
    """The external id of the n-th member."""
    return f"bench-{n:07d}"


def calls_of(load: Load, tag: str) -> Next:
    """What yields the load's calls one by one; `tag`, of 12 characters, makes them unique."""
    return _KINDS[load.kind](load, tag)


_MEMBER, _NUMBER, _TAG = "bench-MMMMMMM", "NNNNNNNNN", "TTTTTTTTTTTT"


def _filled(load: Load, method: str, request: Any) -> Next:
    """Calls that differ in the member and the number of the request id."""
    request.member.external_id = _MEMBER
    form = request.SerializeToString().replace(b"%", b"%%")
    form = form.replace(_MEMBER.encode(), b"bench-%(member)07d")
    form = form.replace(_NUMBER.encode(), b"%(number)09d")
    path, number, pick = POINTS + method.encode(), count(), random.Random().random
    first, members = load.first, load.members

    def make() -> Call:
        member = first + int(pick() * members)
        return path, form % {b"member": member, b"number": next(number)}

    return make


def _noop(_: Load, __: str) -> Next:
    return lambda: (CLOCK, b"")


def _earn(load: Load, tag: str) -> Next:
    return _filled(load, "Earn", _earn_request(f"{tag}-{_NUMBER}"))


def _earn_request(request_id: str) -> EarnRequest:
    request = EarnRequest(
        request_id=request_id,
        reference="order 48213",
        description="Points for order 48213",
        source="checkout",
    )
    request.amount.value = "25"
    return request


def _redeem(load: Load, tag: str) -> Next:
    request = RedeemRequest(
        request_id=f"{tag}-{_NUMBER}", reference="order 48213", description="Spent on order 48213"
    )
    request.amount.value = "1"
    return _filled(load, "Redeem", request)


def _mixed(load: Load, tag: str) -> Next:
    turns = cycle((_earn(load, f"{tag}-e"), _redeem(load, f"{tag}-r")))

    def make() -> Call:
        return next(turns)()

    return make


def _get_account(load: Load, _: str) -> Next:
    return _filled(load, "GetAccount", GetAccountRequest())


def _get_expiring(load: Load, _: str) -> Next:
    period = GetExpiringPointsRequest()
    now = datetime.now(UTC)
    period.start_time.FromDatetime(now)
    period.end_time.FromDatetime(now + timedelta(days=365))
    return _filled(load, "GetExpiringPoints", period)


def _batch_earn(load: Load, tag: str) -> Next:
    pool, number = [_earns(load) for _ in range(POOL)], count()
    mark = _TAG.encode()

    def make() -> Call:
        n = next(number)
        return POINTS + b"BatchEarn", pool[n % POOL].replace(mark, b"%.6s%06d" % (tag.encode(), n))

    return make


def _earns(load: Load) -> bytes:
    request = BatchEarnRequest()
    for n in random.sample(range(load.first, load.first + load.members), BATCH):
        earn = _earn_request(f"{_TAG}-{n:07d}")
        earn.member.external_id = member_name(n)
        request.earns.append(earn)
    return request.SerializeToString()


def _update_expiry(load: Load, tag: str) -> Next:
    lots = array("q", Path(load.lots).read_bytes())
    pool, number = [_updates(load, lots) for _ in range(POOL)], count()

    def make() -> Call:
        n = next(number)
        own = UpdateExpiryRequest(request_id=f"{tag}-{n}").SerializeToString()
        return POINTS + b"UpdateExpiry", pool[n % POOL] + own  # messages may be joined

    return make


def _updates(load: Load, lots: array[int]) -> bytes:
    """One call's updates, like the vendors' example: an extension with a note and metas."""
    today = datetime.now(UTC)
    request = UpdateExpiryRequest()
    for n in sorted(random.sample(range(load.first, load.first + load.members), BATCH)):
        day = today + timedelta(days=random.randrange(30, 700))
        update = ExpiryUpdate(lot_id=lots[n], kind=1)
        update.reason_note = "Customer made a purchase above $100"
        update.member.external_id = member_name(n)
        update.standard_meta.who_raised = "Naman"
        update.standard_meta.who_approved = "Admin"
        update.standard_meta.reason_for_trigger = "Extend points expiry"
        update.custom_meta["abc"] = "xyz"
        update.expire_date.year, update.expire_date.month = day.year, day.month
        update.expire_date.day = day.day
        request.updates.append(update)
    return request.SerializeToString()


_KINDS: dict[str, Callable[[Load, str], Next]] = {
    "noop": _noop,
    "earn": _earn,
    "redeem": _redeem,
    "mixed": _mixed,
    "get_account": _get_account,
    "get_expiring": _get_expiring,
    "batch_earn": _batch_earn,
    "update_expiry": _update_expiry,
}

"""The calls that a load is made of: which method, and the bytes of each request.

Requests are built from parts that were serialized before: protobuf messages may be joined.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from points.v1.earn_pb2 import EarnRequest
from points.v1.expiring_pb2 import GetExpiringPointsRequest
from points.v1.lookup_pb2 import GetAccountRequest
from points.v1.redeem_pb2 import RedeemRequest
from points.v1.update_expiry_pb2 import ExpiryUpdate, UpdateExpiryRequest

POINTS = "/points.v1.PointsService/"
CLOCK = "/points.dev.v1.TestClockService/GetClock"
BATCH = 1000
"""How many items an UpdateExpiry has."""

POOL = 32
"""How many different UpdateExpiry calls are prepared; each is sent with ever new request ids."""

Call = tuple[str, bytes]
Next = Callable[[], Call]


@dataclass(frozen=True)
class Load:
    """A closed loop of `in_flight` calls of one kind, on the members from `first` on.

    `lots` is the file with the ids of those members' lots; `stretch` is how many times as long as
    other loads it is measured.
    """

    name: str
    kind: str
    in_flight: int = 256
    database: str = "spread"
    first: int = 0
    members: int = 1
    lots: str = ""
    stretch: float = 1.0

    @property
    def items(self) -> int:
        """Items per call."""
        return BATCH if self.kind.endswith("update_expiry") else 1

    @property
    def is_own(self) -> bool:
        """Whether the process that measures does the work itself."""
        return self.kind == "by_hand" or self.kind.startswith("dialect_")

    def plan(self) -> dict[str, object]:
        """As it is sent to the process that makes it."""
        return asdict(self)


def member_name(n: int) -> str:
    """The external id of the n-th member."""
    return f"bench-{n:07d}"


def calls_of(load: Load, tag: str) -> Next:
    """What yields the load's calls one by one; `tag` makes their request ids unique."""
    return _KINDS[load.kind](load, tag)


def _members(load: Load) -> Callable[[], str]:
    pick, first, last = random.Random().randrange, load.first, load.first + load.members
    return lambda: member_name(pick(first, last))


def _noop(_: Load, __: str) -> Next:
    return lambda: (CLOCK, b"")


def _earn(load: Load, tag: str) -> Next:
    member, number = _members(load), count()
    same = EarnRequest(
        reference="order 48213", description="Points for order 48213", source="checkout"
    )
    same.amount.value = "25"
    fixed = same.SerializeToString()

    def make() -> Call:
        own = EarnRequest(request_id=f"{tag}-{next(number)}")
        own.member.external_id = member()
        return POINTS + "Earn", fixed + own.SerializeToString()

    return make


def _redeem(load: Load, tag: str) -> Next:
    member, number = _members(load), count()
    same = RedeemRequest(reference="order 48213", description="Spent on order 48213")
    same.amount.value = "1"
    fixed = same.SerializeToString()

    def make() -> Call:
        own = RedeemRequest(request_id=f"{tag}-{next(number)}")
        own.member.external_id = member()
        return POINTS + "Redeem", fixed + own.SerializeToString()

    return make


def _mixed(load: Load, tag: str) -> Next:
    kinds = (_earn(load, f"{tag}-e"), _redeem(load, f"{tag}-r"))
    number = count()

    def make() -> Call:
        return kinds[next(number) % 2]()

    return make


def _get_account(load: Load, _: str) -> Next:
    member = _members(load)

    def make() -> Call:
        request = GetAccountRequest()
        request.member.external_id = member()
        return POINTS + "GetAccount", request.SerializeToString()

    return make


def _get_expiring(load: Load, _: str) -> Next:
    member = _members(load)
    period = GetExpiringPointsRequest()
    now = datetime.now(UTC)
    period.start_time.FromDatetime(now)
    period.end_time.FromDatetime(now + timedelta(days=365))
    fixed = period.SerializeToString()

    def make() -> Call:
        request = GetExpiringPointsRequest()
        request.member.external_id = member()
        return POINTS + "GetExpiringPoints", fixed + request.SerializeToString()

    return make


def _update_expiry(load: Load, tag: str) -> Next:
    lots = array("q", Path(load.lots).read_bytes())
    number = count()
    pool = [_batch(load, lots) for _ in range(POOL)]

    def make() -> Call:
        n = next(number)
        own = UpdateExpiryRequest(request_id=f"{tag}-{n}").SerializeToString()
        return POINTS + "UpdateExpiry", pool[n % POOL] + own

    return make


def _batch(load: Load, lots: array[int]) -> bytes:
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
    "update_expiry": _update_expiry,
}

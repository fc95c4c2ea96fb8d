"""A simple model of an account: a list of lots and its own arithmetic, nothing of the service's.

Refusals are told by name. Instants are whole seconds in a program whose time zone is UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta

FOREVER = datetime.max.replace(tzinfo=UTC)
NEVER_YET = datetime.min.replace(tzinfo=UTC)
IDLE = {"idle": (60, {"EARN", "REDEEM"}), "idle-first": (20, {"REDEEM"})}
PRIORITY = {"idle-first": -1}


def end_of(day: datetime) -> datetime:
    return datetime.combine(day.date(), time(23, 59, 59), UTC)


@dataclass
class ModelLot:
    """`fixed` False: moved by the account's activity. `ended` is when it lapsed."""

    number: int
    policy: str
    state: str
    amount: int
    earned: datetime
    fixed: bool
    expires: datetime | None
    remaining: int = 0
    redeemed: int = 0
    expired: int = 0
    lapsed: int = 0
    ended: datetime | None = None

    @property
    def unfinished(self) -> bool:
        return self.state != "CLOSED" and self.remaining > 0


class Refused(Exception):
    """The model's refusal."""


@dataclass
class ModelAccount:
    """Everything happens at `now`, after what is due has lapsed.

    `last_at` is when something last did: an account never goes back in time.
    """

    lots: list[ModelLot] = field(default_factory=list)
    activity: dict[str, datetime] = field(default_factory=dict)
    last_at: datetime = NEVER_YET

    def now(self, clock: datetime) -> datetime:
        """The account's present, where a clock may have gone backwards or others be ahead."""
        return max(clock, self.last_at)

    def expiry(self, lot: ModelLot) -> datetime:
        if lot.ended is not None:
            return lot.ended
        if lot.fixed:
            return lot.expires or FOREVER
        days, kinds = IDLE[lot.policy]
        since = [at for kind, at in self.activity.items() if kind in kinds]
        return max([lot.earned, *since]) + timedelta(days=days)

    def _note(self, kind: str, at: datetime) -> None:
        self.activity[kind] = max(at, self.activity.get(kind, at))

    def _end(self, lot: ModelLot, at: datetime) -> None:
        lot.ended = at
        if lot.state == "APPROVED":
            lot.lapsed = lot.remaining
            lot.expired += lot.remaining
        else:
            lot.state = "CLOSED"
        lot.remaining = 0

    def lapse(self, now: datetime) -> None:
        due = [lot for lot in self.lots if lot.unfinished and self.expiry(lot) <= now]
        for lot, at in [(lot, self.expiry(lot)) for lot in due]:
            self._end(lot, at)
            self.last_at = now

    def _spendable(self) -> list[ModelLot]:
        live = [lot for lot in self.lots if lot.state == "APPROVED" and lot.remaining]
        return sorted(
            live,
            key=lambda lot: (
                PRIORITY.get(lot.policy, 0),
                self.expiry(lot),
                lot.earned,
                lot.number,
            ),
        )

    def _take(self, amount: int) -> list[tuple[ModelLot, int]]:
        parts = []
        for lot in self._spendable():
            part = min(amount, lot.remaining)
            if part:
                parts.append((lot, part))
                lot.remaining -= part
                amount -= part
        return parts

    @property
    def available(self) -> int:
        return sum(lot.remaining for lot in self.lots if lot.state == "APPROVED")

    def earn(self, lot: ModelLot, now: datetime) -> None:
        self.lapse(now)
        self.last_at = now
        if lot.state == "APPROVED":
            self._note("EARN", lot.earned)
        lot.remaining = lot.amount
        self.lots.append(lot)
        if self.expiry(lot) <= now:
            self._end(lot, self.expiry(lot))

    def redeem(self, amount: int, now: datetime) -> list[int]:
        self.lapse(now)
        if amount > self.available:
            raise Refused("InsufficientPoints")
        parts = self._take(amount)
        self.last_at = now
        for lot, part in parts:
            lot.redeemed += part
        self._note("REDEEM", now)
        return [lot.number for lot, _ in parts]

    def expire(self, amount: int, now: datetime, full: bool) -> int:
        self.lapse(now)
        if full and amount > self.available:
            raise Refused("InsufficientPoints")
        parts = self._take(min(amount, self.available))
        for lot, part in parts:
            lot.expired += part
            self.last_at = now
        return sum(part for _, part in parts)

    def move(
        self, lot: ModelLot, to: str | datetime, now: datetime, reinstate: bool, reason: str
    ) -> None:
        """`to` is an instant, "never" or "now"."""
        self.lapse(now)
        if not lot.unfinished and not (lot.lapsed and reinstate):
            raise Refused("LotNotLive")
        old = self.expiry(lot)
        new = now if to == "now" else FOREVER if to == "never" else to
        assert isinstance(new, datetime)
        if reason == "EARLY" and new >= old:
            raise Refused("ExpiryNotEarlier")
        if reason == "EXTEND" and new <= old:
            raise Refused("ExpiryNotLater")
        self.last_at = now
        if lot.lapsed:
            lot.remaining, lot.expired = lot.lapsed, lot.expired - lot.lapsed
            lot.lapsed, lot.ended = 0, None
            self._note("REVERSE", now)
        lot.fixed, lot.expires = True, None if new == FOREVER else new
        if to == "now":
            self._end(lot, now)

    def approve(self, lot: ModelLot, now: datetime) -> None:
        self.lapse(now)
        if lot.state not in ("OPEN", "PENDING"):
            raise Refused("TransactionNotOpen")
        self.last_at = now
        lot.state = "APPROVED"
        self._note("EARN", now)

    def submit(self, lot: ModelLot, now: datetime) -> None:
        self.lapse(now)
        if lot.state != "OPEN":
            raise Refused("TransactionNotOpen")
        self.last_at = now
        lot.state = "PENDING"

    def close(self, lot: ModelLot, now: datetime, approving: bool) -> None:
        self.lapse(now)
        if lot.state != ("PENDING" if approving else "OPEN"):
            raise Refused("TransactionNotOpen")
        self.last_at = now
        lot.state, lot.remaining = "CLOSED", 0

    def figures(self) -> dict[str, int]:
        """What the account must show."""
        approved = [lot for lot in self.lots if lot.state == "APPROVED"]
        promised = [lot for lot in self.lots if lot.state in ("OPEN", "PENDING")]
        return {
            "available": sum(lot.remaining for lot in approved),
            "pending": sum(lot.remaining for lot in promised),
            "held": 0,
            "total_earned": sum(lot.amount for lot in approved),
            "total_redeemed": sum(lot.redeemed for lot in approved),
            "total_expired": sum(lot.expired for lot in approved),
        }

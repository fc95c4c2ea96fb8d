"""Sample resources, and an engine that answers with them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from points_grpc.domain.commands import Caller, ChangeLotState, Earn, Expire, Redeem, UpdateExpiry
from points_grpc.domain.model import (
    AwardKind,
    Currency,
    ExpirationSource,
    LotState,
    TransactionType,
)
from points_grpc.domain.queries import Page
from points_grpc.domain.results import (
    AccountView,
    Earned,
    Expired,
    ExpiryChangeView,
    ExpiryUpdated,
    LotStateChanged,
    LotView,
    MemberLabel,
    Owner,
    Redeemed,
    TransactionView,
)
from points_grpc.errors import Overloaded, Refusal

NOW = datetime(2031, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)


class Samples:
    """Resources of one account in a currency of scale 2."""

    now = NOW
    currency = Currency(9, "bonus_points", 2, "cash_equivalent", 100, "default")
    owner = Owner(2**46 + 1, 469, currency, MemberLabel(2**46 + 2, 77, "cust-1"))
    account = AccountView(owner, 12345, 10, 5, 20000, 5650, 2000, 8, NOW, NOW, NOW)
    lot = LotView(
        owner, 2**46 + 3, 31, AwardKind.POINT_AWARDED_LINEITEM, LotState.PENDING, 500, 400,
        "default", 2, ExpirationSource.EARN, NOW, NOW, "order-1", "thank you", "shop",
    )  # fmt: skip
    transaction = TransactionView(
        owner, 2**46 + 4, TransactionType.REDEEM, LotState.APPROVED, 150, 900, 750, 0,
        ((2**46 + 3, 100), (2**46 + 5, 50)), "till", "lunch", "bon appetit", "order-2", "req-1",
        2**46 + 6, NOW, NOW, NOW, NOW, "dev",
    )  # fmt: skip
    change = ExpiryChangeView(
        owner, 2**46 + 7, 2**46 + 3, 31, AwardKind.POINT_AWARDED, NOW, None, None, "goodwill",
        ("anna", "", "storm"), '{"ticket":"T-1"}', "dev", NOW, "req-2",
    )  # fmt: skip

    def answer(self, command: Any) -> Any:
        """What the fake engine says to a command."""
        if isinstance(command, Earn):
            return Earned(self.transaction, self.lot, self.account)
        if isinstance(command, Redeem):
            return Redeemed(self.transaction, self.account)
        if isinstance(command, Expire):
            return Expired(None, 500, 0, self.account)
        if isinstance(command, UpdateExpiry):
            return ExpiryUpdated(self.change, "Europe/Berlin")
        assert isinstance(command, ChangeLotState)
        return LotStateChanged(self.transaction, self.lot, self.account)


class Held:
    """What a call meets that the engine holds: it `came`, waits to `go`, and has `ended`."""

    def __init__(self) -> None:
        self.came = asyncio.Semaphore(0)
        self.go = asyncio.Event()
        self.ended = asyncio.Event()

    async def wait(self) -> None:
        """Until the call may go on, or is cancelled."""
        self.came.release()
        try:
            await self.go.wait()
        finally:
            self.ended.set()


class FakeEngine:
    """Remembers what it was asked; `refuse` maps an item's place to the Refusal it gets."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples
        self.writes: list[SimpleNamespace] = []
        self.queries: list[Any] = []
        self.listings: list[Any] = []
        self.refuse: dict[int, Refusal] = {}
        self.places = 20_000
        self.before: Callable[[], Awaitable[None]] | None = None
        self.reads: Any = None
        self.page: Page[Any] = Page((), ())

    def hold(self) -> Held:
        """Have every call wait inside."""
        held = Held()
        self.before = held.wait
        return held

    def check_room(self, items: int, *, validate_only: bool = False) -> None:
        """Refuses calls of more items than there are places."""
        if items > self.places:
            raise Overloaded

    async def write(
        self, caller: Caller, commands: Sequence[Any], *, partial: bool = False,
        validate_only: bool = False, item_path: str = "",
    ) -> list[Any]:  # fmt: skip
        """Refuses as told, answers the rest with samples."""
        self.writes.append(
            SimpleNamespace(
                caller=caller, commands=list(commands), partial=partial,
                validate_only=validate_only, item_path=item_path,
            )
        )  # fmt: skip
        if self.before is not None:
            await self.before()
        if self.refuse and not partial:
            place = min(self.refuse)
            refusal = self.refuse[place]
            raise refusal.under(f"{item_path}[{place}]") if item_path else refusal
        return [self.refuse.get(at) or self.samples.answer(c) for at, c in enumerate(commands)]

    async def read(self, caller: Caller, query: Any) -> Any:
        """Answers `reads`."""
        self.queries.append(query)
        if self.before is not None:
            await self.before()
        return self.reads

    async def list(self, caller: Caller, listing: Any) -> Page[Any]:
        """Answers `page`."""
        self.listings.append(listing)
        return self.page

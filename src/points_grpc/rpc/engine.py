"""What the servicers ask of the engine behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from points_grpc.domain.answers import AccountView, Answer, LotView, TransactionView
from points_grpc.domain.commands import Caller, Command
from points_grpc.domain.queries import Expiring, Listing, Page, Read, Schedule
from points_grpc.errors import Refusal


class Engine(Protocol):
    """Decides commands and answers queries."""

    async def write(
        self,
        caller: Caller,
        commands: Sequence[Command],
        *,
        partial: bool = False,
        validate_only: bool = False,
        item_path: str = "",
    ) -> list[Answer | Refusal]:
        """One outcome per command, in their order.

        All commands are kept or none, and the first bad one's Refusal is raised; with
        `partial` each is kept or refused for itself, and Refusals stand in their place. With
        `item_path` the fields of Refusals are put below `item_path[index]`.
        """
        ...

    async def read(
        self, caller: Caller, query: Read
    ) -> AccountView | LotView | TransactionView | Expiring | Schedule:
        """The answer to `query`. Raises Refusal."""
        ...

    async def list(self, caller: Caller, listing: Listing) -> Page[Any]:
        """A page of `listing`. Raises Refusal."""
        ...

"""What the ledger takes in one go: calls, each of one or more groups of commands."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from points_grpc.domain.commands import Caller, Command, UpdateExpiry
from points_grpc.domain.results import Answer
from points_grpc.errors import Refusal
from points_grpc.storage.ledger.requests import RequestKey

Result = Answer | Refusal


@dataclass(slots=True)
class Group:
    """Commands that are kept or dropped together.

    `results` has one entry per command once they are kept, `failure` what kept them from it.
    `refused_at` is the place in `commands` of the one that was refused.
    """

    commands: tuple[Command, ...]
    results: list[Answer] = field(default_factory=list)
    failure: Exception | None = None
    refused_at: int = 0

    @property
    def settled(self) -> bool:
        """Whether there is an outcome."""
        return bool(self.results) or self.failure is not None

    def reset(self) -> None:
        """Forget the outcome of an attempt that came to nothing."""
        self.results = []
        self.failure = None

    def fail(self, failure: Exception, at: int = 0) -> None:
        """Set the outcome of every command of the group to `failure`."""
        self.results = []
        self.failure = failure
        self.refused_at = at


@dataclass(slots=True)
class LedgerCall:
    """What one request asks of the ledger.

    `one_request` says that the call's items share a request id and stand or fall with it: a
    single item whose id was used for other content refuses the call. `whole` is the call that
    this one is a part of. `locked_out` are the accounts that kept it from being decided when last
    it was tried, `waits` how often it has waited for such in vain. `heavy` says of a whole call
    that it needs many lots of an account.
    """

    caller: Caller
    groups: list[Group]
    one_request: bool = False
    whole: LedgerCall | None = None
    locked_out: frozenset[int] = frozenset()
    waits: int = 0
    heavy: bool = False

    @property
    def identity(self) -> int:
        """The same for all parts of one call."""
        return id(self.whole or self)

    def part(self, groups: list[Group]) -> LedgerCall:
        """A call of these of its groups."""
        return LedgerCall(self.caller, groups, self.one_request, self.whole or self)

    @property
    def size(self) -> int:
        """Return the number of commands."""
        return sum(len(group.commands) for group in self.groups)

    @property
    def settled(self) -> bool:
        """Whether every group has an outcome."""
        return all(group.settled for group in self.groups)


@dataclass(slots=True)
class CallId:
    """The request id of an UpdateExpiry, in the scope of the tenant.

    Only a call that names several members writes the row under `key`, but all look for it.
    `since` is when the first rows of the call were written, None where there are none yet;
    `is_kept` says that the row is there.
    """

    key: RequestKey
    names_several: bool
    since: datetime | None = None
    is_kept: bool = False


def make_call(caller: Caller, commands: tuple[Command, ...], partial: bool) -> LedgerCall:
    """One group of all commands, or with `partial` one group each."""
    groups = [Group((c,)) for c in commands] if partial else [Group(commands)]
    return LedgerCall(caller, groups, one_request=isinstance(commands[0], UpdateExpiry))

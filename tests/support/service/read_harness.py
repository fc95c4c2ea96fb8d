"""Programs, a ledger and the readers, on one clock, with tenants of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from points_grpc.clock import TestClock
from points_grpc.domain.admin.commands import CurrencyView, PolicyView, ProgramView
from points_grpc.domain.commands import Caller, Command, Earn, Expire, MemberName, Redeem
from points_grpc.domain.model import Period, Policy, PolicyKind, Rounding, TransactionType
from points_grpc.domain.policy import Expiration, ExpireAt, Never
from points_grpc.domain.queries import Cursor, Listing, Page, Read
from points_grpc.errors import Refusal
from points_grpc.service.reads.listings.lister import Lister
from points_grpc.service.reads.lookups import Reader
from points_grpc.service.shared.program_cache import ProgramCache
from points_grpc.service.writes.gather import Locking
from points_grpc.service.writes.ledger import Ledger, LedgerTerms
from points_grpc.service.writes.work import make_call
from points_grpc.storage.admin import currencies, policies, programs
from points_grpc.storage.core.database import Database
from points_grpc.storage.core.ids import IdSource

START = datetime(2021, 1, 1, tzinfo=UTC)
PROGRAM = 469
_TENANTS = count(1)


def instant(text: str) -> datetime:
    """An instant in UTC from ISO text."""
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def expiration(text: str | None) -> Expiration | None:
    """An expiry instant; "never"; None for the policy's."""
    if text is None:
        return None
    return Never() if text == "never" else ExpireAt(instant(text))


def policy(code: str, kind: PolicyKind, **more: Any) -> Policy:
    """A policy whose ids the harness gives it."""
    return Policy(policy_version_id=0, code=code, version=1, kind=kind, **more)


YEAR = policy("year", PolicyKind.PERIOD, period=Period(months=12))
NEVER = policy("never", PolicyKind.NEVER)
IDLE = policy(
    "idle",
    PolicyKind.INACTIVITY,
    period=Period(days=365),
    qualifying=frozenset((TransactionType.REDEEM,)),
)
IDLE_MONTHLY = policy(
    "idle-monthly",
    PolicyKind.INACTIVITY,
    period=Period(months=6),
    rounding=Rounding.END_OF_MONTH,
    priority=5,
)


class ReadHarness:
    """One process over a database, worked from one thread."""

    def __init__(self, url: str) -> None:
        self.clock = TestClock(START)
        self.database = Database(url)
        self.ids = IdSource(self.database.run)
        cache = ProgramCache()
        self._link = self.database.link()
        terms = LedgerTerms(Locking.WAIT, lots_max=None)
        self._ledger, self._idle_ledger = (
            Ledger(self._link, cache, ids, self.clock, terms)
            for ids in (self.ids, IdSource(self.database.run))
        )
        self.snapshot = self.database.link(snapshot=True)
        self._reader = Reader(self.clock, cache)
        self._lister = Lister(self.clock, cache)
        self.acme = Caller(next(_TENANTS), "acme", "anna@acme", PROGRAM)
        self.rival = Caller(next(_TENANTS), "rival", "rita@rival", PROGRAM)

    def open_program(
        self,
        *defined: Policy,
        zone: str = "UTC",
        program_id: int = PROGRAM,
        caller: Caller | None = None,
    ) -> None:
        """A program with one currency, `PTS`, whose first policy is its default."""
        tenant_id = (caller or self.acme).tenant_id
        now = self.clock.now()
        currency_id = self.ids.new_id(0)
        code = defined[0].code
        key = (tenant_id, program_id)
        with self._link.unit() as connection:
            programs.insert_program(
                connection,
                tenant_id,
                ProgramView(program_id, "Club", zone, True, "", 1, now, now),
            )
            currencies.insert_currency(
                connection,
                tenant_id,
                CurrencyView(currency_id, program_id, "PTS", 0, "points", 0, code, now, now),
            )
            programs.set_default_currency(connection, key, currency_id)
            for one in defined:
                version = replace(one, policy_version_id=self.ids.new_id(0))
                view = PolicyView(version, program_id, currency_id, "PTS", now)
                policies.insert_policy(connection, tenant_id, view)
            programs.touch(connection, key, now)

    def change_server(self) -> None:
        """Write through the other of two servers, each of which has taken ids of its own."""
        self._ledger, self._idle_ledger = self._idle_ledger, self._ledger

    def close(self) -> None:
        """Close every connection."""
        self._link.close()
        self.snapshot.close()
        self.database.close()

    # Writing

    def at(self, text: str) -> ReadHarness:
        """The clock stands at an instant from now on."""
        assert self.clock.set(instant(text)), "the clock only moves forward"
        return self

    def do(self, command: Command, caller: Caller | None = None) -> Any:
        """The answer to one command; raises its Refusal."""
        call = make_call(caller or self.acme, (command,), False)
        self._ledger.execute([call])
        group = call.groups[0]
        if group.failure is not None:
            raise group.failure
        return group.results[0]

    def earn(
        self, amount: int, member: str = "ann", *, expires: str | None = None, **more: Any
    ) -> int:
        """Earn; the lot's id."""
        caller = more.pop("caller", None)
        command = Earn(
            program_id=more.pop("program_id", 0),
            member=named(member),
            currency=None,
            amount=Decimal(amount),
            expiration=expiration(expires),
            **more,
        )
        lot_id: int = self.do(command, caller).lot.lot_id
        return lot_id

    def redeem(self, amount: int, member: str = "ann", **more: Any) -> Any:
        """Redeem; the answer."""
        return self.do(Redeem(0, named(member), None, Decimal(amount), **more))

    def expire(self, amount: int, member: str = "ann") -> Any:
        """Expire on demand; the answer."""
        return self.do(Expire(0, named(member), None, Decimal(amount)))

    # Reading

    def ask(self, read: Read, caller: Caller | None = None) -> Any:
        """The answer to one read; raises its Refusal."""
        (answer,) = self.ask_all((caller or self.acme, read))
        if isinstance(answer, Refusal):
            raise answer
        return answer

    def ask_all(self, *batch: tuple[Caller, Read]) -> list[Any]:
        """The answers to a batch of reads; Refusals stand in their place."""
        with self.snapshot.unit() as connection:
            return list(self._reader.answer(connection, batch))

    def page(self, listing: Listing, caller: Caller | None = None) -> Page[Any]:
        """One page of a listing."""
        with self.snapshot.unit() as connection:
            return self._lister.page(connection, caller or self.acme, listing)

    def pages(
        self,
        listing_from: Callable[[Cursor], Listing],
        between: Callable[[], object] = lambda: None,
    ) -> list[list[Any]]:
        """The rows of every page to the end; `between` runs after each."""
        pages: list[list[Any]] = []
        cursor: Cursor = ()
        while len(pages) < 1000:
            page = self.page(listing_from(cursor))
            pages.append(list(page.rows))
            cursor = page.cursor
            if not cursor:
                return pages
            between()
        raise AssertionError("a listing does not end")


def named(member: str) -> MemberName:
    """A member by external id."""
    return MemberName("external_id", member)

"""The door to the service: every request goes through one of its lanes.

| lane | takes | when an account is locked elsewhere |
|---|---|---|
| write | calls of up to 32 items | tries three times, then hands over to patience |
| bulk | larger calls | the same |
| patience | what the two others could not lock | waits, up to lock_timeout |
| heavy | one by one: what needs many lots, or was in a batch that took too long | waits |
| read | single answers, and previews of up to 32 items | does not lock |
| report | schedules, listings, and all other previews | does not lock |
| study | one by one: reads and previews of such kinds | does not lock |
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from points_grpc import effects
from points_grpc.clock import Clock
from points_grpc.domain.commands import Caller, Command, UpdateExpiry
from points_grpc.domain.queries import (
    GetExpiring,
    GetSchedule,
    Listing,
    Page,
    Read,
)
from points_grpc.domain.results import Answer
from points_grpc.errors import (
    CallTooLarge,
    Overloaded,
    Refusal,
    RequestIdReused,
    StorageUnavailable,
    TimeInDoubt,
)
from points_grpc.service.batching import Bounds, Execute, Job, Lane, Meter, Requeue, metered
from points_grpc.service.reads.listings.lister import Lister
from points_grpc.service.reads.lookups import Reader, View
from points_grpc.service.shared.checked_clock import CheckedClock
from points_grpc.service.shared.program_cache import ProgramCache
from points_grpc.service.writes.gather import Locking
from points_grpc.service.writes.ledger import Ledger, LedgerTerms
from points_grpc.service.writes.work import LedgerCall, make_call
from points_grpc.storage.core.database import Connection, Database, Link
from points_grpc.storage.core.db_errors import Fault, fault_of
from points_grpc.storage.core.ids import IdSource

BULK_FROM = 33
"""The smallest number of items that makes a call go to the bulk lane, a preview to report."""

REPORT_BATCH = 64
"""How many items the report lane takes at once: each may take long, and all wait for the last."""

READ_TRIES = 3

Preview = LedgerCall


@dataclass(slots=True)
class ReadRequest:
    """A query or a listing, with its outcome."""

    caller: Caller
    query: Read | Listing
    answer: View | Page[Any] | Refusal | None = None


class Engine:
    """Decides commands and answers queries; used from an event loop."""

    def __init__(
        self,
        database: Database,
        programs: ProgramCache,
        ids: IdSource,
        clock: Clock,
        bounds: Bounds | None = None,
        *,
        meter: Meter | None = None,
    ) -> None:
        """Create the lanes. Reads are answered also while a checked clock is wrong."""
        self._clock = clock
        reads_by = clock.unchecked if isinstance(clock, CheckedClock) else clock
        self._links: list[Link] = []
        self._database = database
        self._reader = Reader(reads_by, programs)
        self._lister = Lister(reads_by, programs)

        def ledger(terms: LedgerTerms, by: Clock = clock) -> Ledger:
            link = self._link(brief=terms.locking is Locking.SKIP)
            return Ledger(link, programs, ids, by, terms)

        def lane(name: str, execute: Execute[Any], bounds: Bounds | None, **to: Any) -> Lane[Any]:
            return Lane(name, metered(name, execute, meter), bounds, **to)

        few = replace(bounds or Bounds(), batch_items=1)
        alone = ledger(LedgerTerms(Locking.WAIT, lots_max=None))
        write = ledger(LedgerTerms(Locking.SKIP))
        self._heavy = lane("heavy", _executor(alone), few)
        patient, bulk = ledger(LedgerTerms(Locking.WAIT)), ledger(LedgerTerms(Locking.SKIP))
        self._patience = lane("patience", _executor(patient), bounds, heavy=self._heavy)
        to = {"patient": self._patience, "heavy": self._heavy}
        self._bulk = lane("bulk", _executor(bulk), bounds, **to)
        self._write = lane("write", _executor(write), bounds, **to)
        # Previews change nothing, and share their units of work with reads.
        last = ledger(LedgerTerms(Locking.WAIT, lots_max=None), reads_by)
        shown = ledger(LedgerTerms(Locking.SKIP), reads_by)
        self._study = lane("study", self._answerer(last, last=True), few)
        some = bounds or Bounds()
        some = replace(some, batch_items=min(some.batch_items, REPORT_BATCH))
        self._report = lane("report", self._answerer(shown), some, heavy=self._study)
        self._read = lane("read", self._answerer(shown), bounds, heavy=self._study)
        self._lanes: tuple[Lane[Any], ...] = (
            self._write,
            self._bulk,
            self._patience,
            self._heavy,
            self._read,
            self._report,
            self._study,
        )

    def start(self) -> None:
        """Start every lane."""
        for lane in self._lanes:
            lane.start()

    def stop(self) -> None:
        """Finish what waits in the lanes, then close their connections."""
        for lane in self._lanes:
            lane.stop()
        for link in self._links:
            link.close()

    def waiting(self) -> dict[str, int]:
        """Return the number of items in each lane's queue."""
        return {lane.name: lane.waiting for lane in self._lanes}

    async def write(
        self,
        caller: Caller,
        commands: Sequence[Command],
        *,
        partial: bool = False,
        validate_only: bool = False,
        item_path: str = "",
    ) -> list[Answer | Exception]:
        """Return one outcome per command, in their order.

        All commands are kept or none, and the first bad one's Refusal is raised; with
        `partial` each is kept or refused for itself, and Refusals stand in their place, as does
        whatever else kept one from it while others were decided. With `item_path` the fields
        of Refusals are put below `item_path[index]`.
        """
        if not commands:
            return []
        self._clock.now()  # raises TimeInDoubt, before anything waits in a lane
        call = make_call(caller, tuple(commands), partial)
        lane = self._lane_of(len(commands), validate_only)
        job = _job(caller, call, commands)
        effects.set_possible(not validate_only)
        try:
            await lane.submit(job)
        except asyncio.CancelledError:
            if job.withdraw():
                effects.set_possible(False)
            raise
        return _outcomes(call, partial, item_path)

    def check_room(self, items: int, *, validate_only: bool = False) -> None:
        """Raise Overloaded if `write` would do so now for that number of commands."""
        self._lane_of(items, validate_only).check_room(items)

    def _lane_of(self, items: int, validate_only: bool) -> Lane[Any]:
        is_large = items >= BULK_FROM
        if validate_only:
            return self._report if is_large else self._read
        return self._bulk if is_large else self._write

    async def read(self, caller: Caller, query: Read) -> Any:
        """Return the answer to `query`. Raises Refusal."""
        lane = self._report if isinstance(query, GetSchedule) else self._read
        return await self._ask(lane, caller, query)

    async def list(self, caller: Caller, listing: Listing) -> Page[Any]:
        """Return a page of `listing`. Raises Refusal."""
        page: Page[Any] = await self._ask(self._report, caller, listing)
        return page

    async def _ask(self, lane: Lane[Any], caller: Caller, query: Read | Listing) -> Any:
        question = ReadRequest(caller, query)
        await lane.submit(Job(question, caller.tenant_id))
        if isinstance(question.answer, Refusal):
            raise question.answer
        return question.answer

    def _link(self, *, snapshot: bool = False, brief: bool = False) -> Link:
        link = self._database.link(snapshot, brief=brief)
        self._links.append(link)
        return link

    def _answerer(
        self, ledger: Ledger, *, last: bool = False
    ) -> Callable[[Sequence[Job[ReadRequest | Preview]]], Requeue[ReadRequest | Preview]]:
        """Return what answers reads and previews; it hands on what its ledger does not take."""

        def answer(
            connection: Connection, jobs: Sequence[Job[ReadRequest | Preview]]
        ) -> Requeue[ReadRequest | Preview]:
            job_of = {id(job.payload): job for job in jobs}
            payloads = [job.payload for job in jobs]
            self._answer(connection, [p for p in payloads if isinstance(p, ReadRequest)])
            oversized = ledger.preview(
                connection, [p for p in payloads if isinstance(p, LedgerCall)]
            )
            return Requeue(oversized=[job_of[id(call)] for call in oversized])

        return _snapshots(self._link(snapshot=True), answer, last=last)

    def _answer(self, connection: Connection, questions: Sequence[ReadRequest]) -> None:
        reads: list[tuple[ReadRequest, Read]] = []
        for question in questions:
            query = question.query
            if not isinstance(query, Listing):
                reads.append((question, query))
                continue
            try:
                question.answer = self._lister.page(connection, question.caller, query)
            except Refusal as refusal:
                question.answer = refusal
        if reads:
            answers = self._reader.answer(connection, [(q.caller, read) for q, read in reads])
            for (question, _), answer in zip(reads, answers, strict=True):
                question.answer = answer


def _job(caller: Caller, call: LedgerCall, commands: Sequence[Command]) -> Job[Any]:
    size = len(commands)
    metas = 0
    if call.one_request:
        metas = sum(len(c.custom_meta) for c in commands if isinstance(c, UpdateExpiry))
    return Job(call, caller.tenant_id, size=size, weight=512 * size + metas)


def _executor(ledger: Ledger) -> Callable[[Sequence[Job[LedgerCall]]], Requeue[LedgerCall]]:
    """Return what executes a lane's calls as one batch of the ledger."""

    def execute(jobs: Sequence[Job[LedgerCall]]) -> Requeue[LedgerCall]:
        job_of = {id(job.payload): job for job in jobs}
        leftover = ledger.execute([job.payload for job in jobs])
        for call in (*leftover.locked_out, *leftover.oversized):
            job_of[id(call)].begun = any(group.results for group in call.groups)
        return Requeue(
            locked_out=[job_of[id(call)] for call in leftover.locked_out],
            oversized=[job_of[id(call)] for call in leftover.oversized],
        )

    return execute


def _snapshots(
    link: Link, answer: Callable[[Connection, Sequence[Job[Any]]], Requeue[Any]], *, last: bool
) -> Callable[[Sequence[Job[Any]]], Requeue[Any]]:
    """Return what answers a lane's jobs in one snapshot; one by one after an unforeseen error.

    Those that take too long go elsewhere, or fail where the lane is the last.
    """

    def attempt(jobs: Sequence[Job[Any]], tries: int = READ_TRIES) -> Requeue[Any]:
        try:
            with link.unit() as connection:
                return answer(connection, jobs)
        except Exception as error:
            if tries > 1 and fault_of(error) in (Fault.LOST, Fault.CONFLICT):
                return attempt(jobs, tries - 1)
            raise

    def execute(jobs: Sequence[Job[Any]]) -> Requeue[Any]:
        try:
            return attempt(jobs)
        except Exception as error:
            fault = fault_of(error)
            if fault is Fault.SLOW and not last:
                return Requeue(oversized=list(jobs))
            failure = StorageUnavailable() if fault is Fault.LOST else error
            if fault is Fault.SLOW:
                failure = CallTooLarge() if _is_large(jobs[0]) else StorageUnavailable()
            if len(jobs) > 1 and not isinstance(failure, StorageUnavailable):
                return Requeue(oversized=[job for one in jobs for job in execute([one]).oversized])
            for job in jobs:
                job.failure = failure
            return Requeue()

    return execute


def _is_large(job: Job[Any]) -> bool:
    """Return whether a read or preview may take long for what it asks."""
    payload = job.payload
    if isinstance(payload, LedgerCall):
        return payload.heavy or payload.size >= BULK_FROM
    return isinstance(payload.query, Listing | GetSchedule | GetExpiring)


def _outcomes(call: LedgerCall, partial: bool, item_path: str) -> list[Answer | Exception]:
    """Return one outcome per command; raise what concerns the whole call."""
    failures = [group.failure for group in call.groups if group.failure is not None]
    if not failures and not partial:
        return list(call.groups[0].results)
    for failure in failures:
        if _refuses_all(failure, call):
            raise failure
    if len(failures) == len(call.groups) and not any(map(_is_decided, failures)):
        raise next(filter(_is_in_doubt, failures), failures[0])
    outcomes: list[Answer | Exception] = []
    for place, group in enumerate(call.groups):
        if group.failure is None:
            outcomes += group.results
            continue
        if item_path and isinstance(group.failure, Refusal):
            group.failure.under(f"{item_path}[{place if partial else group.refused_at}]")
        if not partial:
            raise group.failure
        outcomes.append(group.failure)
    return outcomes


_NOT_NOW = (Overloaded, StorageUnavailable, TimeInDoubt)
"""Refusals that say nothing about what was asked."""


def _refuses_all(failure: Exception, call: LedgerCall) -> bool:
    return call.one_request and isinstance(failure, RequestIdReused)


def _is_in_doubt(failure: Exception) -> bool:
    return isinstance(failure, StorageUnavailable) and failure.in_doubt


def _is_decided(failure: Exception) -> bool:
    return isinstance(failure, Refusal) and not isinstance(failure, _NOT_NOW)

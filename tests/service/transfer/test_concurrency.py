"""Imports beside servers that write to the same accounts, and interrupted ones."""

from __future__ import annotations

from threading import Event, current_thread, main_thread
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.support.service.ledger_harness import LedgerHarness, earn, redeem

from points_grpc.domain.commands import Command
from points_grpc.service.transfer.importer import importer, writing
from points_grpc.storage.tables import lots, transactions

HEAD = "external_id,vendor_id,amount,remaining,earned_at\n"


def rows(count: int, members: int = 5) -> str:
    return HEAD + "".join(
        f"m{n % members},{n + 1},10,{10 - n % 3},2031-01-02\n" for n in range(count)
    )


def patiently(harness: LedgerHarness, command: Command) -> None:
    """Have a command carried out that may have to wait for the import's locks."""
    call = harness.call(command)
    for _ in range(100):
        harness.patient.execute([call])
        if call.settled:
            break
    assert call.groups[0].failure is None


def test_a_server_writes_between_chunks(counter, harness) -> None:
    """What a server writes while chunks are prepared is neither lost nor overwritten."""
    running = counter.importer(counter.file(rows(60)), 5)
    spent = imported = 0
    try:
        for step, done in enumerate(running.run()):
            imported = done.imported
            patiently(harness, earn(3, f"m{step % 5}"))
            patiently(harness, redeem(1, f"m{step % 5}"))
            spent += 2
    finally:
        running.close()
    assert imported == 60
    assert sum(harness.account(f"m{n}").available for n in range(5)) == 600 - 60 + spent


def test_a_server_enrols_the_same_members(
    counter, harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member that a server makes after a chunk was prepared is found when it is written."""
    commit = writing.ChunkWriter._commit
    seen: list[int] = []

    def after_an_earn(self: Any, *given: Any) -> Any:
        if not seen:
            harness.do(earn(7, "m1"))
        seen.append(1)
        return commit(self, *given)

    monkeypatch.setattr(writing.ChunkWriter, "_commit", after_an_earn)
    assert counter.counts(counter.file(rows(20)), chunk=10) == (20, 0, 0)
    assert harness.account("m1").available == 7 + sum(10 - n % 3 for n in range(1, 20, 5))


def test_a_chunk_is_as_old_as_what_it_builds_on(
    counter, harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that begins while the chunk before is prepared again is prepared again itself."""
    harness.do(earn(1, "m0"))
    commit, may_commit, grown = writing.ChunkWriter._commit, Event(), Event()
    reads: list[int] = []

    def waits(self: Any, *given: Any) -> Any:
        assert may_commit.wait(20)
        return commit(self, *given)

    class Slow(writing.ChunkWriter):
        """Its first chunk turns out to be void right after the importer has looked."""

        def __setattr__(self, name: str, value: Any) -> None:
            super().__setattr__(name, value)
            if name == "generation" and value:
                grown.set()

        def __getattribute__(self, name: str) -> Any:
            value = super().__getattribute__(name)
            if name == "generation" and current_thread() is main_thread():
                reads.append(value)
                if len(reads) == 3:
                    harness.do(earn(2, "m0"))
                    may_commit.set()
                    assert grown.wait(20)
            return value

    monkeypatch.setattr(writing.ChunkWriter, "_commit", waits)
    monkeypatch.setattr(importer, "ChunkWriter", Slow)
    head = "external_id,vendor_id,currency,amount,earned_at\n"
    rows_of_new = "m0,1,PTS,4,2031-01-02\nnew,2,PTS,8,2031-01-02\nnew,3,EUR,16,2031-01-02\n"
    assert counter.counts(counter.file(head + rows_of_new), chunk=2) == (3, 0, 0)
    assert harness.account("m0").available == 7
    assert harness.account("new").available == 8
    assert harness.account("new", currency="EUR").available == 1600


def test_a_chunk_is_whole_or_not_there(counter, harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure within a chunk leaves nothing of it, and the import goes on after the last."""
    path = counter.file(rows(30))
    copied = writing.bulk_copy.copy_transactions
    calls: list[int] = []

    def fails_the_third_time(*given: Any) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("power cut")
        copied(*given)

    monkeypatch.setattr(writing.bulk_copy, "copy_transactions", fails_the_third_time)
    with pytest.raises(RuntimeError, match="power cut"):
        counter.take(path, chunk=10)
    there = harness.look(lambda at: at.execute(select(func.count()).select_from(lots)).scalar())
    assert there == 20
    resumed = counter.importer(path, 10)
    assert resumed.resumed.imported == 20
    resumed.close()
    done = counter.take(path, chunk=4)
    assert (done.imported, done.known) == (30, 0)
    assert (
        harness.look(lambda at: at.execute(select(func.count()).select_from(lots)).scalar()) == 30
    )
    assert harness.look(
        lambda at: at.execute(select(func.count()).select_from(transactions)).scalar()
    )

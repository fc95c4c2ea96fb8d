"""Imports beside servers that write to the same accounts, and interrupted ones."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select
from till import Till, earn, redeem

from points_grpc.domain.commands import Command
from points_grpc.service.importing import writing
from points_grpc.storage.tables import lots, transactions

HEAD = "external_id,vendor_id,amount,remaining,earned_at\n"


def rows(count: int, members: int = 5) -> str:
    return HEAD + "".join(
        f"m{n % members},{n + 1},10,{10 - n % 3},2031-01-02\n" for n in range(count)
    )


def patiently(till: Till, command: Command) -> None:
    """Have a command carried out that may have to wait for the import's locks."""
    call = till.call(command)
    for _ in range(100):
        till.patient.execute([call])
        if call.settled:
            break
    assert call.groups[0].failure is None


def test_a_server_writes_between_chunks(counter, till) -> None:
    """What a server writes while chunks are prepared is neither lost nor overwritten."""
    importer = counter.importer(counter.file(rows(60)), 5)
    spent = imported = 0
    try:
        for step, done in enumerate(importer.run()):
            imported = done.imported
            patiently(till, earn(3, f"m{step % 5}"))
            patiently(till, redeem(1, f"m{step % 5}"))
            spent += 2
    finally:
        importer.close()
    assert imported == 60
    assert sum(till.account(f"m{n}").available for n in range(5)) == 600 - 60 + spent


def test_a_server_enrols_the_same_members(counter, till, monkeypatch: pytest.MonkeyPatch) -> None:
    """A member that a server makes after a chunk was prepared is found when it is written."""
    commit = writing.Writer._commit
    seen: list[int] = []

    def after_an_earn(self: Any, *given: Any) -> Any:
        if not seen:
            till.do(earn(7, "m1"))
        seen.append(1)
        return commit(self, *given)

    monkeypatch.setattr(writing.Writer, "_commit", after_an_earn)
    assert counter.counts(counter.file(rows(20)), chunk=10) == (20, 0, 0)
    assert till.account("m1").available == 7 + sum(10 - n % 3 for n in range(1, 20, 5))


def test_a_chunk_is_whole_or_not_there(counter, till, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure within a chunk leaves nothing of it, and the import goes on after the last."""
    path = counter.file(rows(30))
    copied = writing.copying.copy_transactions
    calls: list[int] = []

    def fails_the_third_time(*given: Any) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("power cut")
        copied(*given)

    monkeypatch.setattr(writing.copying, "copy_transactions", fails_the_third_time)
    with pytest.raises(RuntimeError, match="power cut"):
        counter.take(path, chunk=10)
    there = till.look(lambda at: at.execute(select(func.count()).select_from(lots)).scalar())
    assert there == 20
    importer = counter.importer(path, 10)
    assert importer.resumed.imported == 20
    importer.close()
    done = counter.take(path, chunk=4)
    assert (done.imported, done.known) == (30, 0)
    assert till.look(lambda at: at.execute(select(func.count()).select_from(lots)).scalar()) == 30
    assert till.look(lambda at: at.execute(select(func.count()).select_from(transactions)).scalar())

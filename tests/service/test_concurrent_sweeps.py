"""Sweeps beside other work: locked accounts, several programs, accounts that cannot be recorded."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest
from tests.support.service.days import DAY
from tests.support.service.engine_harness import (
    locked,
)
from tests.support.service.ledger_harness import START, LedgerHarness, earn


def test_a_sweep_leaves_locked_accounts_to_the_next(harness: LedgerHarness) -> None:
    """Accounts locked elsewhere are skipped, however small the chunks, and no other with them."""
    names = [f"m{n}" for n in range(30)]
    earned = [harness.do(earn(10, name, policy="month")) for name in names]
    harness.clock.set(START + 31 * DAY)
    with ExitStack() as locks:
        for answer in earned[:10]:
            locks.enter_context(locked(harness.database, answer.account.owner.account_id))
        swept = list(harness.sweeper.sweep(chunk=1))
        assert sum(s.skipped for s in swept) == 10
        assert sum(len(s.lapses) for s in swept) == 20
    again = list(harness.sweeper.sweep())
    assert [len(s.lapses) for s in again] == [10]
    assert list(harness.sweeper.sweep()) == []


def test_a_sweep_covers_every_program(harness: LedgerHarness) -> None:
    """One sweep records what is due in all programs of all tenants, inactivity included."""
    for program_id in range(1, 8):
        harness.open_program(harness.rival, program_id)
    for program_id in range(1, 8):
        harness.do(earn(3, policy="idle-first", program_id=program_id), harness.rival)
    harness.do(earn(5, policy="month"))
    harness.clock.set(START + 31 * DAY)
    lapses = [lapsed for swept in harness.sweeper.sweep(2) for lapsed in swept.lapses]
    assert sorted(lapsed.expired for lapsed in lapses) == [3] * 7 + [5]


def test_a_sweep_goes_on_after_an_account_that_it_cannot_record(
    harness: LedgerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An account whose lapse fails is told about and left, and the others are recorded."""
    from points_grpc.domain import decisions  # noqa: PLC0415  # patched below

    for name in ("ann", "bob", "cyd"):
        harness.do(earn(10, name, policy="idle-first"))
    harness.clock.set(START + 31 * DAY)
    real = decisions.lapse_due

    def stumble(draft: Any, account_state: Any) -> int:
        if account_state.member.label.external_id == "bob":
            raise ZeroDivisionError
        return real(draft, account_state)

    monkeypatch.setattr(decisions, "lapse_due", stumble)
    swept = list(harness.sweeper.sweep(chunk=1))
    assert sum(len(s.lapses) for s in swept) == 2
    assert [type(f) for s in swept for f in s.failures] == [ZeroDivisionError]

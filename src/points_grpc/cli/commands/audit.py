"""points-grpc audit: whether everything that is stored agrees with itself."""

from __future__ import annotations

import typer

from points_grpc.cli import databases, options, progress
from points_grpc.service.audit.checks import Auditor
from points_grpc.storage.core.database import Database, Timeouts

_STATEMENT_MS = 600_000
"""What one question about one page may take; an account can have millions of transactions."""

_SHOWN_MAX = 1_000


def audit(
    database_url: options.DatabaseUrl = None,
    data_dir: options.DataDir = None,
) -> None:
    """Recompute every account from its lots, transactions and allocations, and change nothing.

    Also looks for rows without those they belong to, debits of lots that had lapsed, bounds that
    would let a lapse be missed, and gaps in histories. Servers may run meanwhile. What is wrong is
    listed, by ids alone, and the exit code is 1.
    """
    settings = options.settings(database_url=database_url, data_dir=data_dir)
    patience = max(_STATEMENT_MS, settings.statement_timeout_ms)
    timeouts = Timeouts(statement=patience, lock=settings.lock_timeout_ms)
    with databases.ready(settings, timeouts=timeouts, changes=False) as database:
        accounts, wrong = _look(database)
    typer.echo(f"{accounts} accounts audited: {wrong or 'nothing'} wrong")
    if wrong:
        raise typer.Exit(1)


def _look(database: Database) -> tuple[int, int]:
    """Print findings as they are found; return the counts of accounts and of findings."""
    auditor = Auditor(database)
    accounts = rows = wrong = 0
    try:
        with progress.shown("auditing", auditor.estimate(), "other rows") as pace:
            for more, other, found in auditor.audit():
                accounts, rows = accounts + more, rows + other
                for finding in found:
                    wrong += 1
                    if wrong <= _SHOWN_MAX:
                        typer.echo(str(finding))
                pace.reached(accounts, rows)
    finally:
        auditor.close()
    if wrong > _SHOWN_MAX:
        typer.echo(f"… and {wrong - _SHOWN_MAX} more")
    return accounts, wrong

"""What a failed statement means for the batch that sent it, told by SQLSTATE."""

from __future__ import annotations

from enum import Enum

import psycopg
from sqlalchemy.exc import DBAPIError


class Fault(Enum):
    """What to do about a failed unit of work."""

    CONTENT = "the database refused the content of some group: split the batch"
    CONFLICT = "another unit of work was first: gather again"
    LOST = "the database is away or unable: reconnect and find out whether it was committed"
    SLOW = "the work took too long, and was undone: try each group of the batch by itself"
    OWN = "an error of the program's own, not of the database's: split the batch"
    OTHER = "fail at once"


_DEADLOCK = "40P01"
_LOCK_TIMEOUT = "55P03"
_CONFLICTS = frozenset(("23505", "40001", _DEADLOCK, _LOCK_TIMEOUT))
_CANCELLED = "57014"
# 25P03: the server gave up on a unit of work that stood still, and closed the connection. 25006: it
# takes no writes, as a standby or for an operator.
_LOST = frozenset(("57P01", "57P02", "57P03", "25P03", "25006"))
# The connection, the resources (a full disk, no memory, too many connections), input and output.
_LOST_CLASSES = ("08", "53", "58")


class Unreachable(Exception):
    """The database cannot be reached at present.

    `in_doubt` says that a COMMIT was under way whose answer was lost.
    """

    in_doubt = False


class OutOfTime(Exception):
    """A unit of work was ended before its COMMIT because it outlived every timeout."""


def fault_of(error: Exception) -> Fault:
    """The kind of fault that `error`, raised by a statement or a commit, is."""
    if isinstance(error, Unreachable):
        return Fault.LOST
    if isinstance(error, OutOfTime):
        return Fault.SLOW
    cause = _cause_of(error)
    if cause is None:
        return Fault.OWN
    if cause.sqlstate is not None:
        return (
            _fault_of_cancel(cause)
            if cause.sqlstate == _CANCELLED
            else _fault_of_state(cause.sqlstate)
        )
    if isinstance(cause, psycopg.DataError):
        return Fault.CONTENT
    lost = isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)
    return Fault.LOST if lost else Fault.OTHER


def is_refused(error: Exception) -> bool:
    """Whether the database has said that the statement failed, and goes on to serve.

    Then it has rolled the unit of work back, even if the statement was its COMMIT.
    """
    cause = _cause_of(error)
    return cause is not None and cause.diag.severity_nonlocalized == "ERROR"


def is_deadlock(error: Exception) -> bool:
    """Whether the database ended a statement because two units of work waited for each other."""
    cause = _cause_of(error)
    return cause is not None and cause.sqlstate == _DEADLOCK


def is_lock_timeout(error: Exception) -> bool:
    """Whether a statement gave up waiting for a lock."""
    cause = _cause_of(error)
    return cause is not None and cause.sqlstate == _LOCK_TIMEOUT


def _cause_of(error: Exception) -> psycopg.Error | None:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return cause if isinstance(cause, psycopg.Error) else None


def is_unavailable(error: Exception) -> bool:
    """Return whether the database is away, or so slow that nothing came of the work."""
    return fault_of(error) in (Fault.LOST, Fault.SLOW)


def _fault_of_cancel(cause: psycopg.Error) -> Fault:
    """One SQLSTATE stands for statement_timeout and for an administrator who cancels.

    Only the words tell them apart. In another language than English both are taken for a timeout,
    with which the calls of the batch are tried one by one.
    """
    return Fault.LOST if "user request" in (cause.diag.message_primary or "") else Fault.SLOW


def _fault_of_state(state: str) -> Fault:
    if state in _CONFLICTS:
        return Fault.CONFLICT
    if state in _LOST or state.startswith(_LOST_CLASSES):
        return Fault.LOST
    if state.startswith("22") or state == "23514":
        return Fault.CONTENT
    return Fault.OTHER

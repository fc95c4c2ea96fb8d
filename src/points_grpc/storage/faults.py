"""What a failed statement means for the batch that sent it, told by SQLSTATE."""

from __future__ import annotations

from enum import Enum

import psycopg
from sqlalchemy.exc import DBAPIError


class Fault(Enum):
    """What to do about a failed unit of work."""

    CONTENT = "the database refused the content of some group: split the batch"
    CONFLICT = "another unit of work was first: gather again"
    LOST = "the connection broke: reconnect and find out whether it was committed"
    OTHER = "fail at once"


_CONFLICTS = frozenset(("23505", "40001", "40P01", "55P03"))
_LOST = frozenset(("57P01", "57P02", "57P03"))


class Unreachable(Exception):
    """The database cannot be reached at present."""


def fault_of(error: Exception) -> Fault:
    """The kind of fault that `error`, raised by a statement or a commit, is."""
    if isinstance(error, Unreachable):
        return Fault.LOST
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, psycopg.Error):
        return Fault.OTHER
    state = cause.sqlstate
    if state is None:
        lost = isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)
        return Fault.LOST if lost else Fault.OTHER
    return _fault_of_state(state)


def _fault_of_state(state: str) -> Fault:
    if state in _CONFLICTS:
        return Fault.CONFLICT
    if state in _LOST or state.startswith("08"):
        return Fault.LOST
    if state.startswith("22") or state == "23514":
        return Fault.CONTENT
    return Fault.OTHER

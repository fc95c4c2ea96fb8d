"""The words for people about what the database did: never the driver's own.

Those of libpq, psycopg and SQLAlchemy quote hosts, users and pieces of the URL, and those of
PostgreSQL values of rows. These messages say what an operator needs to know in other words.
"""

from __future__ import annotations

import psycopg
from alembic.util.exc import CommandError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from points_grpc.storage.core.db_errors import Unreachable

_AWAY = "the database cannot be reached"

# What is found in the message, and what it means. An answer of the server may be in any language.
_REASONS = (
    ("connection refused", "the connection was refused"),
    ("resolve host", "there is no such host"),
    ("translate host name", "there is no such host"),
    ("name or service not known", "there is no such host"),
    ("no such file or directory", "there is no such socket"),
    ("timeout expired", "it does not answer in time"),
    ("timed out", "it does not answer in time"),
    ("password authentication failed", "it refused the user or the password"),
    ("no password supplied", "it asks for a password"),
    ("pg_hba.conf", "it does not let this user in from here"),
    ("too many clients", "it has no connection left"),
    ("connection slots", "it has no connection left"),
    ("too many connections", "it has no connection left"),
    ("starting up", "it is starting"),
    ("recovery", "it is recovering"),
    ("shutting down", "it is stopping"),
    ("terminating connection", "it is stopping"),
    ("network is unreachable", "its network cannot be reached"),
    ("no route to host", "its host cannot be reached"),
    ("server closed the connection", "it closed the connection"),
    ("certificate", "its certificate is not accepted, or ours is not"),
    ("ssl", "TLS cannot be agreed on with it"),
    ('role "', "it has no such user"),
    ('database "', "it has no database of this name"),
)
_UNKNOWN = "its log may say why"


def unreachable(error: BaseException) -> Unreachable:
    """Return the same failure to reach the database, in words of our own and with no cause."""
    if isinstance(error, Unreachable):
        return error
    said = str(error).lower()
    reason = next((words for sign, words in _REASONS if sign in said), _UNKNOWN)
    return Unreachable(f"{_AWAY}: {reason}")


def words_for(error: BaseException) -> str:
    """Return one line about what went wrong, in words of our own where the driver raised it."""
    if isinstance(error, Unreachable):
        return str(error) or _AWAY
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, psycopg.Error):
        if cause.sqlstate is None:
            return str(unreachable(cause))
        return f"the database refused: {type(cause).__name__} ({cause.sqlstate})"
    if isinstance(error, SQLAlchemyError) and not isinstance(error, CommandError):
        return f"an internal error: {type(error).__name__}"
    return str(error).partition("\n")[0] or type(error).__name__

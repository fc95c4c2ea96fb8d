"""Connecting to a database: what the driver says about it goes no further."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine

from points_grpc.storage.core.db_error_messages import unreachable
from points_grpc.storage.core.db_errors import Unreachable


def make_engine(url: str, **options: Any) -> Engine:
    """Return an engine that keeps no connections. Raises Unreachable for an unusable URL."""
    try:
        # Errors may be shown, and parameters name people.
        return create_engine(url, poolclass=NullPool, hide_parameters=True, **options)
    except Exception as error:
        failure = unreachable(error)
    # Not while the driver's error is handled: a traceback would show it, too.
    raise failure


def connect(engine: Engine) -> Connection:
    """Return a new connection. Raises Unreachable."""
    failure: Unreachable
    try:
        return engine.connect()
    except Exception as error:
        failure = unreachable(error)
    raise failure

"""Settings of the whole database: they hold for every tenant and every server that uses it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from points_grpc.storage.tables.setting_table import settings

_named = settings.c.name == bindparam("of")
_read = select(settings.c.value).where(_named)
_lock = _read.with_for_update()
_add = insert(settings).on_conflict_do_nothing()
_change = update(settings).where(_named)


def read(connection: Connection, name: str) -> str | None:
    """Return the value of the setting; None where it was never set."""
    value: str | None = connection.execute(_read, {"of": name}).scalar()
    return value


def put(connection: Connection, name: str, value: str, now: datetime) -> None:
    """Set the value, whatever it was."""
    if not _added(connection, name, value, now):
        connection.execute(_change, {"of": name, "value": value, "updated_at": now})


def raise_to(
    connection: Connection,
    name: str,
    value: str,
    now: datetime,
    *,
    order: Callable[[str], Any] = int,
) -> str:
    """Set the value unless the kept one is as high or higher; return the one kept from then on.

    `order` tells what of a value is compared: its number, unless another function is given. Of
    two that raise at once the second waits for the first, so the higher value is kept.
    """
    if _added(connection, name, value, now):
        return value
    kept: str = connection.execute(_lock, {"of": name}).scalar_one()
    if order(kept) >= order(value):
        return kept
    connection.execute(_change, {"of": name, "value": value, "updated_at": now})
    return value


def _added(connection: Connection, name: str, value: str, now: datetime) -> bool:
    row = {"name": name, "value": value, "updated_at": now}
    return connection.execute(_add, row).rowcount == 1

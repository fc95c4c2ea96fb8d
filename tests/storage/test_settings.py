"""Settings of the whole database."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, select

from points_grpc.storage.admin import settings
from points_grpc.storage.core.database import Database
from points_grpc.storage.tables.setting_table import settings as table

NOW = datetime(2031, 5, 6, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


def since(connection: Connection, name: str) -> datetime:
    """When the setting was last changed."""
    found: datetime = connection.execute(
        select(table.c.updated_at).where(table.c.name == name)
    ).scalar_one()
    return found


def test_a_setting_is_what_was_last_put(database: Database) -> None:
    """A setting is absent until it is put, and then has the value that was put last."""

    def work(connection: Connection) -> None:
        assert settings.read(connection, "colour") is None
        settings.put(connection, "colour", "red", NOW)
        settings.put(connection, "colour", "blue", LATER)
        assert settings.read(connection, "colour") == "blue"
        assert since(connection, "colour") == LATER
        assert settings.read(connection, "shape") is None

    database.run(work)


def test_raising_never_lowers(database: Database) -> None:
    """Only a higher number replaces the kept one; an equal or lower one leaves it alone."""

    def work(connection: Connection) -> None:
        assert settings.raise_to(connection, "days", "9", NOW) == "9"
        assert settings.raise_to(connection, "days", "9", LATER) == "9"
        assert settings.raise_to(connection, "days", "8", LATER) == "9"
        assert since(connection, "days") == NOW
        assert settings.raise_to(connection, "days", "10", LATER) == "10"
        assert settings.read(connection, "days") == "10"
        assert since(connection, "days") == LATER

    database.run(work)


def test_raising_compares_as_it_is_asked_to(database: Database) -> None:
    """A setting that is no number is compared by the given function."""

    def by_parts(version: str) -> list[int]:
        return [int(part) for part in version.split(".")]

    def work(connection: Connection) -> None:
        settings.raise_to(connection, "version", "2025.9", NOW, order=by_parts)
        assert settings.raise_to(connection, "version", "2025.10", NOW, order=by_parts) == "2025.10"
        assert settings.raise_to(connection, "version", "2024.20", NOW, order=by_parts) == "2025.10"

    database.run(work)


def test_of_two_that_raise_at_once_the_higher_is_kept(database: Database) -> None:
    """A raise waits for another that is not committed yet, and does not undo it."""
    first, kept = database.link(), []
    with first.unit() as connection:
        settings.raise_to(connection, "days", "30", NOW)
        second = threading.Thread(
            target=lambda: kept.append(
                database.run(lambda at: settings.raise_to(at, "days", "7", LATER))
            )
        )
        second.start()
    second.join()
    first.close()
    assert kept == ["30"]
    assert database.run(lambda at: settings.read(at, "days")) == "30"

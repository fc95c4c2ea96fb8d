"""Bringing a database's schema to this release, and back."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from points_grpc.storage.core.connecting import connect, make_engine

_MIGRATIONS = Path(__file__).parents[1] / "migrations"


def upgrade(url: str, revision: str = "head") -> None:
    """Run every migration that the database has not seen yet, up to `revision`.

    A schema that a later release has made stays as it is: it has all that this one needs.
    """
    if revision != "head" or not is_later(current(url)):
        command.upgrade(_config(url), revision)


def downgrade(url: str, revision: str) -> None:
    """Undo migrations down to `revision` (`-1` for the last, `base` for all)."""
    command.downgrade(_config(url), revision)


def current(url: str) -> str | None:
    """The revision that the database is at; None for one without our schema."""
    with connect(make_engine(url)) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str | None:
    """The revision that this release expects."""
    return ScriptDirectory.from_config(_config("")).get_current_head()


def is_later(revision: str | None) -> bool:
    """Whether a later release has made a schema at that revision. They are numbers, counted up."""
    ours = head() or ""
    return (
        revision is not None
        and revision.isdecimal()
        and ours.isdecimal()
        and int(revision) > int(ours)
    )


def serves(revision: str | None) -> bool:
    """Whether this release works on a schema at that revision: its own, or a later one.

    Migrations only add, and nothing that statements of earlier releases would have to know of.
    """
    return revision == head() or is_later(revision)


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["url"] = url
    return config

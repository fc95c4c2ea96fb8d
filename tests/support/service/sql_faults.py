"""Errors that the database itself raises, as often as it is told to."""

from __future__ import annotations

from enum import Enum

from sqlalchemy import DDL, func, select

from points_grpc.storage.core.database import Connection, Database

_TELL = """CREATE FUNCTION raise_if_told() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
IF nextval(TG_ARGV[0]::regclass) <= 0 THEN RAISE 'told to' USING ERRCODE = TG_ARGV[1]; END IF;
RETURN NEW; END $$"""
_IN_THE_MIDDLE = "CREATE TRIGGER {name} AFTER INSERT ON units"
_AT_COMMIT = "CREATE CONSTRAINT TRIGGER {name} AFTER INSERT ON units DEFERRABLE INITIALLY DEFERRED"


class Raised(Enum):
    """Where a unit of work meets which SQLSTATE."""

    SERIALIZATION_FAILURE = (_AT_COMMIT, "40001")
    DEADLOCK = (_IN_THE_MIDDLE, "40P01")
    UNIQUE_VIOLATION = (_AT_COMMIT, "23505")
    LOCK_TIMEOUT = (_IN_THE_MIDDLE, "55P03")
    DISK_FULL = (_AT_COMMIT, "53100")
    CANCELLED = (_IN_THE_MIDDLE, "57014")


class Injected:
    """Makes units of work of one database fail; a sequence counts, as no rollback undoes it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.run(_prepare)

    def raise_next(self, what: Raised, times: int) -> None:
        """So many units of work fail from now on."""
        self._database.run(lambda at: at.execute(select(func.setval(_name(what), -times))).all())

    def stop(self, what: Raised) -> None:
        """None does any more."""
        self.raise_next(what, -1)


def _name(what: Raised) -> str:
    return f"told_{what.name.lower()}"


def _prepare(at: Connection) -> None:
    at.execute(DDL(_TELL))
    for what in Raised:
        name, (trigger, state) = _name(what), what.value
        at.execute(DDL(f"CREATE SEQUENCE {name} MINVALUE -1000 START 1"))
        body = f"FOR EACH ROW EXECUTE FUNCTION raise_if_told('{name}', '{state}')"
        at.execute(DDL(f"{trigger.format(name=name)} {body}"))

"""How far imports have come, and what the rows of files became."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert

from points_grpc.storage.core.ids import bucket_of_id
from points_grpc.storage.core.unnest import BIGINT, INT, TEXT, fill, insert_rows, rows
from points_grpc.storage.tables import id_blocks, import_keys, imports

LOT, TRANSACTION, CHANGE = 1, 2, 3
"""What a row of a file can have become, beside a member."""

ImportKey = tuple[int, str]
"""member_id, import_id"""

Target = tuple[int, int]
"""What it is, and its id"""


@dataclass(frozen=True, slots=True)
class Progress:
    """What of a file has been committed; `report_bytes` is the length of its report by then.

    All that the import makes has ids with numbers from `first_number` on.
    """

    bytes_done: int = 0
    lines_done: int = 0
    imported: int = 0
    known: int = 0
    refused: int = 0
    report_bytes: int = 0
    first_number: int = 0
    finished: bool = False

    def after(self, **more: Any) -> Progress:
        """The progress with these figures instead."""
        return replace(self, **more)


@dataclass(frozen=True, slots=True)
class FileKey:
    """A file's content within a tenant's program."""

    tenant_id: int
    program_id: int
    digest: bytes


_FIGURES = (
    "bytes_done",
    "lines_done",
    "imported",
    "known",
    "refused",
    "report_bytes",
    "first_number",
    "finished",
)
_is_file = (
    (imports.c.tenant_id == bindparam("of_tenant", type_=INT))
    & (imports.c.program_id == bindparam("of_program", type_=BIGINT))
    & (imports.c.digest == bindparam("of_digest"))
)
_progress = select(*(imports.c[name] for name in _FIGURES)).where(_is_file)
_lock = _progress.with_for_update()
_start = insert(imports).on_conflict_do_nothing()
_update = (
    update(imports)
    .where(_is_file)
    .values({**{n: bindparam(n) for n in _FIGURES}, "updated_at": bindparam("now")})
)


def _of(key: FileKey) -> dict[str, Any]:
    return {"of_tenant": key.tenant_id, "of_program": key.program_id, "of_digest": key.digest}


def progress(connection: Connection, key: FileKey) -> Progress | None:
    """Return the file's progress; None for a file that was never begun."""
    row = connection.execute(_progress, _of(key)).one_or_none()
    return Progress(*row) if row is not None else None


def lock_progress(connection: Connection, key: FileKey) -> Progress | None:
    """Return the file's progress, and lock it until the unit of work ends."""
    row = connection.execute(_lock, _of(key)).one_or_none()
    return Progress(*row) if row is not None else None


def start(connection: Connection, key: FileKey, now: datetime, first_number: int) -> None:
    """Begin a file that was never begun."""
    row = {"tenant_id": key.tenant_id, "program_id": key.program_id, "digest": key.digest}
    begun = Progress(first_number=first_number)
    figures = {name: getattr(begun, name) for name in _FIGURES}
    connection.execute(_start, {**row, **figures, "started_at": now, "updated_at": now})


def hold(connection: Connection, key: FileKey) -> bool:
    """Keep the file to this connection until it is closed; False where another one has it."""
    name = f"import\0{key.tenant_id}\0{key.program_id}\0".encode() + key.digest
    number = int.from_bytes(blake2b(name, digest_size=8).digest(), "big", signed=True)
    return bool(connection.execute(select(func.pg_try_advisory_lock(number))).scalar_one())


def save(connection: Connection, key: FileKey, done: Progress, now: datetime) -> None:
    """Remember how far the file has come."""
    figures = {name: getattr(done, name) for name in _FIGURES}
    connection.execute(_update, {**_of(key), **figures, "now": now})


# What rows became

_KEY = ("bucket", "tenant_id", "member_id", "import_id")
_COLUMNS = (*_KEY, "kind", "target_id")
_asked = rows("asked", bucket=INT, tenant_id=INT, member_id=BIGINT, import_id=TEXT)
_targets = (
    select(
        import_keys.c.member_id,
        import_keys.c.import_id,
        import_keys.c.kind,
        import_keys.c.target_id,
    )
    .select_from(_asked)
    .join(
        import_keys,
        (import_keys.c.bucket == _asked.c.bucket)
        & (import_keys.c.tenant_id == _asked.c.tenant_id)
        & (import_keys.c.member_id == _asked.c.member_id)
        & (import_keys.c.import_id == _asked.c.import_id),
    )
)
_made = rows("made", bucket=INT, tenant_id=INT, member_id=BIGINT, target_id=BIGINT)
_made_by_files = (
    select(import_keys.c.target_id)
    .select_from(_made)
    .join(
        import_keys,
        (import_keys.c.bucket == _made.c.bucket)
        & (import_keys.c.tenant_id == _made.c.tenant_id)
        & (import_keys.c.member_id == _made.c.member_id)
        & (import_keys.c.target_id == _made.c.target_id),
    )
    .where(import_keys.c.kind == bindparam("of_kind", type_=INT))
)
_insert_keys = insert_rows(import_keys, _COLUMNS)


def targets(
    connection: Connection, tenant_id: int, keys: Collection[ImportKey]
) -> dict[ImportKey, Target]:
    """Return what the rows with these keys became; rows never imported are absent."""
    if not keys:
        return {}
    values = [(bucket_of_id(member), tenant_id, member, name) for member, name in keys]
    found = connection.execute(_targets, fill("asked", _KEY, values)).all()
    return {(member, name): (kind, target) for member, name, kind, target in found}


def made_by_files(
    connection: Connection, tenant_id: int, kind: int, things: Collection[tuple[int, int]]
) -> set[int]:
    """The ids of those of these (member_id, id) of a kind that rows with an import_id became.

    It reads all such rows of the members.
    """
    if not things:
        return set()
    values = [(bucket_of_id(member), tenant_id, member, target) for member, target in things]
    names = ("bucket", "tenant_id", "member_id", "target_id")
    asked = {**fill("made", names, values), "of_kind": kind}
    return set(connection.execute(_made_by_files, asked).scalars())


def insert_keys(
    connection: Connection, tenant_id: int, new: Iterable[tuple[ImportKey, Target]]
) -> None:
    """Remember what rows became; one that is there already is a conflict (23505)."""
    values = sorted(
        (bucket_of_id(member), tenant_id, member, name, kind, target)
        for (member, name), (kind, target) in new
    )
    if values:
        connection.execute(_insert_keys, fill("new", _COLUMNS, values))


# Where exported files come from

_ORIGIN = "origin"
_origin = select(id_blocks.c.next).where(id_blocks.c.name == _ORIGIN)
_add_origin = insert(id_blocks).on_conflict_do_nothing()


def origin(connection: Connection) -> int | None:
    """The number that marks what this database has exported; None where nothing was."""
    found = connection.execute(_origin).scalar_one_or_none()
    return int(found) if found is not None else None


def make_origin(connection: Connection, number: int) -> int:
    """Make `number` the database's mark unless it has one; the one that it has then."""
    connection.execute(_add_origin, {"name": _ORIGIN, "next": number})
    return int(connection.execute(_origin).scalar_one())

"""Identifiers against members, and request ids against what they were answered with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, select, tuple_

from points_grpc.storage.core.unnest import BIGINT, BYTES, INT, TEXT, fill, rows
from points_grpc.storage.tables import (
    identifiers,
    member_identifiers,
    members,
    requests,
)


class Name(NamedTuple):
    """An identifier as either of the two tables has it, with the bucket of its row there."""

    bucket: int
    tenant_id: int
    type: str
    value: str
    member_id: int


class StoredRequest(NamedTuple):
    """A request id's row: its first answer."""

    bucket: int
    tenant_id: int
    key: bytes
    answer: bytes


def _after(table: Any, *names: str) -> Any:
    kinds: dict[str, Any] = {"bucket": INT, "tenant_id": INT, "member_id": BIGINT, "key": BYTES}
    place: list[Any] = [bindparam(f"after_{n}", type_=kinds.get(n, TEXT)) for n in names]
    columns = [table.c[n] for n in names]
    return tuple_(*columns) > tuple_(*place)


_BY_NAME = ("bucket", "tenant_id", "type", "value")
_BY_MEMBER = ("bucket", "tenant_id", "member_id", "type", "value")
_BY_KEY = ("bucket", "tenant_id", "key")
_most = bindparam("most", type_=BIGINT)


def _page(table: Any, columns: Sequence[str], key: Sequence[str]) -> Any:
    return (
        select(*(table.c[name] for name in columns))
        .where(_after(table, *key))
        .order_by(*(table.c[name] for name in key))
        .limit(_most)
    )


_names = _page(identifiers, Name._fields, _BY_NAME)
_of_members = _page(member_identifiers, Name._fields, _BY_MEMBER)
_requests = _page(requests, StoredRequest._fields, _BY_KEY)

_ASKED = ("bucket", *Name._fields[1:])
_asked = rows("asked", bucket=INT, tenant_id=INT, type=TEXT, value=TEXT, member_id=BIGINT)
_known = (
    select(_asked.c.tenant_id, _asked.c.member_id)
    .select_from(_asked)
    .where(
        ~select(identifiers.c.bucket)
        .where(*(identifiers.c[name] == _asked.c[name] for name in Name._fields))
        .exists()
    )
)
_of_member = (
    select(_asked.c.tenant_id, _asked.c.member_id)
    .select_from(_asked)
    .where(
        ~select(members.c.bucket)
        .where(
            *(members.c[name] == _asked.c[name] for name in ("bucket", "tenant_id", "member_id")),
            *(member_identifiers.c[name] == _asked.c[name] for name in Name._fields),
        )
        .exists()
    )
)


def by_name(connection: Connection, after: Name | None, most: int) -> list[Name]:
    """The next identifiers as they are found by name."""
    return [Name(*row) for row in connection.execute(_names, _place(_BY_NAME, after, most))]


def by_member(connection: Connection, after: Name | None, most: int) -> list[Name]:
    """The next identifiers as they are found by member."""
    found = connection.execute(_of_members, _place(_BY_MEMBER, after, most))
    return [Name(*row) for row in found]


def kept(connection: Connection, after: StoredRequest | None, most: int) -> list[StoredRequest]:
    """The next first answers."""
    return [
        StoredRequest(*row) for row in connection.execute(_requests, _place(_BY_KEY, after, most))
    ]


def not_by_name(connection: Connection, names: Sequence[Name]) -> list[tuple[int, int]]:
    """Tenant and member of those of `names` that are not found by name; bucket: the name's."""
    return _missing(connection, _known, names)


def not_by_member(connection: Connection, names: Sequence[Name]) -> list[tuple[int, int]]:
    """Tenant and member of those whose member does not exist or does not have them.

    The bucket of each has to be the member's.
    """
    return _missing(connection, _of_member, names)


def _missing(
    connection: Connection, statement: Any, names: Sequence[Name]
) -> list[tuple[int, int]]:
    return [(t, m) for t, m in connection.execute(statement, fill("asked", _ASKED, names))]


_FIRST = {"bucket": -(2**31), "tenant_id": -(2**31), "member_id": -(2**63), "key": b""}


def _place(key: Sequence[str], after: Any, most: int) -> dict[str, Any]:
    values = after._asdict() if after is not None else _FIRST
    return {"most": most, **{f"after_{name}": values.get(name, "") for name in key}}

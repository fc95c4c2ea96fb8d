"""Stored e-mails and phones that are worth a look, bucket by bucket."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, or_, select

from points_grpc.storage.audit.names import Name
from points_grpc.storage.core.unnest import BIGINT, INT
from points_grpc.storage.tables import identifiers

_value = identifiers.c.value
_is_ascii = func.octet_length(_value) == func.char_length(_value)
_is_usual_phone = _value.regexp_match("^[0-9]{7,15}$")
_unusual = (
    select(*(identifiers.c[name] for name in Name._fields))
    .where(
        identifiers.c.bucket == bindparam("of_bucket", type_=INT),
        or_(
            and_(identifiers.c.type == "email", ~_is_ascii),
            and_(identifiers.c.type == "phone", ~_is_usual_phone),
        ),
    )
    .limit(bindparam("most", type_=BIGINT))
)


def unusual(connection: Connection, bucket: int, most: int) -> list[Name]:
    """Return e-mails that are not ASCII and phones of unusual length, of all tenants."""
    params: dict[str, Any] = {"of_bucket": bucket, "most": most}
    return [Name(*row) for row in connection.execute(_unusual, params)]

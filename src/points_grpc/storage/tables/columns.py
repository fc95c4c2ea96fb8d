"""What all tables are made of."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, MetaData, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.types import TypeEngine

metadata = MetaData()

INSTANT = TIMESTAMP(timezone=True)


def column(
    name: str, kind: TypeEngine[Any] | type[TypeEngine[Any]], null: bool = False, default: str = ""
) -> Column[Any]:
    """A column that is never made up by the database, but for a `default` in SQL."""
    return Column(
        name,
        kind,
        nullable=null,
        autoincrement=False,
        server_default=text(default) if default else None,
    )

"""Watches every statement of a run: one on a fact table has to be about a tenant, and history is
only ever added to.

Loaded by the tests' conftest. What tests themselves ask the database is theirs to say; a statement
counts where the nearest frame of ours on its way to the driver is the project's.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from points_grpc.storage.core import pipeline
from points_grpc.storage.tables import metadata

_ROOT = Path(__file__).resolve().parents[2]
_SOURCE, _TESTS = str(_ROOT / "src"), str(_ROOT / "tests")

FACTS = frozenset(
    table.name
    for table in metadata.tables.values()
    if {"bucket", "tenant_id"} <= set(table.c.keys())
)
"""Tables of which every row is a tenant's."""

_NAMED = re.compile(
    rf"\b(FROM|JOIN|UPDATE|INTO)\s+(?:ONLY\s+)?({'|'.join(sorted(FACTS))})\b"
    r"(?:\s+AS\s+(\w+)|\s+(?!AS\b|ON\b|SET\b|WHERE\b|JOIN\b|LEFT\b|ORDER\b|GROUP\b|LIMIT\b|FOR\b)"
    r"([a-z]\w*))?"
    rf"|,\s*({'|'.join(sorted(FACTS))})\b(?:\s+AS\s+(\w+))?(?=\s*(?:,|WHERE|\n))",
    re.IGNORECASE,
)

# For all tenants alike: request ids, and whose an identifier was while such are remembered, are
# forgotten by their age, which tells nobody anything.
_FOR_ALL = re.compile(
    r'WITH "?old"? AS\s+\(SELECT (?P<of>requests|former_identifiers)\.bucket AS bucket,'
    r" (?P=of)\.tenant_id AS tenant_id, [\w., ]+"
    r"\s+FROM (?P=of)\s+WHERE (?P=of)\.(?:created_at|unlinked_at)"
)

_APPENDED = re.compile(
    r"\b(?:UPDATE|DELETE\s+FROM|TRUNCATE(?:\s+TABLE)?)\s+(?:ONLY\s+)?"
    r"(?:transactions|allocations|expiry_changes|audit_events)\b",
    re.IGNORECASE,
)

# Goes through everybody's rows, and gives an operator their ids.
_AUDIT = str(_ROOT / "src" / "points_grpc" / "storage" / "audit")

_TENANT = r'(?<![\w.])"?(\w+)"?\.tenant_id\b'
# Whose tenant is compared, and with whose: empty where that is no column's.
_COMPARED = re.compile(
    rf'{_TENANT}\s*(?:=|IN\b)\s*(?:"?(\w+)"?\.tenant_id\b)?|([^\s"]+)"?\s*=\s*{_TENANT}'
)

offenders: list[str] = []
"""Statements of the project's that were sent and are about no tenant."""


@lru_cache(maxsize=10_000)
def unscoped(statement: str) -> tuple[str, ...]:
    """The fact tables that a statement reads or writes without saying whose rows."""
    found = []
    read: dict[str, str] = {}
    for verb, table, alias, bare, listed, listed_alias in _NAMED.findall(statement):
        name = table or listed
        if verb.upper() != "INTO":
            read[alias or bare or listed_alias or name] = name
            continue
        columns = statement[statement.index(name) :].partition("(")[2].partition(")")[0]
        if "tenant_id" not in re.findall(r"\w+", columns):
            found.append(name)
    scoped = _scoped(statement, read)
    return (*found, *(table for known, table in read.items() if known not in scoped))


def _scoped(statement: str, names: Mapping[str, str]) -> set[str]:
    """Of which `names` the tenant is compared with one that is given.

    That two of them have the same one says nothing of whose they are, unless it is said of either.
    """
    scoped: set[str] = set()
    pairs: list[tuple[str, str]] = []
    for left, right, given, of in _COMPARED.findall(statement):
        if left in names and right in names:
            pairs.append((left, right))
        elif given and of in names:
            scoped.add(of)
        else:
            scoped |= {left, right} & names.keys()
    for _ in pairs:
        for one, other in pairs:
            if one in scoped or other in scoped:
                scoped |= {one, other}
    return scoped


@lru_cache(maxsize=10_000)
def changes_history(statement: str) -> bool:
    """Whether a statement changes or takes away rows of what is only ever added to."""
    return _APPENDED.search(statement) is not None


def note(statement: str) -> None:
    """Look at a statement that is about to be sent."""
    is_wrong = unscoped(statement) and not _FOR_ALL.match(statement)
    if (is_wrong or changes_history(statement)) and _is_ours():
        offenders.append(statement)


def _is_ours() -> bool:
    frame: Any = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_SOURCE):
            return not file.startswith(_AUDIT)
        if file.startswith(_TESTS) and file != __file__:
            return False
        frame = frame.f_back
    return True


def watch() -> None:
    """Begin, for the rest of the process."""
    event.listen(Engine, "before_cursor_execute", _before)
    send = pipeline._send

    def send_noted(pgconn: Any, of: Any, statement: Any, values: Any) -> Any:
        note(statement.text.decode())
        return send(pgconn, of, statement, values)

    pipeline._send = send_noted


def _before(_: object, __: object, statement: str, *___: object) -> None:
    note(statement)

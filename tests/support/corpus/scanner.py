"""Looks for what no answer may tell: statements, paths, hosts, code."""

from __future__ import annotations

import re

_TELLTALES = {
    "a traceback": rb"Traceback|File \"|, line \d+|raise |0x[0-9a-f]{8,}",
    "a module": rb"psycopg|sqlalchemy|site-packages|points_grpc|asyncio|grpc\._|\.py\b|python",
    "a path": rb"/(?:home|tmp|usr|var|work|root|etc|opt|proc|run)/[a-z]|\.s\.PGSQL",
    "a host": rb"localhost|\b127\.0\.0\.1|\b10\.\d+\.\d+\.\d+|ipv[46]:|unix:/|:5432\b",
    "the database": rb"(?i:postgres|sqlstate|duplicate key|violates|null value in|numeric field)",
    "a statement": rb"\b(?:SELECT|INSERT INTO|UPDATE \w+ SET|DELETE FROM|FROM unnest|WHERE|CAST)\b",
    "a table": rb"\b(?:member_identifiers|expiry_changes|id_blocks|policy_versions)\b",
    "the text of an exception": rb"(?:Value|Type|Key|Attribute|Overflow|Unicode\w*)Error|errno",
}
_PATTERNS = {what: re.compile(pattern) for what, pattern in _TELLTALES.items()}


def leaks(said: bytes) -> list[str]:
    """What `said` tells that it should not."""
    return [what for what, pattern in _PATTERNS.items() if pattern.search(said)]

"""The product's audit, for tests to end with."""

from __future__ import annotations

from points_grpc.service.audit.checks import Auditor
from points_grpc.storage.core.database import Database


def audit(database: Database) -> list[str]:
    """Everything that is wrong in the database, in words."""
    auditor = Auditor(database)
    try:
        return [str(finding) for _, _, found in auditor.audit() for finding in found]
    finally:
        auditor.close()

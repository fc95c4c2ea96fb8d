"""What commands tell the log of administration."""

from __future__ import annotations

import getpass
import os
from datetime import datetime

from points_grpc.domain.admin.events import COMMAND_LINE, AdminEvent, FieldChange, Resource
from points_grpc.storage.admin import audit_events, programs
from points_grpc.storage.core.database import Connection, Database
from points_grpc.storage.core.ids import IdSource


class CommandLog:
    """Adds audit events of commands, each in the unit of work of its change."""

    def __init__(self, database: Database) -> None:
        self._ids = IdSource(database.run, audit_events.EVENT_NUMBERS)

    def append(self, connection: Connection, tenant_id: int, event: AdminEvent) -> None:
        """Add an event of a tenant."""
        audit_events.append(connection, self._ids, tenant_id, event)


def create_tenant(
    connection: Connection, log: CommandLog, name: str, by: str, now: datetime
) -> programs.Tenant:
    """Create a tenant and its audit event, on behalf of the principal `by`."""
    made = programs.create_tenant(connection, name, now)
    changes = (FieldChange("name", "", name),)
    event = AdminEvent(by, "tenant create", Resource.TENANT, now, changes)
    log.append(connection, made.tenant_id, event)
    return made


def set_default_program(  # noqa: PLR0917  # the unit of work, what is changed, who and when
    connection: Connection,
    log: CommandLog,
    tenant: programs.Tenant,
    program_id: int,
    by: str,
    now: datetime,
) -> None:
    """Set a tenant's default program (0: none), in the name of the principal `by`, with its event.

    To what it is already, without effect.
    """
    before = tenant.default_program_id
    if program_id == before:
        return
    programs.set_default_program(connection, tenant.tenant_id, program_id)
    changes = (FieldChange("default_program_id", str(before), str(program_id)),)
    event = AdminEvent(by, "tenant default-program", Resource.TENANT, now, changes)
    log.append(connection, tenant.tenant_id, event)


def principal() -> str:
    """Return the operating system's user as events show it; its number if it has no name."""
    try:
        return COMMAND_LINE + getpass.getuser()
    except (KeyError, OSError, ImportError):
        return f"{COMMAND_LINE}{os.getuid()}"

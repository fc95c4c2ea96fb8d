"""What administrators changed. All events of a tenant stand in one bucket, which is the tenant's.

They are few, and are listed by time across everything that they are about: in one bucket a page is
one run of one index.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, or_, select, tuple_

from points_grpc.domain.admin.events import AdminEvent, FieldChange, ListAdminEvents, Resource
from points_grpc.storage.core.ids import IdSource, bucket_of_name
from points_grpc.storage.core.unnest import BIGINT, INT, TEXT
from points_grpc.storage.reads.transaction_pages import BEGINNING, END
from points_grpc.storage.tables.audit_event_table import audit_events
from points_grpc.storage.tables.columns import INSTANT

EVENT_NUMBERS = "audit_event"
"""The series of the events' ids, apart from that of points and their owners."""

EXAMINED_MAX = 10_000
"""The most events that a page looks at, whatever its filters leave of them."""

CHANGES_MAX = 2**20
"""A page ends with the event that brings the text of its changes to so many characters."""

Place = tuple[datetime, int]

_c = audit_events.c
_place = tuple_(_c.created_at, _c.event_id)
_run = (
    select(audit_events, func.row_number().over(
        order_by=(_c.created_at.desc(), _c.event_id.desc())).label("examined"))
    .where(
        _c.bucket == bindparam("of_bucket", type_=INT),
        _c.tenant_id == bindparam("of_tenant", type_=INT),
        _c.created_at >= bindparam("start_at", type_=INSTANT),
        _c.created_at < bindparam("end_at", type_=INSTANT),
        _place < tuple_(bindparam("after_at", type_=INSTANT), bindparam("after", type_=BIGINT)),
    )
    .order_by(_c.created_at.desc(), _c.event_id.desc())
    .limit(bindparam("examined_max", type_=BIGINT))
    .subquery("run")
)  # fmt: skip
_principal, _resource = bindparam("principal", type_=TEXT), bindparam("resource", type_=INT)
LISTING = (
    select(_run)
    .where(
        or_(
            (_run.c.examined == bindparam("examined_max", type_=BIGINT)),
            or_(_principal == "", _run.c.principal == _principal)
            & or_(_resource == 0, _run.c.resource == _resource),
        )
    )
    .order_by(_run.c.created_at.desc(), _run.c.event_id.desc())
    .limit(bindparam("rows_max", type_=BIGINT))
)


def bucket_of_tenant(tenant_id: int) -> int:
    """The bucket of all of a tenant's events."""
    return bucket_of_name(tenant_id, "audit_events", "")


def append(connection: Connection, ids: IdSource, tenant_id: int, event: AdminEvent) -> None:
    """Add an event, within the unit of work of what it tells of; its `event_id` is made here."""
    bucket = bucket_of_tenant(tenant_id)
    row = {
        "bucket": bucket,
        "tenant_id": tenant_id,
        "event_id": ids.new_id(bucket),
        "principal": event.principal,
        "action": event.action,
        "resource": int(event.resource),
        "program_id": event.program_id or None,
        "currency_id": event.currency_id or None,
        "policy": event.policy or None,
        "member_id": event.member_id or None,
        "token_id": event.token_id or None,
        "changes": json.dumps(event.changes, ensure_ascii=False, separators=(",", ":")),
        "request_id": event.request_id or None,
        "created_at": event.at,
    }
    connection.execute(insert(audit_events), row)


def page(
    connection: Connection, tenant_id: int, listing: ListAdminEvents, after: Place | None
) -> tuple[list[AdminEvent], Place | None]:
    """A page after a place, and the place where the next one begins (None: there is none)."""
    at, event_id = after or (END, 0)
    values: dict[str, object] = {
        "of_bucket": bucket_of_tenant(tenant_id),
        "of_tenant": tenant_id,
        "start_at": listing.start_at or BEGINNING,
        "end_at": listing.end_at or END,
        "after_at": at,
        "after": event_id,
        "examined_max": EXAMINED_MAX,
        "rows_max": listing.page_size + 1,
        "principal": listing.principal,
        "resource": int(listing.resource or 0),
    }
    found = connection.execute(LISTING, values).all()
    count = _shown(found, listing.page_size)
    events = [_event(row) for row in found[:count] if _is_wanted(row, listing)]
    if len(found) > count:
        last = found[count - 1]
    elif found and found[-1].examined == EXAMINED_MAX:
        last = found[-1]
    else:
        return events, None
    return events, (last.created_at, last.event_id)


def _shown(found: Sequence[Any], page_size: int) -> int:
    """Return how many of the rows a page takes, by their number and the length of their changes."""
    length = 0
    for count, row in enumerate(found[:page_size], start=1):
        length += len(row.changes)
        if length >= CHANGES_MAX:
            return count
    return min(len(found), page_size)


def _is_wanted(row: Any, listing: ListAdminEvents) -> bool:
    """Whether the filters take a row; the last one examined comes in any case."""
    return listing.principal in ("", row.principal) and listing.resource in (None, row.resource)


def _event(row: Any) -> AdminEvent:
    changes: Sequence[Sequence[str]] = json.loads(row.changes)
    return AdminEvent(
        principal=row.principal,
        action=row.action,
        resource=Resource(row.resource),
        at=row.created_at,
        changes=tuple(FieldChange(*change) for change in changes),
        program_id=row.program_id or 0,
        currency_id=row.currency_id or 0,
        policy=row.policy or "",
        member_id=row.member_id or 0,
        token_id=row.token_id or "",
        request_id=row.request_id or "",
        event_id=row.event_id,
    )

"""What administrators changed."""

from __future__ import annotations

from points.v1 import audit_pb2
from points_grpc.domain.admin.events import AdminEvent, ListAdminEvents, Resource
from points_grpc.domain.limits import read_text
from points_grpc.rpc.codec.enums import read_enum
from points_grpc.rpc.codec.instants import put_instant, read_bounds
from points_grpc.rpc.codec.queries import read_page_size

PRINCIPAL_MAX = 256
_RESOURCES: dict[int, Resource] = {int(value): value for value in Resource}


def read_list_audit_events(message: audit_pb2.ListAuditEventsRequest) -> ListAdminEvents:
    """Read the listing, from its beginning. Raises InvalidField."""
    start_at, end_at = read_bounds(
        message.start_time if message.HasField("start_time") else None,
        message.end_time if message.HasField("end_time") else None,
    )
    number = message.resource
    return ListAdminEvents(
        principal=read_text(message.principal, "principal", PRINCIPAL_MAX),
        resource=read_enum(number, _RESOURCES, "resource") if number else None,
        start_at=start_at,
        end_at=end_at,
        page_size=read_page_size(message.page_size),
    )


def put_audit_event(message: audit_pb2.AuditEvent, event: AdminEvent) -> None:
    """Show an event."""
    message.event_id = event.event_id
    put_instant(message.create_time, event.at)
    message.principal = event.principal
    message.action = event.action
    message.resource = int(event.resource)  # type: ignore[assignment]  # the numbers are the same
    message.program_id = event.program_id
    message.currency_id = event.currency_id
    message.policy = event.policy
    message.member_id = event.member_id
    message.token_id = event.token_id
    for field, old, new in event.changes:
        message.changes.add(field=field, old_value=old, new_value=new)
    message.request_id = event.request_id

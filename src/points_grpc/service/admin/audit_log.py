"""The log of administration: one event a change, in the change's unit of work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from points_grpc.domain.admin.commands import Change, CurrencyView, PolicyView, ProgramView
from points_grpc.domain.admin.events import (
    AdminEvent,
    FieldChange,
    Resource,
    currency_settings,
    differences,
    policy_settings,
    program_settings,
)
from points_grpc.domain.commands import Caller, MemberName
from points_grpc.domain.queries import Cursor
from points_grpc.errors import InvalidPageToken
from points_grpc.service.admin.executor import Instant
from points_grpc.storage.admin import audit_events
from points_grpc.storage.admin.audit_events import Place
from points_grpc.storage.core.database import Connection
from points_grpc.storage.core.ids import IdSource

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class AdminRecorder:
    """Adds the audit events of one change.

    A change without effect has no event. Neither has one that is refused or replayed, since its
    unit of work does nothing.
    """

    connection: Connection
    caller: Caller
    change: Change
    now: Instant
    ids: IdSource

    def program(self, before: ProgramView | None, after: ProgramView) -> None:
        """Record a program that was created (before: None) or changed."""
        changes = differences(
            _NOTHING if before is None else program_settings(before), program_settings(after)
        )
        event = self._event(Resource.PROGRAM, changes)
        self._append(replace(event, program_id=after.program_id))

    def currency(self, before: CurrencyView | None, after: CurrencyView) -> None:
        """Record a currency that was created (before: None) or changed."""
        changes = differences(
            _NOTHING if before is None else currency_settings(before), currency_settings(after)
        )
        event = self._event(Resource.CURRENCY, changes)
        self._append(replace(event, program_id=after.program_id, currency_id=after.currency_id))

    def policy(self, before: PolicyView | None, after: PolicyView) -> None:
        """Record a policy that was created (before: None) or got another version."""
        changes = differences(
            _NOTHING if before is None else policy_settings(before), policy_settings(after)
        )
        event = replace(self._event(Resource.POLICY, changes), policy=after.policy.code)
        self._append(replace(event, program_id=after.program_id, currency_id=after.currency_id))

    def member(
        self, member_id: int, added: tuple[MemberName, ...], removed: tuple[MemberName, ...] = ()
    ) -> None:
        """Record a member's identifiers that were added or removed, by their types alone."""
        changes = [FieldChange("identifier", "", name.type) for name in added]
        changes += [FieldChange("identifier", name.type, "") for name in removed]
        event = self._event(Resource.MEMBER, tuple(changes))
        self._append(replace(event, member_id=member_id))

    def _event(self, resource: Resource, changes: tuple[FieldChange, ...]) -> AdminEvent:
        return AdminEvent(
            principal=self.caller.principal,
            action=type(self.change).__name__,
            resource=resource,
            at=self.now(),
            changes=changes,
            request_id=self.change.request_id,
        )

    def _append(self, event: AdminEvent) -> None:
        audit_events.append(self.connection, self.ids, self.caller.tenant_id, event)


def read_place(cursor: Cursor) -> Place | None:
    """Return the position at which a page begins. Raises InvalidPageToken."""
    if not cursor:
        return None
    match cursor:
        case (int(micros), int(event_id)):
            try:
                return _EPOCH + timedelta(microseconds=micros), event_id
            except OverflowError:
                raise InvalidPageToken("page_token") from None
        case _:
            raise InvalidPageToken("page_token")


def write_place(place: Place | None) -> Cursor:
    """Return the cursor of the page that begins at a position."""
    return () if place is None else ((place[0] - _EPOCH) // timedelta(microseconds=1), place[1])

import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AuditResource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUDIT_RESOURCE_UNSPECIFIED: _ClassVar[AuditResource]
    AUDIT_RESOURCE_PROGRAM: _ClassVar[AuditResource]
    AUDIT_RESOURCE_CURRENCY: _ClassVar[AuditResource]
    AUDIT_RESOURCE_POLICY: _ClassVar[AuditResource]
    AUDIT_RESOURCE_MEMBER: _ClassVar[AuditResource]
    AUDIT_RESOURCE_TOKEN: _ClassVar[AuditResource]
    AUDIT_RESOURCE_TENANT: _ClassVar[AuditResource]
    AUDIT_RESOURCE_IMPORT: _ClassVar[AuditResource]
AUDIT_RESOURCE_UNSPECIFIED: AuditResource
AUDIT_RESOURCE_PROGRAM: AuditResource
AUDIT_RESOURCE_CURRENCY: AuditResource
AUDIT_RESOURCE_POLICY: AuditResource
AUDIT_RESOURCE_MEMBER: AuditResource
AUDIT_RESOURCE_TOKEN: AuditResource
AUDIT_RESOURCE_TENANT: AuditResource
AUDIT_RESOURCE_IMPORT: AuditResource

class AuditChange(_message.Message):
    __slots__ = ("field", "old_value", "new_value")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    OLD_VALUE_FIELD_NUMBER: _ClassVar[int]
    NEW_VALUE_FIELD_NUMBER: _ClassVar[int]
    field: str
    old_value: str
    new_value: str
    def __init__(self, field: _Optional[str] = ..., old_value: _Optional[str] = ..., new_value: _Optional[str] = ...) -> None: ...

class AuditEvent(_message.Message):
    __slots__ = ("event_id", "create_time", "principal", "action", "resource", "program_id", "currency_id", "policy", "member_id", "token_id", "changes", "request_id")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_ID_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_ID_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    event_id: int
    create_time: _timestamp_pb2.Timestamp
    principal: str
    action: str
    resource: AuditResource
    program_id: int
    currency_id: int
    policy: str
    member_id: int
    token_id: str
    changes: _containers.RepeatedCompositeFieldContainer[AuditChange]
    request_id: str
    def __init__(self, event_id: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., principal: _Optional[str] = ..., action: _Optional[str] = ..., resource: _Optional[_Union[AuditResource, str]] = ..., program_id: _Optional[int] = ..., currency_id: _Optional[int] = ..., policy: _Optional[str] = ..., member_id: _Optional[int] = ..., token_id: _Optional[str] = ..., changes: _Optional[_Iterable[_Union[AuditChange, _Mapping]]] = ..., request_id: _Optional[str] = ...) -> None: ...

class ListAuditEventsRequest(_message.Message):
    __slots__ = ("principal", "resource", "start_time", "end_time", "page_size", "page_token")
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    principal: str
    resource: AuditResource
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    page_size: int
    page_token: str
    def __init__(self, principal: _Optional[str] = ..., resource: _Optional[_Union[AuditResource, str]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAuditEventsResponse(_message.Message):
    __slots__ = ("audit_events", "next_page_token")
    AUDIT_EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    audit_events: _containers.RepeatedCompositeFieldContainer[AuditEvent]
    next_page_token: str
    def __init__(self, audit_events: _Optional[_Iterable[_Union[AuditEvent, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

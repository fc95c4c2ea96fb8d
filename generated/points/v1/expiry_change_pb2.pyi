import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from points.v1 import lot_pb2 as _lot_pb2
from points.v1 import member_pb2 as _member_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReasonType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REASON_TYPE_UNSPECIFIED: _ClassVar[ReasonType]
    REASON_TYPE_EARLY_EXPIRY: _ClassVar[ReasonType]
    REASON_TYPE_EXTEND_EXPIRY: _ClassVar[ReasonType]
REASON_TYPE_UNSPECIFIED: ReasonType
REASON_TYPE_EARLY_EXPIRY: ReasonType
REASON_TYPE_EXTEND_EXPIRY: ReasonType

class StandardMeta(_message.Message):
    __slots__ = ("who_raised", "who_approved", "reason_for_trigger")
    WHO_RAISED_FIELD_NUMBER: _ClassVar[int]
    WHO_APPROVED_FIELD_NUMBER: _ClassVar[int]
    REASON_FOR_TRIGGER_FIELD_NUMBER: _ClassVar[int]
    who_raised: str
    who_approved: str
    reason_for_trigger: str
    def __init__(self, who_raised: _Optional[str] = ..., who_approved: _Optional[str] = ..., reason_for_trigger: _Optional[str] = ...) -> None: ...

class ExpiryChange(_message.Message):
    __slots__ = ("event_id", "lot_id", "kind", "old_expire_time", "new_expire_time", "reason_type", "reason_note", "standard_meta", "custom_meta", "principal", "event_time", "account_id", "program_id", "currency_code", "currency_id", "member", "lot_vendor_id", "request_id")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    LOT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    OLD_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    NEW_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    REASON_TYPE_FIELD_NUMBER: _ClassVar[int]
    REASON_NOTE_FIELD_NUMBER: _ClassVar[int]
    STANDARD_META_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_META_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    LOT_VENDOR_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    event_id: int
    lot_id: int
    kind: _lot_pb2.AwardKind
    old_expire_time: _timestamp_pb2.Timestamp
    new_expire_time: _timestamp_pb2.Timestamp
    reason_type: ReasonType
    reason_note: str
    standard_meta: StandardMeta
    custom_meta: _struct_pb2.Struct
    principal: str
    event_time: _timestamp_pb2.Timestamp
    account_id: int
    program_id: int
    currency_code: str
    currency_id: int
    member: _member_pb2.MemberInfo
    lot_vendor_id: int
    request_id: str
    def __init__(self, event_id: _Optional[int] = ..., lot_id: _Optional[int] = ..., kind: _Optional[_Union[_lot_pb2.AwardKind, str]] = ..., old_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., new_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reason_type: _Optional[_Union[ReasonType, str]] = ..., reason_note: _Optional[str] = ..., standard_meta: _Optional[_Union[StandardMeta, _Mapping]] = ..., custom_meta: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., principal: _Optional[str] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., account_id: _Optional[int] = ..., program_id: _Optional[int] = ..., currency_code: _Optional[str] = ..., currency_id: _Optional[int] = ..., member: _Optional[_Union[_member_pb2.MemberInfo, _Mapping]] = ..., lot_vendor_id: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

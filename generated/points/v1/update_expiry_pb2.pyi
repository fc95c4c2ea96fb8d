import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from google.type import date_pb2 as _date_pb2
from points.v1 import expiry_change_pb2 as _expiry_change_pb2
from points.v1 import lot_pb2 as _lot_pb2
from points.v1 import member_pb2 as _member_pb2
from points.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExpiryUpdate(_message.Message):
    __slots__ = ("program_id", "member", "lot_id", "kind", "currency_code", "currency_id", "category", "reason_type", "reason_note", "standard_meta", "custom_meta", "expire_time", "expire_date", "days", "months", "immediate", "never", "reinstate")
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    LOT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_ID_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    REASON_TYPE_FIELD_NUMBER: _ClassVar[int]
    REASON_NOTE_FIELD_NUMBER: _ClassVar[int]
    STANDARD_META_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_META_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_DATE_FIELD_NUMBER: _ClassVar[int]
    DAYS_FIELD_NUMBER: _ClassVar[int]
    MONTHS_FIELD_NUMBER: _ClassVar[int]
    IMMEDIATE_FIELD_NUMBER: _ClassVar[int]
    NEVER_FIELD_NUMBER: _ClassVar[int]
    REINSTATE_FIELD_NUMBER: _ClassVar[int]
    program_id: int
    member: _member_pb2.MemberRef
    lot_id: int
    kind: _lot_pb2.AwardKind
    currency_code: str
    currency_id: int
    category: _lot_pb2.LotCategory
    reason_type: _expiry_change_pb2.ReasonType
    reason_note: str
    standard_meta: _expiry_change_pb2.StandardMeta
    custom_meta: _struct_pb2.Struct
    expire_time: _timestamp_pb2.Timestamp
    expire_date: _date_pb2.Date
    days: int
    months: int
    immediate: bool
    never: bool
    reinstate: bool
    def __init__(self, program_id: _Optional[int] = ..., member: _Optional[_Union[_member_pb2.MemberRef, _Mapping]] = ..., lot_id: _Optional[int] = ..., kind: _Optional[_Union[_lot_pb2.AwardKind, str]] = ..., currency_code: _Optional[str] = ..., currency_id: _Optional[int] = ..., category: _Optional[_Union[_lot_pb2.LotCategory, str]] = ..., reason_type: _Optional[_Union[_expiry_change_pb2.ReasonType, str]] = ..., reason_note: _Optional[str] = ..., standard_meta: _Optional[_Union[_expiry_change_pb2.StandardMeta, _Mapping]] = ..., custom_meta: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., days: _Optional[int] = ..., months: _Optional[int] = ..., immediate: _Optional[bool] = ..., never: _Optional[bool] = ..., reinstate: _Optional[bool] = ...) -> None: ...

class UpdateExpiryRequest(_message.Message):
    __slots__ = ("updates", "request_id", "return_partial_success", "validate_only")
    UPDATES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RETURN_PARTIAL_SUCCESS_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    updates: _containers.RepeatedCompositeFieldContainer[ExpiryUpdate]
    request_id: str
    return_partial_success: bool
    validate_only: bool
    def __init__(self, updates: _Optional[_Iterable[_Union[ExpiryUpdate, _Mapping]]] = ..., request_id: _Optional[str] = ..., return_partial_success: _Optional[bool] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class UpdateExpiryResponse(_message.Message):
    __slots__ = ("results", "time_zones", "texts_omitted")
    class TimeZonesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: str
        def __init__(self, key: _Optional[int] = ..., value: _Optional[str] = ...) -> None: ...
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONES_FIELD_NUMBER: _ClassVar[int]
    TEXTS_OMITTED_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[UpdateExpiryResult]
    time_zones: _containers.ScalarMap[int, str]
    texts_omitted: bool
    def __init__(self, results: _Optional[_Iterable[_Union[UpdateExpiryResult, _Mapping]]] = ..., time_zones: _Optional[_Mapping[int, str]] = ..., texts_omitted: _Optional[bool] = ...) -> None: ...

class UpdateExpiryResult(_message.Message):
    __slots__ = ("moved", "error")
    MOVED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    moved: ExpiryMoved
    error: _status_pb2.Status
    def __init__(self, moved: _Optional[_Union[ExpiryMoved, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class ExpiryMoved(_message.Message):
    __slots__ = ("change", "replayed")
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    change: _expiry_change_pb2.ExpiryChange
    replayed: bool
    def __init__(self, change: _Optional[_Union[_expiry_change_pb2.ExpiryChange, _Mapping]] = ..., replayed: _Optional[bool] = ...) -> None: ...

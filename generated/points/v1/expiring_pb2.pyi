import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.type import date_pb2 as _date_pb2
from google.type import decimal_pb2 as _decimal_pb2
from points.v1 import member_pb2 as _member_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetExpiringPointsRequest(_message.Message):
    __slots__ = ("program_id", "member", "currency_code", "currency_id", "start_time", "end_time")
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_ID_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    program_id: int
    member: _member_pb2.MemberRef
    currency_code: str
    currency_id: int
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    def __init__(self, program_id: _Optional[int] = ..., member: _Optional[_Union[_member_pb2.MemberRef, _Mapping]] = ..., currency_code: _Optional[str] = ..., currency_id: _Optional[int] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetExpiringPointsResponse(_message.Message):
    __slots__ = ("expiring_points", "lot_count", "as_of_time")
    EXPIRING_POINTS_FIELD_NUMBER: _ClassVar[int]
    LOT_COUNT_FIELD_NUMBER: _ClassVar[int]
    AS_OF_TIME_FIELD_NUMBER: _ClassVar[int]
    expiring_points: _decimal_pb2.Decimal
    lot_count: int
    as_of_time: _timestamp_pb2.Timestamp
    def __init__(self, expiring_points: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., lot_count: _Optional[int] = ..., as_of_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetExpirationScheduleRequest(_message.Message):
    __slots__ = ("program_id", "member", "currency_code", "currency_id", "trailing_months", "forward_months")
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_ID_FIELD_NUMBER: _ClassVar[int]
    TRAILING_MONTHS_FIELD_NUMBER: _ClassVar[int]
    FORWARD_MONTHS_FIELD_NUMBER: _ClassVar[int]
    program_id: int
    member: _member_pb2.MemberRef
    currency_code: str
    currency_id: int
    trailing_months: int
    forward_months: int
    def __init__(self, program_id: _Optional[int] = ..., member: _Optional[_Union[_member_pb2.MemberRef, _Mapping]] = ..., currency_code: _Optional[str] = ..., currency_id: _Optional[int] = ..., trailing_months: _Optional[int] = ..., forward_months: _Optional[int] = ...) -> None: ...

class GetExpirationScheduleResponse(_message.Message):
    __slots__ = ("months", "inactivity", "as_of_time", "inactivity_count")
    MONTHS_FIELD_NUMBER: _ClassVar[int]
    INACTIVITY_FIELD_NUMBER: _ClassVar[int]
    AS_OF_TIME_FIELD_NUMBER: _ClassVar[int]
    INACTIVITY_COUNT_FIELD_NUMBER: _ClassVar[int]
    months: _containers.RepeatedCompositeFieldContainer[ExpirationMonth]
    inactivity: _containers.RepeatedCompositeFieldContainer[InactivityExpiration]
    as_of_time: _timestamp_pb2.Timestamp
    inactivity_count: int
    def __init__(self, months: _Optional[_Iterable[_Union[ExpirationMonth, _Mapping]]] = ..., inactivity: _Optional[_Iterable[_Union[InactivityExpiration, _Mapping]]] = ..., as_of_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., inactivity_count: _Optional[int] = ...) -> None: ...

class ExpirationMonth(_message.Message):
    __slots__ = ("month", "last_day", "expire_time", "expired", "expiring", "redeemed", "redeemed_from_lots")
    MONTH_FIELD_NUMBER: _ClassVar[int]
    LAST_DAY_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_FIELD_NUMBER: _ClassVar[int]
    EXPIRING_FIELD_NUMBER: _ClassVar[int]
    REDEEMED_FIELD_NUMBER: _ClassVar[int]
    REDEEMED_FROM_LOTS_FIELD_NUMBER: _ClassVar[int]
    month: _date_pb2.Date
    last_day: _date_pb2.Date
    expire_time: _timestamp_pb2.Timestamp
    expired: _decimal_pb2.Decimal
    expiring: _decimal_pb2.Decimal
    redeemed: _decimal_pb2.Decimal
    redeemed_from_lots: _decimal_pb2.Decimal
    def __init__(self, month: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., last_day: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expired: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., expiring: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., redeemed: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., redeemed_from_lots: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ...) -> None: ...

class InactivityExpiration(_message.Message):
    __slots__ = ("policy", "policy_version", "last_qualified_time", "expire_time", "days_until_expiry", "expiring")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    LAST_QUALIFIED_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    DAYS_UNTIL_EXPIRY_FIELD_NUMBER: _ClassVar[int]
    EXPIRING_FIELD_NUMBER: _ClassVar[int]
    policy: str
    policy_version: int
    last_qualified_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    days_until_expiry: int
    expiring: _decimal_pb2.Decimal
    def __init__(self, policy: _Optional[str] = ..., policy_version: _Optional[int] = ..., last_qualified_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., days_until_expiry: _Optional[int] = ..., expiring: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ...) -> None: ...

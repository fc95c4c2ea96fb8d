import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.type import decimal_pb2 as _decimal_pb2
from points.v1 import member_pb2 as _member_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AccountState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACCOUNT_STATE_UNSPECIFIED: _ClassVar[AccountState]
    ACCOUNT_STATE_ACTIVE: _ClassVar[AccountState]
ACCOUNT_STATE_UNSPECIFIED: AccountState
ACCOUNT_STATE_ACTIVE: AccountState

class Account(_message.Message):
    __slots__ = ("account_id", "tenant", "program_id", "member", "currency_code", "currency_id", "state", "available", "pending", "held", "total_earned", "total_redeemed", "total_expired", "version", "points_type", "exchange_rate", "next_expire_time", "create_time", "update_time")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    TOTAL_EARNED_FIELD_NUMBER: _ClassVar[int]
    TOTAL_REDEEMED_FIELD_NUMBER: _ClassVar[int]
    TOTAL_EXPIRED_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    POINTS_TYPE_FIELD_NUMBER: _ClassVar[int]
    EXCHANGE_RATE_FIELD_NUMBER: _ClassVar[int]
    NEXT_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    account_id: int
    tenant: str
    program_id: int
    member: _member_pb2.MemberInfo
    currency_code: str
    currency_id: int
    state: AccountState
    available: _decimal_pb2.Decimal
    pending: _decimal_pb2.Decimal
    held: _decimal_pb2.Decimal
    total_earned: _decimal_pb2.Decimal
    total_redeemed: _decimal_pb2.Decimal
    total_expired: _decimal_pb2.Decimal
    version: int
    points_type: str
    exchange_rate: int
    next_expire_time: _timestamp_pb2.Timestamp
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, account_id: _Optional[int] = ..., tenant: _Optional[str] = ..., program_id: _Optional[int] = ..., member: _Optional[_Union[_member_pb2.MemberInfo, _Mapping]] = ..., currency_code: _Optional[str] = ..., currency_id: _Optional[int] = ..., state: _Optional[_Union[AccountState, str]] = ..., available: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., pending: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., held: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., total_earned: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., total_redeemed: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., total_expired: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., version: _Optional[int] = ..., points_type: _Optional[str] = ..., exchange_rate: _Optional[int] = ..., next_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.type import decimal_pb2 as _decimal_pb2
from points.v1 import lot_pb2 as _lot_pb2
from points.v1 import member_pb2 as _member_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TransactionType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRANSACTION_TYPE_UNSPECIFIED: _ClassVar[TransactionType]
    TRANSACTION_TYPE_EARN: _ClassVar[TransactionType]
    TRANSACTION_TYPE_SUBMIT: _ClassVar[TransactionType]
    TRANSACTION_TYPE_APPROVE: _ClassVar[TransactionType]
    TRANSACTION_TYPE_CLOSE: _ClassVar[TransactionType]
    TRANSACTION_TYPE_REDEEM: _ClassVar[TransactionType]
    TRANSACTION_TYPE_EXPIRE: _ClassVar[TransactionType]
    TRANSACTION_TYPE_REVERSE: _ClassVar[TransactionType]
    TRANSACTION_TYPE_HOLD: _ClassVar[TransactionType]
    TRANSACTION_TYPE_RELEASE: _ClassVar[TransactionType]

class ExpirationCause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXPIRATION_CAUSE_UNSPECIFIED: _ClassVar[ExpirationCause]
    EXPIRATION_CAUSE_LAPSE: _ClassVar[ExpirationCause]
    EXPIRATION_CAUSE_ON_DEMAND: _ClassVar[ExpirationCause]
    EXPIRATION_CAUSE_IMMEDIATE: _ClassVar[ExpirationCause]
TRANSACTION_TYPE_UNSPECIFIED: TransactionType
TRANSACTION_TYPE_EARN: TransactionType
TRANSACTION_TYPE_SUBMIT: TransactionType
TRANSACTION_TYPE_APPROVE: TransactionType
TRANSACTION_TYPE_CLOSE: TransactionType
TRANSACTION_TYPE_REDEEM: TransactionType
TRANSACTION_TYPE_EXPIRE: TransactionType
TRANSACTION_TYPE_REVERSE: TransactionType
TRANSACTION_TYPE_HOLD: TransactionType
TRANSACTION_TYPE_RELEASE: TransactionType
EXPIRATION_CAUSE_UNSPECIFIED: ExpirationCause
EXPIRATION_CAUSE_LAPSE: ExpirationCause
EXPIRATION_CAUSE_ON_DEMAND: ExpirationCause
EXPIRATION_CAUSE_IMMEDIATE: ExpirationCause

class Allocation(_message.Message):
    __slots__ = ("lot_id", "amount")
    LOT_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    lot_id: int
    amount: _decimal_pb2.Decimal
    def __init__(self, lot_id: _Optional[int] = ..., amount: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ...) -> None: ...

class Transaction(_message.Message):
    __slots__ = ("transaction_id", "type", "state", "amount", "balance_before", "balance_after", "lot_id", "allocations", "source", "reason", "description", "reference", "request_id", "related_transaction_id", "expire_time", "create_time", "update_time", "effective_time", "account_id", "program_id", "currency_code", "currency_id", "member", "principal", "expiration_cause", "allocation_count")
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    BALANCE_BEFORE_FIELD_NUMBER: _ClassVar[int]
    BALANCE_AFTER_FIELD_NUMBER: _ClassVar[int]
    LOT_ID_FIELD_NUMBER: _ClassVar[int]
    ALLOCATIONS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RELATED_TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    EXPIRATION_CAUSE_FIELD_NUMBER: _ClassVar[int]
    ALLOCATION_COUNT_FIELD_NUMBER: _ClassVar[int]
    transaction_id: int
    type: TransactionType
    state: _lot_pb2.LotState
    amount: _decimal_pb2.Decimal
    balance_before: _decimal_pb2.Decimal
    balance_after: _decimal_pb2.Decimal
    lot_id: int
    allocations: _containers.RepeatedCompositeFieldContainer[Allocation]
    source: str
    reason: str
    description: str
    reference: str
    request_id: str
    related_transaction_id: int
    expire_time: _timestamp_pb2.Timestamp
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    effective_time: _timestamp_pb2.Timestamp
    account_id: int
    program_id: int
    currency_code: str
    currency_id: int
    member: _member_pb2.MemberInfo
    principal: str
    expiration_cause: ExpirationCause
    allocation_count: int
    def __init__(self, transaction_id: _Optional[int] = ..., type: _Optional[_Union[TransactionType, str]] = ..., state: _Optional[_Union[_lot_pb2.LotState, str]] = ..., amount: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., balance_before: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., balance_after: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., lot_id: _Optional[int] = ..., allocations: _Optional[_Iterable[_Union[Allocation, _Mapping]]] = ..., source: _Optional[str] = ..., reason: _Optional[str] = ..., description: _Optional[str] = ..., reference: _Optional[str] = ..., request_id: _Optional[str] = ..., related_transaction_id: _Optional[int] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., effective_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., account_id: _Optional[int] = ..., program_id: _Optional[int] = ..., currency_code: _Optional[str] = ..., currency_id: _Optional[int] = ..., member: _Optional[_Union[_member_pb2.MemberInfo, _Mapping]] = ..., principal: _Optional[str] = ..., expiration_cause: _Optional[_Union[ExpirationCause, str]] = ..., allocation_count: _Optional[int] = ...) -> None: ...

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

class AwardKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AWARD_KIND_UNSPECIFIED: _ClassVar[AwardKind]
    AWARD_KIND_POINT_AWARDED: _ClassVar[AwardKind]
    AWARD_KIND_POINT_AWARDED_BILL_PROMOTION: _ClassVar[AwardKind]
    AWARD_KIND_POINT_AWARDED_LINEITEM: _ClassVar[AwardKind]
    AWARD_KIND_POINT_AWARDED_LINEITEM_PROMOTION: _ClassVar[AwardKind]
    AWARD_KIND_POINT_AWARDED_CUSTOMER_PROMOTION: _ClassVar[AwardKind]

class LotState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LOT_STATE_UNSPECIFIED: _ClassVar[LotState]
    LOT_STATE_OPEN: _ClassVar[LotState]
    LOT_STATE_PENDING: _ClassVar[LotState]
    LOT_STATE_APPROVED: _ClassVar[LotState]
    LOT_STATE_CLOSED: _ClassVar[LotState]

class LotCategory(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LOT_CATEGORY_UNSPECIFIED: _ClassVar[LotCategory]
    LOT_CATEGORY_REGULAR: _ClassVar[LotCategory]
    LOT_CATEGORY_PROMISED: _ClassVar[LotCategory]

class ExpirationSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXPIRATION_SOURCE_UNSPECIFIED: _ClassVar[ExpirationSource]
    EXPIRATION_SOURCE_POLICY: _ClassVar[ExpirationSource]
    EXPIRATION_SOURCE_EARN: _ClassVar[ExpirationSource]
    EXPIRATION_SOURCE_UPDATE: _ClassVar[ExpirationSource]
AWARD_KIND_UNSPECIFIED: AwardKind
AWARD_KIND_POINT_AWARDED: AwardKind
AWARD_KIND_POINT_AWARDED_BILL_PROMOTION: AwardKind
AWARD_KIND_POINT_AWARDED_LINEITEM: AwardKind
AWARD_KIND_POINT_AWARDED_LINEITEM_PROMOTION: AwardKind
AWARD_KIND_POINT_AWARDED_CUSTOMER_PROMOTION: AwardKind
LOT_STATE_UNSPECIFIED: LotState
LOT_STATE_OPEN: LotState
LOT_STATE_PENDING: LotState
LOT_STATE_APPROVED: LotState
LOT_STATE_CLOSED: LotState
LOT_CATEGORY_UNSPECIFIED: LotCategory
LOT_CATEGORY_REGULAR: LotCategory
LOT_CATEGORY_PROMISED: LotCategory
EXPIRATION_SOURCE_UNSPECIFIED: ExpirationSource
EXPIRATION_SOURCE_POLICY: ExpirationSource
EXPIRATION_SOURCE_EARN: ExpirationSource
EXPIRATION_SOURCE_UPDATE: ExpirationSource

class Lot(_message.Message):
    __slots__ = ("lot_id", "vendor_id", "kind", "state", "category", "amount", "remaining", "policy", "earn_time", "expire_time", "reference", "description", "source", "account_id", "program_id", "currency_code", "currency_id", "member", "policy_version", "expiration_source")
    LOT_ID_FIELD_NUMBER: _ClassVar[int]
    VENDOR_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    EARN_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    EXPIRATION_SOURCE_FIELD_NUMBER: _ClassVar[int]
    lot_id: int
    vendor_id: int
    kind: AwardKind
    state: LotState
    category: LotCategory
    amount: _decimal_pb2.Decimal
    remaining: _decimal_pb2.Decimal
    policy: str
    earn_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    reference: str
    description: str
    source: str
    account_id: int
    program_id: int
    currency_code: str
    currency_id: int
    member: _member_pb2.MemberInfo
    policy_version: int
    expiration_source: ExpirationSource
    def __init__(self, lot_id: _Optional[int] = ..., vendor_id: _Optional[int] = ..., kind: _Optional[_Union[AwardKind, str]] = ..., state: _Optional[_Union[LotState, str]] = ..., category: _Optional[_Union[LotCategory, str]] = ..., amount: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., remaining: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., policy: _Optional[str] = ..., earn_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reference: _Optional[str] = ..., description: _Optional[str] = ..., source: _Optional[str] = ..., account_id: _Optional[int] = ..., program_id: _Optional[int] = ..., currency_code: _Optional[str] = ..., currency_id: _Optional[int] = ..., member: _Optional[_Union[_member_pb2.MemberInfo, _Mapping]] = ..., policy_version: _Optional[int] = ..., expiration_source: _Optional[_Union[ExpirationSource, str]] = ...) -> None: ...

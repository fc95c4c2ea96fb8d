import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from points.v1 import expiry_change_pb2 as _expiry_change_pb2
from points.v1 import lot_pb2 as _lot_pb2
from points.v1 import member_pb2 as _member_pb2
from points.v1 import options_pb2 as _options_pb2
from points.v1 import transaction_pb2 as _transaction_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListTransactionsRequest(_message.Message):
    __slots__ = ("program_id", "currency_code", "currency_id", "member", "states", "types", "reference", "start_time", "end_time", "order_by", "page_size", "page_token")
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    program_id: int
    currency_code: str
    currency_id: int
    member: _member_pb2.MemberRef
    states: _containers.RepeatedScalarFieldContainer[_lot_pb2.LotState]
    types: _containers.RepeatedScalarFieldContainer[_transaction_pb2.TransactionType]
    reference: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    order_by: str
    page_size: int
    page_token: str
    def __init__(self, program_id: _Optional[int] = ..., currency_code: _Optional[str] = ..., currency_id: _Optional[int] = ..., member: _Optional[_Union[_member_pb2.MemberRef, _Mapping]] = ..., states: _Optional[_Iterable[_Union[_lot_pb2.LotState, str]]] = ..., types: _Optional[_Iterable[_Union[_transaction_pb2.TransactionType, str]]] = ..., reference: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., order_by: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListTransactionsResponse(_message.Message):
    __slots__ = ("transactions", "next_page_token")
    TRANSACTIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    transactions: _containers.RepeatedCompositeFieldContainer[_transaction_pb2.Transaction]
    next_page_token: str
    def __init__(self, transactions: _Optional[_Iterable[_Union[_transaction_pb2.Transaction, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListLotsRequest(_message.Message):
    __slots__ = ("program_id", "currency_code", "currency_id", "member", "states", "categories", "reference", "start_time", "end_time", "order_by", "page_size", "page_token", "live_only")
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    LIVE_ONLY_FIELD_NUMBER: _ClassVar[int]
    program_id: int
    currency_code: str
    currency_id: int
    member: _member_pb2.MemberRef
    states: _containers.RepeatedScalarFieldContainer[_lot_pb2.LotState]
    categories: _containers.RepeatedScalarFieldContainer[_lot_pb2.LotCategory]
    reference: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    order_by: str
    page_size: int
    page_token: str
    live_only: bool
    def __init__(self, program_id: _Optional[int] = ..., currency_code: _Optional[str] = ..., currency_id: _Optional[int] = ..., member: _Optional[_Union[_member_pb2.MemberRef, _Mapping]] = ..., states: _Optional[_Iterable[_Union[_lot_pb2.LotState, str]]] = ..., categories: _Optional[_Iterable[_Union[_lot_pb2.LotCategory, str]]] = ..., reference: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., order_by: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., live_only: _Optional[bool] = ...) -> None: ...

class ListLotsResponse(_message.Message):
    __slots__ = ("lots", "next_page_token")
    LOTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    lots: _containers.RepeatedCompositeFieldContainer[_lot_pb2.Lot]
    next_page_token: str
    def __init__(self, lots: _Optional[_Iterable[_Union[_lot_pb2.Lot, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListExpiryChangesRequest(_message.Message):
    __slots__ = ("program_id", "currency_code", "currency_id", "member", "lot_id", "start_time", "end_time", "order_by", "page_size", "page_token")
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    LOT_ID_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    program_id: int
    currency_code: str
    currency_id: int
    member: _member_pb2.MemberRef
    lot_id: int
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    order_by: str
    page_size: int
    page_token: str
    def __init__(self, program_id: _Optional[int] = ..., currency_code: _Optional[str] = ..., currency_id: _Optional[int] = ..., member: _Optional[_Union[_member_pb2.MemberRef, _Mapping]] = ..., lot_id: _Optional[int] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., order_by: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListExpiryChangesResponse(_message.Message):
    __slots__ = ("expiry_changes", "next_page_token")
    EXPIRY_CHANGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    expiry_changes: _containers.RepeatedCompositeFieldContainer[_expiry_change_pb2.ExpiryChange]
    next_page_token: str
    def __init__(self, expiry_changes: _Optional[_Iterable[_Union[_expiry_change_pb2.ExpiryChange, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListAllocationsRequest(_message.Message):
    __slots__ = ("transaction_id", "page_size", "page_token")
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    transaction_id: int
    page_size: int
    page_token: str
    def __init__(self, transaction_id: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAllocationsResponse(_message.Message):
    __slots__ = ("allocations", "next_page_token")
    ALLOCATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    allocations: _containers.RepeatedCompositeFieldContainer[_transaction_pb2.Allocation]
    next_page_token: str
    def __init__(self, allocations: _Optional[_Iterable[_Union[_transaction_pb2.Allocation, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

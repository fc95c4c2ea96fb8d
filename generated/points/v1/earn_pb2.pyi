import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from google.type import date_pb2 as _date_pb2
from google.type import decimal_pb2 as _decimal_pb2
from points.v1 import account_pb2 as _account_pb2
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

class EarnRequest(_message.Message):
    __slots__ = ("program_id", "member", "currency_code", "currency_id", "amount", "request_id", "reference", "description", "source", "reason", "kind", "initial_state", "policy", "earn_time", "expire_time", "expire_date", "days", "months", "never", "vendor_id", "validate_only")
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    INITIAL_STATE_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    EARN_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_DATE_FIELD_NUMBER: _ClassVar[int]
    DAYS_FIELD_NUMBER: _ClassVar[int]
    MONTHS_FIELD_NUMBER: _ClassVar[int]
    NEVER_FIELD_NUMBER: _ClassVar[int]
    VENDOR_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    program_id: int
    member: _member_pb2.MemberRef
    currency_code: str
    currency_id: int
    amount: _decimal_pb2.Decimal
    request_id: str
    reference: str
    description: str
    source: str
    reason: str
    kind: _lot_pb2.AwardKind
    initial_state: _lot_pb2.LotState
    policy: str
    earn_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    expire_date: _date_pb2.Date
    days: int
    months: int
    never: bool
    vendor_id: int
    validate_only: bool
    def __init__(self, program_id: _Optional[int] = ..., member: _Optional[_Union[_member_pb2.MemberRef, _Mapping]] = ..., currency_code: _Optional[str] = ..., currency_id: _Optional[int] = ..., amount: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., request_id: _Optional[str] = ..., reference: _Optional[str] = ..., description: _Optional[str] = ..., source: _Optional[str] = ..., reason: _Optional[str] = ..., kind: _Optional[_Union[_lot_pb2.AwardKind, str]] = ..., initial_state: _Optional[_Union[_lot_pb2.LotState, str]] = ..., policy: _Optional[str] = ..., earn_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., days: _Optional[int] = ..., months: _Optional[int] = ..., never: _Optional[bool] = ..., vendor_id: _Optional[int] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class EarnResponse(_message.Message):
    __slots__ = ("transaction", "lot", "account", "replayed")
    TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    LOT_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    transaction: _transaction_pb2.Transaction
    lot: _lot_pb2.Lot
    account: _account_pb2.Account
    replayed: bool
    def __init__(self, transaction: _Optional[_Union[_transaction_pb2.Transaction, _Mapping]] = ..., lot: _Optional[_Union[_lot_pb2.Lot, _Mapping]] = ..., account: _Optional[_Union[_account_pb2.Account, _Mapping]] = ..., replayed: _Optional[bool] = ...) -> None: ...

class BatchEarnRequest(_message.Message):
    __slots__ = ("earns", "return_partial_success", "validate_only")
    EARNS_FIELD_NUMBER: _ClassVar[int]
    RETURN_PARTIAL_SUCCESS_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    earns: _containers.RepeatedCompositeFieldContainer[EarnRequest]
    return_partial_success: bool
    validate_only: bool
    def __init__(self, earns: _Optional[_Iterable[_Union[EarnRequest, _Mapping]]] = ..., return_partial_success: _Optional[bool] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class BatchEarnResponse(_message.Message):
    __slots__ = ("results", "texts_omitted")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    TEXTS_OMITTED_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[BatchEarnResult]
    texts_omitted: bool
    def __init__(self, results: _Optional[_Iterable[_Union[BatchEarnResult, _Mapping]]] = ..., texts_omitted: _Optional[bool] = ...) -> None: ...

class BatchEarnResult(_message.Message):
    __slots__ = ("earn", "error")
    EARN_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    earn: EarnResponse
    error: _status_pb2.Status
    def __init__(self, earn: _Optional[_Union[EarnResponse, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

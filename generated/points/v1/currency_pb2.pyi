import datetime

from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from points.v1 import options_pb2 as _options_pb2
from points.v1 import policy_pb2 as _policy_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Currency(_message.Message):
    __slots__ = ("currency_id", "program_id", "currency_code", "scale", "points_type", "exchange_rate", "default_policy", "create_time", "update_time")
    CURRENCY_ID_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    POINTS_TYPE_FIELD_NUMBER: _ClassVar[int]
    EXCHANGE_RATE_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_POLICY_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    currency_id: int
    program_id: int
    currency_code: str
    scale: int
    points_type: str
    exchange_rate: int
    default_policy: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, currency_id: _Optional[int] = ..., program_id: _Optional[int] = ..., currency_code: _Optional[str] = ..., scale: _Optional[int] = ..., points_type: _Optional[str] = ..., exchange_rate: _Optional[int] = ..., default_policy: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreateCurrencyRequest(_message.Message):
    __slots__ = ("program_id", "currency_id", "currency_code", "scale", "points_type", "exchange_rate", "default_policy", "request_id")
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    POINTS_TYPE_FIELD_NUMBER: _ClassVar[int]
    EXCHANGE_RATE_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_POLICY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    program_id: int
    currency_id: int
    currency_code: str
    scale: int
    points_type: str
    exchange_rate: int
    default_policy: _policy_pb2.Policy
    request_id: str
    def __init__(self, program_id: _Optional[int] = ..., currency_id: _Optional[int] = ..., currency_code: _Optional[str] = ..., scale: _Optional[int] = ..., points_type: _Optional[str] = ..., exchange_rate: _Optional[int] = ..., default_policy: _Optional[_Union[_policy_pb2.Policy, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateCurrencyResponse(_message.Message):
    __slots__ = ("currency", "default_policy", "replayed")
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_POLICY_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    currency: Currency
    default_policy: _policy_pb2.Policy
    replayed: bool
    def __init__(self, currency: _Optional[_Union[Currency, _Mapping]] = ..., default_policy: _Optional[_Union[_policy_pb2.Policy, _Mapping]] = ..., replayed: _Optional[bool] = ...) -> None: ...

class GetCurrencyRequest(_message.Message):
    __slots__ = ("program_id", "currency_code", "currency_id")
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_ID_FIELD_NUMBER: _ClassVar[int]
    program_id: int
    currency_code: str
    currency_id: int
    def __init__(self, program_id: _Optional[int] = ..., currency_code: _Optional[str] = ..., currency_id: _Optional[int] = ...) -> None: ...

class GetCurrencyResponse(_message.Message):
    __slots__ = ("currency",)
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    currency: Currency
    def __init__(self, currency: _Optional[_Union[Currency, _Mapping]] = ...) -> None: ...

class ListCurrenciesRequest(_message.Message):
    __slots__ = ("program_id", "page_size", "page_token")
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    program_id: int
    page_size: int
    page_token: str
    def __init__(self, program_id: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCurrenciesResponse(_message.Message):
    __slots__ = ("currencies", "next_page_token")
    CURRENCIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    currencies: _containers.RepeatedCompositeFieldContainer[Currency]
    next_page_token: str
    def __init__(self, currencies: _Optional[_Iterable[_Union[Currency, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateCurrencyRequest(_message.Message):
    __slots__ = ("program_id", "currency_code", "currency_id", "update_mask", "points_type", "exchange_rate", "default_policy", "request_id")
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_ID_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    POINTS_TYPE_FIELD_NUMBER: _ClassVar[int]
    EXCHANGE_RATE_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_POLICY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    program_id: int
    currency_code: str
    currency_id: int
    update_mask: _field_mask_pb2.FieldMask
    points_type: str
    exchange_rate: int
    default_policy: str
    request_id: str
    def __init__(self, program_id: _Optional[int] = ..., currency_code: _Optional[str] = ..., currency_id: _Optional[int] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., points_type: _Optional[str] = ..., exchange_rate: _Optional[int] = ..., default_policy: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class UpdateCurrencyResponse(_message.Message):
    __slots__ = ("currency", "replayed")
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    currency: Currency
    replayed: bool
    def __init__(self, currency: _Optional[_Union[Currency, _Mapping]] = ..., replayed: _Optional[bool] = ...) -> None: ...

import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from points.v1 import options_pb2 as _options_pb2
from points.v1 import transaction_pb2 as _transaction_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Rounding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROUNDING_UNSPECIFIED: _ClassVar[Rounding]
    ROUNDING_NONE: _ClassVar[Rounding]
    ROUNDING_END_OF_DAY: _ClassVar[Rounding]
    ROUNDING_END_OF_MONTH: _ClassVar[Rounding]
    ROUNDING_END_OF_QUARTER: _ClassVar[Rounding]
    ROUNDING_END_OF_YEAR: _ClassVar[Rounding]
ROUNDING_UNSPECIFIED: Rounding
ROUNDING_NONE: Rounding
ROUNDING_END_OF_DAY: Rounding
ROUNDING_END_OF_MONTH: Rounding
ROUNDING_END_OF_QUARTER: Rounding
ROUNDING_END_OF_YEAR: Rounding

class Policy(_message.Message):
    __slots__ = ("policy", "version", "policy_version_id", "program_id", "currency_code", "currency_id", "priority", "never", "period", "fixed_dates", "inactivity", "rounding", "create_time")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_ID_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    NEVER_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    FIXED_DATES_FIELD_NUMBER: _ClassVar[int]
    INACTIVITY_FIELD_NUMBER: _ClassVar[int]
    ROUNDING_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    policy: str
    version: int
    policy_version_id: int
    program_id: int
    currency_code: str
    currency_id: int
    priority: int
    never: NeverRule
    period: PeriodRule
    fixed_dates: FixedDatesRule
    inactivity: InactivityRule
    rounding: Rounding
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, policy: _Optional[str] = ..., version: _Optional[int] = ..., policy_version_id: _Optional[int] = ..., program_id: _Optional[int] = ..., currency_code: _Optional[str] = ..., currency_id: _Optional[int] = ..., priority: _Optional[int] = ..., never: _Optional[_Union[NeverRule, _Mapping]] = ..., period: _Optional[_Union[PeriodRule, _Mapping]] = ..., fixed_dates: _Optional[_Union[FixedDatesRule, _Mapping]] = ..., inactivity: _Optional[_Union[InactivityRule, _Mapping]] = ..., rounding: _Optional[_Union[Rounding, str]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class NeverRule(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PeriodRule(_message.Message):
    __slots__ = ("days", "months", "years")
    DAYS_FIELD_NUMBER: _ClassVar[int]
    MONTHS_FIELD_NUMBER: _ClassVar[int]
    YEARS_FIELD_NUMBER: _ClassVar[int]
    days: int
    months: int
    years: int
    def __init__(self, days: _Optional[int] = ..., months: _Optional[int] = ..., years: _Optional[int] = ...) -> None: ...

class FixedDatesRule(_message.Message):
    __slots__ = ("dates", "days", "months")
    DATES_FIELD_NUMBER: _ClassVar[int]
    DAYS_FIELD_NUMBER: _ClassVar[int]
    MONTHS_FIELD_NUMBER: _ClassVar[int]
    dates: _containers.RepeatedCompositeFieldContainer[MonthDay]
    days: int
    months: int
    def __init__(self, dates: _Optional[_Iterable[_Union[MonthDay, _Mapping]]] = ..., days: _Optional[int] = ..., months: _Optional[int] = ...) -> None: ...

class MonthDay(_message.Message):
    __slots__ = ("month", "day")
    MONTH_FIELD_NUMBER: _ClassVar[int]
    DAY_FIELD_NUMBER: _ClassVar[int]
    month: int
    day: int
    def __init__(self, month: _Optional[int] = ..., day: _Optional[int] = ...) -> None: ...

class InactivityRule(_message.Message):
    __slots__ = ("days", "months", "qualifying_types")
    DAYS_FIELD_NUMBER: _ClassVar[int]
    MONTHS_FIELD_NUMBER: _ClassVar[int]
    QUALIFYING_TYPES_FIELD_NUMBER: _ClassVar[int]
    days: int
    months: int
    qualifying_types: _containers.RepeatedScalarFieldContainer[_transaction_pb2.TransactionType]
    def __init__(self, days: _Optional[int] = ..., months: _Optional[int] = ..., qualifying_types: _Optional[_Iterable[_Union[_transaction_pb2.TransactionType, str]]] = ...) -> None: ...

class CreatePolicyRequest(_message.Message):
    __slots__ = ("program_id", "currency_code", "currency_id", "policy", "definition", "request_id")
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_ID_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    program_id: int
    currency_code: str
    currency_id: int
    policy: str
    definition: Policy
    request_id: str
    def __init__(self, program_id: _Optional[int] = ..., currency_code: _Optional[str] = ..., currency_id: _Optional[int] = ..., policy: _Optional[str] = ..., definition: _Optional[_Union[Policy, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreatePolicyResponse(_message.Message):
    __slots__ = ("policy", "replayed")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    policy: Policy
    replayed: bool
    def __init__(self, policy: _Optional[_Union[Policy, _Mapping]] = ..., replayed: _Optional[bool] = ...) -> None: ...

class GetPolicyRequest(_message.Message):
    __slots__ = ("program_id", "currency_code", "currency_id", "policy", "version")
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_ID_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    program_id: int
    currency_code: str
    currency_id: int
    policy: str
    version: int
    def __init__(self, program_id: _Optional[int] = ..., currency_code: _Optional[str] = ..., currency_id: _Optional[int] = ..., policy: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class GetPolicyResponse(_message.Message):
    __slots__ = ("policy",)
    POLICY_FIELD_NUMBER: _ClassVar[int]
    policy: Policy
    def __init__(self, policy: _Optional[_Union[Policy, _Mapping]] = ...) -> None: ...

class ListPoliciesRequest(_message.Message):
    __slots__ = ("program_id", "currency_code", "currency_id", "all_versions", "page_size", "page_token")
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_ID_FIELD_NUMBER: _ClassVar[int]
    ALL_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    program_id: int
    currency_code: str
    currency_id: int
    all_versions: bool
    page_size: int
    page_token: str
    def __init__(self, program_id: _Optional[int] = ..., currency_code: _Optional[str] = ..., currency_id: _Optional[int] = ..., all_versions: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListPoliciesResponse(_message.Message):
    __slots__ = ("policies", "next_page_token")
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    policies: _containers.RepeatedCompositeFieldContainer[Policy]
    next_page_token: str
    def __init__(self, policies: _Optional[_Iterable[_Union[Policy, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdatePolicyRequest(_message.Message):
    __slots__ = ("program_id", "currency_code", "currency_id", "policy", "definition", "request_id")
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_ID_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    program_id: int
    currency_code: str
    currency_id: int
    policy: str
    definition: Policy
    request_id: str
    def __init__(self, program_id: _Optional[int] = ..., currency_code: _Optional[str] = ..., currency_id: _Optional[int] = ..., policy: _Optional[str] = ..., definition: _Optional[_Union[Policy, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class UpdatePolicyResponse(_message.Message):
    __slots__ = ("policy", "replayed")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    policy: Policy
    replayed: bool
    def __init__(self, policy: _Optional[_Union[Policy, _Mapping]] = ..., replayed: _Optional[bool] = ...) -> None: ...

import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Identifier(_message.Message):
    __slots__ = ("type", "value")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    type: str
    value: str
    def __init__(self, type: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class MemberRef(_message.Message):
    __slots__ = ("member_id", "external_id", "email", "phone", "username", "identifier")
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_ID_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    PHONE_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    member_id: int
    external_id: str
    email: str
    phone: str
    username: str
    identifier: Identifier
    def __init__(self, member_id: _Optional[int] = ..., external_id: _Optional[str] = ..., email: _Optional[str] = ..., phone: _Optional[str] = ..., username: _Optional[str] = ..., identifier: _Optional[_Union[Identifier, _Mapping]] = ...) -> None: ...

class MemberInfo(_message.Message):
    __slots__ = ("member_id", "vendor_id", "external_id")
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    VENDOR_ID_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_ID_FIELD_NUMBER: _ClassVar[int]
    member_id: int
    vendor_id: int
    external_id: str
    def __init__(self, member_id: _Optional[int] = ..., vendor_id: _Optional[int] = ..., external_id: _Optional[str] = ...) -> None: ...

class Member(_message.Message):
    __slots__ = ("member_id", "vendor_id", "identifiers", "create_time")
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    VENDOR_ID_FIELD_NUMBER: _ClassVar[int]
    IDENTIFIERS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    member_id: int
    vendor_id: int
    identifiers: _containers.RepeatedCompositeFieldContainer[Identifier]
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, member_id: _Optional[int] = ..., vendor_id: _Optional[int] = ..., identifiers: _Optional[_Iterable[_Union[Identifier, _Mapping]]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

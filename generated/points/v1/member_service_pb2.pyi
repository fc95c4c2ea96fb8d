from google.api import annotations_pb2 as _annotations_pb2
from points.v1 import member_pb2 as _member_pb2
from points.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateMemberRequest(_message.Message):
    __slots__ = ("vendor_id", "external_id", "email", "phone", "username", "identifiers", "request_id")
    VENDOR_ID_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_ID_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    PHONE_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    IDENTIFIERS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    vendor_id: int
    external_id: str
    email: str
    phone: str
    username: str
    identifiers: _containers.RepeatedCompositeFieldContainer[_member_pb2.Identifier]
    request_id: str
    def __init__(self, vendor_id: _Optional[int] = ..., external_id: _Optional[str] = ..., email: _Optional[str] = ..., phone: _Optional[str] = ..., username: _Optional[str] = ..., identifiers: _Optional[_Iterable[_Union[_member_pb2.Identifier, _Mapping]]] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateMemberResponse(_message.Message):
    __slots__ = ("member", "replayed")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    member: _member_pb2.Member
    replayed: bool
    def __init__(self, member: _Optional[_Union[_member_pb2.Member, _Mapping]] = ..., replayed: _Optional[bool] = ...) -> None: ...

class GetMemberRequest(_message.Message):
    __slots__ = ("member",)
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    member: _member_pb2.MemberRef
    def __init__(self, member: _Optional[_Union[_member_pb2.MemberRef, _Mapping]] = ...) -> None: ...

class GetMemberResponse(_message.Message):
    __slots__ = ("member",)
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    member: _member_pb2.Member
    def __init__(self, member: _Optional[_Union[_member_pb2.Member, _Mapping]] = ...) -> None: ...

class LinkIdentifierRequest(_message.Message):
    __slots__ = ("member", "identifier", "request_id")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    member: _member_pb2.MemberRef
    identifier: _member_pb2.Identifier
    request_id: str
    def __init__(self, member: _Optional[_Union[_member_pb2.MemberRef, _Mapping]] = ..., identifier: _Optional[_Union[_member_pb2.Identifier, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class LinkIdentifierResponse(_message.Message):
    __slots__ = ("member", "replayed")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    member: _member_pb2.Member
    replayed: bool
    def __init__(self, member: _Optional[_Union[_member_pb2.Member, _Mapping]] = ..., replayed: _Optional[bool] = ...) -> None: ...

class UnlinkIdentifierRequest(_message.Message):
    __slots__ = ("member", "identifier", "request_id")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    member: _member_pb2.MemberRef
    identifier: _member_pb2.Identifier
    request_id: str
    def __init__(self, member: _Optional[_Union[_member_pb2.MemberRef, _Mapping]] = ..., identifier: _Optional[_Union[_member_pb2.Identifier, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class UnlinkIdentifierResponse(_message.Message):
    __slots__ = ("member", "replayed")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    member: _member_pb2.Member
    replayed: bool
    def __init__(self, member: _Optional[_Union[_member_pb2.Member, _Mapping]] = ..., replayed: _Optional[bool] = ...) -> None: ...

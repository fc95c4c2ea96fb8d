from google.type import decimal_pb2 as _decimal_pb2
from points.v1 import account_pb2 as _account_pb2
from points.v1 import member_pb2 as _member_pb2
from points.v1 import transaction_pb2 as _transaction_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RedeemRequest(_message.Message):
    __slots__ = ("program_id", "member", "currency_code", "currency_id", "amount", "request_id", "reference", "description", "validate_only")
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    program_id: int
    member: _member_pb2.MemberRef
    currency_code: str
    currency_id: int
    amount: _decimal_pb2.Decimal
    request_id: str
    reference: str
    description: str
    validate_only: bool
    def __init__(self, program_id: _Optional[int] = ..., member: _Optional[_Union[_member_pb2.MemberRef, _Mapping]] = ..., currency_code: _Optional[str] = ..., currency_id: _Optional[int] = ..., amount: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., request_id: _Optional[str] = ..., reference: _Optional[str] = ..., description: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class RedeemResponse(_message.Message):
    __slots__ = ("transaction", "account", "replayed")
    TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    transaction: _transaction_pb2.Transaction
    account: _account_pb2.Account
    replayed: bool
    def __init__(self, transaction: _Optional[_Union[_transaction_pb2.Transaction, _Mapping]] = ..., account: _Optional[_Union[_account_pb2.Account, _Mapping]] = ..., replayed: _Optional[bool] = ...) -> None: ...

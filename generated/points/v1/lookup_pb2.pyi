from points.v1 import account_pb2 as _account_pb2
from points.v1 import lot_pb2 as _lot_pb2
from points.v1 import member_pb2 as _member_pb2
from points.v1 import transaction_pb2 as _transaction_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetAccountRequest(_message.Message):
    __slots__ = ("program_id", "member", "currency_code", "currency_id", "account_id")
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    program_id: int
    member: _member_pb2.MemberRef
    currency_code: str
    currency_id: int
    account_id: int
    def __init__(self, program_id: _Optional[int] = ..., member: _Optional[_Union[_member_pb2.MemberRef, _Mapping]] = ..., currency_code: _Optional[str] = ..., currency_id: _Optional[int] = ..., account_id: _Optional[int] = ...) -> None: ...

class GetAccountResponse(_message.Message):
    __slots__ = ("account",)
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    account: _account_pb2.Account
    def __init__(self, account: _Optional[_Union[_account_pb2.Account, _Mapping]] = ...) -> None: ...

class GetTransactionRequest(_message.Message):
    __slots__ = ("transaction_id",)
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    transaction_id: int
    def __init__(self, transaction_id: _Optional[int] = ...) -> None: ...

class GetTransactionResponse(_message.Message):
    __slots__ = ("transaction",)
    TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    transaction: _transaction_pb2.Transaction
    def __init__(self, transaction: _Optional[_Union[_transaction_pb2.Transaction, _Mapping]] = ...) -> None: ...

class GetLotRequest(_message.Message):
    __slots__ = ("lot_id", "program_id", "member")
    LOT_ID_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    lot_id: int
    program_id: int
    member: _member_pb2.MemberRef
    def __init__(self, lot_id: _Optional[int] = ..., program_id: _Optional[int] = ..., member: _Optional[_Union[_member_pb2.MemberRef, _Mapping]] = ...) -> None: ...

class GetLotResponse(_message.Message):
    __slots__ = ("lot",)
    LOT_FIELD_NUMBER: _ClassVar[int]
    lot: _lot_pb2.Lot
    def __init__(self, lot: _Optional[_Union[_lot_pb2.Lot, _Mapping]] = ...) -> None: ...

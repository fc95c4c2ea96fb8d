from google.rpc import status_pb2 as _status_pb2
from points.v1 import account_pb2 as _account_pb2
from points.v1 import lot_pb2 as _lot_pb2
from points.v1 import options_pb2 as _options_pb2
from points.v1 import transaction_pb2 as _transaction_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class UpdateTransactionStatusRequest(_message.Message):
    __slots__ = ("transaction_id", "state", "request_id", "validate_only")
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    transaction_id: int
    state: _lot_pb2.LotState
    request_id: str
    validate_only: bool
    def __init__(self, transaction_id: _Optional[int] = ..., state: _Optional[_Union[_lot_pb2.LotState, str]] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class UpdateTransactionStatusResponse(_message.Message):
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

class ApproveTransactionsRequest(_message.Message):
    __slots__ = ("transaction_ids", "state", "request_id", "return_partial_success", "validate_only")
    TRANSACTION_IDS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RETURN_PARTIAL_SUCCESS_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    transaction_ids: _containers.RepeatedScalarFieldContainer[int]
    state: _lot_pb2.LotState
    request_id: str
    return_partial_success: bool
    validate_only: bool
    def __init__(self, transaction_ids: _Optional[_Iterable[int]] = ..., state: _Optional[_Union[_lot_pb2.LotState, str]] = ..., request_id: _Optional[str] = ..., return_partial_success: _Optional[bool] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class ApproveTransactionsResponse(_message.Message):
    __slots__ = ("results", "texts_omitted")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    TEXTS_OMITTED_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[ApproveTransactionsResult]
    texts_omitted: bool
    def __init__(self, results: _Optional[_Iterable[_Union[ApproveTransactionsResult, _Mapping]]] = ..., texts_omitted: _Optional[bool] = ...) -> None: ...

class ApproveTransactionsResult(_message.Message):
    __slots__ = ("moved", "error")
    MOVED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    moved: StateMoved
    error: _status_pb2.Status
    def __init__(self, moved: _Optional[_Union[StateMoved, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class StateMoved(_message.Message):
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

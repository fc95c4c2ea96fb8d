from google.api import annotations_pb2 as _annotations_pb2
from points.v1 import earn_pb2 as _earn_pb2
from points.v1 import expire_pb2 as _expire_pb2
from points.v1 import expiring_pb2 as _expiring_pb2
from points.v1 import listing_pb2 as _listing_pb2
from points.v1 import lookup_pb2 as _lookup_pb2
from points.v1 import options_pb2 as _options_pb2
from points.v1 import redeem_pb2 as _redeem_pb2
from points.v1 import transaction_status_pb2 as _transaction_status_pb2
from points.v1 import update_expiry_pb2 as _update_expiry_pb2
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor

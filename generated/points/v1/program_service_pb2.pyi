from google.api import annotations_pb2 as _annotations_pb2
from points.v1 import audit_pb2 as _audit_pb2
from points.v1 import currency_pb2 as _currency_pb2
from points.v1 import options_pb2 as _options_pb2
from points.v1 import policy_pb2 as _policy_pb2
from points.v1 import program_pb2 as _program_pb2
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor

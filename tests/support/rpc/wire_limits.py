"""What tests of the bounds on requests share."""

from __future__ import annotations

from typing import Any

from points_grpc.errors import InvalidField
from points_grpc.rpc.wire_limits import Limits


def refused(message: Any, raw: bytes | None = None) -> str | None:
    """The field that is refused of a message's bytes; None where none is."""
    try:
        Limits(message.DESCRIPTOR).check(message.SerializeToString() if raw is None else raw)
    except InvalidField as refusal:
        return refusal.field
    return None

"""Refusals as google.rpc.Status: one ErrorInfo each, field paths, and when to try again.

What is no refusal is INTERNAL, with an error id and nothing else.
"""

from __future__ import annotations

import math

from google.protobuf import any_pb2, duration_pb2, message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from points_grpc.errors import InvalidField, Overloaded, Refusal, StorageUnavailable, TimeInDoubt

DOMAIN = "points-grpc"
"""The domain of every ErrorInfo."""

RETRY_DELAY_S = 1
"""After how many seconds a refusal for lack of capacity is worth another try."""

DETAILS_BYTES_MAX = 4096
"""What a status may measure: as a trailer it grows by a third, and trailers end at 8 KiB."""

TEXT_MAX = 256

_TYPE_URL = "type.googleapis.com/"
_RETRIED = (Overloaded, StorageUnavailable, TimeInDoubt)


class InternalError(Exception):
    """An error of which the caller learns only the id under which it was logged."""

    def __init__(self, error_id: str) -> None:
        super().__init__(f"internal error {error_id}")


def status_of(refusal: Refusal | InternalError) -> status_pb2.Status:
    """The status that tells a caller of `refusal`, at most DETAILS_BYTES_MAX long."""
    if isinstance(refusal, InternalError):
        return status_pb2.Status(code=code_pb2.INTERNAL, message=str(refusal))
    status = _with_details(refusal, _facts(refusal))
    if status.ByteSize() > DETAILS_BYTES_MAX:
        return _with_details(refusal, {})
    return status


def _with_details(refusal: Refusal, facts: dict[str, str]) -> status_pb2.Status:
    info = error_details_pb2.ErrorInfo(reason=refusal.reason, domain=DOMAIN, metadata=facts)
    details = [_pack(info)]
    if refusal.field and refusal.code == "INVALID_ARGUMENT":
        details.append(_pack(_bad_request(refusal)))
    if isinstance(refusal, _RETRIED):
        delay = duration_pb2.Duration()
        wait_s = refusal.retry_s if isinstance(refusal, Overloaded) else RETRY_DELAY_S
        delay.FromMilliseconds(math.ceil(wait_s * 1000))
        details.append(_pack(error_details_pb2.RetryInfo(retry_delay=delay)))
    return status_pb2.Status(
        code=code_pb2.Code.Value(refusal.code), message=refusal.message, details=details
    )


def _facts(refusal: Refusal) -> dict[str, str]:
    facts = {name: str(fact)[:TEXT_MAX] for name, fact in refusal.facts.items()}
    if refusal.field:
        facts["field"] = refusal.field[:TEXT_MAX]
    return facts


def _bad_request(refusal: Refusal) -> error_details_pb2.BadRequest:
    problem = refusal.problem if isinstance(refusal, InvalidField) else refusal.message
    violation = error_details_pb2.BadRequest.FieldViolation(
        field=refusal.field[:TEXT_MAX], description=problem[:TEXT_MAX], reason=refusal.reason
    )
    return error_details_pb2.BadRequest(field_violations=[violation])


def _pack(detail: message.Message) -> any_pb2.Any:
    # Any.Pack looks the type up again each time, which a thousand refused items would feel.
    return any_pb2.Any(
        type_url=_TYPE_URL + detail.DESCRIPTOR.full_name, value=detail.SerializeToString()
    )

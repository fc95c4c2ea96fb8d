"""Why a call is not answered as asked: what the service refused, and what never got there."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2

DOMAIN = "points-grpc"
"""The domain of the gateway's own ErrorInfo, the same as the service's."""

RETRY_S = 1
"""After how many seconds to try again where the service does not say."""

_HTTP_OF_CODE = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 409,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
_HTTP_OF_REASON = {"REQUEST_ID_REUSED": 422}


class Failure(Exception):
    """A call that failed. Every dialect turns one into an answer of its own shape.

    `code` is the name of a gRPC status code, `reason` the machine-readable reason (empty where
    there is none), `http_status` what /v1 answers with. `field` is the path of the field at
    fault, if one is, and `text` says what is wrong with it, to be read after its name ("is
    required"). `facts` are the values a program may act on. `retry_s` is set where the same
    call may succeed later.
    """

    def __init__(
        self,
        code: str,
        reason: str,
        message: str,
        *,
        field: str = "",
        text: str = "",
        facts: Mapping[str, str] | None = None,
        retry_s: float | None = None,
        http_status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.field = field
        self.text = text
        self.facts = dict(facts or {})
        self.retry_s = retry_s
        self.http_status = http_status or _HTTP_OF_REASON.get(reason) or _HTTP_OF_CODE[code]

    def status(self) -> status_pb2.Status:
        """The failure as google.rpc.Status."""
        facts = self.facts | ({"field": self.field} if self.field else {})
        info = error_details_pb2.ErrorInfo(reason=self.reason, domain=DOMAIN, metadata=facts)
        status = status_pb2.Status(code=code_pb2.Code.Value(self.code), message=self.message)
        if self.reason:
            status.details.add().Pack(info)
        if self.field:
            bad = error_details_pb2.BadRequest()
            bad.field_violations.add(
                field=self.field, description=self.text or self.message, reason=self.reason
            )
            status.details.add().Pack(bad)
        return status


class Problem(Failure):
    """The gateway itself found the request not acceptable; the service was not asked.

    `field` is named as the caller knows it; empty where the body or query as a whole is at fault.
    """

    def __init__(
        self,
        field: str,
        text: str,
        *,
        http_status: int = 400,
        code: str = "INVALID_ARGUMENT",
        reason: str = "INVALID_FIELD",
    ) -> None:
        message = f"{field} {text}." if field else f"{text[:1].upper()}{text[1:]}."
        super().__init__(code, reason, message, field=field, text=text, http_status=http_status)


def no_such_path() -> Problem:
    """There is nothing at the path that was called."""
    text = "there is nothing at this path"
    return Problem("", text, http_status=404, code="NOT_FOUND", reason="PATH_NOT_FOUND")


class UpstreamRefusal(Failure):
    """The service refused the call, or could not be asked."""

    def __init__(self, status: status_pb2.Status) -> None:
        info, violation, delay = _details(status)
        code = code_pb2.Code.Name(status.code) if status.code in _CODES else "UNKNOWN"
        facts = dict(info.metadata)
        field = facts.pop("field", "") or violation.field
        super().__init__(
            code,
            info.reason,
            status.message,
            field=field,
            text=violation.description,
            facts=facts,
            retry_s=delay,
        )
        if delay is None and self.http_status in (429, 503):
            self.retry_s = RETRY_S
        self._status = status

    def status(self) -> status_pb2.Status:
        """The status as the service sent it."""
        return self._status


_CODES = frozenset(code_pb2.Code.values())


def refusal_of(status: status_pb2.Status) -> UpstreamRefusal:
    """The refusal of one item of a batch, in the same shape as that of a whole call."""
    return UpstreamRefusal(status)


def _details(
    status: status_pb2.Status,
) -> tuple[error_details_pb2.ErrorInfo, error_details_pb2.BadRequest.FieldViolation, float | None]:
    info = error_details_pb2.ErrorInfo()
    violation = error_details_pb2.BadRequest.FieldViolation()
    delay: float | None = None
    for detail in status.details:
        kind = detail.type_url.rpartition("/")[2]
        try:
            if kind == "google.rpc.ErrorInfo":
                info = error_details_pb2.ErrorInfo.FromString(detail.value)
            elif kind == "google.rpc.BadRequest":
                bad = error_details_pb2.BadRequest.FromString(detail.value)
                violation = next(iter(bad.field_violations), violation)
            elif kind == "google.rpc.RetryInfo":
                retry = error_details_pb2.RetryInfo.FromString(detail.value).retry_delay
                delay = retry.seconds + retry.nanos / 1e9
        except DecodeError:
            continue
    return info, violation, delay

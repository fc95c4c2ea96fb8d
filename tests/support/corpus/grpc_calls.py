"""Sends many requests to a method as bytes, and says which answers are not fit to be given."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Self

import grpc
from google.rpc import error_details_pb2, status_pb2
from tests.support.corpus.scanner import leaks

from points.v1 import errors_pb2

DEADLINE_S = 20.0
WINDOW = 64
FIT = {
    *("OK", "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION"),
    *("PERMISSION_DENIED", "UNAUTHENTICATED"),
}
"""The statuses that are an answer; all others mean that something broke, hung or was lost."""

KNOWN = {
    (name.removeprefix("ERROR_REASON_"),)
    for name in errors_pb2.ErrorReason.DESCRIPTOR.values_by_name
}

_DETAILS = "grpc-status-details-bin"
_INFO = "type.googleapis.com/google.rpc.ErrorInfo"


class Caller:
    """A channel to a service on loopback."""

    def __init__(self, port: int) -> None:
        self._channel = grpc.insecure_channel(
            f"127.0.0.1:{port}", options=[("grpc.max_receive_message_length", 64 * 2**20)]
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def outcome(self, method: str, request: bytes) -> tuple[str, bytes]:
        """The status of one call, and all that it said."""
        return _outcome(self._begin(method, request))

    def unfit(self, method: str, requests: Iterable[tuple[str, bytes]]) -> tuple[int, list[str]]:
        """How many requests were answered, and what is wrong with answers, by label."""
        count, faults = 0, []
        running: deque[tuple[str, grpc.Future]] = deque()

        def settle() -> None:
            label, future = running.popleft()
            status, said = _outcome(future)
            faults.extend(f"{label}: {fault}" for fault in _faults(status, said, future))

        for label, request in requests:
            running.append((label, self._begin(method, request)))
            count += 1
            if len(running) >= WINDOW:
                settle()
        while running:
            settle()
        return count, faults

    def _begin(self, method: str, request: bytes) -> grpc.Future:
        return self._channel.unary_unary(f"/{method}").future(request, timeout=DEADLINE_S)


def _outcome(future: grpc.Future) -> tuple[str, bytes]:
    try:
        return "OK", future.result()
    except grpc.RpcError as error:
        said = (error.details() or "").encode()
        for _, value in error.trailing_metadata() or ():
            said += b"\n" + (value if isinstance(value, bytes) else value.encode())
        return error.code().name, said


def _faults(status: str, said: bytes, future: grpc.Future) -> list[str]:
    found = [f"{status} tells {leak}: {said[:200]!r}" for leak in leaks(said)]
    if status not in FIT:
        found.append(f"{status} {said[:200]!r}")
    elif status != "OK" and _reasons(future) not in KNOWN:
        found.append(f"{status} without one known reason")
    return found


def _reasons(future: grpc.Future) -> tuple[str, ...]:
    trailers = dict(future.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailers.get(_DETAILS, b""))
    return tuple(
        error_details_pb2.ErrorInfo.FromString(detail.value).reason
        for detail in status.details
        if detail.type_url == _INFO
    )

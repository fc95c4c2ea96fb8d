"""Sends many HTTP calls, and says which answers are not fit to be given."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterable, Mapping
from queue import Empty, SimpleQueue

from tests.support.corpus.scanner import leaks

DEADLINE_S = 20.0
THREADS = 4
UNFIT = {408, 429, 499}
"""Below 500, and yet no answer to these calls, which are neither slow nor too many."""

Sent = tuple[str, str, str, "bytes | None", Mapping[str, "str | bytes"]]
"""Label, method, target, body, headers."""


def unfit(port: int, calls: Iterable[Sent]) -> tuple[int, list[str]]:
    """How many calls were answered, and what is wrong with answers, by label."""
    waiting: SimpleQueue[Sent] = SimpleQueue()
    count = 0
    for call in calls:
        waiting.put(call)
        count += 1
    faults: list[str] = []
    threads = [threading.Thread(target=_work, args=(port, waiting, faults)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return count, faults


def status_of(port: int, call: Sent) -> tuple[int, bytes]:
    """How one call is answered."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    try:
        return _ask(connection, call)
    finally:
        connection.close()


def _work(port: int, waiting: SimpleQueue[Sent], faults: list[str]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    try:
        while True:
            call = waiting.get_nowait()
            try:
                status, said = _ask(connection, call)
            except (OSError, http.client.HTTPException) as error:
                faults.append(f"{call[:3]}: {error!r}")
                connection.close()
                continue
            told = f"{call[:3]} {call[3] and call[3][:200]!r}: {status} {said[-300:]!r}"
            faults += [f"{leak} told by {told}" for leak in leaks(said)]
            if status >= 500 or status in UNFIT or b"internal error" in said:
                faults.append(told)
    except Empty:
        pass
    finally:
        connection.close()


def _ask(connection: http.client.HTTPConnection, call: Sent) -> tuple[int, bytes]:
    _, method, target, body, headers = call
    connection.putrequest(method, target, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    response = connection.getresponse()
    told = "".join(f"{name}: {value}\n" for name, value in response.getheaders())
    return response.status, told.encode() + b"\n" + response.read()

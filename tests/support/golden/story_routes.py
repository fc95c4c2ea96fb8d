"""Every route of /v1 and of the dialects: its example, and what is refused around it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.support.corpus.routes import CREDENTIALS, Example, example, names
from tests.support.corpus.texts import JSON_TEXTS, placed
from tests.support.golden.steps import Clock, Http, Step, rpc

START = "2023-08-15T00:00:00Z"
STEP = 17
"""Which of the corpus's values a place gets: each so-manieth, and its neighbours the others."""

JSON = {"Content-Type": "application/json"}
BAD_BODIES = (b"", b"{", b"[]", b'{"nothing": 1}', b"null", b"\xff")


def steps(ids: dict[str, str]) -> Iterator[Step]:
    """Steps of every route; `ids` are those of what there is."""
    for dialect, method, template in names():
        if (method, template) == ("POST", "/v1/dev/clock"):
            continue  # nothing would be as it was
        yield from _of_route(example(dialect, method, template, ids))
    yield from _closings()
    yield Clock("2024-02-29T12:00:00Z")
    for dialect, method, template in names():
        if (method, template) != ("POST", "/v1/dev/clock"):
            yield _as_it_is(example(dialect, method, template, ids))
    yield Http("POST", "/v1/dev/clock", {"time": "2024-02-29T12:00:01Z"}, CREDENTIALS["v1"])
    yield Http("POST", "/v1/dev/clock", {"time": "2023-01-01T00:00:00Z"}, CREDENTIALS["v1"])


def _closings() -> Iterator[Step]:
    """Close points by their own ids, which no page can name."""
    for method, template in ((method, template) for _, method, template in names()):
        if method == "PATCH" and template.endswith("/api/points/update"):
            earn = {"member": {"external_id": "erin"}, "amount": {"value": "3"}, "days": 30}
            waiting = earn | {"initial_state": "LOT_STATE_OPEN"}
            yield rpc("PointsService/Earn", **waiting, save={"point": "lot.lot_id"})
            body = {"point_id": "$point", "status": "Closed"}
            yield Http(method, template, body, CREDENTIALS["tbns"] | JSON)
            yield Http(method, template, body, CREDENTIALS["tbns"] | JSON)


def _of_route(made: Example) -> Iterator[Step]:
    yield _as_it_is(made)
    for headers in ({}, {"Authorization": "Bearer wrong", "X-Token": "wrong"}):
        yield Http(made.method, made.target(), made.body or b"", headers)
    yield _with(made, "PUT", made.target(), made.body)
    yield _with(made, made.method, made.target(query="nothing=1"), made.body)
    for name in made.values:
        for text in ("0", "%00", "x%2Fy"):
            yield _with(made, made.method, made.target({name: text}), made.body)
    for name in made.parameters[:12]:
        yield _with(made, made.method, made.target(query=f"{name}=%00"), made.body)
    if made.body is None:
        return
    for body in BAD_BODIES:
        yield _with(made, made.method, made.target(), body)
    yield Http(made.method, made.target(), json.dumps(made.body).encode(), _plain(made))
    for place, path in enumerate(made.fields):
        for text in JSON_TEXTS[place % STEP :: STEP]:
            yield _with(made, made.method, made.target(), placed(made.body, path, text))


def _as_it_is(made: Example) -> Http:
    return _with(made, made.method, made.target(), made.body)


def _with(made: Example, method: str, target: str, body: object) -> Http:
    headers = CREDENTIALS[made.dialect] | (JSON if body else {})
    return Http(method, target, b"" if body is None else body, headers)


def _plain(made: Example) -> dict[str, str]:
    return CREDENTIALS[made.dialect] | {"Content-Type": "text/plain"}

"""Every route of the JSON gateway, /v1 and the dialects, with every nasty value in every place."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from typing import TypeVar

import pytest
from tests.support.corpus.http_calls import Sent, status_of, unfit
from tests.support.corpus.routes import CREDENTIALS, Example, example, names
from tests.support.corpus.texts import (
    IN_HEADERS,
    IN_PATHS,
    IN_QUERIES,
    JSON_TEXTS,
    NO_JSON,
    placed,
    twice,
)
from tests.support.gateway.live import Live

ROUTES = [pytest.param(*name, id=" ".join(name)) for name in names()]
# A clock that was set far away would be that of all tests after it.
PLACES = [one for one in ROUTES if one.values[2] != "/v1/dev/clock" or one.values[1] == "GET"]
# POINTS_CORPUS=whole puts every value into every place, which takes minutes; otherwise a place gets
# some of the values, and its neighbours the others.
STEP = 1 if os.environ.get("POINTS_CORPUS") == "whole" else 13
T = TypeVar("T")
JSON = {"Content-Type": "application/json"}
QUERIES = (
    "a=1&a=2",
    "a[]=1",
    "=",
    "&" * 999,
    "&".join(f"k{n}=" for n in range(999)),
    "%ED%A0%80=%00",
)
routes = pytest.mark.parametrize(("dialect", "method", "template"), PLACES)


def sent(label: str, made: Example, body: bytes | None = None, target: str = "") -> Sent:
    """A call as the example makes it, but for what is given."""
    headers = CREDENTIALS[made.dialect] | (JSON if body is not None else {})
    return label, made.method, target or made.target(), body, headers


def some(made: Example, values: Sequence[T]) -> Sequence[T]:
    """For a vendor's route all of them; those of /v1 share the way in, and the values."""
    if STEP == 1 or made.dialect != "v1":
        return values
    return values[len(made.name) % 3 :: 3]


def whole(made: Example) -> bytes | None:
    """The body of the example."""
    return None if made.body is None else json.dumps(made.body).encode()


def in_bodies(made: Example) -> Iterator[Sent]:
    """Calls whose body has something else at each of its places, and bodies that are none."""
    if made.body is None:
        return
    for place, path in enumerate(made.fields):
        for text in JSON_TEXTS[place % STEP :: STEP]:
            yield sent(".".join(map(str, path)), made, placed(made.body, path, text))
    for body in (*some(made, NO_JSON), *twice(made.body)):
        yield sent("the body", made, body)


def around(made: Example) -> Iterator[Sent]:
    """Calls with something else in path, query and headers, and by other HTTP methods."""
    body = whole(made)
    for name in made.values:
        for text in some(made, IN_PATHS):
            yield sent(name, made, body, made.target({name: text}))
    for place, name in enumerate(made.parameters):
        for text in IN_QUERIES[place % STEP :: STEP]:
            yield sent(name, made, body, made.target(query=f"{name}={text}"))
    for text in some(made, (*IN_PATHS, *QUERIES)):
        yield sent("the query", made, body, made.target(query=text))
    for name, values in IN_HEADERS.items():
        for value in some(made, values):
            label, *rest, headers = sent(name, made, body)
            yield (label, *rest, {**headers, name: value})
    for verb in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "PROPFIND"):
        yield (verb, verb, made.target(), body, {})


@routes
def test_whatever_a_place_holds_is_answered(
    dialect: str, method: str, template: str, live: Live, ids: dict[str, str]
) -> None:
    """No value in a body, path, query or header makes a route break, hang, or tell too much."""
    made = example(dialect, method, template, ids)
    status, said = status_of(live.http_port, sent("as it is", made, whole(made)))
    assert status in ((400,) if made.only_refuses else (200, 404, 409)), said
    calls = [*in_bodies(made), *around(made)]
    count, faults = unfit(live.http_port, calls)
    assert not faults, faults[:10]
    assert count == len(calls)
    # What is declared is what is sent: a place that nobody named would not be among them.
    assert {label for label, *_ in calls} > {*made.values, *made.parameters}

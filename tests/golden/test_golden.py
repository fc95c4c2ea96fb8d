"""Golden answers: what is answered today, byte for byte, so that a change of code changes none.

Each test plays a story against a fresh server, whose clock and ids are the same each time, and
compares all answers with the recording of its name. A change that means to answer otherwise is
recorded anew by `make golden`, in a commit that changes nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from difflib import unified_diff
from pathlib import Path

from tests.support.corpus.fixtures import stock
from tests.support.corpus.requests import base, variants
from tests.support.corpus.routes import example, names
from tests.support.golden import story_admin, story_points, story_routes
from tests.support.golden.steps import Stage, Step, staged

from points_grpc.gateway.upstream import METHODS

RECORDINGS = Path(__file__).parent / "recordings"
RECORD = os.environ.get("POINTS_GOLDEN") == "record"
SHOWN_LINES = 60
STEP = 7
"""Which of the corpus's values a field gets: each so-manieth, and its neighbours the others."""


def recorded(name: str, blocks: Iterable[str]) -> tuple[str, str]:
    """What is recorded under `name` and what is answered now; with POINTS_GOLDEN=record alike."""
    now = "\n".join(blocks)
    file = RECORDINGS / f"{name}.txt"
    if RECORD:
        file.write_text(now, encoding="utf-8", newline="")
    return file.read_bytes().decode(), now


def difference(before: str, now: str) -> str:
    """The lines that are not alike, as many as can be read."""
    lines = unified_diff(before.split("\n"), now.split("\n"), "recorded", "now", lineterm="", n=6)
    return "\n".join(line[:300] for _, line in zip(range(SHOWN_LINES), lines, strict=False))


def played(stage: Stage, steps: Iterable[Step]) -> list[str]:
    """Each step and its answer."""
    return [f"=== {place}. {stage.play(step)}" for place, step in enumerate(steps)]


def test_administration(database_url: str) -> None:
    """Programs, currencies, policies and members are answered as recorded."""
    with staged(database_url, story_admin.START) as stage:
        before, now = recorded("administration", played(stage, story_admin.STORY))
    assert before == now, difference(before, now)


def test_points(database_url: str) -> None:
    """Points are answered as recorded, before and after they lapse."""
    with staged(database_url, story_points.START) as stage:
        before, now = recorded("points", played(stage, story_points.STORY))
    assert before == now, difference(before, now)


def test_routes(database_url: str) -> None:
    """Every route of /v1 and of the dialects answers as recorded, good calls and bad."""
    with staged(database_url, story_routes.START) as stage:
        ids = stock(stage.live, demo=False)
        before, now = recorded("routes", played(stage, story_routes.steps(ids)))
    assert before == now, difference(before, now)


def test_fields(database_url: str) -> None:
    """Every field of every method, holding what it should not, is answered as recorded."""
    blocks = []
    with staged(database_url, story_routes.START) as stage:
        ids = stock(stage.live, demo=False)
        for name in METHODS:
            if name.endswith("/SetClock"):
                continue  # nothing would be as it was
            method = name.partition("v1.")[2]
            begin = base(name, ids)
            blocks.append(f"=== {name}\n{stage.call(method, begin.SerializeToString(), 'demo')[1]}")
            for place, (label, request) in enumerate(variants(METHODS[name], begin, STEP)):
                answered = stage.call(method, request, "demo")[1]
                blocks.append(f"--- {place}. {label}, {len(request)} bytes\n{answered}")
    before, now = recorded("fields", blocks)
    assert before == now, difference(before, now)


def test_every_method_and_route_is_recorded() -> None:
    """Each method has an answer and a refusal on record, and so has each route."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in RECORDINGS.glob("*.txt"))
    blocks = text.split("\n=== ")
    missing = []
    for name in METHODS:
        said = [b for b in blocks if f". {name.partition('v1.')[2]} as " in b.partition("\n")[0]]
        outcomes = {block.split("\n")[1].split(" ")[0] for block in said}
        if "OK" not in outcomes or not outcomes - {"OK"}:
            missing.append((name, outcomes))
    assert not missing
    for dialect, method, template in names():
        begin = template.partition("{")[0]
        of = [b for b in blocks if f". {method} {begin}" in b.partition("\n")[0]]
        only_refuses = dialect != "v1" and example(dialect, method, template, {}).only_refuses
        statuses = {block.split("\n")[1][0] for block in of}
        assert statuses >= ({"4"} if only_refuses else {"2", "4"}), (method, template, statuses)

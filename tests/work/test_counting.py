"""What the other tests of this folder go by sees what it should."""

from __future__ import annotations

import pytest
from tests.support.work.counting import COUNTER, instrumented
from tests.support.work.linear import is_linear

SLOW = {
    "count": "for one in text:\n  text.count(one)",
    "search": "seen = []\nfor one in range(len(text)):\n  one in seen or seen.append(one)",
    "sum": "held = ''\nfor one in text:\n  held = held + one",
    "addition": "held = b''\nfor one in text:\n  held += b'x'",
    "slice": "while text:\n  text = text[1:]",
    "format": "held = ''\nfor one in text:\n  held = f'{held}{one}'",
    "comprehension": "[one for one in text for other in text]",
    "constructor": "for one in text:\n  set(text)",
    "generator": "any(one == other == 1 for one in text for other in text)",
}
QUICK = {
    "set": "seen = set()\nfor one in range(len(text)):\n  one in seen or seen.add(one)",
    "join": "''.join([one for one in text])",
    "split": "text.split('x')",
    "list": "held = []\nfor one in text:\n  held += [one]",
}


def steps(code: str) -> list[int]:
    work = compile(instrumented(code), code, "exec")
    return is_linear(lambda size: lambda: exec(work, {"__work__": COUNTER, "text": "x" * size}))


@pytest.mark.parametrize("name", SLOW)
def test_what_is_quadratic_is_seen(name: str) -> None:
    """What is quadratic is found, in Python as in C."""
    assert steps(SLOW[name])


@pytest.mark.parametrize("name", QUICK)
def test_what_is_linear_is_let_through(name: str) -> None:
    """What is linear is not complained of."""
    assert not steps(QUICK[name])

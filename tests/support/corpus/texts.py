"""Nasty values as text: in JSON, in a path or query, in a header."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import pairwise
from typing import Any

MARK = "@@here@@"

JSON_TEXTS = (
    *("null", "true", "0", "-0", "-1", "77", "0.5", "1e2", "-0.0", "1e-400", "1e400"),
    *(str(10**18), str(2**63), str(-(2**63) - 1), "1" * 41),
    *('""', '" "', r'"\u0000"', r'"a\u0000b"', '"\x7f"', '"NaN"', '"-0"', '"1e2"', f'"{2**63}"'),
    *(r'"\ud800"', r'"\udfff\ud800"', r'"\u202e\u05e9\u05dc\u05d5\u05dd"', r'"e\u0301\uffff"'),
    *(json.dumps("x" * 129), json.dumps("😀" * 3000), '"\'; --"', '"../../.."', '"NO_SUCH_VALUE"'),
    *('"2016-12-31T23:59:60Z"', '"2023-02-29T00:00:00Z"', '"2024-02-29"', '"2023-02-29"'),
    *('"9999-12-31T23:59:59.999999999Z"', '"0000-01-01T00:00:00Z"', '"10000-01-01T00:00:00Z"'),
    *('"2025-03-30T02:30:00+01:00"', '"2025-01-01T00:00:00+99:99"', '"0001-01-01T00:00:00+14:00"'),
    *("[]", "{}", "[[]]", '[null, 1, "a"]', '{"": {"a\\u0000": 1}}', '{"a": 1, "a": 2}'),
)
"""What a field may hold and the body still be JSON, in the eyes of some reader."""

NO_JSON = (
    *(b"", b" ", b"\0", b"\xff\xfe", b"\xef\xbb\xbf{}", b'"\xed\xa0\x80"', b"nul", b"{", b"}"),
    *(b"NaN", b"-Infinity", b"01", b"+1", b".5", b"1.", b"0x1", b"-", b"9" * 5000),
    *(b"1e" + b"9" * 30, b"1" + b"0" * 400 + b".5", b"'a'", b'"\x01"', b'"\\x"', b'"\\u12"'),
    *(b"{} {}", b"//", b'{"a"}', b"{1: 2}", b"[1,]", b"null", b"true", b"[]", b'""', b"1"),
    *(b"[" * 100_000, b'{"a":' * 50_000, b"[" * 200 + b"]" * 200),
    b"{" + b",".join(b'"k%d": 1' % n for n in range(20_000)) + b"}",
)
"""Whole bodies: most are no JSON, the others no object, or far too much of one."""

IN_PATHS = (
    *(
        "%00",
        "a%00b",
        "%ED%A0%80",
        "%FF",
        "%",
        "%zz",
        "..%2F..%2F",
        "%2e%2e",
        "%E2%80%AE",
        "%0d%0aX:y",
    ),
    *(
        "0",
        "-1",
        "-0",
        "1e3",
        str(10**18),
        str(2**63),
        "NaN",
        "%20",
        "+",
        "%C0%80",
        "x" * 5000,
        "*",
        "&=",
    ),
)
IN_QUERIES = (*IN_PATHS, "", "2016-12-31T23:59:60Z", "2023-02-29", "true", "NO_SUCH_VALUE", "null")
IN_HEADERS: Mapping[str, Sequence[bytes]] = {
    "Idempotency-Key": (b"x" * 129, b"\xff\xfe", b"\xe2\x80\xae", b" "),
    "X-Request-Id": (b"x" * 5000, b"\xed\xa0\x80", b"a\x01b"),
    "X-Request-Timeout": (b"0", b"-1", b"NaN", b"1e9", b"9" * 400, b"", "１".encode()),
    "Content-Type": (b"", b"text/plain", b"application/json; charset=utf-16", b"\xff", b"a" * 5000),
    "Content-Encoding": (b"gzip", b"\xff"),
    "traceparent": (b"00-" + b"0" * 999, b"\xff"),
    "X-User-Timezone": (b"../../..", b"\xff", b"x" * 999),
}


def placed(begin: Any, path: Sequence[str | int], text: str) -> bytes:
    """The JSON `begin` with `text` as it is at `path`, which is made where there is none."""
    held = root = deepcopy(begin)
    for step, after in pairwise(path):
        if isinstance(step, int):
            if not held:
                held.append({})
            held = held[0]
        else:
            if not isinstance(held.get(step), (dict, list)):
                held[step] = [] if isinstance(after, int) else {}
            held = held[step]
    last = path[-1]
    if isinstance(last, int):
        held[:1] = [MARK]
    else:
        held[last] = MARK
    return json.dumps(root).replace(f'"{MARK}"', text).encode()


def twice(begin: dict[str, Any]) -> Iterator[bytes]:
    """The object with each key given once more."""
    whole = json.dumps(begin)
    for name, value in begin.items():
        yield f"{whole[:-1]}, {json.dumps(name)}: {json.dumps(value)}}}".encode()

"""Twice the file, or the token, is at most twice the work."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.support.work.linear import Read, is_linear

FILES: dict[str, Callable[[int], bytes]] = {
    "an open quote": lambda n: b'1,"' + b"\n" * n,
    "an open quote at each line": lambda n: b'1,"\n"' * n,
    "a quote that closes at last": lambda n: b'1,"' + b"a\n" * n + b'",2\n',
    "quotes": lambda n: b'"' * (2 * n) + b"\n",
    "commas": lambda n: b"," * n + b"\n",
    "rows": lambda n: b"m-1,1.00,2020-01-01,1\n" * n,
    "rows that are none": lambda n: b'm-1,"1"x,2020-01-01,1\n' * n,
    "long rows": lambda n: b"m-1,1,2020-01-01,1," + b"x" * n + b"\n",
    "blank lines": lambda n: b"\n" * n,
    "digits": lambda n: b"m-1," + b"1" * n + b",2020-01-01,1\n",
    "phones": lambda n: b"m-1,1,2020-01-01,1,," + b"1-" * n + b"\n",
}
LINES: dict[str, Callable[[int], bytes]] = {
    "rows": lambda n: b'{"external_id": "m-1", "amount": 1, "earned_at": "2020-01-01"}\n' * n,
    "an open text": lambda n: b'{"amount": "' + b'\\"' * n + b"\n",
    "nested": lambda n: b'{"custom_meta": ' + b"[" * n + b"]" * n + b"}\n",
    "keys": lambda n: b"{" + b",".join(b'"k%d": 1' % i for i in range(n)) + b"}\n",
    "a key often": lambda n: b"{" + b",".join([b'"amount": 1'] * n) + b"}\n",
    "identifiers": lambda n: (
        b'{"type": "member", "identifiers": ['
        + b",".join(b'{"type": "phone", "value": "%d"}' % i for i in range(n)) + b"]}\n"
    ),
    "allocations": lambda n: (
        b'{"type": "transaction", "external_id": "m-1", "import_id": "i", "transaction": "REDEEM",'
        b' "effective_at": "2020-01-01", "allocations": ['
        + b",".join(b'{"lot_vendor_id": %d, "amount": 1}' % (i + 1) for i in range(n)) + b"]}\n"
    ),
    "custom_meta": lambda n: (
        b'{"type": "expiry_change", "external_id": "m-1", "import_id": "i", "lot_vendor_id": 1,'
        b' "recorded_at": "2020-01-01", "custom_meta": {'
        + b",".join(b'"k%d\\u00e9": [%d, "\\u0041"]' % (i, i) for i in range(n)) + b"}}\n"
    ),
}  # fmt: skip
HEADER = b"external_id,amount,earned_at,vendor_id,reference,phone"


@pytest.mark.parametrize("label", FILES)
def test_csv_is_read_in_linear_time(world: Any, tmp_path: Path, label: str) -> None:
    """Records of CSV are linear: quotes that stay open, and rows that are none, too."""
    reader = world.rows.CsvReader(HEADER)
    assert is_linear(_importing(world, tmp_path, FILES[label], reader, True)) == []


@pytest.mark.parametrize("label", LINES)
def test_json_lines_are_read_in_linear_time(world: Any, tmp_path: Path, label: str) -> None:
    """Records of JSON are linear, with all that they hold."""
    reader = world.rows.JsonReader()
    assert is_linear(_importing(world, tmp_path, LINES[label], reader, False)) == []


def _importing(
    world: Any, folder: Path, make: Callable[[int], bytes], reader: Any, quoted: bool
) -> Read:
    parser = world.parsing.Parser(world.program, {}, datetime(2031, 5, 6, tzinfo=UTC))

    def read(size: int) -> Callable[[], object]:
        file = folder / f"{size}.csv"
        file.write_bytes(make(size))

        def work() -> None:
            for records in world.source.Source(file, quoted).records(5000):
                for number, row in reader.read(records).rows:
                    with contextlib.suppress(world.errors.InvalidField):
                        parser.parse(number, row)

        return work

    return read


# Credentials and page tokens

TOKENS: dict[str, Callable[[int], str]] = {
    "long": lambda n: "a" * n,
    "dots": lambda n: "." * n,
    "a long header": lambda n: "eyJhbGciOiJSUzI1NiJ9" + "A" * n + ".e30.c2ln",
}


@pytest.mark.parametrize("label", TOKENS)
def test_tokens_are_read_in_linear_time(world: Any, label: str) -> None:
    """Web tokens and page tokens are linear."""

    def grant(size: int) -> Callable[[], object]:
        token = TOKENS[label](size)

        def work() -> None:
            with contextlib.suppress(world.errors.TokenInvalid):
                asyncio.run(world.tokens.grant_of(token))

        return work

    def page(size: int) -> Callable[[], object]:
        token = TOKENS[label](size)

        def work() -> None:
            with contextlib.suppress(world.errors.InvalidPageToken):
                world.page_token.read_page_token(1, world.program, token)

        return work

    assert is_linear(grant) == []
    assert is_linear(page) == []

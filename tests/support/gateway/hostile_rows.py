"""Rows of files that hold what they should not: every field of every type, once with each value."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from points_grpc.service.transfer.importer.fields import ALL, KINDS

DEEP = "[" * 40 + "]" * 40
VALUES: tuple[Any, ...] = (
    *("\0", "a\0b", "\ud800", "a\udfffb", "é" * 300, "x" * 5000, "\u2028", "a\nb", "a\rb", '"'),
    *("0", "-1", "1e999", "1e-999", "NaN", "Infinity", "9" * 30, "9" * 5000, "1_0", "١٢", "²"),
    *("never", "0001-01-01", "9999-12-31", "0000-01-01", "2024-02-30", "2020-01-31T12:00:00z"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2020-01-31T12:00:00+01:99"),
    *("OPEN", "PENDING", "CLOSED", "SUBMIT", "APPROVE", "CLOSE", "EXPIRE", "REVERSE", "HOLD"),
    *("true", "null", "5", '"x"', "[]", "{}", "[null]", "[[]]", DEEP, "[" * 100_000),
    *(r'{"a":"\u0000"}', r'{"a":"\ud800"}', r'{"\ud800":1}', r'{"\u0000":1}'),
    *('{"a":1e400}', '{"a":1e300}', '{"a":NaN}', '{"a":-Infinity}', '{"a":9007199254740993}'),
    *('{"a":' + "9" * 400 + "}", '{"a":' + "9" * 5000 + "}", '{"a":[' + "0," * 5000 + "0]}"),
    *('{"a":1.5,"b":[1e2,null,{"c":true}]}', '{"a":1,"a":2}', '{"":""}', f'{{"a":{DEEP}}}'),
    *(r'{"a":"\ud83d\ude00"}', '{"a":"' + "é" * 5000 + '"}'),
    r'[{"type":"card","value":"\u0000"}]',
    r'[{"type":"card","value":"\ud800"}]',
    r'[{"type":"\ud800","value":"x"}]',
    '[{"type":"card","value":"fine"}]',
    '[{"type":"phone","value":"x"}]',
    '[{"type":"member_id","value":"5"}]',
    r'[{"lot_import_id":"\u0000","amount":1}]',
    r'[{"lot_import_id":"\ud800","amount":1}]',
    '[{"lot_vendor_id":1,"amount":1}]',
    '[{"lot_vendor_id":1,"amount":1e999}]',
    '[{"lot_vendor_id":{},"amount":[]}]',
    *("anna@ü.example", "anna@" + "ü" * 200, "+966 ٥٠١٢٣٤٥٦٧", "=1+1", "member_id", "card"),
)
IN_JSON: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 1e308, 10**400, [], {}, [[]], {"a": 1e300}, {"a": 10**300}),
    *({"\ud800": "\0"}, {"a": ["\ud800"]}, {"a": "x" * 9000}),
    *({"a": json.loads(DEEP)}, json.loads(DEEP)),
    [{"type": "card", "value": "\ud800"}],
    [{"type": 1, "value": 2}],
    [{"lot_import_id": "\ud800", "amount": 1}],
    {"a": 2**53, "b": -(2**53), "c": 0.1, "d": [{"e": None}]},
)
AT = "2020-05-05T12:00:00Z"


def good(file: str, kind: str, place: int) -> dict[str, Any]:
    """A row that is in order, of a member of its own or of the file's."""
    own = {"external_id": f"{file}-{kind}-{place}"}
    lot = {"amount": "5", "earned_at": "2020-01-01T00:00:00Z", "expires_at": "never"}
    named = {"external_id": f"{file}-stock", "import_id": f"{kind}-{place}"}
    return {
        "member": own,
        "lot": {**own, "vendor_id": "1", **lot},
        "transaction": {
            **named,
            "transaction": "REDEEM",
            "effective_at": AT,
            "allocations": '[{"lot_vendor_id":1,"amount":1}]',
        },
        "expiry_change": {
            **named,
            "lot_vendor_id": "2",
            "old_expires_at": "never",
            "new_expires_at": "2030-01-01",
            "recorded_at": AT,
            "custom_meta": '{"a":1}',
        },
    }[kind]


def rows(file: str, values: tuple[Any, ...]) -> Iterator[dict[str, Any]]:
    """Lots of the file's member, then rows of every type, each with one field spoilt."""
    for number in ("1", "2"):
        lot = {"vendor_id": number, "amount": "1000000", "earned_at": "2020-01-01"}
        yield {"type": "lot", "external_id": f"{file}-stock", **lot}
    for kind, fields in KINDS.items():
        for field in fields._fields:
            for place, value in enumerate(values):
                yield {**good(file, kind, place), "type": kind, field: value}


def json_lines(file: str) -> tuple[bytes, int]:
    """All of them as JSON lines; and how many lines that makes."""
    lines = [json.dumps(row).encode() for row in rows(file, VALUES + IN_JSON)]
    return b"\n".join(lines) + b"\n", len(lines)


def csv_lines(file: str) -> tuple[bytes, int]:
    """Those that UTF-8 can hold as CSV; and how many rows that makes."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ALL, restval="", lineterminator="\n")
    writer.writeheader()
    count = 0
    for row in rows(file, VALUES):
        if not any("\ud800" <= char <= "\udfff" for value in row.values() for char in value):
            writer.writerow(row)
            count += 1
    return text.getvalue().encode(), count

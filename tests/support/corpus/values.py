"""Values that have broken software before, by the kind of field that may hold them.

All that a message can hold stands here; what only text can say (a key given twice, NaN, an
unpaired surrogate) is in `texts`.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

SURROGATE_MARK = "QZX"
"""Stands for an unpaired surrogate: as long in UTF-8, but a string that a message takes."""

SURROGATE = b"\xed\xa0\x80"

INT64_MAX = 2**63 - 1
INTS = (0, -1, 1, 2**31, 2**46, 2**53, 10**18, INT64_MAX, -INT64_MAX - 1)
INT32S = (0, -1, 1, 29, 366, 10_001, 2**31 - 1, -(2**31))
TEXTS = (
    "",
    "\0",
    "a\0b",
    " ",
    "\r\nX-Y: z",
    SURROGATE_MARK,
    "\ufeff\u202eשלום\u202c مرحبا",
    "e\u0301\U0001f468\u200d\U0001f469\u200d\U0001f467\uffff",
    "x" * 129,
    "😀" * 5000,
    "'; \"); --",
    "../" * 9,
    "/",
    "%s%n{0}${a}",
    "-0",
)
DECIMALS = (
    *("", "0", "-0", "-1", "+1", "1.", ".5", "1e2", "1E-2", "1e999999999", "NaN", "-Infinity"),
    *("sNaN123", "1_000", "٣", "１", " 1", "0x1", str(10**18), str(INT64_MAX), str(10**40)),
    *("0." + "0" * 400 + "1", "9" * 5000, "1\0", SURROGATE_MARK),
)
INSTANTS = (
    *((0, 0), (-1, 0), (0, -1), (0, 10**9), (0, 999_999_999), (0, 1)),
    *((-62_135_596_800, 0), (-62_135_596_801, 0), (253_402_300_799, 999_999_999)),
    *((253_402_300_800, 0), (INT64_MAX, 2**31 - 1), (-INT64_MAX - 1, -(2**31))),
    # A leap second's neighbours, a 29 February, an hour that does not exist in Berlin.
    *((1_483_228_799, 0), (1_709_164_800, 0), (1_711_846_800, 0), (2**31, 0)),
)
DAYS = (
    *((0, 0, 0), (2024, 2, 29), (2023, 2, 29), (2100, 2, 29), (1, 1, 1), (9999, 12, 31)),
    *((10_000, 1, 1), (0, 2, 29), (2025, 13, 1), (2025, 0, 1), (2025, 1, 0), (2025, 1, 32)),
    *((2025, 3, 30), (2011, 12, 30), (-1, -1, -1), (2**31 - 1, 2**31 - 1, 2**31 - 1)),
)
ZONES = ("America/Sao_Paulo", "Pacific/Apia", "Africa/Cairo", "utc", "EST5EDT4", "localtime", ".")
PATHS = (("",), ("name", "name"), ("nobody",), ("\0",), ("*",), ("a.b." * 99,), ("x",) * 2000)


def enum_numbers(enum: EnumDescriptor) -> list[int]:
    """Every known value, and some that are not."""
    return [*enum.values_by_number, -1, 77, 2**31 - 1, -(2**31)]


def structs() -> list[dict[str, Any]]:
    """Deep, wide, empty and strange objects."""
    deep: Any = 1
    for _ in range(40):
        deep = {"d": deep}
    return [
        {},
        {"": ""},
        {"\0": "\0", SURROGATE_MARK: SURROGATE_MARK},
        deep,
        {"list": [[[[[[]]]]]] * 50},
        {f"key{n}": n for n in range(3000)},
        {"n": [float("nan"), float("inf"), -0.0, 1e308, 5e-324, 2.0**53]},
        {"x": None, "y": [True, None, "\u202e"]},
    ]


def whole(field: FieldDescriptor) -> list[Message]:
    """Values of a message field that is set as a whole."""
    name, make = field.message_type.full_name, GetMessageClass(field.message_type)
    if name == "google.protobuf.Timestamp":
        return [make(seconds=seconds, nanos=nanos) for seconds, nanos in INSTANTS]
    if name == "google.type.Date":
        return [make(year=year, month=month, day=day) for year, month, day in DAYS]
    if name == "google.type.Decimal":
        return [make(value=value) for value in DECIMALS]
    if name == "google.protobuf.FieldMask":
        return [make(paths=paths) for paths in PATHS]
    if name == "google.protobuf.Struct":
        found = []
        for content in structs():
            made = make()
            made.update(content)
            found.append(made)
        return found
    return []


def single(field: FieldDescriptor) -> list[Any]:
    """Values of a field that is no message. Raises KeyError for a type that nobody thought of."""
    if field.enum_type is not None:
        return enum_numbers(field.enum_type)
    texts = (*TEXTS, *ZONES) if field.name == "time_zone" else TEXTS
    return list(
        {
            FieldDescriptor.TYPE_STRING: texts,
            FieldDescriptor.TYPE_INT64: INTS,
            FieldDescriptor.TYPE_INT32: INT32S,
            FieldDescriptor.TYPE_BOOL: (False, True),
        }[field.type]
    )

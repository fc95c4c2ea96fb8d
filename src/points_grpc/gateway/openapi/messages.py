"""Messages of the contract as JSON Schema of their proto3 JSON.

What is sent and what is answered differ: requests take no unknown fields, and 64-bit integers also
as numbers; answers have every field without presence, and may have more of them one day. A type
that is both has two schemas, `Policy` and `PolicyInput`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import combinations
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from points_grpc.gateway.transcoding.parsing import bound_of

Schema = dict[str, Any]

_INT64_DIGITS = "^-?[0-9]{1,19}$"
_REQUIRED = re.compile(r"\bRequired[.,;]")
_LONG = (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64)
_PLAIN: dict[int, Schema] = {
    FieldDescriptor.CPPTYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.CPPTYPE_UINT32: {"type": "integer", "format": "uint32", "minimum": 0},
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.CPPTYPE_STRING: {"type": "string"},
    FieldDescriptor.CPPTYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptor.CPPTYPE_FLOAT: {"type": "number", "format": "float"},
}
_OWN_FORMS: Mapping[str, Schema] = {
    "google.protobuf.Timestamp": {
        "type": "string",
        "format": "date-time",
        "examples": ["2022-12-31T23:59:59Z"],
    },
    "google.protobuf.Struct": {"type": "object", "examples": [{"campaign": "spring"}]},
    "google.protobuf.FieldMask": {"type": "string", "examples": ["name,autoEnroll"]},
    "google.protobuf.Any": {
        "type": "object",
        "properties": {"@type": {"type": "string"}},
        "required": ["@type"],
    },
}
_EXAMPLES = {"google.type.Decimal.value": "100"}
# Theirs are written for those who write libraries.
_SHORT = {
    "google.type.Decimal": "A decimal number.",
    "google.type.Decimal.value": "The number in decimal digits, such as `12.50`.",
    "google.type.Date": "A calendar date.",
    "google.type.Date.year": "1 to 9999.",
    "google.type.Date.month": "1 to 12.",
    "google.type.Date.day": "1 to 31; 0 where only the month is meant.",
    "google.rpc.Status": "Why an item was refused.",
    "google.rpc.Status.code": "The number of the gRPC status code.",
    "google.rpc.Status.message": "What is wrong, for people.",
    "google.rpc.Status.details": "What is wrong, for programs: ErrorInfo, BadRequest, RetryInfo.",
}


class Schemas:
    """The schemas of messages, collected under the names by which they are referred to."""

    def __init__(self, comments: Mapping[str, str]) -> None:
        self._comments = {**comments, **_SHORT}
        self._found: dict[tuple[str, bool], Schema] = {}

    def comment(self, name: str) -> str:
        """Return the contract's comment on an element."""
        return self._comments.get(name, "")

    def sent(self, message: Descriptor, left_out: frozenset[str] = frozenset()) -> Schema:
        """Return a request's schema without the fields in `left_out`, which are in the path.

        A field that excludes one of those is left out with it.
        """
        if not left_out:
            return self._reference(message, True)
        choices = {message.fields_by_name[name].containing_oneof for name in left_out} - {None}
        out = {f.name for f in message.fields if f.containing_oneof in choices} | left_out
        return self._object(message, True, out)

    def answered(self, message: Descriptor) -> Schema:
        """Return a response's schema."""
        return self._reference(message, False)

    def field(self, field: FieldDescriptor, is_sent: bool) -> Schema:
        """The value of a field, with what is said about it."""
        schema = self._value(field, is_sent)
        bound = bound_of(field) if is_sent else 0
        if field.is_repeated and not _is_map(field):
            schema = {"type": "array", "items": schema} | ({"maxItems": bound} if bound else {})
        elif bound and schema["type"] == "object":
            schema["maxProperties"] = bound
        said = self.comment(field.full_name)
        return {**schema, "description": said} if said else schema

    def components(self) -> dict[str, Schema]:
        """Everything that is referred to, by name."""
        named = {self._name(name, is_sent): made for (name, is_sent), made in self._found.items()}
        return dict(sorted(named.items()))

    def _reference(self, message: Descriptor, is_sent: bool) -> Schema:
        key = (message.full_name, is_sent)
        if key not in self._found:
            self._found[key] = {}
            self._found[key].update(self._object(message, is_sent, set()))
        return {"$ref": f"#/components/schemas/{self._name(*key)}"}

    def _name(self, full_name: str, is_sent: bool) -> str:
        name = full_name.rpartition(".")[2]
        return f"{name}Input" if is_sent and not name.endswith("Request") else name

    def _object(self, message: Descriptor, is_sent: bool, out: set[str] | frozenset[str]) -> Schema:
        fields = [field for field in message.fields if field.name not in out]
        schema: Schema = {"type": "object", "description": self.comment(message.full_name)}
        schema["properties"] = {field.json_name: self.field(field, is_sent) for field in fields}
        if not is_sent:
            always = [field.json_name for field in fields if not field.has_presence]
            return {**schema, "required": always} if always else schema
        schema["additionalProperties"] = False
        if required := [field.json_name for field in fields if self._is_required(field)]:
            schema["required"] = required
        if only := _only_choices(message, fields):
            schema |= only
        return schema

    def _is_required(self, field: FieldDescriptor) -> bool:
        said = self.comment(field.full_name)
        return field.containing_oneof is None and _REQUIRED.search(said) is not None

    def _value(self, field: FieldDescriptor, is_sent: bool) -> Schema:
        if field.message_type is not None:
            return self._message(field.message_type, is_sent)
        if field.enum_type is not None:
            return self._enum(field.enum_type)
        if field.cpp_type in _LONG:
            return _long(is_sent, field.name)
        example = _EXAMPLES.get(field.full_name)
        return _PLAIN[field.cpp_type] | ({"examples": [example]} if example else {})

    def _message(self, kind: Descriptor, is_sent: bool) -> Schema:
        if kind.GetOptions().map_entry:  # JSON has an object, whatever the keys are
            entry = self._value(kind.fields_by_name["value"], is_sent)
            return {"type": "object", "additionalProperties": entry}
        if own := _OWN_FORMS.get(kind.full_name):
            return dict(own)
        return self._reference(kind, is_sent)

    def _enum(self, enum: EnumDescriptor) -> Schema:
        key = (enum.full_name, False)
        if key not in self._found:
            names = [value.name for value in enum.values]
            lines = [f"- `{name}`: {self.comment(f'{enum.full_name}.{name}')}" for name in names]
            said = "\n\n".join([self.comment(enum.full_name), "\n".join(lines)])
            self._found[key] = {"type": "string", "enum": names, "description": said}
        return {"$ref": f"#/components/schemas/{self._name(*key)}"}


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _long(is_sent: bool, name: str) -> Schema:
    kind = ["string", "integer"] if is_sent else "string"
    example = {"program_id": "469", "currency_id": "1"}.get(name)
    if example is None:
        example = "70368744177665" if name.endswith(("_id", "_ids")) else "1"
    return {"type": kind, "format": "int64", "pattern": _INT64_DIGITS, "examples": [example]}


def _only_choices(message: Descriptor, fields: list[FieldDescriptor]) -> Schema:
    """Return the rule that at most one field of each oneof is set; of a MemberRef just one."""
    choices = [
        [field.json_name for field in oneof.fields]
        for oneof in message.oneofs
        if len(oneof.fields) > 1 and all(field in fields for field in oneof.fields)
    ]
    if len(choices) == 1 and len(choices[0]) == len(fields):
        return {"minProperties": 1, "maxProperties": 1}
    pairs = [list(pair) for names in choices for pair in combinations(names, 2)]
    return {"not": {"anyOf": [{"required": pair} for pair in pairs]}} if pairs else {}

"""/v1 as an OpenAPI document: a path for every route of every method of the contract."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from points.v1 import errors_pb2
from points_grpc.errors import Refusal
from points_grpc.gateway.credentials import Form
from points_grpc.gateway.errors import Failure
from points_grpc.gateway.openapi import answers, credentials, examples
from points_grpc.gateway.openapi.messages import Schema, Schemas
from points_grpc.gateway.request import JSON
from points_grpc.gateway.transcoding import all_bindings
from points_grpc.gateway.transcoding.binding import SIMPLE, Binding
from points_grpc.gateway.transcoding.parsing import bound_of

_ABOUT = """\
The canonical API: every method of the contract `points.v1`, by its `google.api.http` annotation.

- Bodies are proto3 JSON: lowerCamelCase names (the contract's, which descriptions and paths of \
errors have, are understood as well), 64-bit integers as strings.
- Whatever is unknown, given twice or of another type is refused with the path of the field.
- Errors are as AIP-193 has them; `details` hold the reason and the facts that a program may act on.
"""
_REASON = re.compile(r"\b[A-Z]+(?:_[A-Z]+)+\b")
_REASONS_OF = re.compile(r"\bThe reasons are (\w+)'s\b")
_SENTENCE_END = re.compile(r"[.:;](?:\s|$)")
_EVERYWHERE = ("INVALID_FIELD", "TOKEN_INVALID", "SCOPE_MISSING")
_CODE_OF = {kind.reason: kind.code for kind in Refusal.__subclasses__()}
_OWN_FORMS = "google.protobuf."


def document(comments: Mapping[str, str]) -> dict[str, Any]:
    """The document, given the contract's comments."""
    schemas = Schemas(comments)
    paths: dict[str, dict[str, Any]] = {}
    tags: dict[str, str] = {}
    ids: set[str] = set()
    for name, binding in all_bindings():
        service = binding.method.containing_service
        tags.setdefault(service.name, schemas.comment(service.full_name))
        operation = _operation(name, binding, schemas)
        if operation["operationId"] in ids:
            operation["operationId"] += _by(binding)
        ids.add(operation["operationId"])
        paths.setdefault(binding.path, {})[binding.verb.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Points, /v1", "version": "v1", "description": _ABOUT},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": said} for name, said in tags.items()],
        "security": credentials.any_of((Form.BEARER,)),
        "paths": paths,
        "components": {
            "schemas": {**schemas.components(), "Error": answers.AIP_193},
            "parameters": answers.PARAMETERS,
            "responses": answers.of_the_frame(),
            "securitySchemes": credentials.schemes((Form.BEARER,)),
        },
    }


def _by(binding: Binding) -> str:
    """Return what distinguishes a further route of a method from its first."""
    last = binding.names[-1] if binding.names else "query"
    return "By" + last.title().replace("_", "")


def _operation(name: str, binding: Binding, schemas: Schemas) -> dict[str, Any]:
    method = binding.method
    said = schemas.comment(method.full_name)
    scopes = credentials.scopes_of(method)
    operation: dict[str, Any] = {
        "operationId": method.name,
        "tags": [method.containing_service.name],
        "summary": _SENTENCE_END.split(said)[0] or method.name,
        "description": f"{said}\n\n{credentials.scopes_said(scopes)}",
        "security": credentials.any_of((Form.BEARER,), scopes),
        "parameters": [*_parameters(binding, schemas)],
    }
    if binding.body:
        operation["requestBody"] = _body(name, binding, schemas)
    answered = {JSON: {"schema": schemas.answered(method.output_type)}}
    operation["responses"] = {
        "200": answers.of(schemas.comment(method.output_type.full_name), answered),
        **_refusals(binding, schemas),
    }
    return operation


def _body(name: str, binding: Binding, schemas: Schemas) -> dict[str, Any]:
    schema = schemas.sent(binding.method.input_type, frozenset(binding.names))
    content: dict[str, Any] = {"schema": schema}
    if example := examples.REQUESTS.get(name.rpartition("/")[2]):
        content["example"] = {key: value for key, value in example.items() if key in _keys(binding)}
    return {"required": True, "content": {JSON: content}}


def _keys(binding: Binding) -> set[str]:
    fields = binding.method.input_type.fields
    return {field.json_name for field in fields if field.name not in binding.names}


def _refusals(binding: Binding, schemas: Schemas) -> dict[str, Any]:
    """Return the answers to the reasons in the method's comment, and to every method's."""
    by_status: dict[int, list[str]] = {}
    for reason in dict.fromkeys((*_EVERYWHERE, *_reasons(binding.method, schemas))):
        status = Failure(_CODE_OF[reason], reason, "").http_status
        by_status.setdefault(status, []).append(reason)
    if binding.method.full_name.startswith("points.dev."):
        by_status.setdefault(404, []).append("PATH_NOT_FOUND")
    found = {status: _refusal(reasons, schemas) for status, reasons in by_status.items()}
    found |= answers.frame_references(bool(binding.body))
    return {str(status): found[status] for status in sorted(found)}


def _refusal(reasons: list[str], schemas: Schemas) -> dict[str, Any]:
    enum = errors_pb2.ErrorReason.DESCRIPTOR.full_name
    lines = [
        f"- `{reason}`: {schemas.comment(f'{enum}.ERROR_REASON_{reason}').partition('. ')[0]}."
        for reason in reasons
    ]
    return answers.of("\n".join(lines), {JSON: {"schema": answers.AIP_193_REF}})


def _reasons(method: MethodDescriptor, schemas: Schemas) -> Iterator[str]:
    said = schemas.comment(method.full_name)
    yield from (word for word in _REASON.findall(said) if word in _CODE_OF)
    if other := _REASONS_OF.search(said):
        yield from _reasons(method.containing_service.methods_by_name[other[1]], schemas)


def _parameters(binding: Binding, schemas: Schemas) -> Iterator[dict[str, Any]]:
    fields = binding.method.input_type.fields_by_name
    for name in binding.names:
        yield _parameter("path", name, fields[name], schemas)
    if not binding.body:
        yield from _query(binding.method.input_type, "", binding.names, schemas)
    elif "request_id" in fields:
        yield answers.reference("Idempotency-Key")
    yield from (answers.reference(name) for name in ("X-Request-Timeout", "X-Request-Id"))


def _query(
    message: Descriptor, prefix: str, out: tuple[str, ...], schemas: Schemas
) -> Iterator[dict[str, Any]]:
    for field in message.fields:
        kind = field.message_type
        if kind is not None and kind.full_name not in SIMPLE:
            if not kind.full_name.startswith(_OWN_FORMS):
                yield from _query(kind, f"{prefix}{field.json_name}.", out, schemas)
        elif prefix or field.name not in out:
            yield _parameter("query", prefix + field.json_name, field, schemas, is_bare=bool(out))


def _parameter(
    where: str, name: str, field: FieldDescriptor, schemas: Schemas, is_bare: bool = False
) -> Schema:
    schema = schemas.field(field, is_sent=False)
    if schema.get("type") == "array" and (bound := bound_of(field)):
        schema["maxItems"] = bound
    said = schema.pop("description", "")
    schema.pop("examples", None)
    parameter = {
        "name": name,
        "in": where,
        "required": where == "path",
        "description": said,
        "schema": schema,
    }
    # Those that go together, so that a person may just send them.
    example = examples.PARAMETERS.get(name)
    return parameter if example is None or is_bare else {**parameter, "example": example}

"""A vendor's page as an OpenAPI document: its dialect's routes with what is declared about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from points.v1 import points_service_pb2
from points_grpc.gateway.dialect import Dialect
from points_grpc.gateway.openapi import answers, credentials
from points_grpc.gateway.request import JSON

Json = dict[str, Any]

POINTS = points_service_pb2.DESCRIPTOR.services_by_name["PointsService"]

_REFERENCE = "#/components/schemas/{name}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: the name of its schema, and examples by name.

    `media` are further media types with their content, beside JSON.
    """

    description: str
    schema: str
    examples: Mapping[str, Any] = field(default_factory=dict)
    media: Mapping[str, Json] = field(default_factory=dict)
    headers: Mapping[str, Json] = field(default_factory=dict)

    def shown(self) -> Json:
        """Return it as the document contains it."""
        content = {JSON: _content(self.schema, self.examples), **self.media}
        made = answers.of(self.description, content)
        return {**made, "headers": dict(self.headers)} if self.headers else made


@dataclass(frozen=True, slots=True)
class Operation:
    """What is declared about one route; `body` is the name of the schema of its JSON body.

    `asks` is the method of PointsService that the route stands for, which needs a scope.
    """

    id: str
    asks: str
    summary: str
    answers: Mapping[int, Answer]
    description: str = ""
    parameters: Sequence[Json] = ()
    body: str = ""
    examples: Mapping[str, Any] = field(default_factory=dict)
    media: Mapping[str, Json] = field(default_factory=dict)

    def shown(self) -> Json:
        """Return it as the document contains it."""
        made: Json = {"operationId": self.id, "tags": ["Points"], "summary": self.summary}
        needs = credentials.scopes_said(credentials.scopes_of(POINTS.methods_by_name[self.asks]))
        made["description"] = f"{self.description}\n\n{needs}".lstrip()
        made["parameters"] = [*self.parameters, *map(answers.reference, _OF_THE_FRAME)]
        if self.body:
            content = {JSON: _content(self.body, self.examples), **self.media}
            made["requestBody"] = {"required": True, "content": content}
        found = {str(status): self.answers[status].shown() for status in sorted(self.answers)}
        return {**made, "responses": found}


@dataclass(frozen=True, slots=True)
class VendorPage:
    """A vendor's page.

    `operations` are declared by method and path; None is for what is left out. `bases` are what
    the paths are served below. `schemas` are all that answers and bodies name.
    """

    dialect: Dialect
    title: str
    version: str
    description: str
    operations: Mapping[tuple[str, str], Operation | None]
    schemas: Mapping[str, Json]
    bases: tuple[str, ...] = ("",)
    more_security: tuple[Json, ...] = ()
    more_schemes: Mapping[str, Json] = field(default_factory=dict)


def document(page: VendorPage) -> Json:
    """The document. Raises ValueError where routes and declarations are not the same."""
    served = {(route.method, route.path) for route in page.dialect.routes}
    declared = {(method, base + path) for method, path in page.operations for base in page.bases}
    if served != declared:
        raise ValueError(f"{page.dialect.name}: {sorted(served ^ declared)} is not on both sides")
    paths: dict[str, Json] = {}
    for (method, path), operation in page.operations.items():
        if operation is not None:
            paths.setdefault(path, {})[method.lower()] = operation.shown()
    schemes = {**credentials.schemes(page.dialect.credentials), **page.more_schemes}
    components: Json = {
        "schemas": dict(sorted(page.schemas.items())),
        "parameters": {name: answers.PARAMETERS[name] for name in _OF_THE_FRAME},
    }
    made: Json = {
        "openapi": "3.1.0",
        "info": {"title": page.title, "version": page.version, "description": page.description},
        "servers": [{"url": base or "/"} for base in page.bases],
        "paths": paths,
    }
    if schemes:
        components["securitySchemes"] = schemes
        made["security"] = [
            *credentials.any_of(page.dialect.credentials),
            *page.more_security,
        ]
    return {**made, "components": components}


def schemas_of(*structs: type[msgspec.Struct]) -> dict[str, Json]:
    """The schemas of msgspec Structs and of all that they hold, by the Structs' names."""
    _, found = msgspec.json.schema_components(structs, ref_template=_REFERENCE)
    for schema in found.values():
        schema.pop("title", None)
    return found


def told(schema: Json, **fields: Json | str) -> Json:
    """The schema with more about some of its properties: a description, or keywords over theirs.

    Raises KeyError for a property that it does not have.
    """
    properties = dict(schema["properties"])
    for name, more in fields.items():
        said = {"description": more} if isinstance(more, str) else more
        properties[name] = {**properties[name], **said}
    return {**schema, "properties": properties}


def reference(name: str) -> Json:
    """A schema among the components."""
    return {"$ref": _REFERENCE.format(name=name)}


_OF_THE_FRAME = ("X-Request-Timeout", "X-Request-Id")


def _content(schema: str, examples: Mapping[str, Any]) -> Json:
    content: Json = {"schema": reference(schema)}
    if examples:
        content["examples"] = {name: {"value": value} for name, value in examples.items()}
    return content

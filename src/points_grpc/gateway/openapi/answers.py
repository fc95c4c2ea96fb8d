"""Responses and parameters that many operations have in common."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from points_grpc.gateway.request import JSON

AIP_193: dict[str, Any] = {
    "type": "object",
    "description": "Why a call was refused.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "status", "message", "details"],
            "properties": {
                "code": {"type": "integer", "description": "The HTTP status."},
                "status": {"type": "string", "description": "The name of the gRPC status code."},
                "message": {"type": "string", "description": "What is wrong, for people."},
                "details": {
                    "type": "array",
                    "description": "google.rpc.ErrorInfo with the reason, and where they apply"
                    " BadRequest with the field's path and RetryInfo.",
                    "items": {
                        "type": "object",
                        "required": ["@type"],
                        "properties": {"@type": {"type": "string"}},
                    },
                },
            },
        }
    },
    "examples": [
        {
            "error": {
                "code": 404,
                "status": "NOT_FOUND",
                "message": "There is no such member.",
                "details": [
                    {
                        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                        "reason": "MEMBER_NOT_FOUND",
                        "domain": "points-grpc",
                        "metadata": {},
                    }
                ],
            }
        }
    ],
}
AIP_193_REF = {"$ref": "#/components/schemas/Error"}

PARAMETERS: dict[str, Any] = {
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The request_id, where the body has none.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 128},
    },
    "X-Request-Timeout": {
        "name": "X-Request-Timeout",
        "in": "header",
        "description": "How many seconds the call may take; 10 if not given, at most 60.",
        "schema": {"type": "number", "exclusiveMinimum": 0},
    },
    "X-Request-Id": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "Follows the call through the logs, and nothing else: it is not an"
        " idempotency key.",
        "schema": {"type": "string"},
    },
}

_RETRY_AFTER = {
    "Retry-After": {
        "description": "After how many seconds to try again.",
        "schema": {"type": "integer"},
    }
}
_WITH_BODY = {
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The body is of a type that is not taken here.",
}
_ANYWHERE = {
    429: "There is more work than the service can take; try again.",
    500: "A fault of the service's, with an id for its logs.",
    503: "The service or its database cannot be reached; try again.",
    504: "The call took longer than it may.",
}


def of(description: str, content: dict[str, Any]) -> dict[str, Any]:
    """A response."""
    return {"description": description, "content": content}


def of_the_frame() -> dict[str, dict[str, Any]]:
    """Return the answers that any operation of /v1 may give, by name."""
    said = {**_WITH_BODY, **_ANYWHERE}
    found = {_name(at): of(text, {JSON: {"schema": AIP_193_REF}}) for at, text in said.items()}
    for status in (429, 503):
        found[_name(status)]["headers"] = _RETRY_AFTER
    return found


def frame_references(has_body: bool) -> dict[int, dict[str, Any]]:
    """References to those that an operation with or without a body may answer, by status."""
    statuses = (*(_WITH_BODY if has_body else ()), *_ANYWHERE)
    return {at: {"$ref": f"#/components/responses/{_name(at)}"} for at in statuses}


def reference(parameter: str) -> dict[str, str]:
    """One of PARAMETERS."""
    return {"$ref": f"#/components/parameters/{parameter}"}


def _name(status: int) -> str:
    return HTTPStatus(status).phrase.title().replace(" ", "")

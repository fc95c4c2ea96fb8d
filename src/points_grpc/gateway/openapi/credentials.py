"""The forms of a credential as security schemes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import MethodDescriptor

from points.v1 import options_pb2
from points_grpc.gateway.credentials import Form

_SCHEMES: dict[Form, tuple[str, dict[str, Any]]] = {
    Form.BEARER: (
        "bearer",
        {"type": "http", "scheme": "bearer", "description": "The token. In development `demo`."},
    ),
    Form.BASIC: (
        "basic",
        {
            "type": "http",
            "scheme": "basic",
            "description": "Any user name, with the token as the password. In development `demo`.",
        },
    ),
    Form.X_CAP_API_AUTH: (
        "apiAuth",
        {
            "type": "apiKey",
            "in": "header",
            "name": "X-CAP-API-AUTH",
            "description": "The token. Counts where there is no `Authorization`."
            " In development `demo`.",
        },
    ),
    Form.X_TOKEN: (
        "xToken",
        {
            "type": "apiKey",
            "in": "header",
            "name": "X-Token",
            "description": "The token. In development `demo`.",
        },
    ),
    Form.CT_API_KEY: (
        "ctApiKey",
        {
            "type": "apiKey",
            "in": "header",
            "name": "X-CT-Authorization",
            "description": "`CTApiKey`, a space, and the key. In development `CTApiKey demo`.",
        },
    ),
    Form.API_KEY: (
        "apiKey",
        {
            "type": "apiKey",
            "in": "query",
            "name": "api_key",
            "description": "The key. Counts where there is no `X-CT-Authorization`."
            " In development `demo`.",
        },
    ),
}


def schemes(forms: Iterable[Form]) -> dict[str, Any]:
    """The schemes by name. A token in the body is none: it is described with the body."""
    return dict(_SCHEMES[form] for form in forms if form is not Form.BODY)


def any_of(forms: Iterable[Form], scopes: Iterable[str] = ()) -> list[dict[str, list[str]]]:
    """Return the security requirement of a call: any scheme, with one of `scopes`."""
    roles = [[scope] for scope in scopes] or [[]]
    return [{name: role} for name in schemes(forms) for role in roles]


def scopes_of(method: MethodDescriptor) -> list[str]:
    """The scopes of which the method needs one."""
    return list(method.GetOptions().Extensions[options_pb2.scopes])  # type: ignore[index]  # the stubs know none


def scopes_said(scopes: Iterable[str]) -> str:
    """The same for people to read."""
    return f"Needs the scope {' or '.join(f'`{scope}`' for scope in scopes)}."

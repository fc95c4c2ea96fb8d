"""Finds the token of a call, in whichever form a page asks for it.

Whether it is valid is for the service to say.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from enum import Enum


class Form(Enum):
    """Where a token stands."""

    BEARER = "Authorization: Bearer TOKEN"
    BASIC = "Authorization: Basic, with the token as the password"
    X_CAP_API_AUTH = "X-CAP-API-AUTH: TOKEN"
    X_TOKEN = "X-Token: TOKEN"  # noqa: S105  # the name of a header
    CT_API_KEY = "X-CT-Authorization: CTApiKey TOKEN"
    API_KEY = "?api_key=TOKEN"
    BODY = "a field of the body"


_HEADER = {
    Form.BEARER: ("authorization", "bearer"),
    Form.BASIC: ("authorization", "basic"),
    Form.X_CAP_API_AUTH: ("x-cap-api-auth", ""),
    Form.X_TOKEN: ("x-token", ""),
    Form.CT_API_KEY: ("x-ct-authorization", "ctapikey"),
}

_CHALLENGE = {Form.X_TOKEN: "X-Token", Form.CT_API_KEY: "CTApiKey"}

# What fits into a line of metadata. Anything else cannot be a token of the service's.
_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}", re.ASCII)


def find_token(
    forms: Sequence[Form],
    headers: Mapping[str, Sequence[str]],
    query: Sequence[tuple[str, str]] = (),
    in_body: str | None = None,
) -> str:
    """The token in the first of `forms` that the call uses; "" if there is none to pass on.

    A form that is used wrongly (an empty bearer, a header sent twice) is not passed over for the
    next one: it is a wrong credential. `headers` have lower-case names.
    """
    for form in forms:
        if given := _given(form, headers, query, in_body):
            token = given[0] if len(given) == 1 else ""
            return token if _TOKEN.fullmatch(token) else ""
    return ""


def uses_any(
    forms: Sequence[Form],
    headers: Mapping[str, Sequence[str]],
    query: Sequence[tuple[str, str]] = (),
) -> bool:
    """Whether the call has a credential in one of these forms, rightly used or not."""
    used = any(_given(form, headers, query, None) for form in forms)
    # Another scheme than ours is a credential all the same.
    return used or "authorization" in headers


def _given(
    form: Form,
    headers: Mapping[str, Sequence[str]],
    query: Sequence[tuple[str, str]],
    in_body: str | None,
) -> list[str]:
    if form is Form.BODY:
        return [] if in_body is None else [in_body]
    if form is Form.API_KEY:
        return [value for name, value in query if name == "api_key"]
    return _in_header(form, headers)


def challenge_of(forms: Sequence[Form]) -> str:
    """Return WWW-Authenticate for a 401: the scheme of the form that is looked for first.

    Never Basic, at which a browser would ask its user for a password.
    """
    return _CHALLENGE.get(forms[0], "Bearer") if forms else "Bearer"


def _in_header(form: Form, headers: Mapping[str, Sequence[str]]) -> list[str]:
    name, scheme = _HEADER[form]
    values = headers.get(name, ())
    if not scheme:
        return [value.strip() for value in values]
    if not any(value.partition(" ")[0].lower() == scheme for value in values):
        return []
    tokens = [value.partition(" ")[2].strip() for value in values]
    return [_password(token) for token in tokens] if form is Form.BASIC else tokens


def _password(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""

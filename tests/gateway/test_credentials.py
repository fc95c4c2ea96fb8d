"""Where tokens are found, and what is no token."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from points_grpc.gateway.credentials import Form, challenge_of, find_token
from points_grpc.gateway.vendors import DIALECTS

CAPILLARY = (Form.BEARER, Form.BASIC, Form.X_CAP_API_AUTH)


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("form", "headers"),
    [
        (Form.BEARER, {"authorization": ["Bearer demo"]}),
        (Form.BEARER, {"authorization": ["bearer  demo"]}),
        (Form.BASIC, {"authorization": [basic("anyone:demo")]}),
        (Form.BASIC, {"authorization": [basic(":demo")]}),
        (Form.X_CAP_API_AUTH, {"x-cap-api-auth": ["demo"]}),
        (Form.X_TOKEN, {"x-token": ["demo"]}),
        (Form.CT_API_KEY, {"x-ct-authorization": ["CTApiKey demo"]}),
    ],
)
def test_every_header_is_read(form: Form, headers: dict[str, list[str]]) -> None:
    """Each form of header gives its token, the name of its scheme in any case."""
    assert find_token((form,), headers) == "demo"


def test_query_and_body_are_read() -> None:
    """A token may stand in the query as api_key, or in the body."""
    assert find_token((Form.API_KEY,), {}, (("id_type", "email"), ("api_key", "demo"))) == "demo"
    assert find_token((Form.BODY,), {}, (), "demo") == "demo"


def test_a_password_may_have_colons() -> None:
    """Of a Basic credential everything behind the first colon is the token."""
    assert find_token((Form.BASIC,), {"authorization": [basic("user:a:b")]}) == "a:b"


def test_the_first_form_that_is_used_counts() -> None:
    """With two credentials in a call the one whose form comes first is taken."""
    headers = {"authorization": ["Bearer first"], "x-cap-api-auth": ["second"]}
    assert find_token(CAPILLARY, headers) == "first"
    assert find_token(CAPILLARY[::-1], headers) == "second"


def test_a_form_that_is_not_used_is_passed_over() -> None:
    """Without Authorization, or with one of another scheme, the next form is looked for."""
    assert find_token(CAPILLARY, {"x-cap-api-auth": ["demo"]}) == "demo"
    headers = {"authorization": ["Digest username=x"], "x-cap-api-auth": ["demo"]}
    assert find_token(CAPILLARY, headers) == "demo"


@pytest.mark.parametrize("spoilt", ["Bearer", "Bearer ", "Bearer a b", "Basic %%%", basic("demo")])
def test_a_form_used_wrongly_is_not_passed_over(spoilt: str) -> None:
    """A malformed credential is a wrong one, whatever else the call carries."""
    assert find_token(CAPILLARY, {"authorization": [spoilt], "x-cap-api-auth": ["demo"]}) == ""


def test_a_credential_sent_twice_is_none() -> None:
    """Of two headers or parameters of the same name neither is believed."""
    assert find_token((Form.BEARER,), {"authorization": ["Bearer demo", "Bearer demo"]}) == ""
    assert find_token((Form.BEARER,), {"authorization": ["Bearer demo", "Basic x"]}) == ""
    assert find_token((Form.X_TOKEN,), {"x-token": ["demo", "demo"]}) == ""
    assert find_token((Form.API_KEY,), {}, (("api_key", "demo"), ("api_key", "x"))) == ""


@pytest.mark.parametrize("token", ["", "é", "a\nb", "a\tb", " ", "a" * 8193, "\udcff"])
def test_what_metadata_cannot_carry_is_no_token(token: str) -> None:
    """A token is 1 to 8192 visible ASCII characters."""
    assert find_token((Form.BODY,), {}, (), token) == ""
    assert find_token((Form.X_TOKEN,), {"x-token": [token]}) == ""


def test_forms_of_other_pages_are_not_looked_at() -> None:
    """A token in a form that the page does not have is as good as none."""
    headers = {"authorization": ["Bearer demo"], "x-cap-api-auth": ["demo"]}
    assert find_token((Form.X_TOKEN,), headers, (("api_key", "demo"),), "demo") == ""
    assert find_token((), headers) == ""


@pytest.mark.parametrize(
    ("forms", "scheme"),
    [
        ((Form.BEARER,), "Bearer"),
        (CAPILLARY, "Bearer"),
        ((Form.X_TOKEN,), "X-Token"),
        ((Form.CT_API_KEY, Form.API_KEY), "CTApiKey"),
        ((Form.BODY,), "Bearer"),
    ],
)
def test_a_challenge_names_the_form_that_goes_first(forms: tuple[Form, ...], scheme: str) -> None:
    """A 401 names the scheme of the form that is looked for first."""
    assert challenge_of(forms) == scheme


@pytest.mark.parametrize(
    ("method", "target", "scheme"),
    [
        ("POST", "/api/points/create", "X-Token"),
        ("POST", "/admin/points/anna/expire", "Bearer"),
        ("POST", "/v2/points/updateExpiry", "Bearer"),
    ],
)
def test_every_401_has_its_challenge(
    caller: Callable[..., Any], method: str, target: str, scheme: str
) -> None:
    """Whichever dialect answers 401, WWW-Authenticate says what would be let in."""
    answered = caller(*DIALECTS)(method, target, {}, authorization="")
    assert (answered.status, answered.headers["www-authenticate"]) == (401, scheme)

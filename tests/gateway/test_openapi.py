"""The OpenAPI documents: valid, complete, and true to what the gateway serves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from points.v1 import update_expiry_pb2
from points_grpc.errors import Refusal
from points_grpc.gateway.credentials import Form
from points_grpc.gateway.dialect import Dialect
from points_grpc.gateway.docs_ui import NAMES
from points_grpc.gateway.openapi import examples, pages
from points_grpc.gateway.openapi.vendor_pages import PAGES
from points_grpc.gateway.transcoding import all_bindings, canonical
from points_grpc.gateway.transcoding.printing import to_json
from points_grpc.gateway.upstream import METHODS
from points_grpc.gateway.vendors import DIALECTS
from points_grpc.gateway.vendors.autional import openapi

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "openapi"
DOCUMENTS = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
SPOKEN = {dialect.name: dialect for dialect in (canonical(), *DIALECTS)}
WITHOUT_DOCUMENT = {("GET", "/v2/users//points_expiration")}


def operations(name: str) -> Iterator[tuple[str, str, Any]]:
    for path, verbs in DOCUMENTS[name]["paths"].items():
        for verb, operation in verbs.items():
            yield verb.upper(), path, operation


def contents(name: str) -> Iterator[tuple[str, Any]]:
    """Every JSON body of a document, by where it is."""
    for verb, path, operation in operations(name):
        bodies = {"request": operation.get("requestBody", {}), **operation["responses"]}
        for place, body in bodies.items():
            if content := body.get("content", {}).get("application/json"):
                yield f"{verb} {path} {place}", content


def misfits(name: str, schema: Any, value: Any) -> list[str]:
    whole = {**DOCUMENTS[name], **schema}
    return [error.message for error in Draft202012Validator(whole).iter_errors(value)]


def test_there_is_a_document_for_each() -> None:
    """/v1 and every dialect have a document, and the page offers all of them."""
    assert DOCUMENTS.keys() == SPOKEN.keys() == set(NAMES)
    assert {page.dialect.name for page in PAGES} == {dialect.name for dialect in DIALECTS}


@pytest.mark.parametrize("name", NAMES)
def test_documents_are_openapi(name: str) -> None:
    """A document is valid OpenAPI 3.1, its schemas, examples and references included."""
    assert DOCUMENTS[name]["openapi"].startswith("3.1.")
    assert list(OpenAPIV31SpecValidator(DOCUMENTS[name]).iter_errors()) == []


@pytest.mark.parametrize("name", NAMES)
def test_documents_have_every_route(name: str) -> None:
    """A document has the very routes that the gateway serves, under each of its servers."""
    bases = [server["url"].rstrip("/") for server in DOCUMENTS[name]["servers"]]
    said = {(verb, base + path) for verb, path, _ in operations(name) for base in bases}
    assert said == {(r.method, r.path) for r in SPOKEN[name].routes} - WITHOUT_DOCUMENT


@pytest.mark.parametrize("name", NAMES)
def test_documents_have_every_form_of_the_credential(name: str) -> None:
    """There is a security scheme for each form in which the token may be sent."""
    forms = [form for form in SPOKEN[name].credentials if form is not Form.BODY]
    ways = DOCUMENTS[name].get("security", [])
    assert len([way for way in ways if len(way) == 1]) == len(forms)
    schemes = DOCUMENTS[name]["components"].get("securitySchemes", {})
    assert {scheme for way in ways for scheme in way} == schemes.keys()


@pytest.mark.parametrize("name", NAMES)
def test_examples_fit_their_schemas(name: str) -> None:
    """Every example of a request or a response is one."""
    found = 0
    for place, content in contents(name):
        shown = [content["example"]] if "example" in content else []
        shown += [example["value"] for example in content.get("examples", {}).values()]
        for value in shown:
            assert misfits(name, content["schema"], value) == [], place
            found += 1
    assert found


@pytest.mark.parametrize("name", NAMES)
def test_errors_are_described(name: str) -> None:
    """Every operation has answers to bad requests, credentials and failures of the service."""
    for verb, path, operation in operations(name):
        statuses = operation["responses"].keys()
        assert {"200", "400", "403", "500"} <= statuses, f"{verb} {path}"
        assert name == "crowdtwist" or "401" in statuses, f"{verb} {path}"


def test_requests_of_v1_can_be_sent() -> None:
    """Every method with a body has an example of it, which the transcoder takes."""
    for name, binding in all_bindings():
        if binding.body:
            example = examples.REQUESTS[name.rpartition("/")[2]]
            path = {field: examples.PARAMETERS[field] for field in binding.names}
            assert binding.request(path, (), example)
    assert {name.rpartition("/")[2] for name in METHODS} >= examples.REQUESTS.keys()


def test_a_map_is_described_as_an_object() -> None:
    """A map is one object with a value for each key, as the gateway writes it, and no array."""
    answer = DOCUMENTS["v1"]["components"]["schemas"]["UpdateExpiryResponse"]
    message = update_expiry_pb2.UpdateExpiryResponse(time_zones={469: "Europe/Berlin"})
    assert misfits("v1", answer, to_json(message)) == []
    assert misfits("v1", answer, {"results": [], "timeZones": [{"469": "Europe/Berlin"}]})


def test_v1_is_described_in_the_words_of_the_contract() -> None:
    """Methods, messages, fields, values and reasons have the contract's comments."""
    earn = DOCUMENTS["v1"]["paths"]["/v1/points:earn"]["post"]
    schemas = DOCUMENTS["v1"]["components"]["schemas"]
    assert earn["description"].startswith("Awards points: creates a lot, and where")
    assert earn["summary"] == "Awards points"
    assert "- `EXPIRY_IN_PAST`: The expiry does not lie" in earn["responses"]["400"]["description"]
    assert schemas["Lot"]["properties"]["kind"]["description"]
    assert "- `LOT_STATE_OPEN`: " in schemas["LotState"]["description"]
    assert schemas["EarnRequest"]["required"] == ["member", "amount"]
    silent = [
        f"{name}.{field}"
        for name, schema in schemas.items()
        if name != "Error"
        for field, value in schema.get("properties", {}).items()
        if "description" not in value
    ]
    assert silent == []


def test_every_reason_of_the_service_is_in_v1() -> None:
    """Every reason for which the service refuses is described somewhere."""
    text = json.dumps(DOCUMENTS["v1"])
    # Of every method: those have statuses alone.
    rare = {"CALL_TOO_LARGE", "DEADLINE_EXCEEDED", "OVERLOADED", "STORAGE_UNAVAILABLE"}
    assert {kind.reason for kind in Refusal.__subclasses__() if kind.reason not in text} <= rare


def test_a_route_without_a_declaration_is_found() -> None:
    """A dialect whose routes and declarations differ has no document."""
    fewer = Dialect("autional", openapi.PAGE.dialect.credentials, (), openapi.PAGE.dialect.error)
    odd = pages.VendorPage(fewer, "", "", "", openapi.PAGE.operations, {})
    with pytest.raises(ValueError, match="is not on both sides"):
        pages.document(odd)

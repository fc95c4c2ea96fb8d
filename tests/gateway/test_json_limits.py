"""Arrays of JSON keep the bounds of the contract before they become messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from points.v1 import (
    earn_pb2,
    listing_pb2,
    program_pb2,
    update_expiry_pb2,
)
from points_grpc.gateway.errors import Problem
from points_grpc.gateway.transcoding.parsing import from_json
from points_grpc.gateway.vendors.capillary.decode import META_ITEMS_MAX, read_request
from points_grpc.gateway.vendors.capillary.errors import Invalid

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "openapi" / "v1.json"
BOUNDS: list[tuple[Any, str, Any, int]] = [
    (earn_pb2.BatchEarnRequest, "earns", lambda n: {"earns": [{}] * n}, 1000),
    (listing_pb2.ListLotsRequest, "states", lambda n: {"states": [1] * n}, 32),
    (
        program_pb2.UpdateProgramRequest,
        "update_mask",
        lambda n: {"updateMask": ",".join(["name"] * n)},
        32,
    ),
    (
        update_expiry_pb2.UpdateExpiryRequest,
        "updates[1].custom_meta",
        lambda n: {"updates": [{}, {"customMeta": {"a": [[1] * (n - 3)], "b": None}}]},
        4096,
    ),
]


@pytest.mark.parametrize(("make", "field", "value", "bound"), BOUNDS)
def test_both_sides_of_each_bound(make: Any, field: str, value: Any, bound: int) -> None:
    """As many elements as the contract allows are taken; one more is refused by its path."""
    from_json(value(bound), make())
    with pytest.raises(Problem) as caught:
        from_json(value(bound + 1), make())
    assert (caught.value.field, caught.value.text) == (
        field,
        f"must not have more than {bound} items",
    )


def test_custom_meta_of_the_dialects_is_bounded_too() -> None:
    """What Capillary's callers attach has the contract's bound, all depths together."""

    def body(count: int) -> bytes:
        item = {
            "identifierName": "externalId",
            "identifierValue": "m-1",
            "programId": 469,
            "pointsAwardedRefId": 7,
            "pointsAwardedRefType": "POINT_AWARDED",
            "customMeta": {"list": [0] * (count - 1)},
            "expiryDate": {"expiryType": "IMMEDIATE"},
        }
        return json.dumps({"expiryDateUpdateRequest": [item]}).encode()

    assert len(read_request(body(META_ITEMS_MAX), "").updates) == 1
    with pytest.raises(Invalid, match="items"):
        read_request(body(META_ITEMS_MAX + 1), "")


def test_the_documents_show_the_bounds() -> None:
    """OpenAPI says of each array of a request how many items it may have."""
    schemas = json.loads(DOCUMENT.read_text())["components"]["schemas"]

    def of(name: str, field: str) -> dict[str, Any]:
        shown: dict[str, Any] = schemas[name]["properties"][field]
        return shown

    assert of("BatchEarnRequest", "earns")["maxItems"] == 1000
    assert of("ExpiryUpdateInput", "customMeta")["maxProperties"] == 4096
    assert "maxItems" not in of("BatchEarnResponse", "results")
    sent = [one for name, one in schemas.items() if name.endswith(("Request", "Input"))]
    arrays = [f for one in sent for f in one["properties"].values() if f.get("type") == "array"]
    assert arrays
    assert all("maxItems" in array for array in arrays)


def test_the_documents_show_the_bounds_of_parameters() -> None:
    """OpenAPI says of each parameter that may be repeated how often, as the contract does."""
    paths = json.loads(DOCUMENT.read_text())["paths"]
    found = {
        (operation["operationId"], one["name"]): one["schema"]
        for path in paths.values()
        for operation in path.values()
        for one in operation["parameters"]
        if one.get("schema", {}).get("type") == "array"
    }
    assert {schema.get("maxItems") for schema in found.values()} == {32}
    for name in (("ListTransactions", "states"), ("ListLots", "categories")):
        assert name in found
    meta = json.loads(DOCUMENT.read_text())["components"]["schemas"]["ExpiryUpdateInput"]
    assert "every depth" in meta["properties"]["customMeta"]["description"]

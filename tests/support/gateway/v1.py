"""What tests of /v1 share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MakeCaller = Callable[..., Any]


# Bodies
EARN = {"programId": "469", "member": {"externalId": "alice"}, "amount": {"value": "100"}}


def refusal(answered: Any, status: int = 400) -> tuple[str, str]:
    """The field at fault and what is wrong with it."""
    assert answered.status == status, answered.body
    error = answered.json["error"]
    details = {detail.pop("@type").rpartition(".")[2]: detail for detail in error["details"]}
    assert error["code"] == status
    assert details["ErrorInfo"]["domain"] == "points-grpc"
    (violation,) = details.get("BadRequest", {}).get("fieldViolations") or [{}]
    return violation.get("field", ""), violation.get("description", error["message"])

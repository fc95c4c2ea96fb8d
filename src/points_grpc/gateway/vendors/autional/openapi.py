"""What is declared about Autional's page."""

from __future__ import annotations

from typing import Any

from points_grpc.gateway.openapi.pages import Answer, Json, Operation, VendorPage, schemas_of, told
from points_grpc.gateway.vendors.autional.routes import (
    DIALECT,
    KEY_HEADER,
    ExpirePointsRequest,
    PointOperation,
    Simple,
)

_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
_EXPIRED: Json = {
    "code": 0,
    "data": {
        "account": {
            "balance": 1500,
            "exchange_rate": 100,
            "expired_points": 100,
            "frozen_balance": 200,
            "id": _ID,
            "points_type": "cash_equivalent",
            "status": "active",
            "tenant_id": "tnt_example_001",
            "total_earned": 5000,
            "total_spent": 3500,
            "user_id": "usr_example_001",
            "version": 3,
            "created_at": "2026-01-15T10:30:00Z",
            "updated_at": "2026-04-10T14:20:00Z",
        },
        "points_earned": 0,
        "transaction": {
            "account_id": _ID,
            "amount": 100,
            "balance_after": 1500,
            "balance_before": 1600,
            "created_at": "2026-04-15T10:30:00Z",
            "id": _ID,
            "status": "completed",
            "type": "expire",
            "updated_at": "2026-04-15T10:30:00Z",
            "user_id": "usr_example_001",
            "description": "Asked for by the member",
            "idempotency_key": "ik_abc123",
        },
    },
    "message": "success",
    "timestamp": "2026-04-15T10:30:00Z",
}


def _schemas() -> dict[str, Any]:
    found = schemas_of(ExpirePointsRequest, PointOperation, Simple)
    found["ExpirePointsRequest"] = told(
        found["ExpirePointsRequest"],
        amount={"description": "How many points", "minimum": 1, "examples": [100]},
        description="Why, for the member",
    )
    found["PointAccount"] = told(
        found["PointAccount"],
        balance="Available plus held points",
        expired_points="Points ever expired",
        frozen_balance="Held points",
        total_spent="Redeemed plus expired points",
        tenant_id="The tenant's name",
    )
    found["PointTransaction"] = told(
        found["PointTransaction"],
        amount="How many points were settled",
        created_at={"format": "date-time"},
        updated_at={"format": "date-time"},
    )
    found["PointOperation"] = told(found["PointOperation"], code="0", message="`success`")
    found["Simple"] = told(found["Simple"], code="The HTTP status", message="What is wrong")
    return found


def _error(said: str, status: int, message: str) -> Answer:
    return Answer(
        said,
        "Simple",
        {"example": {"code": status, "message": message, "timestamp": "2026-04-15T10:30:00Z"}},
    )


PAGE = VendorPage(
    dialect=DIALECT,
    title="Autional: points service",
    version="1",
    description="For the default currency of the credential's default program.",
    operations={
        ("POST", "/admin/points/{user_id}/expire"): Operation(
            id="expirePoints",
            asks="Expire",
            summary="Expire points",
            description="Admin operation. Manually trigger points expiration, deducting the"
            " specified points from available balance and marking them as expired. If the requested"
            " amount exceeds the current available balance, what there is is settled. Idempotent"
            f" via {KEY_HEADER} header.",
            parameters=(
                {
                    "name": "user_id",
                    "in": "path",
                    "required": True,
                    "description": "User ID",
                    "schema": {"type": "string", "minLength": 1},
                    "example": "usr_example_001",
                },
                {
                    "name": KEY_HEADER,
                    "in": "header",
                    "description": "Idempotency key, UUID recommended",
                    "schema": {"type": "string", "minLength": 1, "maxLength": 128},
                },
            ),
            body="ExpirePointsRequest",
            examples={
                "request": {"amount": 100, "description": "Asked for by the member"},
            },
            answers={
                200: Answer("Points expiration processed", "PointOperation", {"example": _EXPIRED}),
                400: _error("Bad request", 400, "amount is required."),
                401: _error("Unauthorized", 401, "The credential is missing or not valid."),
                403: _error("Forbidden", 403, "The credential does not allow this method."),
                404: _error("Account not found", 404, "There is no such member."),
                429: _error("Too many calls", 429, "The server has more work than it can take."),
                500: _error("Internal server error", 500, "The call took longer than it may."),
            },
        ),
    },
    schemas=_schemas(),
)

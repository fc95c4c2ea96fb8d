"""Requests to begin with, by method: those that the demo programs can answer."""

from __future__ import annotations

from typing import Any

_ERIN = {"externalId": "erin"}

LOT = "70368744177665"
"""The least id that the service itself can give."""

PARAMETERS = {
    "program_id": "469",
    "currency_code": "POINTS",
    "currency_id": "1",
    "account_id": LOT,
    "transaction_id": LOT,
    "lot_id": LOT,
    "policy": "year_end",
    "programId": "469",
    "member.externalId": "erin",
    "startTime": "2022-01-01T00:00:00Z",
    "endTime": "2023-01-01T00:00:00Z",
}

REQUESTS: dict[str, dict[str, Any]] = {
    "Earn": {
        "programId": "469",
        "member": _ERIN,
        "amount": {"value": "100"},
        "requestId": "order-48213",
        "reference": "order-48213",
        "description": "Points for order 48213",
        "days": 90,
    },
    "BatchEarn": {
        "earns": [
            {"programId": "469", "member": _ERIN, "amount": {"value": "25"}},
            {"programId": "469", "member": {"externalId": "frank"}, "amount": {"value": "40"}},
        ],
        "returnPartialSuccess": True,
    },
    "Expire": {
        "programId": "469",
        "member": _ERIN,
        "amount": {"value": "10"},
        "reason": "Asked for by the member",
    },
    "UpdateExpiry": {
        "updates": [
            {
                "programId": "469",
                "member": _ERIN,
                "lotId": LOT,
                "reasonType": "REASON_TYPE_EXTEND_EXPIRY",
                "reasonNote": "Customer made a purchase above $100",
                "months": 6,
                "reinstate": True,
            }
        ],
        "returnPartialSuccess": True,
    },
    "Redeem": {
        "programId": "469",
        "member": _ERIN,
        "amount": {"value": "30"},
        "reference": "order-48214",
    },
    "UpdateTransactionStatus": {"state": "LOT_STATE_PENDING"},
    "ApproveTransactions": {"transactionIds": [LOT], "state": "LOT_STATE_APPROVED"},
    "CreateProgram": {"name": "Coffee club", "timeZone": "Europe/Berlin"},
    "UpdateProgram": {"name": "Coffee and tea club"},
    "CreateCurrency": {
        "currencyCode": "BEANS",
        "scale": 0,
        "defaultPolicy": {"policy": "year", "period": {"years": 1}},
    },
    "UpdateCurrency": {"pointsType": "cash_equivalent", "exchangeRate": "100"},
    "CreatePolicy": {"policy": "short", "definition": {"period": {"days": 30}}},
    "UpdatePolicy": {"definition": {"period": {"days": 60}}},
    "CreateMember": {"externalId": "grace", "email": "grace@example.com"},
    "LinkIdentifier": {
        "member": _ERIN,
        "identifier": {"type": "email", "value": "erin@example.com"},
    },
    "UnlinkIdentifier": {
        "member": _ERIN,
        "identifier": {"type": "email", "value": "erin@example.com"},
    },
    "SetClock": {"time": "2022-01-02T00:00:00Z"},
}

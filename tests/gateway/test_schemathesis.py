"""What the documents promise holds for whatever a caller may send.

Schemathesis makes requests from each document, with and against its schemas, the same in every run,
and looks at the answers: no server error, no status, media type, header or body that the document
does not have, no call without a credential, and nothing taken that the document does not allow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi import checks
from tests.support.gateway.live import Live, living

from points_grpc.gateway.openapi.examples import LOT

DOCUMENTS = Path(__file__).resolve().parents[2] / "docs" / "openapi"
CREDENTIALS = {
    "v1": {"Authorization": "Bearer demo"},
    "altcraft": {},
    "autional": {"Authorization": "Bearer demo"},
    "capillary": {"Authorization": "Bearer demo"},
    "crowdtwist": {"X-CT-Authorization": "CTApiKey demo"},
    "tbns": {"X-Token": "demo"},
}
CONFIG = {
    "generation": {"deterministic": True, "max-examples": 10, "database": "none"},
    "phases": {"stateful": {"enabled": False}},
    "suppress-health-check": ["all"],
}
# What a schema allows the service may still refuse; the credential is put in after the fact; and
# any request may have headers that nobody knows.
EXCLUDED = [
    checks.positive_data_acceptance,
    checks.missing_required_header,
    checks.negative_data_rejection,
]
# Those whom the documents' examples name, each with points.
EARNS = (
    {"program_id": 469, "member": {"external_id": "erin"}},
    {"program_id": 469, "member": {"external_id": "usr_example_001"}},
    {"program_id": 469, "member": {"email": "alice@crowdtwist.com"}},
    {"program_id": 469, "member": {"member_id": 172440986}, "vendor_id": 117521910},
    {"program_id": 123, "member": {"email": "user@example.com"}},
)
IDS: dict[str, str] = {}
"""What there is in place of the documents' LOT."""

MEMBERS = (
    {"external_id": "erin"},
    {"email": "alice@crowdtwist.com"},
    {"email": "user@example.com"},
    {"vendor_id": 172440986},
)


@pytest.fixture(scope="module")
def live(module_database_url: str) -> Iterator[Live]:
    """A server that has what the documents' examples name."""
    with living(module_database_url, "2023-08-15T00:00:00Z") as server:
        server.load_demo()
        for member in MEMBERS:
            server.ask("MemberService/CreateMember", member)
        for earn in EARNS:
            amount = {"value": "1000"}
            earned = server.ask("PointsService/Earn", {**earn, "amount": amount, "days": 30})
            lot = earned["lot"]
            IDS.setdefault("lot_id", lot["lot_id"])
            IDS.setdefault("transaction_id", lot["lot_id"])
            IDS.setdefault("account_id", lot["account_id"])
        yield server


def refuses_what_the_document_does_not_allow(ctx: Any, response: Any, case: Any) -> bool | None:
    """What is not as the document has it (headers aside) is refused."""
    header = case.meta and case.meta.components.get(ParameterLocation.HEADER)
    if header and header.mode is GenerationMode.NEGATIVE:
        return None
    return checks.negative_data_rejection(ctx, response, case)


def documented(name: str) -> Any:
    """The document as schemathesis reads it."""
    config = SchemathesisConfig.from_dict(CONFIG)
    return schemathesis.openapi.from_path(DOCUMENTS / f"{name}.json", config=config)


def sender(name: str) -> Callable[[Any, Live], None]:
    """Sends a case, and fails where the answer is not what the document `name` promises."""

    def send(case: Any, live: Live) -> None:
        timeout = str((case.headers or {}).get("X-Request-Timeout", ""))
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", timeout) and float(timeout):
            # Time enough, so that a 504 would be a fault.
            case.headers["X-Request-Timeout"] = "10"
        for field, value in (case.path_parameters or {}).items():
            if value == LOT and field in IDS:
                case.path_parameters[field] = IDS[field]
        if name == "altcraft" and isinstance(case.body, dict) and case.body.get("token"):
            case.body["token"] = "demo"
        case.call_and_validate(
            base_url=f"http://127.0.0.1:{live.http_port}",
            headers=CREDENTIALS[name],
            additional_checks=[refuses_what_the_document_does_not_allow],
            excluded_checks=EXCLUDED,
        )

    return send


@documented("altcraft").parametrize()
def test_altcraft(case: Any, live: Live) -> None:
    """Altcraft's dialect answers as its document says, whatever it is sent."""
    sender("altcraft")(case, live)


@documented("autional").parametrize()
def test_autional(case: Any, live: Live) -> None:
    """Autional's dialect answers as its document says, whatever it is sent."""
    sender("autional")(case, live)


@documented("capillary").parametrize()
def test_capillary(case: Any, live: Live) -> None:
    """Capillary's dialect answers as its document says, whatever it is sent."""
    sender("capillary")(case, live)


@documented("crowdtwist").parametrize()
def test_crowdtwist(case: Any, live: Live) -> None:
    """CrowdTwist's dialect answers as its document says, whatever it is sent."""
    sender("crowdtwist")(case, live)


@documented("tbns").parametrize()
def test_tbns(case: Any, live: Live) -> None:
    """TBNS's dialect answers as its document says, whatever it is sent."""
    sender("tbns")(case, live)


@documented("v1").parametrize()
def test_v1(case: Any, live: Live) -> None:
    """/v1 answers as its document says, whatever it is sent."""
    sender("v1")(case, live)

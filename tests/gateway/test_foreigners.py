"""Every method with another tenant's credential: nothing is learned, and nothing is changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from sqlalchemy import Engine, event, select
from tests.support.gateway.live import START, Live  # only found through the folder's conftest

from points_grpc.cli.runtime import wiring
from points_grpc.config import Settings
from points_grpc.domain.auth import SCOPES, Grant
from points_grpc.domain.commands import Caller
from points_grpc.gateway.errors import UpstreamRefusal
from points_grpc.gateway.upstream import METHODS, Inbound
from points_grpc.rpc.interceptors import Context
from points_grpc.storage.admin import programs
from points_grpc.storage.core import pipeline
from points_grpc.storage.core.database import Database
from points_grpc.storage.tables import metadata

DEFAULT_POLICY = {"policy": "default", "never": {}}
AMOUNT = {"value": "1"}
EXISTING, ABSENT, WARMING = "existing", "absent", "warming"

# For each method requests with names of acme's things, `$program`, `$currency` (id), `$external`,
# `$member`, `$vendor`, `$account`, `$lot`, `$transaction`, `$email`; 500 is rival's own program.
IN_PROGRAM: dict[str, Any] = {"program_id": "$program"}
OF_MEMBER: list[dict[str, Any]] = [
    {"program_id": program, "member": member}
    for program in ("$program", 500)
    for member in (
        {"member_id": "$member"},
        {"member_id": "$vendor"},
        {"external_id": "$external"},
        {"email": "$email"},
    )
]
WITH_CURRENCY = [OF_MEMBER[4] | {"currency_id": "$currency"}]
REQUESTS: dict[str, list[dict[str, Any]]] = {
    "PointsService/Earn": [
        *(of | {"amount": AMOUNT} for of in (*OF_MEMBER, *WITH_CURRENCY)),
        OF_MEMBER[6] | {"amount": AMOUNT, "vendor_id": "$lot_vendor", "request_id": "$request"},
    ],
    "PointsService/BatchEarn": [
        {"earns": [of | {"amount": AMOUNT}], "return_partial_success": partial}
        for of in OF_MEMBER
        for partial in (True, False)
    ],
    "PointsService/Expire": [of | {"amount": AMOUNT} for of in (*OF_MEMBER, *WITH_CURRENCY)],
    "PointsService/Redeem": [of | {"amount": AMOUNT} for of in (*OF_MEMBER, *WITH_CURRENCY)],
    "PointsService/UpdateExpiry": [
        {"updates": [of | {"lot_id": lot, "immediate": True}], "return_partial_success": partial}
        for of in OF_MEMBER
        for lot in ("$lot", "$lot_vendor")
        for partial in (True, False)
    ],
    "PointsService/GetExpiringPoints": [
        of | {"start_time": "2022-01-01T00:00:00Z", "end_time": "2032-01-01T00:00:00Z"}
        for of in (*OF_MEMBER, *WITH_CURRENCY)
    ],
    "PointsService/GetExpirationSchedule": [*OF_MEMBER, *WITH_CURRENCY],
    "PointsService/GetAccount": [*OF_MEMBER, *WITH_CURRENCY, {"account_id": "$account"}],
    "PointsService/GetTransaction": [{"transaction_id": "$transaction"}],
    "PointsService/ListAllocations": [{"transaction_id": "$transaction"}],
    "PointsService/GetLot": [
        {"lot_id": "$lot"},
        *(of | {"lot_id": lot} for of in OF_MEMBER for lot in ("$lot", "$lot_vendor")),
    ],
    "PointsService/ListTransactions": [
        *OF_MEMBER,
        *WITH_CURRENCY,
        IN_PROGRAM,
        {"program_id": 500, "reference": "$reference"},
        {"program_id": 500, "currency_id": "$currency", "order_by": "amount desc"},
    ],
    "PointsService/ListLots": [*OF_MEMBER, *WITH_CURRENCY],
    "PointsService/ListExpiryChanges": [
        *OF_MEMBER,
        {"lot_id": "$lot"},
        {"program_id": 500, "lot_id": "$lot"},
    ],
    "PointsService/UpdateTransactionStatus": [
        {"transaction_id": "$transaction", "state": "LOT_STATE_CLOSED"}
    ],
    "PointsService/ApproveTransactions": [
        {
            "transaction_ids": ["$transaction"],
            "state": "LOT_STATE_APPROVED",
            "return_partial_success": partial,
        }
        for partial in (True, False)
    ],
    "ProgramService/CreateProgram": [IN_PROGRAM | {"name": "Mine", "time_zone": "UTC"}],
    "ProgramService/GetProgram": [IN_PROGRAM],
    "ProgramService/ListPrograms": [{}],
    "ProgramService/UpdateProgram": [IN_PROGRAM | {"name": "Mine"}],
    "ProgramService/CreateCurrency": [
        IN_PROGRAM | {"currency_code": "MINE", "default_policy": DEFAULT_POLICY},
        {"program_id": 500, "currency_code": "$code", "default_policy": DEFAULT_POLICY},
    ],
    "ProgramService/GetCurrency": [
        IN_PROGRAM,
        {"currency_id": "$currency"},
        {"program_id": 500, "currency_id": "$currency"},
    ],
    "ProgramService/ListCurrencies": [IN_PROGRAM],
    "ProgramService/UpdateCurrency": [
        IN_PROGRAM | {"currency_code": "POINTS", "points_type": "mine"},
        {"currency_id": "$currency", "points_type": "mine"},
    ],
    "ProgramService/CreatePolicy": [
        IN_PROGRAM | {"policy": "mine", "definition": {"never": {}}},
        {"currency_id": "$currency", "policy": "mine", "definition": {"never": {}}},
    ],
    "ProgramService/GetPolicy": [
        IN_PROGRAM | {"policy": "default"},
        {"currency_id": "$currency", "policy": "default"},
    ],
    "ProgramService/ListPolicies": [IN_PROGRAM, {"currency_id": "$currency"}],
    "ProgramService/UpdatePolicy": [
        IN_PROGRAM | {"policy": "default", "definition": {"never": {}}},
        {"currency_id": "$currency", "policy": "default", "definition": {"never": {}}},
    ],
    "ProgramService/ListAuditEvents": [{}, {"principal": "acme"}],
    "MemberService/CreateMember": [
        {"external_id": "$external"},
        {"email": "$email"},
        {"vendor_id": "$vendor"},
    ],
    "MemberService/GetMember": [{"member": of["member"]} for of in OF_MEMBER[:4]],
    "MemberService/LinkIdentifier": [
        {"member": of["member"], "identifier": {"type": "card", "value": "7"}}
        for of in OF_MEMBER[:4]
    ],
    "MemberService/UnlinkIdentifier": [
        {"member": of["member"], "identifier": {"type": "email", "value": "$email"}}
        for of in OF_MEMBER[:4]
    ],
}
# The clock of development is everybody's.
NOBODYS = {"TestClockService/GetClock", "TestClockService/SetClock"}


_ABOUT_ROWS = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH|COPY)\b", re.IGNORECASE)


class TwoTenants:
    """The tenants acme and rival, each with a token of its own name and every scope."""

    def __init__(self, database: Database, live: Live) -> None:
        now = live._parts.clock.now()
        self.tenants = {
            name: database.run(lambda at, name=name: programs.create_tenant(at, name, now))
            for name in ("acme", "rival")
        }

    async def authenticate(self, context: Context) -> Grant:
        bearer = dict(context.invocation_metadata() or ())["authorization"]
        tenant = self.tenants[str(bearer).removeprefix("Bearer ")]
        return Grant(Caller(tenant.tenant_id, tenant.name, tenant.name), frozenset(SCOPES))


class Street:
    """A server for both, with things of acme's; rival has a program 500 and nobody in it."""

    def __init__(self, database: Database, live: Live) -> None:
        self.database, self.live = database, live
        self.acme = live._door.tenants["acme"].tenant_id  # type: ignore[attr-defined]
        for tenant, program in (("acme", 469), ("rival", 500)):
            named = {"program_id": program}
            self.ask(tenant, "ProgramService/CreateProgram", named | {"time_zone": "UTC"})
            made = self.ask(
                tenant,
                "ProgramService/CreateCurrency",
                named | {"currency_code": "POINTS", "default_policy": DEFAULT_POLICY},
            )
            if tenant == "acme":
                currency = made["currency"]["currency_id"]
        member = self.ask(
            "acme",
            "MemberService/CreateMember",
            {"external_id": "anna", "email": "anna@shop.example", "vendor_id": 77},
        )["member"]
        earned = self.ask(
            "acme",
            "PointsService/Earn",
            {
                "program_id": 469,
                "member": {"external_id": "anna"},
                "amount": {"value": "9"},
                "vendor_id": 88,
                "reference": "order-1",
                "initial_state": "LOT_STATE_OPEN",
                "request_id": "req-1",
            },
        )
        ids = {
            "currency": currency,
            "member": member["member_id"],
            "account": earned["account"]["account_id"],
            "lot": earned["lot"]["lot_id"],
            "transaction": earned["transaction"]["transaction_id"],
        }
        names = {"program": 469, "vendor": 77, "lot_vendor": 88, "external": "anna"}
        names |= {"email": "anna@shop.example", "reference": "order-1", "request": "req-1"}
        names |= {"code": "POINTS_A"}
        self.names: dict[str, dict[str, Any]] = {
            EXISTING: names | ids,
            # Of the same form, and ids in the same buckets.
            ABSENT: {name: str(int(number) + 64 * 10**6) for name, number in ids.items()}
            | {"program": 470, "vendor": 78, "lot_vendor": 89, "external": "emma"}
            | {"email": "emma@shop.example", "reference": "order-2", "request": "req-2"}
            | {"code": "POINTS_B"},
            WARMING: {name: str(int(number) + 128 * 10**6) for name, number in ids.items()}
            | {"program": 471, "vendor": 79, "lot_vendor": 90, "external": "edna"}
            | {"email": "edna@shop.example", "reference": "order-3", "request": "req-3"}
            | {"code": "POINTS_C"},
        }

    def ask(self, tenant: str, method: str, request: dict[str, Any]) -> Any:
        """The service's answer, as JSON with proto names. Raises UpstreamRefusal."""
        name = f"points.v1.{method}"
        message = ParseDict(request, GetMessageClass(METHODS[name].input_type)())
        answer = self.live._await(self.live._channel.call(name, message, Inbound(tenant)))
        return MessageToDict(answer, preserving_proto_field_name=True)

    def told(self, method: str, request: dict[str, Any], which: str, tenant: str = "rival") -> str:
        """What a tenant is told, with the names that it gave, and what is new, made alike."""
        names = self.names[which]
        filled = re.sub(
            r'"\$(\w+)"', lambda found: json.dumps(names[found[1]]), json.dumps(request)
        )
        try:
            answer = json.dumps(self.ask(tenant, method, json.loads(filled)))
        except UpstreamRefusal as refusal:
            answer = str(refusal.status())
        for name, value in sorted(names.items(), key=lambda item: -len(str(item[1]))):
            answer = re.sub(rf"(?<![\w]){re.escape(str(value))}(?![\w])", f"${name}", answer)
        return re.sub(r"\b[0-9]{14,16}\b", "an id of ours", answer)

    def rows(self) -> dict[str, list[Any]]:
        """Everything of acme's."""
        tables = [t for t in metadata.sorted_tables if "tenant_id" in t.c]
        return {
            table.name: sorted(
                map(repr, self.database.run(lambda at, t=table: at.execute(
                    select(t).where(t.c.tenant_id == self.acme)).all()))
            )
            for table in tables
        }  # fmt: skip


@pytest.fixture
def street(database_url: str) -> Iterator[Street]:
    """A fresh one for each method, so that rival has only what it makes with that."""
    settings = Settings(dev=True, start_time=START, sweep=False)  # type: ignore[arg-type]
    database = Database(database_url)
    try:
        with wiring.open_service(settings, database) as parts:
            live = Live(database, parts)
            live._door = TwoTenants(database, live)  # type: ignore[assignment]
            with live:
                yield Street(database, live)
    finally:
        database.close()


def test_every_method_is_tried() -> None:
    """A method that is added to the contract is tried by a foreigner too."""
    known = {name.partition("v1.")[2] for name in METHODS}
    assert REQUESTS.keys() | NOBODYS == known


@pytest.mark.parametrize("method", REQUESTS)
def test_a_foreigner_learns_and_changes_nothing(street: Street, method: str) -> None:
    """What is another tenant's is answered exactly as what does not exist, and stays as it is."""
    before = street.rows()
    assert before["lots"] and before["accounts"] and before["programs"] and before["members"]
    for request in REQUESTS[method]:
        told = {which: street.told(method, request, which) for which in (EXISTING, ABSENT)}
        assert told[EXISTING] == told[ABSENT], request
    assert street.rows() == before


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the database is asked about rows, on both ways there are (see tests/isolation.py)."""
    seen: list[str] = []

    def note(statement: str) -> None:
        # Blocks of ids are drawn now and then, by whoever happens to need the next.
        if _ABOUT_ROWS.match(statement) and "id_blocks" not in statement:
            seen.append(statement)

    def before(_: object, __: object, statement: str, *___: object) -> None:
        note(statement)

    send = pipeline._send

    def send_noted(pgconn: Any, of: Any, statement: Any, values: Any) -> Any:
        note(statement.text.decode())
        return send(pgconn, of, statement, values)

    monkeypatch.setattr(pipeline, "_send", send_noted)
    event.listen(Engine, "before_cursor_execute", before)
    yield seen
    event.remove(Engine, "before_cursor_execute", before)


@pytest.mark.parametrize("method", REQUESTS)
def test_what_is_foreign_takes_the_way_of_what_is_absent(
    street: Street, statements: list[str], method: str
) -> None:
    """The same statements are sent, and as many, so that time does not tell what body does not."""
    asked = 0
    for request in REQUESTS[method]:
        street.told(method, request, WARMING)
        sent: dict[str, list[str]] = {}
        for which in (EXISTING, ABSENT):
            statements.clear()
            street.told(method, request, which)
            sent[which] = sorted(statements)
        assert sent[EXISTING] == sent[ABSENT], request
        asked += len(sent[ABSENT])
    assert asked, "the database was asked nothing"


def test_the_way_of_what_is_there_is_another(street: Street, statements: list[str]) -> None:
    """The owner's call sends other statements where there is something to change."""
    request = OF_MEMBER[2] | {"amount": AMOUNT}
    sent: dict[str, list[str]] = {}
    for which in (WARMING, EXISTING, ABSENT):
        statements.clear()
        street.told("PointsService/Redeem", request, which, "acme")
        sent[which] = sorted(statements)
    assert len(sent[EXISTING]) > len(sent[ABSENT]) > 0


@pytest.mark.parametrize(
    "method",
    [
        "PointsService/GetLot",
        "PointsService/GetTransaction",
        "PointsService/GetAccount",
        "PointsService/ListTransactions",
        "PointsService/ListAllocations",
        "ProgramService/GetProgram",
        "ProgramService/GetPolicy",
        "MemberService/GetMember",
    ],
)
def test_the_owner_sees_the_difference(street: Street, method: str) -> None:
    """What foreigners are asked about is there: its owner is told of it, and not of the other."""
    told = [
        {which: street.told(method, request, which, "acme") for which in (EXISTING, ABSENT)}
        for request in REQUESTS[method]
    ]
    assert any(answers[EXISTING] != answers[ABSENT] for answers in told)

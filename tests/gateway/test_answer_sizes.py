"""No answer is longer than what a client of gRPC receives by default, whatever is stored."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from tests.support.gateway.live import Live, living

from points.v1 import expiring_pb2
from points.v1.update_expiry_pb2 import UpdateExpiryRequest
from points_grpc.domain.model import Currency
from points_grpc.domain.queries import InactivityEntry, Schedule
from points_grpc.gateway.upstream import METHODS, Inbound
from points_grpc.gateway.vendors.capillary.encode import written
from points_grpc.rpc.codec.reports import put_schedule

CLIENT_MAX = 4 * 2**20
ITEMS = 1000
WIDE = "\U0001f600"
NAMED = {"external_id": WIDE * 256}
TEXTS = {
    "reference": WIDE * 256,
    "description": WIDE * 1024,
    "source": WIDE * 64,
    "reason": WIDE * 1024,
}
META = {"a": "x" * 8180}
SMALL = {"value": "1"}

GROWING = frozenset(
    (
        "BatchEarn",
        "UpdateExpiry",
        "ApproveTransactions",
        "Redeem",
        "Expire",
        "GetTransaction",
        "ListTransactions",
        "ListLots",
        "ListExpiryChanges",
        "ListAllocations",
        "GetExpirationSchedule",
        "ListPrograms",
        "ListCurrencies",
        "ListPolicies",
    )
)
"""Methods whose answers have a message for each of many things; each has its test below."""

FIXED = {
    "Earn": "one transaction, one lot, one account",
    "GetLot": "one lot",
    "GetAccount": "one account",
    "GetExpiringPoints": "two numbers",
    "UpdateTransactionStatus": "one transaction that is an EARN, one lot, one account",
    "CreateProgram": "one program",
    "GetProgram": "one program",
    "UpdateProgram": "one program",
    "CreateCurrency": "one currency",
    "GetCurrency": "one currency",
    "UpdateCurrency": "one currency",
    "CreatePolicy": "one policy, with at most 366 dates",
    "GetPolicy": "one policy, with at most 366 dates",
    "UpdatePolicy": "one policy, with at most 366 dates",
    "CreateMember": "one member, with at most 20 identifiers",
    "GetMember": "one member, with as many identifiers of at most 1.3 KB as the settings allow",
    "LinkIdentifier": "one member",
    "UnlinkIdentifier": "one member",
    "ListAuditEvents": "a page ends with the event that brings its changes to 1 MiB",
    "GetClock": "one instant",
    "SetClock": "one instant",
}
"""Methods whose answers are about one thing of bounded size, or bounded by a test of their own."""


class Extreme:
    """A server where everything is as long as the contract allows."""

    def __init__(self, live: Live) -> None:
        self.live = live
        live.load_demo()
        self("MemberService/CreateMember", NAMED)
        self("MemberService/CreateMember", {"external_id": "many"})

    def __call__(self, method: str, request: dict[str, Any]) -> Any:
        """The answer as a message, which is not too long."""
        name = f"points.v1.{method}"
        message = ParseDict(request, GetMessageClass(METHODS[name].input_type)())
        answer = self.live._await(self.live._channel.call(name, message, Inbound("demo")))
        assert answer.ByteSize() <= CLIENT_MAX, f"{method}: {answer.ByteSize()}"
        return answer

    def pages(self, method: str, request: dict[str, Any], field: str) -> Iterator[list[Any]]:
        """The rows of each page of a listing, of a thousand at most."""
        token = ""
        while True:
            asked = request | {"page_size": ITEMS, "page_token": token}
            answer = self(f"PointsService/{method}", asked)
            yield list(getattr(answer, field))
            token = answer.next_page_token
            if not token:
                return

    def earned(self, member: dict[str, Any], count: int, **more: Any) -> Any:
        """The answer to so many earns of one point."""
        one = {"member": member, "amount": SMALL} | more
        return self("PointsService/BatchEarn", {"earns": [one] * count})


@pytest.fixture(scope="module")
def extreme(module_database_url: str) -> Iterator[Extreme]:
    with living(module_database_url) as live:
        yield Extreme(live)


@pytest.fixture(scope="module")
def wide(extreme: Extreme) -> Any:
    """The answer to a thousand earns with texts as long as may be."""
    return extreme.earned(NAMED, ITEMS, **TEXTS, initial_state="LOT_STATE_PENDING")


@pytest.fixture(scope="module")
def spent(extreme: Extreme) -> Any:
    """The answer to a redemption from 2,500 lots."""
    for _ in range(3):
        extreme.earned({"external_id": "many"}, ITEMS)
    many = {"member": {"external_id": "many"}, "amount": {"value": "2500"}, "request_id": "r"}
    first = extreme("PointsService/Redeem", many)
    again = extreme("PointsService/Redeem", many)
    assert again.replayed and again.transaction == first.transaction
    return first.transaction


def test_every_method_has_been_thought_of() -> None:
    """A method that is added to the contract is tried here, or argued to be of a fixed size."""
    known = {name.rpartition("/")[2] for name in METHODS}
    assert GROWING | FIXED.keys() == known and not GROWING & FIXED.keys()


def test_texts_are_left_out_of_many_earns(extreme: Extreme, wide: Any) -> None:
    """A BatchEarn whose answer would be too long has no texts in it, and says so."""
    assert wide.texts_omitted and len(wide.results) == ITEMS
    first = wide.results[0].earn
    assert not (first.transaction.description or first.lot.reference or first.transaction.source)
    assert first.lot.lot_id and first.transaction.member.member_id and first.account.version
    assert not extreme.earned({"external_id": "other"}, ITEMS, description="short").texts_omitted


def test_pages_end_before_they_are_too_long(extreme: Extreme, wide: Any) -> None:
    """ListTransactions and ListLots end early, and list each row once with its texts."""
    ids = {result.earn.lot.lot_id for result in wide.results}
    for request in (
        {"member": NAMED},
        {"member": NAMED, "order_by": "create_time"},
        {"member": NAMED, "types": ["TRANSACTION_TYPE_EARN"], "order_by": "amount desc"},
        {},
        {"reference": TEXTS["reference"]},
        {"types": ["TRANSACTION_TYPE_EARN"], "order_by": "amount desc"},
    ):
        pages = list(extreme.pages("ListTransactions", request, "transactions"))
        listed = [row for page in pages for row in page if row.transaction_id in ids]
        assert len(pages) > 2 and [r.transaction_id for r in listed].count(min(ids)) == 1
        assert {row.transaction_id for row in listed} == ids and len(listed) == len(ids)
        assert all(row.description == TEXTS["description"] for row in listed)
    for order in ("spending", "expire_time", "lot_id desc"):
        request = {"member": NAMED, "order_by": order, "reference": TEXTS["reference"]}
        pages = list(extreme.pages("ListLots", request, "lots"))
        lots = [lot for page in pages for lot in page]
        assert len(pages) > 1 and len(lots) == len(ids)
        assert {lot.lot_id for lot in lots} == ids


def test_texts_are_left_out_of_many_states(extreme: Extreme, wide: Any) -> None:
    """An ApproveTransactions whose answer would be too long has no texts in it, and says so."""
    ids = [result.earn.transaction.transaction_id for result in wide.results]
    moved = extreme("PointsService/ApproveTransactions", {"transaction_ids": ids})
    assert moved.texts_omitted and not moved.results[-1].moved.lot.description
    assert moved.results[-1].moved.lot.lot_id == ids[-1]


@pytest.mark.parametrize("meta", [META, {"a": [0] * 40}])
def test_metas_are_left_out_of_many_changes(
    extreme: Extreme, wide: Any, meta: dict[str, Any]
) -> None:
    """UpdateExpiry leaves texts and metas out of a long answer; ListExpiryChanges has them all."""
    update = {
        "member": NAMED,
        "days": 30 if meta is META else 60,
        "custom_meta": meta,
        "reason_note": WIDE * 1024,
        "standard_meta": dict.fromkeys(
            ("who_raised", "who_approved", "reason_for_trigger"), WIDE * 256
        ),
    }
    if meta is META:
        update["reason_note"], update["standard_meta"] = "x" * 1024, {"who_raised": "x" * 256}
    updates = [update | {"lot_id": result.earn.lot.lot_id} for result in wide.results]
    answer = extreme("PointsService/UpdateExpiry", {"updates": updates})
    assert answer.texts_omitted and len(answer.time_zones) == 1
    assert not answer.results[0].moved.change.HasField("custom_meta")
    ids = {result.moved.change.event_id for result in answer.results}
    request = {"member": NAMED}
    pages = list(extreme.pages("ListExpiryChanges", request, "expiry_changes"))
    changes = [change for page in pages for change in page if change.event_id in ids]
    assert len(pages) > 1 and len(changes) == len(ids) == ITEMS
    assert all(len(change.custom_meta.fields) == 1 for change in changes)


def test_a_single_meta_of_many_values(extreme: Extreme, wide: Any) -> None:
    """Metas that take five times as much in an answer as they are long count for what they take."""
    lots = [result.earn.lot.lot_id for result in wide.results[:12]]
    meta = {"a": [0] * 4080}
    updates = [{"member": NAMED, "lot_id": lot, "days": 90, "custom_meta": meta} for lot in lots]
    for days in range(90, 98):
        for update in updates:
            update["days"] = days
        extreme("PointsService/UpdateExpiry", {"updates": updates})
    pages = list(extreme.pages("ListExpiryChanges", {"member": NAMED}, "expiry_changes"))
    assert len(pages[0]) < 8 * len(lots)


def test_refusals_of_many_items(extreme: Extreme) -> None:
    """A thousand refusals fit into an answer."""
    items: list[tuple[str, str, dict[str, Any]]] = [
        ("BatchEarn", "earns", {"member": NAMED, "amount": {"value": "9" * 4000}}),
        ("BatchEarn", "earns", {"member": {"email": "a@b.example"}, "amount": SMALL}),
        ("UpdateExpiry", "updates", {"member": NAMED, "lot_id": 5, "days": 3}),
        ("UpdateExpiry", "updates", {"member": NAMED, "custom_meta": {WIDE * 4000: 1}}),
    ]
    for method, field, item in items:
        request = {field: [item] * ITEMS, "return_partial_success": True}
        answer = extreme(f"PointsService/{method}", request)
        assert all(result.HasField("error") for result in answer.results)
    request = {
        "transaction_ids": list(range(1, ITEMS + 1)),
        "return_partial_success": True,
    }
    extreme("PointsService/ApproveTransactions", request)


def test_transactions_show_their_first_allocations(extreme: Extreme, spent: Any) -> None:
    """A transaction of 2,500 lots shows 1,000 of them, in lists 100; ListAllocations has all."""
    number = spent.transaction_id
    assert (spent.allocation_count, len(spent.allocations)) == (2500, 1000)
    read = extreme("PointsService/GetTransaction", {"transaction_id": number}).transaction
    assert (read.allocation_count, len(read.allocations)) == (2500, 1000)
    request = {"member": {"external_id": "many"}, "types": ["TRANSACTION_TYPE_REDEEM"]}
    ((listed,),) = extreme.pages("ListTransactions", request, "transactions")
    assert (listed.allocation_count, len(listed.allocations)) == (2500, 100)
    pages = list(extreme.pages("ListAllocations", {"transaction_id": number}, "allocations"))
    assert [len(page) for page in pages] == [1000, 1000, 500]
    parts = [part for page in pages for part in page]
    assert parts[:1000] == list(read.allocations) and parts[:100] == list(listed.allocations)
    assert sum(Decimal(part.amount.value) for part in parts) == 2500
    assert [part.lot_id for part in parts] == sorted({part.lot_id for part in parts})


def test_expire_shows_its_first_allocations(extreme: Extreme) -> None:
    """An Expire of 1,000 lots shows all of them, one of 1,001 a thousand."""
    member = {"external_id": "expiring"}
    for count in (1000, 1001):
        extreme.earned(member, 1000)
        extreme.earned(member, count - 1000 or 1)
        request = {"member": member, "amount": {"value": str(count)}}
        done = extreme("PointsService/Expire", request).transaction
        assert (done.allocation_count, len(done.allocations)) == (count, 1000)
        extreme("PointsService/Expire", {"member": member, "amount": {"value": "5000"}})


def test_a_schedule_shows_the_soonest_thousand(extreme: Extreme, wide: Any) -> None:
    """A schedule of more than a thousand instants of inactivity shows the soonest, and how many."""
    now = extreme.live._parts.clock.now()
    currency = Currency(1, "POINTS", 6, "points", 0, "default")
    entries = tuple(InactivityEntry(WIDE * 64, 1, now, now, n, 10**15) for n in range(5000))
    answer = expiring_pb2.GetExpirationScheduleResponse()
    put_schedule(answer, Schedule(currency, (), entries, now))
    assert (len(answer.inactivity), answer.inactivity_count) == (ITEMS, 5000)
    assert [entry.days_until_expiry for entry in answer.inactivity] == list(range(ITEMS))
    assert answer.ByteSize() <= CLIENT_MAX
    asked = {"member": NAMED, "trailing_months": 60, "forward_months": 60}
    extreme("PointsService/GetExpirationSchedule", asked)


def test_a_thousand_of_the_largest_settings(extreme: Extreme) -> None:
    """Pages of programs, currencies and policies hold a thousand of the largest that there are."""
    dates = [
        {"month": month, "day": day}
        for month in range(1, 13)
        for day in range(1, 30 if month == 2 else 31)
    ]
    program = {
        "program_id": 1234567,
        "name": WIDE * 256,
        "time_zone": "America/Argentina/ComodRivadavia",
    }
    currency = {
        "program_id": 1234567,
        "currency_code": WIDE * 64,
        "scale": 6,
        "points_type": WIDE * 64,
        "default_policy": {"policy": WIDE * 64, "never": {}},
    }
    policy = {
        "program_id": 1234567,
        "policy": "\U0001f601" * 64,
        "definition": {"priority": -1000, "fixed_dates": {"dates": dates, "months": 1200}},
    }
    extreme("ProgramService/CreateProgram", program)
    extreme("ProgramService/CreateCurrency", currency)
    extreme("ProgramService/CreatePolicy", policy)
    named = {"program_id": 1234567}
    for method, request, field in (
        ("ListPrograms", {}, "programs"),
        ("ListCurrencies", named, "currencies"),
        ("ListPolicies", named, "policies"),
    ):
        rows: list[Message] = getattr(extreme(f"ProgramService/{method}", request), field)
        assert max(row.ByteSize() + 4 for row in rows) * ITEMS <= CLIENT_MAX, method


def test_capillary_shows_what_it_was_sent(extreme: Extreme, wide: Any) -> None:
    """The dialect takes from the request what a long answer leaves out."""
    given = {
        "reason_note": "a note",
        "standard_meta": {"who_raised": "kim"},
        "custom_meta": {"a": "x" * 8000, "b": [1.5, None, True, {"c": []}]},
        "kind": "AWARD_KIND_POINT_AWARDED",
    }
    updates = [
        {"member": NAMED, "lot_id": result.earn.lot.lot_id, "days": 33} | texts
        for result, texts in zip(wide.results[:500], [given, {}] * 250, strict=True)
    ]
    short = {"updates": updates[:2]}
    long = {"updates": updates + updates[:1] * 500}
    shown = []
    for request in (short, long):
        message = ParseDict(request, UpdateExpiryRequest())
        answer = extreme("PointsService/UpdateExpiry", request)
        assert answer.texts_omitted is (request is long)
        body = written(message, answer)["currencyExpiryUpdateResponse"]
        logs = [one["pointsExpiryUpdateLogs"] for one in body[:2]]
        shown.append(
            [
                (log["standardMeta"], log["customMeta"], log["expiryUpdateReasonNote"])
                for log in logs
            ]
        )
    assert shown[0] == shown[1] and shown[0][0] == (
        {"who_raised": "kim"}, given["custom_meta"], "a note",
    )  # fmt: skip

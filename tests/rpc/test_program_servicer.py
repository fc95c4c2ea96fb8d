"""ProgramService and MemberService before services that remember what they were asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from points.v1 import (
    audit_pb2,
    currency_pb2,
    member_service_pb2,
    policy_pb2,
    program_pb2,
    program_service_pb2,
)
from points_grpc.domain.admin.commands import (
    CurrencyCreated,
    CurrencyView,
    Outcome,
    PolicyView,
    ProgramView,
)
from points_grpc.domain.admin.events import AdminEvent, FieldChange, ListAdminEvents, Resource
from points_grpc.domain.model import Period, Policy, PolicyKind
from points_grpc.domain.queries import Page
from points_grpc.rpc.page_token import write_page_token
from points_grpc.rpc.servicers import programs
from points_grpc.rpc.servicers.members import MemberServicer
from points_grpc.rpc.servicers.programs import ProgramServicer

TENANT_ID = 7


@pytest.fixture
def program(samples):
    """A program."""
    return ProgramView(469, "Shop", "Europe/Berlin", True, "POINTS", 3, samples.now, samples.now)


@pytest.fixture
def currency(samples):
    """A currency."""
    now = samples.now
    return CurrencyView(9, 469, "POINTS", 2, "cash", 100, "yearly", now, now)


@pytest.fixture
def policy(samples):
    """A policy."""
    rule = Policy(2**46, "yearly", 2, PolicyKind.PERIOD, period=Period(months=12))
    return PolicyView(rule, 469, 9, "POINTS", samples.now)


def test_every_method_of_the_contract_is_served():
    """The two servicers have the methods of the contract and no others."""
    for file, name, servicer in (
        (program_service_pb2, "ProgramService", ProgramServicer),
        (member_service_pb2, "MemberService", MemberServicer),
    ):
        served = {method for method in vars(servicer) if not method.startswith("_")}
        assert served == {m.name for m in file.DESCRIPTOR.services_by_name[name].methods}


def test_changes_show_what_they_made_and_whether_it_was_a_replay(
    serve, book, program, currency, policy
):
    """Each change of ProgramService shows its outcome."""
    definition = policy_pb2.Policy(never={})
    book.answers = {
        "create_program": Outcome(program, True),
        "update_program": Outcome(program),
        "create_currency": Outcome(CurrencyCreated(currency, policy), True),
        "update_currency": Outcome(currency),
        "create_policy": Outcome(policy, True),
        "update_policy": Outcome(policy),
    }

    async def scenario(served):
        stub = served.programs
        return [
            await stub.CreateProgram(program_pb2.CreateProgramRequest(time_zone="UTC")),
            await stub.UpdateProgram(program_pb2.UpdateProgramRequest(name="Shop")),
            await stub.CreateCurrency(currency_pb2.CreateCurrencyRequest(currency_code="POINTS")),
            await stub.UpdateCurrency(currency_pb2.UpdateCurrencyRequest(exchange_rate=100)),
            await stub.CreatePolicy(
                policy_pb2.CreatePolicyRequest(policy="yearly", definition=definition)
            ),
            await stub.UpdatePolicy(policy_pb2.UpdatePolicyRequest(definition=definition)),
        ]

    answers = serve(scenario, backends={"programs": book})
    assert [answer.replayed for answer in answers] == [True, False] * 3
    assert [answer.program.program_id for answer in answers[:2]] == [469, 469]
    assert [answer.currency.currency_id for answer in answers[2:4]] == [9, 9]
    assert answers[2].default_policy.period.months == 12
    assert [answer.policy.policy for answer in answers[4:]] == ["yearly"] * 2
    assert [name for name, *_ in book.asked] == list(book.answers)


def test_lookups_name_what_they_look_for(serve, book, program, currency, policy):
    """The three lookups of ProgramService ask for what the request names."""
    book.answers = {"get_program": program, "get_currency": currency, "get_policy": policy}

    async def scenario(served):
        stub = served.programs
        await stub.GetProgram(program_pb2.GetProgramRequest())
        await stub.GetCurrency(currency_pb2.GetCurrencyRequest(program_id=469, currency_id=9))
        await stub.GetPolicy(
            policy_pb2.GetPolicyRequest(currency_code="POINTS", policy="yearly", version=2)
        )

    serve(scenario, backends={"programs": book})
    assert book.asked == [
        ("get_program", 0),
        ("get_currency", 469, 9),
        ("get_policy", 0, "POINTS", "yearly", ("version", 2)),
    ]


def test_lists_go_on_where_they_ended(serve, book, program, currency, policy):
    """The lists of ProgramService page by id, by code, and by code and version."""

    async def pages(call, kind, **fields):
        first = await call(kind(page_size=1, **fields))
        second = await call(kind(page_size=2, page_token=first.next_page_token, **fields))
        return first.next_page_token, second.next_page_token

    book.answers = {
        "list_programs": [program, replace(program, program_id=470)],
        "list_currencies": [currency, currency],
        "list_policies": [policy, policy],
    }

    async def scenario(served):
        stub = served.programs
        return [
            await pages(stub.ListPrograms, program_pb2.ListProgramsRequest),
            await pages(stub.ListCurrencies, currency_pb2.ListCurrenciesRequest, program_id=469),
            await pages(stub.ListPolicies, policy_pb2.ListPoliciesRequest, all_versions=True),
        ]

    tokens = serve(scenario, backends={"programs": book})
    assert all(first and not last for first, last in tokens)
    every = ("all_versions", True)
    assert book.asked == [
        ("list_programs", ("after", 0), ("limit", 2)),
        ("list_programs", ("after", 469), ("limit", 3)),
        ("list_currencies", 469, ("after", ""), ("limit", 2)),
        ("list_currencies", 469, ("after", "POINTS"), ("limit", 3)),
        ("list_policies", 0, None, every, ("after", ("", 0)), ("limit", 2)),
        ("list_policies", 469, 9, every, ("after", ("yearly", 2)), ("limit", 3)),
    ]


def test_later_pages_are_of_what_the_first_was(serve, book, currency, policy):
    """A list of a default program or currency goes on with it when the defaults have changed."""
    book.answers = {"list_currencies": [currency, currency], "list_policies": [policy, policy]}

    async def scenario(served):
        stub = served.programs
        for call, kind in (
            (stub.ListCurrencies, currency_pb2.ListCurrenciesRequest),
            (stub.ListPolicies, policy_pb2.ListPoliciesRequest),
        ):
            first = await call(kind(page_size=1))
            await call(kind(page_size=1, page_token=first.next_page_token))

    serve(scenario, backends={"programs": book})
    assert [asked[1:-2] for asked in book.asked] == [
        (0,),
        (currency.program_id,),
        (0, None, ("all_versions", False)),
        (policy.program_id, policy.currency_id, ("all_versions", False)),
    ]


def test_a_token_of_another_list_is_refused(serve, book, program):
    """A token of one list of ProgramService is good for no other."""
    book.answers = {"list_programs": [program, program]}

    async def scenario(served):
        page = await served.programs.ListPrograms(program_pb2.ListProgramsRequest(page_size=1))
        other = currency_pb2.ListCurrenciesRequest(page_token=page.next_page_token)
        return await served.refusal(served.programs.ListCurrencies(other))

    assert serve(scenario, backends={"programs": book}).reason == "INVALID_PAGE_TOKEN"


@pytest.mark.parametrize(
    "cursor",
    [("x",), (1,), ("x", "y"), (1, "x"), ("x", 1), ("x", 1, 1), ("x", 1, 1, 1), ("x", 1, 1, "x")],
)
@pytest.mark.parametrize(
    ("method", "kind", "listing", "good"),
    [
        ("ListPrograms", program_pb2.ListProgramsRequest, programs._Programs(), [(1,)]),
        (
            "ListCurrencies",
            currency_pb2.ListCurrenciesRequest,
            programs._Currencies(0),
            [("x",), ("x", 1)],
        ),
        (
            "ListPolicies",
            policy_pb2.ListPoliciesRequest,
            programs._Policies(0, None, False),
            [("x", 1), ("x", 1, 1, 1)],
        ),
    ],
)
def test_a_place_of_another_kind_is_refused(serve, book, method, kind, listing, good, cursor):
    """A token with the parts of no cursor of the list, new or before, is INVALID_PAGE_TOKEN."""
    book.answers = {"list_programs": [], "list_currencies": [], "list_policies": []}
    token = write_page_token(TENANT_ID, listing, cursor)

    async def scenario(served):
        call = getattr(served.programs, method)(kind(page_token=token))
        return "OK" if cursor in good and await call else (await served.refusal(call)).reason

    expected = "OK" if cursor in good else "INVALID_PAGE_TOKEN"
    assert serve(scenario, backends={"programs": book}) == expected


def test_audit_events_are_listed_as_asked(serve, book, samples):
    """ListAuditEvents passes its filters and its place on, and shows every field of an event."""
    event = AdminEvent(
        principal="token-1",
        action="UpdatePolicy",
        resource=Resource.POLICY,
        at=samples.now,
        changes=(FieldChange("version", "1", "2"),),
        program_id=469,
        currency_id=9,
        policy="year",
        member_id=7,
        token_id="token-2",
        request_id="r",
        event_id=2**46,
    )
    fields = {"principal": "token-1", "resource": audit_pb2.AUDIT_RESOURCE_POLICY, "page_size": 1}
    book.answers = {"list_audit_events": Page((event,), (5, 2**46))}

    async def scenario(served):
        call, kind = served.programs.ListAuditEvents, audit_pb2.ListAuditEventsRequest
        first = await call(kind(**fields))
        book.answers = {"list_audit_events": Page((), ())}
        second = await call(kind(**fields, page_token=first.next_page_token))
        other = kind(page_token=first.next_page_token)
        return first, second, await served.refusal(call(other))

    first, second, refused = serve(scenario, backends={"programs": book})
    [shown] = first.audit_events
    assert all(shown.HasField(f.name) if f.message_type and not f.is_repeated
               else getattr(shown, f.name) for f in shown.DESCRIPTOR.fields)  # fmt: skip
    assert (shown.event_id, shown.policy, shown.resource) == (2**46, "year", 3)
    assert (shown.changes[0].old_value, shown.changes[0].new_value) == ("1", "2")
    assert not second.audit_events and not second.next_page_token
    assert refused.reason == "INVALID_PAGE_TOKEN"
    asked = ListAdminEvents("token-1", Resource.POLICY, page_size=1)
    assert book.asked == [
        ("list_audit_events", asked),
        ("list_audit_events", replace(asked, cursor=(5, 2**46))),
    ]


@pytest.mark.parametrize("number", [8, -1, 2**31 - 1])
def test_a_kind_of_things_that_is_not_known_is_refused(serve, book, number):
    """A filter by a resource that the contract does not have is INVALID_FIELD."""

    async def scenario(served):
        request = audit_pb2.ListAuditEventsRequest(resource=number)
        return await served.refusal(served.programs.ListAuditEvents(request))

    status = serve(scenario, backends={"programs": book})
    assert (status.reason, status.metadata["field"]) == ("INVALID_FIELD", "resource")
    assert not book.asked

"""Programs, currencies, policies and members: made, changed, listed and refused."""

from __future__ import annotations

from tests.support.golden.steps import Clock, Rpc, Step, rpc

START = "2022-01-31T10:00:00Z"
CLUB = {"program_id": 700}
BEANS = CLUB | {"currency_code": "BEANS"}
ANNA = {"external_id": "anna"}
NEVER = {"policy": "forever", "never": {}}
MIXED_EMAIL = "  Anna.Roe@Example.COM "


def _programs() -> list[Step]:
    create = {"name": "Coffee club", "time_zone": "Europe/Berlin", "request_id": "p-1"}
    return [
        rpc("ProgramService/CreateProgram", **CLUB, **create),
        rpc("ProgramService/CreateProgram", **CLUB, **create),
        rpc("ProgramService/CreateProgram", **CLUB, **(create | {"name": "Other"})),
        rpc("ProgramService/CreateProgram", program_id=700, time_zone="UTC"),
        rpc("ProgramService/CreateProgram", program_id=701, time_zone="Mars/Olympus"),
        rpc("ProgramService/CreateProgram", time_zone="America/New_York", auto_enroll=False),
        rpc("ProgramService/CreateProgram", "reader", time_zone="UTC"),
        rpc("ProgramService/CreateProgram", "", time_zone="UTC"),
        rpc("ProgramService/GetProgram", **CLUB),
        rpc("ProgramService/GetProgram"),
        rpc("ProgramService/GetProgram", program_id=9999),
        rpc("ProgramService/GetProgram", "acme", **CLUB),
        rpc("ProgramService/GetProgram", "nobody", **CLUB),
        rpc("ProgramService/ListPrograms"),
        rpc("ProgramService/ListPrograms", page_size=2, save={"page": "next_page_token"}),
        rpc("ProgramService/ListPrograms", page_size=2, page_token="$page"),
        rpc("ProgramService/ListPrograms", page_token="bm90IG91cnM"),
        rpc("ProgramService/ListPrograms", "reader"),
        rpc("ProgramService/UpdateProgram", **CLUB, name="Tea club", auto_enroll=False),
        rpc("ProgramService/UpdateProgram", **CLUB, auto_enroll=True, update_mask="autoEnroll"),
        rpc("ProgramService/UpdateProgram", **CLUB, update_mask="nothing"),
        rpc("ProgramService/UpdateProgram", program_id=9999, name="None"),
    ]


def _currencies() -> list[Step]:
    create = {
        "scale": 2,
        "points_type": "beans",
        "exchange_rate": 50,
        "default_policy": {"policy": "year", "period": {"months": 12}, "priority": 5},
    }
    return [
        rpc("ProgramService/CreateCurrency", **BEANS, **create, request_id="c-1"),
        rpc("ProgramService/CreateCurrency", **BEANS, **create, request_id="c-1"),
        rpc("ProgramService/CreateCurrency", **BEANS, **create),
        rpc("ProgramService/CreateCurrency", **BEANS, **(create | {"scale": 7})),
        rpc("ProgramService/CreateCurrency", **CLUB, currency_code="NOPOLICY"),
        rpc("ProgramService/CreateCurrency", program_id=9999, currency_code="X", **create),
        rpc("ProgramService/GetCurrency", **BEANS),
        rpc("ProgramService/GetCurrency", **CLUB, currency_code="NONE"),
        rpc("ProgramService/GetCurrency", program_id=123, currency_id=1),
        rpc("ProgramService/ListCurrencies", **CLUB),
        rpc("ProgramService/ListCurrencies", program_id=9999),
        rpc("ProgramService/UpdateCurrency", **BEANS, exchange_rate=75),
        rpc("ProgramService/UpdateCurrency", **BEANS, default_policy="nothing"),
        rpc("ProgramService/UpdateProgram", **CLUB, default_currency_code="BEANS"),
        rpc("ProgramService/UpdateProgram", **CLUB, default_currency_code="NONE"),
    ]


def _policies() -> list[Step]:
    create = "ProgramService/CreatePolicy"
    definitions = (
        ("never", {"never": {}}),
        ("days", {"period": {"days": 30}, "rounding": "ROUNDING_END_OF_DAY"}),
        ("month", {"period": {"months": 1}, "rounding": "ROUNDING_END_OF_MONTH"}),
        ("years", {"period": {"years": 2}, "rounding": "ROUNDING_END_OF_QUARTER"}),
        ("dates", {"fixed_dates": {"dates": [{"month": 2, "day": 29}], "months": 3}}),
        ("idle", {"inactivity": {"months": 6, "qualifying_types": ["TRANSACTION_TYPE_REDEEM"]}}),
        ("bad_days", {"period": {"days": 0}}),
        ("bad_date", {"fixed_dates": {"dates": [{"month": 2, "day": 30}]}}),
        ("bad_idle", {"inactivity": {"days": 3, "qualifying_types": ["TRANSACTION_TYPE_EXPIRE"]}}),
        ("no rule", {}),
    )
    made = [rpc(create, **BEANS, policy=name, definition=of) for name, of in definitions]
    return [
        *made,
        rpc(create, **BEANS, policy="days", definition={"never": {}}),
        rpc("ProgramService/GetPolicy", **BEANS, policy="idle"),
        rpc("ProgramService/GetPolicy", **BEANS, policy="idle", version=2),
        rpc("ProgramService/GetPolicy", **BEANS, policy="nothing"),
        rpc("ProgramService/UpdatePolicy", **BEANS, policy="days", definition={"never": {}}),
        rpc("ProgramService/UpdatePolicy", **BEANS, policy="nothing", definition={"never": {}}),
        rpc("ProgramService/ListPolicies", **BEANS),
        rpc("ProgramService/ListPolicies", **BEANS, all_versions=True, page_size=3),
        rpc("ProgramService/ListPolicies", **CLUB, currency_code="NONE"),
    ]


def _members() -> list[Step]:
    link, unlink = "MemberService/LinkIdentifier", "MemberService/UnlinkIdentifier"
    card = {"type": "card", "value": "4711"}
    named = {"external_id": "anna", "email": MIXED_EMAIL, "phone": "+49 (30) 123-456"}
    return [
        rpc("MemberService/CreateMember", **named, vendor_id=77, request_id="m-1"),
        rpc("MemberService/CreateMember", **named, vendor_id=77, request_id="m-1"),
        rpc("MemberService/CreateMember", **named),
        rpc("MemberService/CreateMember", username="bob", identifiers=[card]),
        rpc("MemberService/CreateMember"),
        rpc("MemberService/CreateMember", email="no address"),
        rpc("MemberService/CreateMember", vendor_id=2**46),
        rpc("MemberService/GetMember", member=ANNA),
        rpc("MemberService/GetMember", member={"email": "anna.roe@example.com"}),
        rpc("MemberService/GetMember", member={"phone": "0049 30 123456"}),
        rpc("MemberService/GetMember", member={"phone": "4930123456"}),
        rpc("MemberService/GetMember", member={"member_id": 77}),
        rpc("MemberService/GetMember", member={"username": "bob"}),
        rpc("MemberService/GetMember", "acme", member={"username": "bob"}),
        rpc("MemberService/GetMember"),
        rpc(link, member=ANNA, identifier={"type": "twitter_user_id", "value": "@Anna"}),
        rpc(link, member=ANNA, identifier=card),
        rpc(link, member=ANNA, identifier={"type": "No Type", "value": "1"}),
        rpc(link, member={"external_id": "nobody"}, identifier=card),
        rpc(unlink, member={"username": "bob"}, identifier=card),
        rpc(unlink, member=ANNA, identifier=card),
        rpc(link, member=ANNA, identifier=card),
        rpc("MemberService/GetMember", member={"identifier": card}),
        rpc(unlink, member=ANNA, identifier={"type": "external_id", "value": "anna"}),
        rpc(unlink, member={"external_id": "nobody"}, identifier=card),
        rpc(unlink, "reader", member=ANNA, identifier=card),
    ]


def _clock() -> list[Step]:
    return [
        rpc("TestClockService/GetClock"),
        Clock("2022-01-31T10:00:01Z"),
        rpc("TestClockService/SetClock", time="2022-01-31T09:00:00Z"),
        Rpc("TestClockService/SetClock", {}),
        rpc("TestClockService/GetClock", ""),
        rpc("TestClockService/SetClock", time="2022-02-01T00:00:00Z"),
    ]


def _audit_events() -> list[Step]:
    listed = "ProgramService/ListAuditEvents"
    return [
        rpc(listed),
        rpc(listed, page_size=2, save={"page": "next_page_token"}),
        rpc(listed, page_size=3, page_token="$page"),
        rpc(listed, page_size=3, page_token="$page", principal="dev"),
        rpc(listed, resource="AUDIT_RESOURCE_POLICY", page_size=2),
        rpc(listed, principal="nobody"),
        rpc(listed, start_time="2022-01-31T10:00:00Z", end_time="2022-01-31T10:00:00Z"),
        rpc(listed, start_time="2022-02-01T00:00:00Z", end_time="2022-01-31T10:00:00Z"),
        rpc(listed, page_size=-1),
        rpc(listed, "acme"),
        rpc(listed, "reader"),
        rpc(listed, ""),
    ]


STORY: list[Step] = [
    *_programs(),
    *_currencies(),
    *_policies(),
    *_members(),
    *_audit_events(),
    *_clock(),
]

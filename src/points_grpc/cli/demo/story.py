"""The chapters of the demo, with the values of the vendors' own examples."""

from __future__ import annotations

from typing import Any

from points_grpc.cli.demo.grpc_client import Json, Refused, refused_item
from points_grpc.cli.demo.stage import BEGINNING, MEMBERS, Stage, shown

_STANDARD_META = {
    "who_raised": "Naman",
    "who_approved": "Admin",
    "reason_for_trigger": "Extend points expiry",
}
_EXTEND, _EARLY = "REASON_TYPE_EXTEND_EXPIRY", "REASON_TYPE_EARLY_EXPIRY"
_NOTE = "Customer made a purchase above $100"


def what_expires_when(stage: Stage) -> None:
    """Ten months of expirations, and what inactivity would end."""
    email = {"email": stage.own("alice@crowdtwist.com")}
    alice = {"program_id": 469, "member": email}
    stage.chapter("1. What expires when", BEGINNING)
    stage.service.call(f"{MEMBERS}/CreateMember", email)
    first = {"amount": {"value": "3133"}, "expire_time": stage.at("2022-06-30T11:00:00Z")}
    stage.ask("Earn", {**alice, **first})
    redeemed = stage.ask("Redeem", {**alice, "amount": {"value": "120"}})
    later = (
        ("100", "2022-02-28T00:00:00Z"),
        ("200", "2022-04-30T00:00:00Z"),
        ("1000", "2022-05-31T00:00:00Z"),
        ("2000", "2022-07-31T00:00:00Z"),
        ("1000", "2022-10-31T00:00:00Z"),
    )
    earns = [
        {**alice, "amount": {"value": amount}, "expire_time": stage.at(at)} for amount, at in later
    ]
    account = stage.ask("BatchEarn", {"earns": earns})["results"][-1]["earn"]["account"]
    stage.say(
        f"{email['email']} earns 3133 points, redeems {_value(redeemed['transaction'], 'amount')},"
        f" and earns five more lots: {_value(account, 'available')} points in six lots."
    )
    stage.move_clock("2022-05-25T08:45:41Z")
    stage.ask("Earn", {**alice, "amount": {"value": "200"}, "policy": "inactivity"})
    stage.move_clock("2022-05-25T12:00:00Z")
    stage.say(
        "Months later, at noon on 25 May, 200 more under a policy of 12 months' inactivity."
        " Nothing ran in between: the answer is computed as of now."
    )
    schedule = stage.ask("GetExpirationSchedule", alice)
    _show_months(stage, schedule["months"])
    for idle in schedule["inactivity"]:
        stage.say(
            f"Without another earn or redemption {_value(idle, 'expiring')} points end at"
            f" {shown(idle['expire_time'])}, in {idle['days_until_expiry']} days"
            f" (last activity {shown(idle['last_qualified_time'])})."
        )
    _show_account(stage, stage.ask("GetAccount", alice)["account"])


def expire_on_demand(stage: Stage) -> None:
    """An over-ask settles what there is; a replay does nothing."""
    stage.chapter("2. Expiring on demand, and asking twice", "2022-05-25T12:00:00Z")
    user = {"program_id": 469, "member": {"external_id": stage.own("usr_example_001")}}
    reward = {
        "amount": {"value": "100"},
        "description": "Daily check-in reward",
        "reason": "Check-in reward",
        "source": "daily_checkin",
    }
    stage.ask("Earn", {**user, **reward})
    asked = {**user, "amount": {"value": "150"}, "request_id": "ik_abc123"}
    rows = []
    for what in ("Expire 150 of 100", "the same request again"):
        answer = stage.ask("Expire", asked)
        replayed = "yes" if answer.get("replayed") else "no"
        figures = (_value(answer, "requested"), _value(answer, "settled"))
        rows.append((what, *figures, _value(answer["account"], "available"), replayed))
    columns = ("call", "requested", "settled", "available", "replayed")
    stage.table(*columns, rows=rows, numbers="requested,settled,available")
    _expect_refusal(
        stage, "The same id, another amount", "Expire", {**asked, "amount": {"value": "120"}}
    )
    _expect_refusal(stage, "Redeem 1 of 0", "Redeem", {**user, "amount": {"value": "1"}})


def expiring_in_a_period(stage: Stage) -> None:
    """Points that expire in September."""
    stage.chapter("3. What expires in a period", "2023-08-15T00:00:00Z")
    email = {"email": stage.own("user@example.com")}
    bonus = {"program_id": 123, "member": email, "currency_code": "bonus_points"}
    stage.service.call(f"{MEMBERS}/CreateMember", email)
    lots = (
        ("100.00", "2023-09-01T00:00:00Z"),
        ("50.24", "2023-09-30T23:59:59Z"),
        ("1.00", "2023-10-01T00:00:00Z"),
    )
    earns = [
        {**bonus, "amount": {"value": amount}, "expire_time": stage.at(at)} for amount, at in lots
    ]
    stage.ask("BatchEarn", {"earns": earns})
    rows = [(amount, shown(stage.at(at))) for amount, at in lots]
    stage.table("bonus_points", "expire at", rows=rows, numbers="bonus_points")
    period = {"start_time": "2023-09-01T00:00:00Z", "end_time": "2023-10-01T00:00:00Z"}
    asked = {**bonus, **{name: stage.at(at) for name, at in period.items()}}
    answer = stage.ask("GetExpiringPoints", asked)
    points, lot_count = _value(answer, "expiring_points"), answer["lot_count"]
    stage.say(f"In September expire [bold]{points}[/] points, from {lot_count} lots.")
    _expect_refusal(stage, "A third decimal", "Earn", {**bonus, "amount": {"value": "1.005"}})


def move_expiries(stage: Stage) -> None:
    """New expiries for a migrated member's lots, and the documented failures."""
    stage.chapter("4. Moving expiries", "2025-07-07T06:39:11Z")
    member = {"program_id": 469, "member": {"member_id": stage.customer}}
    _migrate_lots(stage, member)
    fixed_date = {"expire_date": stage.on("2025-08-09")}
    moves = [
        _update(member, 117521910, _EXTEND, reinstate=True, **fixed_date),
        _update(member, 117521911, _EXTEND, days=30),
        _update(member, 117521912, _EARLY, **fixed_date),
    ]
    request = {"updates": moves, "request_id": "demo-update-expiry"}
    results = stage.ask("UpdateExpiry", request)["results"]
    rows = [_change_row(result["moved"]["change"]) for result in results]
    stage.table("lot", "old expiry", "new expiry", "reason", rows=rows)
    change = results[0]["moved"]["change"]
    meta = change["standard_meta"]
    stage.say(
        f"Noted at {shown(change['event_time'])}: {change['reason_note']!r}, raised by"
        f" {meta['who_raised']}, approved by {meta['who_approved']}."
    )
    stranger = {**member, "member": {"phone": "+1234567890"}}
    mixed = {
        "unknown customer": _update(stranger, 117521910, _EXTEND, **fixed_date),
        "unknown lot": _update(member, 1175219, _EXTEND, **fixed_date),
        "past day": _update(member, 117521912, _EARLY, expire_date=stage.on("2022-12-31")),
        "1 August": _update(member, 117521912, _EARLY, expire_date=stage.on("2025-08-01")),
    }
    asked = {"updates": list(mixed.values()), "return_partial_success": True}
    results = stage.ask("UpdateExpiry", asked)["results"]
    stage.say("A batch whose items stand each for itself, three of them to be refused:")
    rows = [(what, *_outcome(result)) for what, result in zip(mixed, results, strict=True)]
    stage.table("item", "outcome", "message", rows=rows)
    account = stage.ask("GetAccount", member)["account"]
    stage.say(f"{_value(account, 'available')} points can be spent.")


def _migrate_lots(stage: Stage, member: Json) -> None:
    lots = ((117521910, "2022-12-31"), (117521911, "2025-07-31"), (117521912, "2025-12-31"))
    earns = [
        {
            **member,
            "vendor_id": lot,
            "amount": {"value": "100"},
            "earn_time": stage.at("2022-01-15T00:00:00Z"),
            "expire_date": stage.on(day),
        }
        for lot, day in lots
    ]
    stage.ask("BatchEarn", {"earns": earns})
    stage.say(
        f"Member {stage.customer} is migrated with three lots of 100 points, of which the first"
        " lapsed long ago."
    )


def _update(member: Json, lot_id: int, reason_type: str, **more: Any) -> Json:
    checks = {"kind": "AWARD_KIND_POINT_AWARDED", "currency_code": "POINTS"}
    why = {"reason_type": reason_type, "reason_note": _NOTE, "standard_meta": _STANDARD_META}
    return {**member, "lot_id": lot_id, **checks, **why, "custom_meta": {"abc": "xyz"}, **more}


def approve(stage: Stage) -> None:
    """Points that someone has to approve first."""
    stage.chapter("5. Points that wait for approval", "2025-07-07T06:39:11Z")
    user = stage.own("1749801330826x541366778024405570")
    survey = {
        "program_id": 469,
        "member": {"external_id": user},
        "initial_state": "LOT_STATE_OPEN",
        "description": "Points for completing survey",
    }
    ids = {}
    for reference, amount in (("order-12345", "100"), ("order-12346", "40")):
        earn = {**survey, "reference": reference, "amount": {"value": amount}}
        ids[reference] = stage.ask("Earn", earn)["transaction"]["transaction_id"]
    for reference, state in (("order-12345", "PENDING"), ("order-12346", "CLOSED")):
        move = {"transaction_id": ids[reference], "state": f"LOT_STATE_{state}"}
        stage.ask("UpdateTransactionStatus", move)
    again = {"transaction_id": ids["order-12346"], "state": "LOT_STATE_PENDING"}
    _expect_refusal(stage, "Reopening order-12346", "UpdateTransactionStatus", again)
    stage.ask("ApproveTransactions", {"transaction_ids": [ids["order-12345"]]})
    asked = {
        "program_id": 469,
        "member": survey["member"],
        "types": ["TRANSACTION_TYPE_EARN"],
        "order_by": "amount desc",
    }
    rows = [
        (
            transaction["reference"],
            _value(transaction, "amount"),
            transaction["state"].removeprefix("LOT_STATE_"),
            transaction["description"],
        )
        for transaction in stage.ask("ListTransactions", asked)["transactions"]
    ]
    stage.table("reference", "amount", "state", "description", rows=rows, numbers="amount")


CHAPTERS = (what_expires_when, expire_on_demand, expiring_in_a_period, move_expiries, approve)


def _expect_refusal(stage: Stage, what: str, method: str, request: Json) -> None:
    try:
        stage.ask(method, request)
    except Refused as refused:
        stage.refusal(what, refused)
    else:
        stage.say(f"{what}: not refused, although it should be.")


def _value(message: Json, name: str) -> str:
    return str(message.get(name, {}).get("value", "0"))


def _change_row(change: Json) -> tuple[str, ...]:
    return (
        change["lot_vendor_id"],
        shown(change.get("old_expire_time")),
        shown(change.get("new_expire_time")),
        change["reason_type"].removeprefix("REASON_TYPE_"),
    )


def _outcome(result: Json) -> tuple[str, str]:
    if "moved" in result:
        change = result["moved"]["change"]
        return "moved", f"now {shown(change.get('new_expire_time'))}"
    refused = refused_item(result["error"])
    return refused.reason, refused.message


def _show_months(stage: Stage, months: list[Json]) -> None:
    figures = ("expired", "expiring", "redeemed_from_lots")
    rows = [
        (_month(month), *(_value(month, name) for name in figures), shown(month.get("expire_time")))
        for month in months
    ]
    rows = [(*row[:-1], "" if row[-1] == "never" else row[-1]) for row in rows]
    columns = ("month", "expired", "expiring", "redeemed", "at")
    stage.table(*columns, rows=rows, numbers="expired,expiring,redeemed")
    _chart(stage, months)


def _chart(stage: Stage, months: list[Json], width: int = 50) -> None:
    bars = [
        (_month(month), float(_value(month, "expired")), float(_value(month, "expiring")))
        for month in months
    ]
    longest = max((max(expired, expiring) for _, expired, expiring in bars), default=0) or 1
    for month, expired, expiring in bars:
        gone = "░" * round(expired / longest * width) or "░" * bool(expired)
        to_come = "█" * round(expiring / longest * width) or "█" * bool(expiring)
        label = f"{expired + expiring:.0f}" if expired or expiring else ""
        stage.say(f"{month} [red]{gone}[/][green]{to_come}[/] {label}".rstrip())
    stage.say("[red]░[/] expired  [green]█[/] expiring")


def _month(month: Json) -> str:
    return f"{month['month']['year']}-{month['month']['month']:02}"


def _show_account(stage: Stage, account: Json) -> None:
    names = ("total_earned", "available", "held", "total_redeemed", "total_expired")
    earned, *rest = (_value(account, name) for name in names)
    words = ("available", "held", "redeemed", "expired")
    told = " + ".join(f"{value} {word}" for value, word in zip(rest, words, strict=True))
    stage.say(f"{earned} earned = {told}")

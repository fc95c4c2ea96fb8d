"""The members, points and ids that the requests of this folder name."""

from __future__ import annotations

from tests.support.gateway.live import Live

MEMBERS = (
    {"external_id": "erin"},
    {"external_id": "usr_example_001"},
    {"email": "alice@crowdtwist.com"},
    {"email": "user@example.com"},
    {"vendor_id": 172440986},
)
WHO = (
    {"program_id": 469, "member": {"external_id": "erin"}},
    {"program_id": 469, "member": {"external_id": "usr_example_001"}},
    {"program_id": 469, "member": {"email": "alice@crowdtwist.com"}},
    {"program_id": 469, "member": {"member_id": 172440986}, "vendor_id": 117521910},
    {"program_id": 123, "member": {"email": "user@example.com"}},
)


def stock(live: Live, *, demo: bool = True) -> dict[str, str]:
    """Make the members that requests name, with points; return the ids that they name by field.

    With `demo` the demo's programs are made first.
    """
    if demo:
        live.load_demo()
    for member in MEMBERS:
        live.ask("MemberService/CreateMember", member)
    lots = []
    for who in WHO:
        earn = {**who, "amount": {"value": "1000000"}, "days": 3000}
        lots.append(live.ask("PointsService/Earn", earn)["lot"])
    opened = {**WHO[0], "amount": {"value": "7"}, "initial_state": "LOT_STATE_OPEN"}
    waiting = live.ask("PointsService/Earn", opened)["lot"]
    return {
        "lot_id": lots[0]["lot_id"],
        "account_id": lots[0]["account_id"],
        "transaction_id": lots[0]["lot_id"],
        "open_id": waiting["lot_id"],
    }

"""The calls that a load over HTTP is made of: the same as over gRPC, in JSON."""

from __future__ import annotations

import json
import random
from array import array
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from benchmarks.calls import BATCH, POOL, Call, Load, Next, member_name

EARN = b"POST /v1/points:earn"
UPDATE_EXPIRY = b"POST /v2/points/updateExpiry"

PROGRAM = 469


def calls_of(load: Load, tag: str) -> Next:
    """What yields the load's calls one by one; `tag` makes their request ids unique."""
    return KINDS[load.kind](load, tag)


def _earn(load: Load, tag: str) -> Next:
    pick, number = random.Random().randrange, count()
    same = {
        "amount": {"value": "25"},
        "reference": "order 48213",
        "description": "Points for order 48213",
        "source": "checkout",
    }
    fixed = json.dumps(same, separators=(",", ":")).encode()[:-1]

    def make() -> Call:
        member = member_name(pick(load.first, load.first + load.members))
        own = f',"requestId":"{tag}-{next(number)}","member":{{"externalId":"{member}"}}}}'
        return EARN, fixed + own.encode()

    return make


def _update_expiry(load: Load, _: str) -> Next:
    lots = array("q", Path(load.lots).read_bytes())
    pool, number = [_batch(load, lots) for _ in range(POOL)], count()
    return lambda: (UPDATE_EXPIRY, pool[next(number) % POOL])


def _batch(load: Load, lots: array[int]) -> bytes:
    """One call's items, like the vendor's example."""
    today = datetime.now(UTC)
    items = []
    for n in sorted(random.sample(range(load.first, load.first + load.members), BATCH)):
        day = today + timedelta(days=random.randrange(30, 700))
        items.append(
            {
                "identifierName": "externalId",
                "identifierValue": member_name(n),
                "programId": PROGRAM,
                "pointsAwardedRefId": lots[n],
                "pointsAwardedRefType": "POINT_AWARDED",
                "expiryUpdateReasonNote": "Customer made a purchase above $100",
                "standardMeta": {
                    "who_raised": "Naman",
                    "who_approved": "Admin",
                    "reason_for_trigger": "Extend points expiry",
                },
                "customMeta": {"abc": "xyz"},
                "expiryDate": {"expiryType": "FIXED_DATE", "expiryValue": f"{day:%Y-%m-%d}"},
            }
        )
    return json.dumps({"expiryDateUpdateRequest": items}).encode()


KINDS: dict[str, Callable[[Load, str], Next]] = {
    "rest_earn": _earn,
    "rest_update_expiry": _update_expiry,
}

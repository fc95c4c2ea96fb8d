"""A count of the e-mails and phones that today's rules would have kept otherwise."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial

from points_grpc.domain.identifiers import EMAIL, PHONE, is_doubtful
from points_grpc.storage.audit import doubtful
from points_grpc.storage.core.database import Database
from points_grpc.storage.core.ids import BUCKETS

SHOWN_MAX = 20
OF_BUCKET_MAX = 10_000
SECONDS_MAX = 20.0


def doubtful_identifiers(database: Database) -> tuple[int, str]:
    """Return how many there are, and a sentence with the ids of the first members.

    The values themselves are nobody's business. A large database is looked at for SECONDS_MAX.
    """
    counts: Counter[str] = Counter()
    members: list[int] = []
    began, looked_at, whole = time.monotonic(), 0, True
    while looked_at < BUCKETS and time.monotonic() - began < SECONDS_MAX:
        look = partial(doubtful.unusual, bucket=looked_at, most=OF_BUCKET_MAX)
        found = database.run(look)
        whole &= len(found) < OF_BUCKET_MAX
        doubts = [name for name in found if is_doubtful(name.type, name.value)]
        counts.update(name.type for name in doubts)
        members += [name.member_id for name in doubts][: SHOWN_MAX - len(members)]
        looked_at += 1
    part = "" if looked_at == BUCKETS else f" in {looked_at} of {BUCKETS} parts"
    if not counts:
        return 0, f"no e-mail or phone is doubtful{part}"
    figures = f"{counts[EMAIL]} e-mails and {counts[PHONE]} phones"
    shown = ", ".join(str(member) for member in dict.fromkeys(members))
    least = "" if whole else "at least "
    return counts.total(), f"{least}{figures} are doubtful{part}, such as of the members {shown}"

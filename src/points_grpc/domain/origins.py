"""The source of a lot's expiry, and the end of a lot that is over.

Nothing of this is stored: it follows from what is.
"""

from __future__ import annotations

from points_grpc.domain.books import Lot
from points_grpc.domain.calendar import OutOfCalendar
from points_grpc.domain.model import ExpirationSource, LotState, PolicyKind, Program
from points_grpc.domain.policy import fixed_expiry


def expiration_source(program: Program, lot: Lot, is_moved: bool) -> ExpirationSource:
    """Return where the lot's expiry comes from; `is_moved` tells whether it has an ExpiryChange.

    An expiry that was given with the earn and is the policy's own counts as the policy's.
    """
    if is_moved:
        return ExpirationSource.UPDATE
    if lot.rule:
        return ExpirationSource.POLICY
    policy = program.versions[lot.policy_version_id]
    if policy.kind is PolicyKind.INACTIVITY:
        return ExpirationSource.EARN
    try:
        is_policys = fixed_expiry(policy, program.zone, lot.earned_at) == lot.expires_at
    except OutOfCalendar:
        is_policys = False
    return ExpirationSource.POLICY if is_policys else ExpirationSource.EARN


def end_of(lot: Lot) -> str:
    """Return how a finished lot has ended: CLOSED, LAPSED, EXPIRED (on demand) or USED_UP.

    One of which a part was expired on demand and the rest was spent is EXPIRED.
    """
    if lot.state is LotState.CLOSED:
        return "CLOSED"
    if lot.lapse_id:
        return "LAPSED"
    return "EXPIRED" if lot.expired else "USED_UP"

"""How much a tenant may keep of what is read whole, by batches and by caches."""

from __future__ import annotations

from dataclasses import dataclass

from points_grpc.errors import LimitReached


@dataclass(frozen=True, slots=True)
class Quotas:
    """The most of each kind: identifiers per member, everything else per tenant."""

    identifiers: int = 100
    programs: int = 1_000
    currencies: int = 1_000
    policies: int = 1_000
    policy_versions: int = 1_000


DEFAULT_QUOTAS = Quotas()


def check_room(field: str, count: int, most: int) -> None:
    """Refuse (LimitReached) one more than `most` where there are `count` already."""
    if count >= most:
        raise LimitReached(field, limit=most)

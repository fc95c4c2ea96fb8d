"""Files to import: lots of members, as another system would dump them."""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

START = datetime(2024, 1, 1, tzinfo=UTC)
COLUMNS = (
    "external_id",
    "vendor_id",
    "currency",
    "amount",
    "remaining",
    "earned_at",
    "expires_at",
    "reference",
)


def rows(lots: int, members: int, partly: float, by_member: bool, seed: int = 7) -> Iterator[str]:
    """Lines of CSV without their ends, the header first.

    A share `partly` of the lots was redeemed in part. `by_member` keeps a member's lots
    together; else they come as they were earned, the members in any order.
    """
    chance = random.Random(seed)
    yield ",".join(COLUMNS)
    each = max(1, lots // members)
    for n in range(lots):
        member = n // each % members if by_member else chance.randrange(members)
        amount = chance.randrange(10, 5000)
        left = chance.randrange(1, amount) if chance.random() < partly else amount
        earned = START + timedelta(seconds=n if not by_member else chance.randrange(40_000_000))
        day = 2 * 365 + chance.randrange(700)
        expires = (START + timedelta(days=day)).date().isoformat()
        at = earned.isoformat().replace("+00:00", "Z")
        yield f"member-{member:07d},{n + 1},,{amount},{left},{at},{expires},order-{n:08d}"


def write(path: Path, lots: int, members: int, partly: float, by_member: bool) -> None:
    """Write such a file."""
    with path.open("w") as file:
        file.writelines(f"{line}\n" for line in rows(lots, members, partly, by_member))


def main() -> None:
    """A file of the asked size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--lots", type=int, default=1_000_000)
    parser.add_argument("--members", type=int, default=100_000)
    parser.add_argument("--partly", type=float, default=0.0, help="share redeemed in part")
    parser.add_argument("--any-order", action="store_true", help="not by member")
    given = parser.parse_args()
    write(given.path, given.lots, given.members, given.partly, not given.any_order)


if __name__ == "__main__":
    main()

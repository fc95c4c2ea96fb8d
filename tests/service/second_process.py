"""Another process: earns with the request ids r0, r1, … when told to, and prints the answers.

Run as a script with a database's URL, the clock's instant and the number of requests.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from branch import Branch
from till import earn

from points_grpc.clock import TestClock


async def race(branch: Branch, requests: int) -> list[tuple[int, bool]]:
    answers = await asyncio.gather(
        *(branch.do(earn(1, f"racer{n % 7}", request_id=f"r{n}")) for n in range(requests))
    )
    return [(answer.transaction.transaction_id, answer.replayed) for answer in answers]


def main() -> None:
    url, at, requests = sys.argv[1:]
    branch = Branch(url, TestClock(datetime.fromisoformat(at)))
    asyncio.run(branch.available("ann"))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sys.stdout.write(json.dumps(asyncio.run(race(branch, int(requests)))) + "\n")
    sys.stdout.flush()
    branch.close()


if __name__ == "__main__":
    main()

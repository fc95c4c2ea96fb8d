"""Another process: earns with the request ids r0, r1, … when told to, and prints the answers.

Run as a script with a database's URL, the clock's instant and the number of requests.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import datetime

from tests.support.service.engine_harness import EngineHarness
from tests.support.service.ledger_harness import earn

from points_grpc.clock import TestClock


async def race(engine_harness: EngineHarness, requests: int) -> list[tuple[int, bool]]:
    answers = await asyncio.gather(
        *(engine_harness.do(earn(1, f"racer{n % 7}", request_id=f"r{n}")) for n in range(requests))
    )
    return [(answer.transaction.transaction_id, answer.replayed) for answer in answers]


def main() -> None:
    url, at, requests = sys.argv[1:]
    engine_harness = EngineHarness(url, TestClock(datetime.fromisoformat(at)))
    asyncio.run(engine_harness.available("ann"))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sys.stdout.write(json.dumps(asyncio.run(race(engine_harness, int(requests)))) + "\n")
    sys.stdout.flush()
    engine_harness.close()


if __name__ == "__main__":
    main()

"""Load by ghz, where there is one on the PATH: a second opinion on our own load processes."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid

from calls import Load
from measure import Counted

CONNECTIONS = 8


def is_there() -> bool:
    """Whether there is a ghz."""
    return shutil.which("ghz") is not None


def run(address: str, load: Load, seconds: float) -> Counted:
    """Earn in a closed loop; ghz learns the method by reflection and writes each request anew."""
    last = load.first + load.members - 1
    request = {
        "member": {"external_id": f"bench-{{{{printf `%07d` (randomInt {load.first} {last})}}}}"},
        "amount": {"value": "25"},
        "request_id": f"{uuid.uuid4().hex[:12]}-{{{{.RequestNumber}}}}",
        "reference": "order 48213",
        "description": "Points for order 48213",
        "source": "checkout",
    }
    command = [
        "ghz",
        "--insecure",
        "--call",
        "points.v1.PointsService.Earn",
        "-d",
        json.dumps(request),
    ]
    command += ["--concurrency", str(load.in_flight), "--connections", str(CONNECTIONS)]
    command += ["--duration", f"{seconds:g}s", "--duration-stop", "wait", "-O", "json", address]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=30 + seconds, check=False
    )
    if done.returncode:
        raise RuntimeError(f"ghz ended with {done.returncode}: {done.stderr[-300:]}")
    said = json.loads(done.stdout)
    latencies = [int(one["latency"] / 1000) for one in said["details"] if not one["error"]]
    codes = {code: n for code, n in said["statusCodeDistribution"].items() if code != "OK"}
    rate = len(latencies) / (said["total"] / 1e9)
    return Counted(rate, len(latencies), latencies, errors=codes)

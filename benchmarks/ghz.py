"""Load by ghz, where there is one on the PATH: a second opinion on our own load processes."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import uuid

from benchmarks.calls import Load
from benchmarks.measure import Counted
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from points.v1 import points_service_pb2

CONNECTIONS = 8


def is_there() -> bool:
    """Whether there is a ghz."""
    return shutil.which("ghz") is not None


def run(address: str, load: Load, seconds: float) -> Counted:
    """Earn in a closed loop; ghz writes each request anew."""
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
    with tempfile.NamedTemporaryFile(suffix=".binpb") as contract:
        contract.write(_contract())
        contract.flush()
        command[1:1] = ["--protoset", contract.name]
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


def _contract() -> bytes:
    """The service and what it needs, each file after those that it imports."""
    found: dict[str, FileDescriptor] = {}

    def add(file: FileDescriptor) -> None:
        for needed in file.dependencies:
            add(needed)
        found.setdefault(file.name, file)

    add(points_service_pb2.DESCRIPTOR)
    whole = FileDescriptorSet()
    for file in found.values():
        file.CopyToProto(whole.file.add())
    return whole.SerializeToString()

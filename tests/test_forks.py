"""A process that serves gRPC starts other programs."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import asyncio, os, subprocess
import points_grpc
import grpc

def start() -> set[int]:
    # With a user of its own a child is forked, and its files are closed before it is replaced.
    command = {"args": ["true"], "user": os.geteuid(), "start_new_session": True}
    return {subprocess.run(**command).returncode for _ in range(400)}

async def main() -> None:
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        await channel.channel_ready()
        print(os.environ["GRPC_ENABLE_FORK_SUPPORT"], await asyncio.to_thread(start))
    await server.stop(0)

asyncio.run(main())
"""


def test_grpc_does_nothing_in_a_child() -> None:
    """What a serving process starts is not touched by gRPC before it runs."""
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert (done.stdout, done.stderr) == ("0 {0}\n", "")

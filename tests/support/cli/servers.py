"""Servers as people start them: processes of their own, on free ports."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

SECONDS_MAX = 120


@dataclass
class Running:
    """A server that has said where it listens."""

    process: subprocess.Popen[str]
    address: str
    said: list[str]
    errors: Path
    family: list[psutil.Process] = field(default_factory=list)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; the exit code."""
        self.family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(number)
        return self.process.wait(timeout=SECONDS_MAX)

    def left_behind(self) -> list[psutil.Process]:
        """Which of the processes that it had started still run after it."""
        return list(psutil.wait_procs(self.family, timeout=SECONDS_MAX)[1])

    def await_health(self, *statuses: str) -> None:
        """Return once health has shown these, one after the other."""
        with grpc.insecure_channel(self.address) as channel:
            watch = health_pb2_grpc.HealthStub(channel).Watch(
                health_pb2.HealthCheckRequest(), timeout=SECONDS_MAX, wait_for_ready=True
            )
            awaited = list(statuses)
            for answer in watch:
                if health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status) == awaited[0]:
                    del awaited[0]
                if not awaited:
                    watch.cancel()
                    return
        raise AssertionError(f"health never showed {awaited}")


PROGRAM = ("-m", "points_grpc.cli.main")


def start(
    arguments: tuple[str, ...],
    environment: dict[str, str],
    errors: Path,
    program: tuple[str, ...] = PROGRAM,
) -> Running:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("POINTS_")}
    command = [sys.executable, *program, "serve", "--grpc", "127.0.0.1:0"]
    with errors.open("w") as sink:
        process = subprocess.Popen(
            [*command, *arguments],
            env=clean | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=sink,
            text=True,
        )
    patience = threading.Timer(SECONDS_MAX, process.kill)
    patience.start()
    said: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line.rstrip("\n"))
        if line.startswith("gRPC "):
            patience.cancel()
            return Running(process, line.split()[1], said, errors)
    patience.cancel()
    code = process.wait()
    raise AssertionError(f"serve ended with {code}: {errors.read_text()}")


def end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        process.wait(timeout=SECONDS_MAX)
    if process.stdout is not None:
        process.stdout.close()

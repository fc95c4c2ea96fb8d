"""The process that stops the server once its owner is gone, however the owner went.

The owner runs this file as a program of its own (`python -I -S keeper.py ...`, so it imports
the standard library only) with a pipe as its input. The kernel closes that pipe on every way
out, SIGKILL included. The keeper holds the server's lock until the server has stopped.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

_FAST_SECONDS, _IMMEDIATE_SECONDS = 60, 10


def run_as(uid: int, gid: int) -> dict[str, Any]:
    """The arguments of `subprocess` that run a program of PostgreSQL as this user."""
    surroundings = {
        "cwd": "/",  # the working directory of the caller may be closed to that user
        "env": {"PATH": os.defpath, "LC_ALL": "C"},  # free of PG* variables; messages in English
        "umask": 0o077,
    }
    if uid == os.geteuid():
        return surroundings
    return surroundings | {"user": uid, "group": gid, "extra_groups": []}


def recorded_pid(cluster: Path) -> int | None:
    """The pid that the cluster's pid file names, if it names one."""
    try:
        return int((cluster / "postmaster.pid").read_text().partition("\n")[0])
    except (FileNotFoundError, ValueError):
        return None


def is_running(cluster: Path) -> bool:
    """Whether the process that the pid file names is a server of this very cluster.

    Pids are used again, in containers within seconds, so that the process exists proves
    nothing. A server whose command line does not name a folder gets the benefit of the doubt.
    """
    pid = recorded_pid(cluster)
    if pid is None:
        return False
    program, _, folder = _command_line(pid).partition(" -D ")
    if program.rpartition("/")[2].split(" ")[0] != "postgres":
        return False
    return not folder.startswith("/") or f"{folder} ".startswith(f"{cluster} ")


def _command_line(pid: int) -> str:
    """The command line of a process, or nothing if it is gone or a zombie."""
    if Path("/proc/self/cmdline").exists():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0")
        except OSError:
            return ""
        return words.replace(b"\0", b" ").decode(errors="surrogateescape")
    listing = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
    done = subprocess.run(listing, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip()


def stop_server(cluster: Path, binaries: Path, uid: int, gid: int) -> bool:
    """Stop the cluster's server, if one runs; return whether none runs any more."""
    for mode, seconds in (("fast", _FAST_SECONDS), ("immediate", _IMMEDIATE_SECONDS)):
        # pg_ctl signals whatever process the pid file names.
        if not is_running(cluster):
            return True
        program, wait = str(binaries / "pg_ctl"), str(seconds)
        subprocess.run(  # noqa: S603 - the package's own program
            [program, "-D", str(cluster), "-m", mode, "-t", wait, "stop"],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **run_as(uid, gid),
        )
    return not is_running(cluster)


def main(cluster: str, binaries: str, uid: str, gid: str) -> int:
    """Wait until the owner writes a byte or is gone, then stop the server."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.read(0, 1)
    return 0 if stop_server(Path(cluster), Path(binaries), int(uid), int(gid)) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""How much memory the embedded server keeps pages in."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_LIMIT_FILE = Path("/sys/fs/cgroup/memory.max")
_MB = 2**20
_MB_MIN, _MB_MAX = 128, 1024
_PART = 8


def shared_buffers() -> str:
    """The setting for this machine, or for the container that this process is confined to."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):  # without a limit it says "max"
        memory = min(memory, int(_LIMIT_FILE.read_text()))
    return buffers_within(memory)


def buffers_within(memory: int) -> str:
    """An eighth of so many bytes, from 128 MB to 1 GB: our processes want some, too."""
    return f"{min(max(memory // _PART // _MB, _MB_MIN), _MB_MAX)}MB"

"""How often a server looks for garbage cycles."""

from __future__ import annotations

import gc


def collect_seldom() -> None:
    """Look for garbage cycles after many allocations, and never in what the process began with.

    A batch of 1000 makes some ten thousand objects and no cycles; by default they would all be
    looked through again and again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
